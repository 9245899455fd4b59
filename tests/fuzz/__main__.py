"""``make fuzz``: throw very many records at Mien's decoder and at what stands behind it.

    python -m tests.fuzz --count 1000000 [--seed 7] [--from 120] [--jobs 2]

Knows: processes, progress, what to print when something breaks.  Must not know: what a good record is.
A run is named by its seed, and each block by its number: a run that was stopped goes on with ``--from``, and a block
that broke something breaks it again alone.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import cache
from pathlib import Path

from tests.fuzz.judges import Judge, Poisoned, Tally
from tests.fuzz.makers import BLOCK, block

TELL_EVERY = 5.0
KEPT = Path(".mien/fuzz")


@cache
def judge() -> Judge:
    """One a process: its rules are compiled once."""
    return Judge()


def judged(seed: int, number: int, size: int) -> tuple[int, Tally, str]:
    """Judge a block; returns its number, what became of it, and what broke, if something did."""
    judge().tally = Tally()
    records = list(block(seed, number, size))
    try:
        judge().block(records, number)
    except Poisoned as fault:
        return number, judge().tally, told(fault, records, number)
    return number, judge().tally, ""


def told(fault: Poisoned, records: Sequence[bytes], number: int) -> str:
    """What broke and the fewest records that break it, kept in a file each."""
    guilty = [fault.raw] if fault.raw is not None else fewest(records, number)
    KEPT.mkdir(parents=True, exist_ok=True)
    lines = [fault.what]
    for place, raw in enumerate(guilty[:5]):
        path = KEPT / f"broke-{number}-{place}.bin"
        path.write_bytes(raw)
        lines.append(f"  {path}: {raw[:400]!r}")
    return "\n".join(lines)


def fewest(records: Sequence[bytes], number: int) -> Sequence[bytes]:
    """A small part of a block that still breaks something: halves, quarters ... are left out while it does."""
    part = max(len(records) // 2, 1)
    while True:
        for start in range(0, len(records), part):
            rest = [*records[:start], *records[start + part :]]
            if rest and breaks(rest, number):
                records = rest
                break
        else:
            if part == 1:
                return records
            part = max(part // 2, 1)
        part = min(part, max(len(records) // 2, 1))


def breaks(records: Sequence[bytes], number: int) -> bool:
    """Whether these alone break something."""
    try:
        judge().block(records, number)
    except Poisoned:
        return True
    return False


def outcomes(seed: int, blocks: Iterable[tuple[int, int]], jobs: int) -> Iterator[tuple[int, Tally, str]]:
    """Each block's outcome, as they come; a few blocks are under way at a time."""
    if jobs == 1:
        yield from (judged(seed, *each) for each in blocks)
        return
    todo = iter(blocks)
    with ProcessPoolExecutor(jobs) as pool:
        running: set[Future[tuple[int, Tally, str]]] = set()
        while True:
            while len(running) < 2 * jobs and (following := next(todo, None)) is not None:
                running.add(pool.submit(judged, seed, *following))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                yield each.result()


def run(count: int, seed: int, first: int, jobs: int) -> int:
    """Judge ``count`` records from block ``first`` on; the number of blocks that broke something."""
    last = first + -(-count // BLOCK)
    blocks = [(number, min(BLOCK, count - (number - first) * BLOCK)) for number in range(first, last)]
    began = told_at = time.monotonic()
    total, open_blocks, broken = Tally(), dict(blocks), 0
    print(f"fuzz: {count} records, seed {seed}, blocks {first} to {last - 1}, {jobs} processes", flush=True)
    for number, tally, fault in outcomes(seed, blocks, jobs):
        add(total, tally)
        del open_blocks[number]
        if fault:
            broken += 1
            print(f"BROKEN in block {number} of seed {seed}: {fault}", flush=True)
            print(f"  again: python -m tests.fuzz --seed {seed} --from {number} --count {BLOCK}", flush=True)
        if time.monotonic() - told_at > TELL_EVERY:
            told_at = time.monotonic()
            rate = total.judged / (told_at - began)
            going = f"to go on: --seed {seed} --from {min(open_blocks, default=last)}"
            print(f"  {total.judged} judged, {total.accepted} accepted, {rate:.0f}/s; {going}", flush=True)
    summary(total, time.monotonic() - began, broken)
    return broken


def add(total: Tally, tally: Tally) -> None:
    """Add a block's tally."""
    total.judged += tally.judged
    total.accepted += tally.accepted
    total.refused += tally.refused
    total.transitions += tally.transitions


def summary(total: Tally, seconds: float, broken: int) -> None:
    """The last lines."""
    refused = ", ".join(f"{reason} {n}" for reason, n in Counter(total.refused).most_common())
    print(
        f"{total.judged} records in {seconds:.0f} s; {total.accepted} became events, and {total.transitions} transitions"
    )
    print(f"refused: {refused}")
    print(f"broken blocks: {broken}")


def main(arguments: Sequence[str]) -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=str(__doc__).splitlines()[0])
    parser.add_argument("--count", type=int, default=1_000_000, help="records to judge")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9), help="names the run; default: a new one")
    parser.add_argument("--from", type=int, default=0, dest="first", help="first block")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    given = parser.parse_args(arguments)
    return 1 if run(given.count, given.seed, given.first, given.jobs) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
