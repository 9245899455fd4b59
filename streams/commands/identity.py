"""``mien identity``: who is behind a customer, and taking apart or putting together by hand.

Knows: how ids are shown, and that a wish is told to the bucket that it is about, in its log.
Must not know: what a bucket makes of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec
from rich.console import Console
from rich.table import Table

from profiles.clock import system_clock
from profiles.identity.messages import Joining, Link, Split, Told
from profiles.identity.names import order_of
from profiles.lineage import Lineage, Lineages
from profiles.settings import Settings, load
from profiles.stable import bucket_of
from profiles.store.client import ask
from profiles.store.redis import RedisStore
from streams.commands.tell import tell

T = TypeVar("T")
console = Console(highlight=False, soft_wrap=True)


def show(given: str, *, as_json: bool) -> int:
    """0 if somebody has this id."""
    settings = load()
    found = _read(settings, lambda lineages: lineages.of(given))
    if found is None:
        return _nobody(given)
    console.print(msgspec.json.encode(found).decode(), markup=False) if as_json else _table(found, settings)
    return 0


def unmerge(given: str, root: str) -> int:
    """0 if the wish is in the log: a moment later the two are two again."""
    settings = load()
    split = _read(settings, lambda lineages: _split(lineages, given, root))
    if isinstance(split, str):
        console.print(split, markup=False)
        return 1
    _wish(settings, split)
    console.print(f"{split.part} leaves {root}, with what came through it; see `mien identity show {split.part}`")
    return 0


def link(one: str, other: str) -> int:
    """0 if the claim is in the log."""
    settings = load()
    names = _read(settings, lambda lineages: _both(lineages, one, other))
    if names is None:
        return _nobody(f"{one} or {other}")
    small, large = sorted(names, key=order_of)
    if small == large:
        console.print(f"{one} and {other} are one customer already")
        return 0
    _wish(settings, Link(small, large, system_clock(), explicit=True))
    console.print(f"{large} joins {small}; see `mien identity show {small}`")
    return 0


async def _split(lineages: Lineages, given: str, root: str) -> Split | str:
    name = await lineages.known(given)
    if name is None:
        return f"nobody has the id {given}"
    node = (await lineages.node(name))[1]
    if not node.into:
        return f"{name} is a customer of its own; nothing to take apart"
    actual = await lineages.root(name)
    if actual != root:
        return f"{name} belongs to {actual}, not to {root}; nothing was done"
    return Split(node.into, name, node.generation, system_clock())


async def _both(lineages: Lineages, one: str, other: str) -> list[str] | None:
    known = [await lineages.known(each) for each in (one, other)]
    return [await lineages.root(each) for each in known if each] if all(known) else None


def _read(settings: Settings, work: Callable[[Lineages], Awaitable[T]]) -> T:
    return ask(settings.redis, lambda client: work(Lineages(RedisStore(client), settings.buckets)))


def _wish(settings: Settings, told: Told) -> None:
    """Tell the bucket that it is about."""
    tell(settings, Joining((told,)), [bucket_of(told.to, settings.buckets)])


def _nobody(given: str) -> int:
    console.print(
        f"nobody has the id {given}; phones and e-mails are looked up with POST /v1/profiles/find", markup=False
    )
    return 1


def _table(found: Lineage, settings: Settings) -> None:
    here = ZoneInfo(settings.timezone)
    table = Table(title=f"{found.id} · {found.weight} id{'s' if found.weight > 1 else ''}")
    for column in ("id", "kind", "joined", "since"):
        table.add_column(column)
    for line in found.ids:
        table.add_row(line.id, line.kind, line.into or "", _moment(line.since, here) if line.since else "")
    console.print(table)
    for each in found.refused:
        console.print(f"refused: {each.id} – {each.other}, {each.reason}, {_moment(each.at, here)}", markup=False)


def _moment(at: int, here: ZoneInfo) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC).astimezone(here):%Y-%m-%d %H:%M}"
