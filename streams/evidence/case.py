"""What all parts of one verification share.

Knows: what was asked, what was heard and concerns more than one bucket.  Must not know: how anything is read or compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import Progress

from profiles.settings import Settings
from profiles.verify.history import Message
from profiles.verify.letters import SET_ASIDE, Letter
from profiles.verify.report import Report
from profiles.wire import Lesson, Transition
from streams.evidence.rulers import KnownRulers
from streams.lookback import Topics


@dataclass(frozen=True)
class Asked:
    """How much is looked at."""

    files: tuple[Path, ...] = ()  #: events from files instead of the raw topics
    profiles: int | None = None  #: only so many customers; None: all
    oracle: int | None = 200  #: so many customers are recomputed with pandas; None: all
    topic: str = ""  #: that the events of files are of, or were


@dataclass
class Heard:
    """What was told so far and concerns more than one bucket."""

    samples: dict[int, list[Lesson]] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    alarming: dict[int, dict[int, Transition]] = field(default_factory=dict)  #: by bucket and number
    taken_back: list[Transition] = field(default_factory=list)  #: by an older store
    later: dict[int, list[Message]] = field(default_factory=dict)  #: by bucket: said since it was judged
    names: dict[int, str] = field(default_factory=dict)  #: codes that were looked up
    erased: frozenset[str] = frozenset()  #: about whom there was an order

    def aside(self) -> frozenset[tuple[str, int]]:
        """Places of records that were set aside."""
        return frozenset((f"{each.topic}/{each.partition}", each.offset)
                         for each in self.letters if each.reason in SET_ASIDE)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One verification."""

    settings: Settings
    asked: Asked
    report: Report
    progress: Progress
    rulers: KnownRulers
    topics: Topics
    heard: Heard = field(default_factory=Heard)
