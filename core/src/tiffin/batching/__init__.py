"""Adaptive batching: a pure state machine that merges calls, and the containers it merges."""
