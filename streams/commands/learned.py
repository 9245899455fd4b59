"""What the demo shows of the learner: forecasts that get better as labels mature, and an alert with its reasons.

Knows: which numbers say so, how they are laid out.  Must not know: how anything is learned or decided.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table

from profiles.alerts import Alert
from profiles.clock import iso, system_clock
from profiles.models.params import Params
from profiles.store.client import Client
from profiles.store.desk_reads import DeskReads
from profiles.store.models import CHURN, Models
from profiles.store.registry import Registry

SHOWN = 8  #: rows of the table of versions


async def show_learned(client: Client, console: Console) -> None:
    """How the churn model got better, and the alert where most is at stake; nothing while there are neither."""
    if versions := await _versions(Registry(client)):
        console.print(_table(versions))
    top = (await DeskReads(client).ranked(limit=1)).alerts
    if top:
        console.print(_card(top[0]))


async def _versions(registry: Registry) -> list[Params]:
    """Some of the versions that were published, the first and the last among them."""
    models = Models(registry, system_clock, CHURN)
    last = await registry.last(models.name)
    if not last:
        return []
    step = max((last - 1) / (SHOWN - 1), 1.0)
    chosen = sorted({*(round(1 + i * step) for i in range(SHOWN) if 1 + i * step <= last), last})
    return [await models.version(each) for each in chosen]


def _table(versions: Sequence[Params]) -> Table:
    days = versions[-1].horizon_days
    table = Table(title=f"No order within {days} days: forecasts beside what came of them")
    for name in ("learned until", "labels", "who speaks", "AUC active", "silence alone", "Brier active"):
        table.add_column(name, justify="right" if name != "who speaks" else "left")
    for each in versions:
        served, recency = each.metrics.get("served", {}), each.metrics.get("recency", {})
        numbers = (served.get("auc_active"), recency.get("auc_active"), served.get("brier_active"))
        told = ["" if number is None else f"{number:.3f}" for number in numbers]
        table.add_row(iso(each.until)[:10], f"{each.samples:,}", each.source, *told)
    return table


def _card(alert: Alert) -> Panel:
    """One alert as a clerk reads it, in both languages."""
    stake = "" if alert.stake is None else f"   风险金额 at stake {alert.stake:,.2f}"
    risk = "" if alert.risk is None else f"   流失风险 risk {alert.risk:.0%}"
    lines = [f"{alert.profile}   {iso(alert.at)[:16]}{risk}{stake}", ""]
    lines += [f"• {each.zh}\n  {each.en}" for each in alert.reasons or alert.because]
    lines += ["", f"→ {alert.action.zh}\n  {alert.action.en}"]
    return Panel(Group(*lines), title=f"{alert.label.zh} {alert.label.en}", subtitle=alert.policy, expand=False)
