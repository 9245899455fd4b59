"""A store in a dictionary: the honest double for tests and dry runs.

It keeps the contract of ``base`` to the letter, atomic commits and stale refusals included.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from profiles.errors import Stale
from profiles.stable import code_of
from profiles.store.base import TIMELINE_KEPT, Checkpoint, Commit, Erasure, Message, from_fields


class _Bucket:
    def __init__(self) -> None:
        self.fields: dict[str, int] = {}
        self.blobs: dict[str, bytes] = {}
        self.sidecars: dict[str, bytes] = {}
        self.parts: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
        self.due: dict[str, int] = {}
        self.tags: defaultdict[str, set[str]] = defaultdict(set)
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.timeline: defaultdict[str, list[bytes]] = defaultdict(list)
        self.outbox: dict[int, list[Message]] = {}
        self.suppressed: set[str] = set()


class MemoryStore:
    """Everything in this process, gone with it."""

    def __init__(self) -> None:
        self._buckets: defaultdict[int, _Bucket] = defaultdict(_Bucket)
        self._names: dict[int, str] = {}

    async def checkpoint(self, bucket: int) -> Checkpoint:
        return from_fields(self._buckets[bucket].fields)

    async def load(self, bucket: int, profiles: Sequence[str]) -> list[bytes | None]:
        return [self._buckets[bucket].blobs.get(profile) for profile in profiles]

    async def sidecars(self, bucket: int, profiles: Sequence[str]) -> list[bytes | None]:
        return [self._buckets[bucket].sidecars.get(profile) for profile in profiles]

    async def parts(self, bucket: int, wanted: Sequence[tuple[str, str]]) -> list[bytes | None]:
        return [self._buckets[bucket].parts[profile].get(part) for profile, part in wanted]

    async def family(self, bucket: int, profile: str) -> dict[str, bytes]:
        return dict(self._buckets[bucket].parts[profile])

    async def commit(self, commit: Commit) -> int:
        to = self._buckets[commit.bucket]
        stored = to.fields.get("v", 0)
        if stored != commit.expect:
            raise Stale(commit.bucket, commit.expect, stored)
        if commit.erasure is not None:
            _erase(to, commit.erasure)
        for entry in commit.entries:
            to.blobs[entry.profile] = entry.blob
            if entry.due is not None:
                to.due[entry.profile] = entry.due
        to.sidecars.update(commit.sidecars)
        for profile, part, what in commit.parts:
            to.parts[profile][part] = what
        for profile in commit.left:
            to.due.pop(profile, None)
        for profile, note in commit.timeline:
            to.timeline[profile] = [note, *to.timeline[profile]][:TIMELINE_KEPT]
        for tag, profile, entered in commit.held:
            (to.tags[tag].add if entered else to.tags[tag].discard)(profile)
        for name, difference in commit.counts.items():
            to.counts[name] += difference
        if commit.messages:
            to.outbox[commit.seq] = list(commit.messages)
        to.fields.update(commit.set)
        for name, difference in commit.add.items():
            to.fields[name] = to.fields.get(name, 0) + difference
        to.fields["v"] = commit.version or stored + 1
        return to.fields["v"]

    async def suppressed(self, bucket: int) -> set[str]:
        return set(self._buckets[bucket].suppressed)

    async def due(self, bucket: int, until: int, limit: int) -> list[str]:
        found = sorted((at, profile) for profile, at in self._buckets[bucket].due.items() if at <= until)
        return [profile for _, profile in found[:limit]]

    async def roster(self, bucket: int, cursor: int, limit: int) -> tuple[int, list[str]]:
        return _walk(self._buckets[bucket].due, cursor, limit)

    async def outbox(self, bucket: int, limit: int) -> list[tuple[int, list[Message]]]:
        return sorted(self._buckets[bucket].outbox.items())[:limit]

    async def published(self, bucket: int, seq: int) -> None:
        outbox = self._buckets[bucket].outbox
        for old in [each for each in outbox if each <= seq]:
            del outbox[old]

    async def timeline(self, bucket: int, profile: str, limit: int) -> list[bytes]:
        return self._buckets[bucket].timeline[profile][:limit]

    async def counts(self, bucket: int) -> dict[str, int]:
        return dict(self._buckets[bucket].counts)

    async def members(self, bucket: int, tag: str, cursor: int, limit: int) -> tuple[int, list[str]]:
        return _walk(self._buckets[bucket].tags[tag], cursor, limit)

    async def beat(self, bucket: int, now: int) -> None:
        self._buckets[bucket].fields["beat"] = now

    async def learn_names(self, names: dict[int, str]) -> None:
        for code, name in names.items():
            self._names.setdefault(code, name)

    async def names(self, codes: Sequence[int]) -> list[str | None]:
        return [self._names.get(code) for code in codes]

    async def names_known(self) -> int:
        return len(self._names)


def _erase(bucket: _Bucket, erasure: Erasure) -> None:
    for name, hashed in erasure.subjects.items():
        for held in (
            (bucket.blobs, bucket.sidecars, bucket.due, bucket.timeline, bucket.parts) if erasure.delete else ()
        ):
            held.pop(name, None)
        for tag in erasure.tags if erasure.delete else ():
            bucket.tags[tag].discard(name)
        if erasure.suppress is not None:
            (bucket.suppressed.add if erasure.suppress else bucket.suppressed.discard)(hashed)


def _walk(names: Iterable[str], cursor: int, limit: int) -> tuple[int, list[str]]:
    """By the hash of the name, so that nobody who stays is left out when others come and go during the walk."""
    ahead = sorted((code_of(name), name) for name in names if code_of(name) > cursor)
    page = ahead[:limit]
    return (page[-1][0] if len(ahead) > limit else 0), [name for _, name in page]
