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
from pathlib import Path
from typing import Final

from bench.backlog import Log, work_off
from bench.contest import contest
from bench.data import LIVE
from bench.filling import keep
from bench.options import Options
from bench.progress import say
from bench.report import Cell, Figure, Part, Table, figure, middle, spread
from bench.servers import APACHE, Stack, brokers, stack
from bench.watch import Run, Stuck

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
    judged: bool = False  #: a bar is about it, so it has as many runs as Mien
    filled: bool = False  #: it finds the profiles in Valkey


PEERS: Final = (
    Peer(
        "stock Faust, same fold",
        "stock_fold",
        state="Valkey: one MGET, one atomic commit an event",
        judged=True,
        filled=True,
    ),
    Peer("stock Faust, counters only", "stock_counters", state="Valkey: HINCRBY, no tags, no windows"),
    Peer("Quix Streams, same fold", "quix_fold", apache=True, module="quixstreams", state="RocksDB; its Redis sink"),
    Peer("Bytewax, same fold", "bytewax_fold", module="bytewax", state="in memory, unsaved; a SET a customer"),
)


def run(options: Options) -> Part:
    """Every peer and a worker on the first broker that runs here."""
    part = Part("peers", TITLE)
    kinds, part.notes = brokers(options.brokers)
    kind = APACHE if APACHE in kinds else kinds[0]
    total, seconds = options.size(150_000, 60_000), options.size(6.0, 3.0)
    table = Table(
        f"on {kind}, {total:,} events of {CUSTOMERS:,} known customers, {LIVE:,} events/s of the shop's time",
        ["who", "state", "CPU µs/event", "events/s per core", "events/s by the clock", "Valkey CPU µs/event",
         "least to most (CPU µs/event)", "events", "runs"],
    )  # fmt: skip
    costs: dict[str, list[float]] = {}
    log = Log.new(CUSTOMERS, total)
    with stack(kind) as here:
        log.put(here.settings.broker)
        known = keep(log.copies, here.place.folder / "known")
        for peer in PEERS:
            why = _unfit(peer, kind)
            if why:
                part.notes.append(f"{peer.name} left out: {why}")
                continue
            runs = options.runs if peer.judged else min(options.runs, 2)
            _measure(table, costs, peer.name, peer.state, runs, partial(_peer, here, peer, log, known, seconds))
    _measure(table, costs, MIEN, "Valkey: one MGET, one commit a batch", options.runs, partial(_mien, kind, log))
    part.tables += [table, _ratios(costs)]
    part.figures = {f"peers.{_figure(name)}": figure(found, "CPU µs/event") for name, found in costs.items()}
    if MIEN in costs and PEERS[0].name in costs:
        part.figures["peers.ratio_stock_faust"] = _ratio(costs, PEERS[0].name)
    part.notes += NOTES
    return part


NOTES: Final = [
    (
        "Everybody reads the same records and begins with the same profiles, as of the first event: no event is a "
        "customer's first, and nothing is due before one. A peer is measured as far as it comes in its time, Mien over "
        "the whole log."
    ),
    "Bytewax keeps no recovery store here and Quix commits every five seconds: neither is exactly once towards Redis.",
    (
        "Quix, Bytewax and the stock agents do nothing with alerts, cut points or silence, and publish no transitions; "
        "the worker does all of it, and reads everything twice."
    ),
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
    table: Table, costs: dict[str, list[float]], name: str, state: str, runs: int, once: Callable[[int], Run]
) -> None:
    """Some runs of one contestant as a row; one that breaks is told and left out."""
    try:
        found = [once(number) for number in range(runs)]
    except Stuck as why:
        say(f"    {name}: {why}")
        table.note += f"{name} broke: {str(why).splitlines()[0]}. "
        return
    micros = costs[name] = [run.micros for run in found]
    table.rows.append([
        name, state, middle(micros), 1e6 / middle(micros), middle(run.per_second for run in found),
        middle(run.beside / run.events * 1e6 for run in found), spread(micros),
        int(middle(run.events for run in found)), runs,
    ])  # fmt: skip
    say(f"    {name:28} {middle(micros):8.1f} µs/event")


def _peer(here: Stack, peer: Peer, log: Log, known: Path, seconds: float, number: int) -> Run:
    """One peer from the beginning of the log, for so many seconds."""
    here.redis.flushall()
    if peer.filled:
        log.fill(here.settings.redis)
    state = here.place.folder / f"{peer.program}-{number}"
    given = here.settings.broker, here.settings.redis, state, known
    return contest(here.place, here.kind, peer.program, number, log.total, seconds, *given, cut=True)


def _mien(kind: str, log: Log, _: int) -> Run:
    """A real worker over the whole log, on servers of its own: what it writes to Kafka is part of its progress."""
    return work_off(kind, log, 1, LIMIT)


def _ratios(costs: dict[str, list[float]]) -> Table:
    """How much more an event costs elsewhere."""
    others = [name for name in costs if MIEN in costs and name != MIEN]
    found = {name: _ratio(costs, name) for name in others}
    rows: list[list[Cell]] = [[name, one.value, spread([one.least, one.most])] for name, one in found.items()]
    return Table("CPU an event, the peer's ÷ Mien's", ["peer", "ratio", "least to most"], rows)


def _ratio(costs: dict[str, list[float]], name: str) -> Figure:
    """Of the medians; at the least and at the most that any two runs would say."""
    theirs, own = costs[name], costs[MIEN]
    ends = min(theirs) / max(own), max(theirs) / min(own)
    return Figure(middle(theirs) / middle(own), "×", *ends, len(own))


def _figure(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.lower())
