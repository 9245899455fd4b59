"""What has drifted: forecasts, what the model sees, and how wrong it was.

The first two need no labels: the active customers of the latest week are laid beside those of the weeks before, as
histograms, by the population stability index (PSI).  Errors are known a horizon later; ``adwin`` watches them.
Knows: histograms, weeks, words.  Must not know: how a forecast is made, who is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec
import numpy as np

from profiles.clock import WEEK, Int64s, iso
from profiles.features import FEATURES
from profiles.models.adwin import Cut, Week, taken, week_of
from profiles.models.churn_inputs import COLUMNS, GROUPS, INPUTS, Floats, Singles
from profiles.models.packing import Packed, pack, unpack
from profiles.models.quality import drift as psi

Level = Literal["steady", "look", "act"]

CELLS: Final = 40  #: of a histogram; they are gathered into tenths of the reference before they are compared
REFERENCE: Final = 8  #: weeks that the latest is compared with; before there are so many nothing is said
FEWEST: Final = 200  #: customers on either side, before anything is said
LOOK, ACT = 0.1, 0.25  #: PSI from which one should look, or act
SHOWN: Final = 4  #: weeks for which a change of the error is told

#: these grow as time passes, whatever customers do: in a young log that would ring every week
CLOCKS: Final = frozenset({"days_since_first_order", "orders", "complaints"})

SCORES: Final = 0  #: row of the histograms; inputs follow in their order
_TOP: Final = np.array([1.0, *(np.log1p(each.high) if each.logged else each.high for each in INPUTS)])
_ROWS: Final = len(_TOP)


class Moved(msgspec.Struct, frozen=True):
    """One thing that may have drifted, in words."""

    what: str  #: ``scores``, ``loss`` or a business group
    zh: str  #: what it is called
    en: str
    level: Level
    value: (
        float | None
    )  #: PSI; of ``loss`` the change of the mean log-loss, 0 while there is none; null: too few to say
    told_zh: str
    told_en: str


class Stored(msgspec.Struct, frozen=True):
    """A watch as plain data."""

    weeks: list[int]
    counts: Packed
    now: Packed
    losses: list[Week]
    cut: Cut | None


def _none() -> Int64s:
    return np.zeros((_ROWS, CELLS), np.int64)


@dataclass
class Drift:
    """The latest weeks as histograms, and the window of errors."""

    now: Int64s = field(default_factory=_none)  #: of the week that goes on
    weeks: list[tuple[int, Int64s]] = field(default_factory=list)  #: that have ended
    losses: list[Week] = field(default_factory=list)
    cut: Cut | None = None  #: the latest change of the error

    def see(self, x: Singles, served: Floats) -> None:
        """Active customers as the model sees them, and what is served of them (NaN: nothing)."""
        told = np.column_stack([np.nan_to_num(served), x]) / _TOP * CELLS
        cells = np.clip(told.astype(np.int64), 0, CELLS - 1) + CELLS * np.arange(_ROWS)
        counts = np.bincount(cells.ravel(), minlength=_ROWS * CELLS).reshape(_ROWS, CELLS)
        counts[SCORES] = np.bincount(cells[np.isfinite(served), SCORES], minlength=CELLS)[:CELLS]
        self.now += counts

    def end(self, week: int, losses: Floats) -> None:
        """A week is over; ``losses`` of forecasts whose labels came in it."""
        self.weeks = [*self.weeks, (week, self.now)][-REFERENCE - 1 :]
        self.now = _none()
        if len(losses):
            self.losses, cut = taken(self.losses, week_of(week, losses))
            self.cut = cut or self.cut

    def told(self) -> tuple[Moved, ...]:
        """Everything that is watched; nothing before a week has ended."""
        if not self.weeks:
            return ()
        latest, before = self.weeks[-1][1], np.sum([each for _, each in self.weeks[:-1]], axis=0) + _none()
        values = [self._psi(before[row], latest[row]) for row in range(_ROWS)]
        rises = [_mean(latest[row]) > _mean(before[row]) for row in range(_ROWS)]
        return (_scores(values[SCORES], before[SCORES], latest[SCORES]), *_groups(values[1:], rises[1:]), self._loss())

    def stored(self) -> Stored:
        counts = np.array([counts for _, counts in self.weeks], np.int64).reshape(-1, _ROWS, CELLS)
        return Stored([week for week, _ in self.weeks], pack(counts), pack(self.now), self.losses, self.cut)

    @classmethod
    def restored(cls, stored: Stored) -> Drift:
        """Raises ModelMismatch: it was stored in another shape."""
        counts = unpack(stored.counts, np.int64, (_ROWS, CELLS))
        weeks = list(zip(stored.weeks, counts, strict=True))
        return cls(unpack(stored.now, np.int64, (CELLS,)), weeks, stored.losses, stored.cut)

    def _psi(self, before: Int64s, latest: Int64s) -> float | None:
        if len(self.weeks) <= REFERENCE or min(before.sum(), latest.sum()) < FEWEST:
            return None
        return psi(*_gathered(before, latest))

    def _loss(self) -> Moved:
        names = "预测误差", "error of the forecasts"
        if not self.losses:
            return Moved("loss", *names, "steady", None, "标签尚未到期", "no label has come yet")
        cut = self.cut
        if cut is None or self.losses[-1].week >= cut.week + SHOWN:
            return Moved("loss", *names, "steady", 0.0, "与此前无异", "as before")
        day, worse = iso(cut.week * WEEK)[:10], cut.after > cut.before
        zh = f"自 {day} 起对数损失 {cut.after:.3f}，此前 {cut.before:.3f}"
        en = f"log-loss {cut.after:.3f} since {day}, {cut.before:.3f} before"
        return Moved("loss", *names, "act" if worse else "look", round(cut.after - cut.before, 6), zh, en)


def _gathered(before: Int64s, latest: Int64s) -> tuple[Int64s, Int64s]:
    """Both by tenths of the reference: of forty cells, most empty, each would say a little by chance."""
    tenth = ((np.cumsum(before) - before) * 10 // before.sum()).astype(np.int64)
    _, place = np.unique(tenth, return_inverse=True)
    both = (np.bincount(place, weights=each).astype(np.int64) for each in (before, latest))
    was, now = both
    return was, now


def _groups(values: list[float | None], rises: list[bool]) -> Iterator[Moved]:
    """Each business group by the input of it that moved most."""
    for group, (zh, en) in GROUPS.items():
        mine = [i for i, each in enumerate(INPUTS) if each.group == group and each.feature not in CLOCKS]
        most = max(mine, key=lambda i: values[i] or 0.0)
        value, feature = values[most], FEATURES[int(COLUMNS[most])]
        level = _level(value)
        said = feature.zh, feature.name.replace("_", " ")
        yield Moved(group, zh, en, level, value, *_compared(level, value, said, rises[most]))


def _compared(level: Level, value: float | None, said: tuple[str, str], rises: bool) -> tuple[str, str]:
    if value is None:
        return "可比的客户或周数太少", "too few weeks or customers to compare"
    if level == "steady":
        return f"与前 {REFERENCE} 周无异", f"as in the {REFERENCE} weeks before"
    zh = f"{said[0]}{'高' if rises else '低'}于前 {REFERENCE} 周（PSI {value:.2f}）"
    return zh, f"{said[1]} {'higher' if rises else 'lower'} than in the {REFERENCE} weeks before (PSI {value:.2f})"


def _scores(value: float | None, before: Int64s, latest: Int64s) -> Moved:
    names, level = ("预测的流失概率", "forecasts"), _level(value)
    if value is None or level == "steady":
        return Moved("scores", *names, level, value, *_compared(level, value, names, rises=False))
    was, now = _mean(before), _mean(latest)
    zh = f"平均 {now:.2f}，前 {REFERENCE} 周 {was:.2f}（PSI {value:.2f}）"
    en = f"{now:.2f} on average, {was:.2f} in the {REFERENCE} weeks before (PSI {value:.2f})"
    return Moved("scores", *names, level, value, zh, en)


def _level(value: float | None) -> Level:
    return "steady" if value is None or value < LOOK else "look" if value < ACT else "act"


def _mean(counts: Int64s) -> float:
    """As a share of the scale."""
    total = int(counts.sum())
    return float(counts @ (np.arange(CELLS) + 0.5) / CELLS / total) if total else 0.0
