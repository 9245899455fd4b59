"""``python -m bench``: run some or all measurements.

Knows: the command line.  Must not know: how anything is measured.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Final

from bench.machine import Stolen, load, machine, now
from bench.options import Options
from bench.parts import PARTS, part
from bench.progress import say
from bench.report import Book, Part, clocked, plain
from bench.servers import APACHE, TANSU, Missing, no_apache
from bench.watch import Stuck
from profiles.kernels.__main__ import warm

HERE: Final = Path(__file__).parent
KINDS: Final = (APACHE, TANSU)
QUICK: Final = HERE.parent / ".mien" / "bench"

GUIDE: Final = """\
parts, in the order in which they run:

{parts}

Every part prints its tables as it goes and replaces its own section of bench/RESULTS.md and bench/results.json, so a
part can be run again alone. The quick form is for trying: it writes to .mien/bench instead.

  make bench                          everything, some 22 minutes on two quiet cores
  make bench ARGS=--quick             everything in small, a few minutes
  make bench ARGS="update workers"    two parts
  make bench ARGS="peers --runs 5"    more runs a number
  make bench ARGS="memory --long"     one worker over 10 million events, however long it takes
  make bench ARGS=profile             where the time of the update path goes: flame graph and list

Run it on a quiet machine: with a load average above 1 the clock on the wall measures the neighbours too. CPU seconds
suffer less, and are what is quoted per event.
"""


def main(arguments: list[str] | None = None) -> int:
    """0 if every part that was asked for was measured, 130 after Ctrl-C."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.part if name not in PARTS]:
        parser.error(f"no part is called {' or '.join(unknown)}; there are {', '.join(PARTS)}")
    kinds = asked.broker or (KINDS[: 1 if asked.quick and not no_apache() else 2])
    options = Options(asked.quick, asked.runs or (1 if asked.quick else 3), kinds, asked.long)
    book = Book(asked.out or (QUICK if asked.quick else HERE))
    chosen = asked.part or [name for name, one in PARTS.items() if one.usual]
    took: dict[str, float] = {}
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _stop)
    try:
        warm()  # were they not compiled yet, the first process of every kind would do it
        for name in chosen:
            begun = time.monotonic()
            if _measure(name, options, book):
                took[name] = time.monotonic() - begun
    except KeyboardInterrupt:
        say(f"\nstopped. {_written(took, book)}; not measured: {_listed(chosen, took)}")
        return 130
    say(f"\n{_written(took, book)}")
    if len(took) < len(chosen):
        say(f"not measured: {_listed(chosen, took)}")
    return 0 if len(took) == len(chosen) else 1


def _stop(*_: object) -> None:
    """Servers and folders are cleared away on the way out.

    Not Python's own handler: asyncio puts a cancellation in its place, which ``wait_for`` before Python 3.12 can lose.
    """
    raise KeyboardInterrupt


def _written(took: dict[str, float], book: Book) -> str:
    """How long it took, part by part and in all, and where the outcome is."""
    if not took:
        return "Nothing was written"
    each = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in took.items())
    return f"Total {clocked(sum(took.values()))}: {each}. Written to {book.page}"


def _listed(chosen: list[str], took: dict[str, float]) -> str:
    return ", ".join(name for name in chosen if name not in took)


def _measure(name: str, options: Options, book: Book) -> bool:
    """Run one part and keep its outcome; False if it could not be measured."""
    say(f"\n{name}: {PARTS[name].title}")
    begun, before, stolen = time.monotonic(), load(), Stolen()
    try:
        found = part(name, options)
    except (Missing, Stuck) as why:
        say(f"    not measured: {why}")
        return False
    found.at, found.quick, found.load, found.machine = now(), options.quick, before, machine()
    found.seconds, found.command = time.monotonic() - begun, _command(name, options)
    found.stolen = stolen.share()
    _tell(found)
    book.enter(found, list(PARTS))
    return True


def _tell(found: Part) -> None:
    for table in found.tables:
        say(f"\n  {table.title}\n{plain(table)}")
    for note in found.notes:
        say(f"  - {note}")
    say(f"  {found.seconds:.0f} s")


def _command(name: str, options: Options) -> str:
    flags = [flag for flag, on in (("--quick", options.quick), ("--long", options.long)) if on]
    words = [name, *flags, "--runs", str(options.runs)]
    return f"python -m bench {shlex.join([*words, '--broker', ','.join(options.brokers)])}"


def _kinds(text: str) -> tuple[str, ...]:
    """``apache,tansu`` as written on the command line."""
    kinds = tuple(text.split(","))
    if not set(kinds) <= set(KINDS):
        raise argparse.ArgumentTypeError(f"{text}: there are {' and '.join(KINDS)}")
    return kinds


def _parser() -> argparse.ArgumentParser:
    parts = "\n".join(f"  {name:10} {one.title}" for name, one in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure Mien beside its peers: one machine, one run, the same data.",
        epilog=GUIDE.format(parts=parts),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("part", nargs="*", help="which parts; all but `profile` if none is named", metavar="part")
    parser.add_argument("--quick", action="store_true", help="small sizes and one run: to see that everything works")
    parser.add_argument("--runs", type=int, default=0, metavar="N", help="runs a number, the median counts; usually 3")
    parser.add_argument(
        "--broker", type=_kinds, metavar="KIND,...",
        help="apache or tansu, or both; the first is quoted; usually apache,tansu where java and mvn are, --quick: the first",
    )  # fmt: skip
    parser.add_argument("--long", action="store_true", help="let a worker take all of 10 million events (memory)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where results are written")
    return parser


if __name__ == "__main__":
    sys.exit(main())
