"""History: what happened to a name in this store, and what its aliases meant at a time."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, NamedTuple

from tiffin.exceptions import ModelNotFoundError
from tiffin.store._journal import ARRIVALS, State, read
from tiffin.store._store import ModelStore
from tiffin.tags import LATEST, Tag


class Event(NamedTuple):
    """One thing that happened to a name here.

    Attributes:
        time: when it was noted, in UTC.
        by: the user who did it, or who found it.
        what: "saved", "imported", "pulled", "overwritten", "edited", "accepted" (an edit by hand), "deleted", "restored",
            "trusted", "untrusted", "alias" (set, moved or removed), or "begun": since when there is a journal of what was
            here already.
        version: the version that it happened to; empty for an alias.
        alias: the alias; empty for a version.
        before, after: what the alias meant and means, full versions; `None` where it was not there, or is not.
        how: more about it: where from, by which command, which labels and metadata.
        found: whether it was not noted when it happened, and found later: at `time`, by `by`.
    """

    time: datetime.datetime
    by: str
    what: str
    version: str = ""
    alias: str = ""
    before: str | None = None
    after: str | None = None
    how: str = ""
    found: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**self._asdict(), "time": self.time.isoformat()}


def history(store: ModelStore, tag: str | Tag) -> list[Event]:
    """Return what happened to a name in this store, or to one version of it and its aliases, the oldest first.

    Args:
        store: the store.
        tag: a name; or `name:version` or `name:alias`, for one version, which may be gone.

    Raises:
        ModelNotFoundError: nothing was ever noted of the name, or of the version.
    """
    parsed = Tag.parse(tag)
    store.layout.check_format()
    events = [event for line in read(store.layout, parsed.name) if (event := _event(line)) is not None]
    if parsed.version is not None and events:
        version = _version(store, parsed, events)
        events = [event for event in events if version in (event.version, event.before, event.after)]
    if not events:
        known = store.finder.names()
        if parsed.name not in known:
            raise store.finder.not_found(parsed)
        raise ModelNotFoundError(
            f"Nothing was noted of '{parsed}' in this store yet",
            why="Changes are noted since Tiffin keeps a journal; each from the next one on",
            tag=str(parsed),
        )
    return events


def _version(store: ModelStore, tag: Tag, events: list[Event]) -> str:
    """Return the version that a tag means now; or that it meant last, where that is gone."""
    wanted = str(tag.version)
    if wanted == LATEST or not any(wanted in (event.version, event.alias) for event in events):
        return store.resolve(tag)
    if any(wanted == event.version for event in events):
        return wanted
    last = next(event for event in reversed(events) if event.alias == wanted)
    return last.after or last.before or wanted


def aliases_at(store: ModelStore, name: str, time: datetime.datetime) -> dict[str, str] | None:
    """Return alias → version of a name as it was at a time, as far as this store knows.

    Args:
        store: the store.
        name: the model's name.
        time: a moment; one without a time zone is local time.

    Returns:
        The aliases; `None` where that is not known: before the first entry.

    Raises:
        ModelNotFoundError: nothing was ever noted of the name.
    """
    history(store, Tag(name))  # says what is wrong, if anything is
    time = time.astimezone(datetime.UTC)
    state, known = State(), False
    for line in read(store.layout, name):
        event = _event(line)
        if event is not None and event.time <= time:
            state.apply(line)
            known = True
    return dict(sorted(state.aliases.items())) if known else None


def _event(line: Mapping[str, Any]) -> Event | None:
    """Return the event of a line; `None` for one that a newer Tiffin wrote, or that is damaged."""
    what, how = line.get("what"), line.get("how", "")
    if not isinstance(what, str) or what not in _KNOWN:
        return None
    if fields := line.get("fields"):
        how = ", ".join(map(str, fields))
    elif what == "begun":
        how = f"{len(line.get('versions', ()))} versions were here, aliases: {_told(line.get('aliases', {}))}"
    try:
        time = datetime.datetime.fromisoformat(line["time"])
    except (KeyError, TypeError, ValueError):
        return None
    if time.tzinfo is None:
        return None
    return Event(
        time,
        str(line.get("by", "")),
        what,
        str(line.get("version", "")),
        str(line.get("alias", "")),
        line.get("before"),
        line.get("after"),
        str(how),
        line.get("found") is True,
    )


_KNOWN = frozenset((*ARRIVALS, "deleted", "alias", "trusted", "untrusted", "begun"))


def _told(aliases: Mapping[str, str]) -> str:
    return ", ".join(f"{alias} = {version}" for alias, version in sorted(aliases.items())) or "none"
