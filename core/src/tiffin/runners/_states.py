"""The states of an engine, in words that callers read."""

from __future__ import annotations

NEW, RUNNING, DRAINING, STOPPED, FORKED = "not started", "running", "draining", "stopped", "forked"
