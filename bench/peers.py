"""The same work in other frameworks: one profile fold, one broker, one log, one kind of Valkey.

Knows: the programs, what each is given.  Must not know: how any of them works inside.
The fold is the same function in every peer (``fold.OneByOne``: intake, features, tags, ladders, due time, as Mien's own
batches, without the packing); each keeps the profile in its own idiom and writes it to Valkey.  A peer reads as much of
the log as it can in the time it is given; Mien's worker reads all of it, twice over Kafka, because its intake hands
events to buckets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.contest import contest, observe
from bench.data import Events, Shop
from bench.options import Options
from bench.preload import preload
from bench.progress import say
from bench.report import Cell, Part, Table, middle, spread
from bench.servers import APACHE, Stack, brokers, stack
from bench.watch import Run, Stuck
from profiles.clock import MINUTE, system_clock

TITLE: Final = "The same fold beside peers"
CUSTOMERS: Final = 10_000
LIMIT: Final = 180.0  #: seconds for Mien to read everything
MIEN: Final = "Mien worker"


@dataclass(frozen=True)
class Peer:
    """A framework: its program, and what it needs to run."""

    name: str
    program: str
    apache: bool = False  #: it cannot be run on the private broker
    module: str = ""  #: it must be installed
    state: str = ""


PEERS: Final = (
    Peer("stock Faust, same fold", "stock_fold", state="Valkey: one MGET, one atomic commit an event"),
    Peer("stock Faust, counters only", "stock_counters", state="Valkey: HINCRBY, no tags, no windows"),
    Peer("Quix Streams, same fold", "quix_fold", apache=True, module="quixstreams", state="RocksDB; its Redis sink"),
    Peer("Bytewax, same fold", "bytewax_fold", module="bytewax", state="in memory, unsaved; a SET a customer"),
)


def run(options: Options) -> Part:
    """Every peer and a worker on the first broker that runs here."""
    part = Part("peers", TITLE)
    kinds, part.notes = brokers(options.brokers)
    kind = APACHE if APACHE in kinds else kinds[0]
    total, seconds = options.size(200_000, 60_000), options.size(6.0, 3.0)
    table = Table(
        f"on {kind}, {total:,} events of {CUSTOMERS:,} customers",
        ["who", "state", "CPU µs/event", "events/s per core", "events/s by the clock", "Valkey CPU µs/event",
         "least to most µs", "events", "runs"],
    )  # fmt: skip
    micros: dict[str, float] = {}
    shop = Shop(CUSTOMERS, system_clock(), 10 * MINUTE)
    with stack(kind) as here:
        preload(here.settings.broker, Events(shop, total), total)
        for peer in PEERS:
            why = _unfit(peer, kind)
            if why:
                part.notes.append(f"{peer.name} left out: {why}")
                continue
            _measure(table, micros, peer.name, peer.state, options.runs, partial(_peer, here, peer, total, seconds))
    _measure(
        table, micros, MIEN, "Valkey: one MGET, one commit a batch", options.runs, partial(_mien, kind, shop, total)
    )
    part.tables += [table, _ratios(micros)]
    part.figures = {f"peers.{_figure(name)}": value for name, value in micros.items()}
    if MIEN in micros and PEERS[0].name in micros:
        part.figures["peers.ratio_stock_faust"] = micros[PEERS[0].name] / micros[MIEN]
    part.notes += NOTES
    return part


NOTES: Final = [
    "Bytewax keeps no recovery store here and Quix commits every five seconds: neither is exactly once towards Redis.",
    "Quix, Bytewax and the stock agents do nothing with alerts, cut points or silence; the worker does all of it.",
]


def _unfit(peer: Peer, kind: str) -> str:
    """Why a peer cannot be measured here; empty if it can."""
    if peer.apache and kind != APACHE:
        return "it asks the broker for topic configurations, which the private broker does not report"
    if peer.module:
        try:
            __import__(peer.module)
        except ImportError as error:
            return f"not installed ({error})"
    return ""


def _measure(
    table: Table, micros: dict[str, float], name: str, state: str, runs: int, once: Callable[[int], Run]
) -> None:
    """Some runs of one contestant as a row; one that breaks is told and left out."""
    try:
        found = [once(number) for number in range(runs)]
    except Stuck as why:
        say(f"    {name}: {why}")
        table.note += f"{name} broke: {str(why).splitlines()[0]}. "
        return
    costs = [run.micros for run in found]
    micros[name] = middle(costs)
    table.rows.append([
        name, state, middle(costs), 1e6 / middle(costs), middle(run.per_second for run in found),
        middle(run.beside / run.events * 1e6 for run in found), spread(costs),
        int(middle(run.events for run in found)), runs,
    ])  # fmt: skip
    say(f"    {name:28} {middle(costs):8.1f} µs/event")


def _peer(here: Stack, peer: Peer, total: int, seconds: float, number: int) -> Run:
    """One peer from the beginning of the log, for so many seconds."""
    here.redis.flushall()
    state = here.place.folder / f"{peer.program}-{number}"
    servers = here.settings.broker, here.settings.redis
    return contest(here.place, here.kind, peer.program, number, total, seconds, *servers, state, cut=True)


def _mien(kind: str, shop: Shop, total: int, _: int) -> Run:
    """A real worker over the whole log, on servers of its own: what it writes to Kafka is part of its progress."""
    with stack(kind) as here:
        preload(here.settings.broker, Events(shop, total), total)
        return observe(here.place, here.worker(), here.counted, total, LIMIT, cut=False)


def _ratios(micros: dict[str, float]) -> Table:
    """How much more an event costs elsewhere."""
    own = micros.get(MIEN)
    rows: list[list[Cell]] = [[name, cost / own] for name, cost in micros.items() if own and name != MIEN]
    return Table("Mien worker ÷ peer, events per CPU second", ["peer", "ratio"], rows)


def _figure(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.lower())
