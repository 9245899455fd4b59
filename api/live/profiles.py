"""Customers, live: one look per tenth of a second at everybody who is watched, one round trip per bucket.

Knows: versions, transitions, what a returning screen has missed.  Must not know: HTTP, what is in a view.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, Protocol

import msgspec

from api.live.channel import Channel, frame
from api.live.watch import keep_looking
from profiles.store.base import TIMELINE_KEPT
from profiles.store.client import abreast
from profiles.view import ProfileView

LOOK_EVERY: Final = 0.1  #: seconds
RESET: Final = b'{"reason":"some changes since this id are no longer kept; read the timeline again"}'
_ID: Final = re.compile(r"([0-9]{1,15})-([0-9]{1,15})")
_json: Final = msgspec.json.Encoder().encode

Note = dict[str, Any]  #: an entry of a timeline


class Reading(Protocol):
    """The part of a reader that is needed to watch."""

    async def profiles(self, profiles: Sequence[str]) -> list[ProfileView | None]: ...

    async def versions(self, profiles: Sequence[str]) -> list[tuple[str, int] | None]: ...

    async def timeline(self, profile: str, limit: int) -> list[Note]: ...


class Stream(msgspec.Struct, eq=False):
    """One client's stream about one customer, and what it has been told: a version, and a transition by its ``seq``."""

    channel: Channel
    version: int | None = None  #: None: nothing yet, so it begins with the whole profile and no history
    seq: int = 0
    who: str = ""  #: whose version and transitions these are: the id that is watched may become another customer's

    def tell(self, view: ProfileView, whole: bytes, notes: Sequence[Note]) -> None:
        """Say what is new; ``notes`` is the timeline of ``view.id`` as it is kept, newest first."""
        if self.who and self.who != view.id:
            self.version = None
        self.who = view.id
        transitions = sorted((note for note in notes if "seq" in note), key=lambda note: note["seq"])
        newest = transitions[-1]["seq"] if transitions else 0
        if self.version is None:  # it begins here: with the whole profile, without history
            self.seq = newest
        elif self._missed(view, transitions, full=len(notes) >= TIMELINE_KEPT):
            self.version, self.seq = 0, newest
            self.channel.put(frame("reset", RESET, self.at))
        for note in transitions:
            if note["seq"] > self.seq:
                self.seq = note["seq"]
                self.channel.put(frame("transition", _json(note), self.at))
        if self.version != view.version:
            self.version = view.version
            self.channel.put(frame("profile", whole, self.at))

    @property
    def at(self) -> str:
        """The id that brings a client back to this place."""
        return f"{self.version}-{self.seq}"

    def _missed(self, view: ProfileView, transitions: Sequence[Note], *, full: bool) -> bool:
        """The store went back behind what was said, or what came next may have fallen off the end of the timeline."""
        if self.version is not None and view.version < self.version:
            return True
        return full and bool(transitions) and transitions[0]["seq"] > self.seq


class ProfileWatch:
    """Everybody who is watched, and by whom."""

    def __init__(self, reading: Callable[[], Awaitable[Reading]], every: float = LOOK_EVERY) -> None:
        self._reading = reading
        self._every = every
        self._streams: dict[str, set[Stream]] = {}
        self._shown: dict[str, tuple[str, int]] = {}  #: whose version every stream of an id has been told
        self._wanted = asyncio.Event()
        self._closed = False

    @asynccontextmanager
    async def follow(self, profile: str, last: str | None) -> AsyncIterator[Channel]:
        """A stream about one customer that goes on after the event ``last``, or begins with the whole profile.

        Nothing is said about a customer nobody has heard of, until somebody has.
        """
        stream = Stream(Channel())
        if found := _ID.fullmatch(last or ""):
            stream.version, stream.seq = int(found[1]), int(found[2])
        self._streams.setdefault(profile, set()).add(stream)
        self._shown.pop(profile, None)  # look at this customer anew
        self._wanted.set()
        if self._closed:
            stream.channel.close()
        try:
            yield stream.channel
        finally:
            self._forget(profile, stream)

    async def run(self) -> None:
        """Look and tell, for ever."""
        await keep_looking("profiles", self.look, self._wanted, self._every)

    async def look(self) -> None:
        """One look at everybody who is watched."""
        reader = await self._reading()
        watched = list(self._streams)
        versions = await reader.versions(watched)
        changed = [
            profile
            for profile, version in zip(watched, versions, strict=True)
            if version is not None and version != self._shown.get(profile)
        ]
        if not changed:
            return
        views = await reader.profiles(changed)
        owners = [view.id if view else profile for profile, view in zip(changed, views, strict=True)]
        timelines = await abreast(partial(reader.timeline, limit=TIMELINE_KEPT), owners)
        for profile, view, notes in zip(changed, views, timelines, strict=True):
            if view is not None:
                self._tell(profile, view, notes)

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        for streams in self._streams.values():
            for stream in streams:
                stream.channel.close()

    def _tell(self, profile: str, view: ProfileView, notes: Sequence[Note]) -> None:
        streams = self._streams.get(profile)
        if not streams:  # all left while we looked
            return
        whole = _json(view)
        for stream in streams:
            stream.tell(view, whole, notes)
        self._shown[profile] = view.id, view.version

    def _forget(self, profile: str, stream: Stream) -> None:
        streams = self._streams[profile]
        streams.discard(stream)
        if not streams:
            del self._streams[profile]
            self._shown.pop(profile, None)
        if not self._streams:
            self._wanted.clear()
