"""``mien evaluate``: how good would the churn forecasts have been on this order log?

Knows: how an evaluation is asked for and shown.
Must not know: files (``streams.orderlog``), learning (``streams.backtest``), measures (``streams.scorecard``).
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from profiles.errors import MienError
from profiles.models.budget import rule_days

if TYPE_CHECKING:
    from streams.backtest import Progress as Report
    from streams.scorecard import Scorecard

INTERRUPTED: Final = 130
STEPS: Final = ("folding", "learning")
TITLES: Final = {
    "recency": "longest silent first", "bgnbd": "BG/NBD", "learner": "learner", "blend": "blend (what is served)",
    "rule": "silent for {days} days",
}  # fmt: skip


class CannotEvaluate(MienError):
    """Something is missing for an evaluation; the message says what."""


@dataclass(frozen=True)
class Wish:
    """What the command line asked for."""

    file: Path
    horizon: str = "63d"
    rule: str | None = None
    customer: str | None = None
    time: str | None = None
    amount: str | None = None
    order: str | None = None
    as_json: bool = False


def evaluate(wish: Wish) -> int:
    """0, or 130 if it was interrupted."""
    _installed()
    horizon = days(wish.horizon, "--horizon")
    if horizon < 7 or horizon % 7:
        nearest = max(round(horizon / 7), 1) * 7
        raise CannotEvaluate(f"--horizon must be whole weeks, customers are looked at once a week: try {nearest}d")
    rule = days(wish.rule, "--rule") if wish.rule else rule_days(horizon)
    try:
        card, notes = _evaluated(wish, horizon, rule)
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; nothing was written")
        return INTERRUPTED
    if wish.as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(card.as_dict()), indent=2).decode() + "\n")
    else:
        show(card, horizon, notes, Console(highlight=False))
    return 0


def days(told: str, option: str) -> int:
    """``63d``, ``9w`` or ``63`` as days.

    Raises:
        CannotEvaluate: it is none of these.
    """
    match = re.fullmatch(r"\s*(\d{1,4})\s*([dw]?)\s*", told.lower())
    if match is None or int(match[1]) == 0:
        raise CannotEvaluate(f"{option} {told!r} is no number of days: write 63d or 9w")
    return int(match[1]) * (7 if match[2] == "w" else 1)


def _installed() -> None:
    missing = [name for name in ("river", "scipy", "pandas", "pyarrow") if find_spec(name) is None]
    if missing:
        raise CannotEvaluate(f"{', '.join(missing)} not installed: pip install 'mien[learn,data]'")


def _evaluated(wish: Wish, horizon: int, rule: int) -> tuple[Scorecard, tuple[str, ...]]:
    from streams import backtest, orderlog, scorecard  # noqa: PLC0415 - they need extras, looked for just now

    columns = (TextColumn("{task.description:>9}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        reading = progress.add_task("reading", total=None)
        read = orderlog.read(wish.file, orderlog.Columns(wish.customer, wish.time, wish.amount, wish.order))
        progress.update(reading, total=1, completed=1)
        lived = backtest.live(read.orders, horizon, _reporter(progress))
    card = scorecard.scorecard(lived, horizon, rule)
    if card.n == 0:
        span = (int(read.orders.at.max()) - int(read.orders.at.min())) // 86_400_000
        raise CannotEvaluate(
            f"nothing to judge: the log spans {span} days of {len(read.orders.customers)} customers. "
            f"A horizon of {horizon} days needs about {4 * horizon} days and 50 repeat buyers"
        )
    return card, read.notes


def _reporter(progress: Progress) -> Report:
    tasks: dict[str, TaskID] = {name: progress.add_task(name, total=1.0, start=False) for name in STEPS}

    def report(step: str, share: float) -> None:
        progress.start_task(tasks[step])
        progress.update(tasks[step], completed=share)

    return report


def show(card: Scorecard, horizon: int, notes: tuple[str, ...], console: Console) -> None:
    """The tables for people."""
    for note in notes:
        console.print(f"[dim]{note}[/]", soft_wrap=True)
    about = f"{card.n:,} forecasts of {card.customers:,} customers in {card.weeks} weeks, no order for {horizon} days"
    console.print(
        f"{about}: {_number(card.base_rate)} of all, {_number(card.base_rate_active)} of {card.active:,} active"
    )
    table = Table("forecast", "AUC all", "AUC active", "Brier active", "ECE active", "lift 10 %", title="quality")
    for name, each in card.forecasters.items():
        numbers = (each.auc_all, each.auc_active, each.brier_active, each.ece_active, each.lift10_active)
        table.add_row(TITLES[name], *(_number(number) for number in numbers))
    console.print(table)
    alerts = Table("alerts by", "alerts", "right", "median silence", title="the same number of alerts")
    for name, raised in card.alerts.items():
        silence = "–" if raised.median_silence_days is None else f"{raised.median_silence_days:.0f} d"
        title = TITLES[name].format(days=card.rule_days)
        alerts.add_row(title, f"{raised.alerts:,}", _number(raised.precision), silence)
    console.print(alerts)
    console.print(f"ECE of what was served in the first four weeks with labels: {_number(card.cold_ece)}")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
