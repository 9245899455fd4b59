"""The parts of the bench, in the order in which they are run and told.

Knows: their names.  Must not know: what they do.
A part is a module with ``TITLE`` and ``run(options)``; it is imported when it runs, so that one that lacks something
does not keep the others from running.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Final

from bench.options import Options
from bench.report import Part


@dataclass(frozen=True)
class Known:
    """A part before it is imported."""

    title: str
    usual: bool = True  #: run when no part is named


PARTS: Final = {
    "ceiling": Known("read and throw away: aiokafka, stock Faust, Mien's batch delivery"),
    "peers": Known("the same profile fold in stock Faust, Quix Streams, Bytewax, and a Mien worker"),
    "update": Known("the update path in one process with Valkey: sizes, skew, cold and warm"),
    "workers": Known("the whole stack over a full log with 1, 2 and 4 workers"),
    "latency": Known("event sent -> tag readable through the API, at steady rates"),
    "reads": Known("reading profiles over HTTP at 1 000 requests/s"),
    "sweep": Known("customers whom silence changes, all in one minute"),
    "memory": Known("Redis bytes a customer, and a worker's memory over millions of events"),
    "rules": Known("rule edited -> live, and everybody decided anew"),
    "profile": Known("py-spy over the update path: where the time goes", usual=False),
}


def part(name: str, options: Options) -> Part:
    """Measure one part.

    Raises:
        Missing, Stuck: it could not be measured; the message says why.
    """
    found: Part = importlib.import_module(f"bench.{name}").run(options)
    return found
