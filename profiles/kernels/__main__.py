"""``python -m profiles.kernels``: compile every kernel now, so that nobody waits for it later.

Knows: how to call each entry once with nothing to do.  Must not know: results.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from profiles.clock import zone
from profiles.codec import pack_matrix, unpack
from profiles.features import FEATURES, factors
from profiles.inputs import gather
from profiles.kernels.advance import World, advance, elapse, renew
from profiles.kernels.merge import merge
from profiles.layout import LADDERS, LAYOUT
from profiles.population import Cuts, population
from profiles.rules import assign_slots, compile_rules, shipped
from profiles.step import room_for
from profiles.view import features_at


def warm() -> None:
    """Call every entry with the types that real work has."""
    document, here = shipped(), zone("UTC")
    book = compile_rules(document, assign_slots(document, {}))
    world = World(factors(2), population(Cuts()), book.rules, here.since, here.offset, 1)
    rows = np.zeros((1, LAYOUT.size), np.int64)
    changes = room_for(1, book.rules)
    moment = np.ones(1, np.int64)
    advance(rows, gather([], {}, here).events, 0, moment, world, changes, np.zeros(0, np.bool_))
    elapse(rows, 0, moment, world, changes)
    renew(rows, 0, moment, world, changes)
    merge(rows[0], rows[0].copy())
    unpack(*pack_matrix(rows), LAYOUT.size)
    features_at(rows[0], 1, world)


def main() -> None:
    """Compile, and say how long it took."""
    sys.stdout.write(f"compiling the kernels for {len(LADDERS)} ladders and {len(FEATURES)} features, once ... ")
    sys.stdout.flush()
    begun = time.monotonic()
    warm()
    sys.stdout.write(f"{time.monotonic() - begun:.0f} s\n")


if __name__ == "__main__":
    main()
