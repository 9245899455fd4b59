"""``mien models``: versions of the churn model, and which of them serves.

Knows: how versions are shown.  Must not know: how they are learned or stored.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from rich.console import Console
from rich.table import Table

from profiles import inputs, population
from profiles.clock import iso, system_clock
from profiles.errors import ModelMismatch
from profiles.population import Cuts
from profiles.settings import load
from profiles.store import keys
from profiles.store.client import ask
from profiles.store.models import CHURN, Models
from profiles.store.registry import Registry
from profiles.store.worlds import CUTS
from streams.commands.tell import tell

R = TypeVar("R")
NAME = keys.params(CHURN.name)
SHOWN = 10  #: latest versions of the list


def show() -> int:
    """A table of the latest versions and the one that serves."""
    return _with(_show)


def use(version: int) -> int:
    """Let a version serve, whatever is learned from now on."""
    _with(lambda registry: registry.hold(NAME, version))
    _tell()
    print(f"version {version} serves within seconds and stays; `mien models follow` lets the learner lead again")
    return 0


def follow() -> int:
    """Let what was learned last serve, and all that is learned from now on."""
    last = _with(lambda registry: registry.release(NAME))
    _tell()
    print(f"version {last} serves, and later ones as they come" if last else "nothing was learned yet")
    return 0


def _tell() -> None:
    """Let every bucket decide with the model that serves now; its cut points stay as they are."""
    if version := _with(_decided_with):
        settings = load()
        tell(settings, inputs.Control(CUTS, version), range(settings.buckets))


async def _decided_with(registry: Registry) -> int:
    name = keys.params(CUTS)
    live = await registry.live(name)
    if not live:
        return 0  # the first cut points will bring it
    cuts = msgspec.json.decode(await registry.document(name, live), type=Cuts)
    version = await registry.last(name) + 1
    model = await Models(registry, system_clock, CHURN).live()
    anew = population.deciding(msgspec.structs.replace(cuts, version=version), model)
    return await registry.publish(name, msgspec.json.encode(anew).decode())


async def _show(registry: Registry) -> int:
    last, live, held = await registry.last(NAME), await registry.live(NAME), await registry.held(NAME)
    if not last:
        print("nothing was learned yet: the first version comes when a week of the stream has ended")
        return 0
    models = Models(registry, system_clock, CHURN)
    table = Table("version", "serves", "source", "labels", "learned until", "AUC active", "of recency", "Brier active")
    for version in sorted({*range(max(1, last - SHOWN + 1), last + 1), live}):
        mark = ("held" if held else "yes") if version == live else ""
        try:
            params = await models.version(version)
        except ModelMismatch:
            table.add_row(str(version), mark, "for other inputs", *[""] * 5)
            continue
        served, recency = params.metrics.get("served", {}), params.metrics.get("recency", {})
        numbers = (served.get("auc_active"), recency.get("auc_active"), served.get("brier_active"))
        told = ["" if number is None else f"{number:.3f}" for number in numbers]
        table.add_row(str(version), mark, params.source, f"{params.samples:,}", iso(params.until)[:10], *told)
    Console().print(table)
    return 0


def _with(work: Callable[[Registry], Awaitable[R]]) -> R:
    return ask(load().redis, lambda client: work(Registry(client)))
