"""What a store of profiles must do, and the values it is given.

Knows: buckets, checkpoints, blobs.  Must not know: what a blob means, which store it is.
The one law: ``commit`` writes everything or nothing, and only if the bucket's checkpoint still has the version the
work was based on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct, field

TIMELINE_KEPT = 50


class Checkpoint(Struct, frozen=True):
    """How far a bucket has come."""

    version: int = 0  #: commits so far; every commit names the version it is based on
    next: int = 0  #: offset of profile-inputs that is to be read next
    seq: int = 0  #: last sequence number given to a message of this bucket
    rules: int = 0  #: version of the rules the bucket decides with
    renewed: int = 0  #: version of the rules that every customer has been asked about
    cuts: int = 0  #: version of the population's cut points, 0 for the shipped ones
    applied: int = 0  #: events counted so far
    duplicates: int = 0  #: events recognised as repeats of an earlier message
    received: int = 0  #: broker's stamp on the newest record applied (ms)
    at: int = 0  #: wall time of the commit that applied it (ms)
    beat: int = 0  #: wall time at which its worker last said that it is there (ms)
    lost: int = 0  #: records of profile-inputs that were gone before they were read, and given up
    joined: int = 0  #: ids that retired here into another one
    refused: int = 0  #: claims that were not believed
    forwarded: int = 0  #: events that went on to the customer whom their id has become
    offsets: dict[str, int] = field(default_factory=dict)  #: source partition -> last offset applied
    clocks: dict[str, int] = field(default_factory=dict)  #: source partition -> newest event time shown
    topics: dict[str, int] = field(default_factory=dict)  #: topic -> code of its id; the offsets above are about these
    gaps: dict[int, int] = field(default_factory=dict)  #: after which ``seq`` none was given, up to which one

    def took_back(self, seq: int) -> bool:
        """Whether what was said under this number was taken back by an older state of the store.

        >>> checkpoint = Checkpoint(seq=1002, gaps={7: 1000})
        >>> [checkpoint.took_back(seq) for seq in (7, 8, 1000, 1001, 1002, 1003)]
        [False, True, True, False, False, True]
        """
        return seq > self.seq or any(after < seq <= upto for after, upto in self.gaps.items())


class Entry(NamedTuple):
    """One profile as it is stored."""

    profile: str
    blob: bytes
    due: int | None  #: when silence next changes something (ms); None: as it is stored


class Message(NamedTuple):
    """Something that must leave: it waits in the outbox until Kafka has it."""

    topic: str
    key: bytes
    value: bytes


class Erasure(NamedTuple):
    """What one order destroys in one bucket, and whose events it keeps out from now on."""

    regulation: str
    subjects: dict[str, str]  #: customer -> the name's hash
    delete: bool
    suppress: bool | None
    tags: Sequence[str]  #: every tag that anybody may hold
    at: int  #: when it was done (ms)


class Commit(Struct, frozen=True):
    """All that one batch changes in one bucket."""

    bucket: int
    expect: int  #: version of the checkpoint this is based on
    entries: Sequence[Entry] = ()
    sidecars: Sequence[tuple[str, bytes]] = ()
    held: Sequence[tuple[str, str, bool]] = ()  #: (tag, profile, entered), in order
    counts: dict[str, int] = field(
        default_factory=dict
    )  #: changes of how many hold a tag, stand on a rung, took a step, came back
    timeline: Sequence[tuple[str, bytes]] = ()  #: (profile, entry), oldest first
    messages: Sequence[Message] = ()
    seq: int = 0  #: sequence number of the last message
    set: dict[str, int] = field(default_factory=dict)  #: checkpoint fields to write
    add: dict[str, int] = field(default_factory=dict)  #: checkpoint counters to raise
    version: int = 0  #: the version that it makes; 0 for the next one
    erasure: Erasure | None = None  #: then nothing else but counts, messages and fields of the checkpoint
    parts: Sequence[tuple[str, str, bytes]] = ()  #: (profile, part, what came through it), see ``identity``
    left: Sequence[str] = ()  #: profiles that silence does not touch any more


class ProfileStore(Protocol):
    """Where profiles live.  Every call may raise ``StoreDown``."""

    async def checkpoint(self, bucket: int) -> Checkpoint: ...

    async def load(self, bucket: int, profiles: Sequence[str]) -> list[bytes | None]: ...

    async def sidecars(self, bucket: int, profiles: Sequence[str]) -> list[bytes | None]: ...

    async def parts(self, bucket: int, wanted: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """What came to profiles through some of their parts, each named as (profile, part)."""
        ...

    async def family(self, bucket: int, profile: str) -> dict[str, bytes]:
        """All parts of a profile."""
        ...

    async def commit(self, commit: Commit) -> int:
        """Write all of it and return the new version.

        Raises:
            Stale: the checkpoint is not at ``commit.expect``; nothing was written.
        """
        ...

    async def suppressed(self, bucket: int) -> set[str]:
        """Hashes of the names of whom nothing may be kept."""
        ...

    async def due(self, bucket: int, until: int, limit: int) -> list[str]:
        """Profiles due at or before ``until``, the longest due first."""
        ...

    async def roster(self, bucket: int, cursor: int, limit: int) -> tuple[int, list[str]]:
        """About ``limit`` profiles and the cursor to go on with, 0 at the end; nobody is left out of a whole walk."""
        ...

    async def outbox(self, bucket: int, limit: int) -> list[tuple[int, list[Message]]]:
        """Messages not yet published, oldest first, each group with its last sequence number."""
        ...

    async def published(self, bucket: int, seq: int) -> None:
        """Forget messages up to ``seq``."""
        ...

    async def timeline(self, bucket: int, profile: str, limit: int) -> list[bytes]:
        """Newest first."""
        ...

    async def counts(self, bucket: int) -> dict[str, int]: ...

    async def members(self, bucket: int, tag: str, cursor: int, limit: int) -> tuple[int, list[str]]:
        """About ``limit`` holders of a tag and the cursor to go on with, 0 at the end."""
        ...

    async def beat(self, bucket: int, now: int) -> None:
        """Say that the bucket has a living worker; not part of its state."""
        ...

    async def learn_names(self, names: dict[int, str]) -> None: ...

    async def names(self, codes: Sequence[int]) -> list[str | None]: ...

    async def names_known(self) -> int:
        """How many codes have a text; there are never fewer than before, unless an older store came back."""
        ...


def to_fields(checkpoint: Checkpoint) -> dict[str, int]:
    """A checkpoint as the flat fields that are stored."""
    out = {
        "v": checkpoint.version,
        "next": checkpoint.next,
        "seq": checkpoint.seq,
        "rules": checkpoint.rules,
        "renewed": checkpoint.renewed,
        "cuts": checkpoint.cuts,
        "applied": checkpoint.applied,
        "duplicates": checkpoint.duplicates,
        "received": checkpoint.received,
        "at": checkpoint.at,
        "beat": checkpoint.beat,
        "lost": checkpoint.lost,
        "joined": checkpoint.joined,
        "refused": checkpoint.refused,
        "forwarded": checkpoint.forwarded,
    }
    out |= {f"s:{source}": offset for source, offset in checkpoint.offsets.items()}
    out |= {f"t:{topic}": code for topic, code in checkpoint.topics.items()}
    out |= {f"g:{after}": upto for after, upto in checkpoint.gaps.items()}
    return out | {f"c:{source}": clock for source, clock in checkpoint.clocks.items()}


def from_fields(fields: dict[str, int]) -> Checkpoint:
    """The inverse of ``to_fields``.

    >>> from_fields(to_fields(Checkpoint(3, 7, offsets={"events.orders/1": 5}))).offsets
    {'events.orders/1': 5}
    """
    return Checkpoint(
        version=fields.get("v", 0),
        next=fields.get("next", 0),
        seq=fields.get("seq", 0),
        rules=fields.get("rules", 0),
        renewed=fields.get("renewed", 0),
        cuts=fields.get("cuts", 0),
        applied=fields.get("applied", 0),
        duplicates=fields.get("duplicates", 0),
        received=fields.get("received", 0),
        at=fields.get("at", 0),
        beat=fields.get("beat", 0),
        lost=fields.get("lost", 0),
        joined=fields.get("joined", 0),
        refused=fields.get("refused", 0),
        forwarded=fields.get("forwarded", 0),
        offsets={name[2:]: value for name, value in fields.items() if name.startswith("s:")},
        clocks={name[2:]: value for name, value in fields.items() if name.startswith("c:")},
        topics={name[2:]: value for name, value in fields.items() if name.startswith("t:")},
        gaps={int(name[2:]): value for name, value in fields.items() if name.startswith("g:")},
    )
