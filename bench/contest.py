"""One program over one log: started, watched, ended.

Knows: processes and their counts.  Must not know: what the program does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bench.programs.faust_apps import PRIVATE
from bench.programs.tally import Tally
from bench.progress import say
from bench.servers import TANSU, Place
from bench.watch import NotStarted, Run, Stuck, watch
from streams.child import Child

TRIES: Final = 3
SETTLED: Final = 2.0  #: seconds that a run which is cut is given before it is measured
FIRST_EVENT: Final = 40.0  #: seconds from the start of a program to its first event


def contest(
    here: Place,
    kind: str,
    program: str,
    number: int,
    events: int,
    seconds: float,
    *arguments: object,
    cut: bool = False,
) -> Run:
    """Run a program from the beginning of the log; with ``cut`` it may stop after ``seconds`` before it is through.

    A worker that joins while a new broker is still choosing its coordinator now and then never fetches anything.  Such a
    program is started again, and it is said that this happened.

    Raises:
        Stuck: it ended, or came to nothing three times.
    """
    for attempt in range(TRIES):
        name = f"{program}-{number}-{attempt}"
        tally = Tally.new(here.folder / f"{name}.tally")
        env = {PRIVATE: "yes"} if kind == TANSU else None
        child = here.run(name, f"bench.programs.{program}", tally.path, *arguments, env=env)
        try:
            return observe(here, child, lambda t=tally: t.value, events, seconds, cut=cut)  # type: ignore[misc]
        except NotStarted as why:
            if attempt + 1 == TRIES:
                raise Stuck(f"{why}{child.last_words()}") from None
            say(f"    {why}; starting it again")
    raise AssertionError("not reached")


def observe(here: Place, child: Child, count: Callable[[], int], events: int, seconds: float, *, cut: bool) -> Run:
    """Watch a process that has been started, and end it."""
    try:
        return watch(
            child.name, [child.pid], count, events, seconds=seconds, ended=here.ended, still_ok=cut,
            start_seconds=FIRST_EVENT,
            skip=SETTLED if cut else 0.0,
            beside=here.pids("valkey"),
        )  # fmt: skip
    finally:
        here.end(child)
