"""``mien profile``: one customer as a card in the terminal.

Knows: how a view is laid out for people.  Must not know: how it was made.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

import msgspec
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table

from profiles.clock import system_clock
from profiles.features import FEATURES
from profiles.reader import Reader
from profiles.settings import Settings, load
from profiles.store.client import Client, ask
from profiles.store.redis import RedisStore
from profiles.store.registry import Registry
from profiles.view import ProfileView, RungView, Text

SHOWN = (
    "orders", "spend_365d", "average_order", "days_since_order", "usual_gap_days", "overdue", "events_7d",
    "sessions_30d", "cart_items", "refund_rate", "complaints",
)  # fmt: skip
WORDS = {
    "zh": {"tier": "层级", "stage": "生命周期", "rfm": "RFM", "risk": "流失风险", "action": "建议", "tags": "标签",
           "since": "起", "until": "静默则至", "none": "没有这个客户的任何事件", "numbers": "数字", "likes": "偏好"},
    "en": {"tier": "tier", "stage": "lifecycle", "rfm": "RFM", "risk": "churn risk", "action": "advice", "tags": "tags",
           "since": "since", "until": "if silent, until", "none": "nothing was ever heard of this customer",
           "numbers": "numbers", "likes": "interests"},
}  # fmt: skip


def card(customer: str, lang: str, *, as_json: bool) -> int:
    """Print the card, or the raw view; 1 if the customer is unknown."""
    settings, console = load(), Console()
    lang = "en" if lang.lower().startswith("en") else "zh"
    view = ask(settings.redis, partial(_read, settings, customer))
    if view is None:
        console.print(f"{customer}: {WORDS[lang]['none']}")
        return 1
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(view), indent=2).decode())
    else:
        console.print(_panel(view, lang, ZoneInfo(settings.timezone)))
    return 0


async def _read(settings: Settings, customer: str, client: Client) -> ProfileView | None:
    reader = Reader(RedisStore(client), Registry(client), settings, system_clock)
    await reader.open()
    return await reader.profile(customer)


def _panel(view: ProfileView, lang: str, here: ZoneInfo) -> Panel:
    words = WORDS[lang]
    top = Table.grid(padding=(0, 2))
    for name, rung in (("tier", view.tier), ("stage", view.lifecycle), ("rfm", view.rfm.standing)):
        if rung is not None:
            top.add_row(f"[bold]{words[name]}[/]", _said(rung.label, lang), _span(rung, words, here))
    if view.risk is not None:
        reasons = "; ".join(_said(reason.text, lang) for reason in view.risk.reasons)
        top.add_row(
            f"[bold]{words['risk']}[/]", f"{view.risk.probability:.0%} ({view.risk.band}, {view.risk.source})", reasons
        )
    if view.action is not None:
        top.add_row(f"[bold]{words['action']}[/]", _said(view.action, lang))
    tags = Table(words["tags"], words["since"], "", words["until"], box=None, title_justify="left")
    for tag in view.tags:
        tags.add_row(
            f"[cyan]{_said(tag.label, lang)}[/]",
            _moment(tag.since, here),
            _said(tag.why, lang),
            _moment(tag.changes_at, here),
        )
    numbers = Table.grid(padding=(0, 2))
    for feature in FEATURES:
        value = view.features.get(feature.name)
        if feature.name in SHOWN and value is not None:
            numbers.add_row(feature.zh if lang == "zh" else feature.name, str(value), feature.unit.value)
    likes = "  ".join(
        f"{kind}: {', '.join(each.name for each in found[:3])}" for kind, found in view.interests.items() if found
    )
    traits = "  ".join(f"{name} {value}" for name, value in view.traits.items())
    foot = f"as of {_moment(view.as_of, here)}  lag {view.lag_ms} ms  rules v{view.rules_version}"
    return Panel(Group(traits, "", top, "", tags, "", numbers, "", likes), title=view.id, subtitle=foot, expand=False)


def _span(rung: RungView, words: dict[str, str], here: ZoneInfo) -> str:
    until = f", {words['until']} {_moment(rung.changes_at, here)} → {rung.becomes}" if rung.changes_at else ""
    return f"{words['since']} {_moment(rung.since, here)}{until}"


def _moment(at: int | None, here: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC).astimezone(here):%Y-%m-%d %H:%M}" if at else ""


def _said(text: Text, lang: str) -> str:
    return text.zh if lang == "zh" else text.en
