"""k-means for a stream: seeded once from many, then every customer pulls the nearest centre a little.

Everything is a function of the rows and their order; the only dice are thrown with a fixed seed.
Knows: points and centres.  Must not know: what an axis means, what a centre is called.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from profiles.clock import Int64s
from profiles.models.churn_inputs import Floats

SEED: Final = 20_240_607
ROUNDS: Final = 30  #: most rounds of a seeding
TRIES: Final = 4  #: seedings of which the best is taken
RATE: Final = 0.005  #: most of the way to a customer that a centre moves
WEEKLY: Final = 0.25  #: nor may a week of customers move a centre by more than this, about
_TOGETHER: Final = 256  #: customers whose nearest centre is looked up at once


class Near(NamedTuple):
    """The nearest centre of each point, and how far it is (squared)."""

    which: Int64s
    squared: Floats


def nearest(x: Floats, centres: Floats) -> Near:
    """One row a point; of two centres equally near the first."""
    far = np.stack([np.square(x - centre).sum(axis=1) for centre in centres], axis=1)
    which = far.argmin(axis=1)
    return Near(which, far[np.arange(len(x)), which])


def distortion(x: Floats, centres: Floats) -> float:
    """Mean squared distance to the nearest centre: what k-means makes small."""
    return float(nearest(x, centres).squared.mean())


def seeded(x: Floats, k: int) -> Floats:
    """Centres of these points: k-means++ and Lloyd's rounds, the best of a few tries, the same every time.

    Of fewer than ``k`` different points some centres are equal; the later ones then stay empty.
    """
    dice = np.random.Generator(np.random.PCG64(SEED))
    tries = [settled(x, _spread(x, k, dice)) for _ in range(TRIES)]
    return min(tries, key=lambda centres: distortion(x, centres))


def moved(x: Floats, centres: Floats) -> Floats:
    """Centres after these points have pulled at them one after another.

    Nearest centres are looked up for a few points at once; between them a centre moves by less than anybody would see.
    """
    now, rate = centres.copy(), min(RATE, WEEKLY * len(centres) / max(len(x), 1))
    for start in range(0, len(x), _TOGETHER):
        some = x[start : start + _TOGETHER]
        which = nearest(some, now).which
        for j in range(len(now)):
            mine = some[which == j]
            left = (1.0 - rate) ** np.arange(len(mine), -1, -1)  # of the centre, then of each pull, at the end
            now[j] = now[j] * left[0] + rate * (mine * left[1:, None]).sum(axis=0)
    return now


def matched(x: Floats, fresh: Floats, before: Floats) -> Floats:
    """Fresh centres in the order of those they continue: as many points as can be keep their id (Hungarian method).

    Where no point decides it, the shortest ways do.
    """
    k = len(before)
    shared = np.bincount(nearest(x, before).which * k + nearest(x, fresh).which, minlength=k * k).reshape(k, k)
    far = np.square(before[:, None, :] - fresh[None, :, :]).sum(axis=2)
    _, order = linear_sum_assignment(far / (1.0 + far.sum()) - shared)
    found: Floats = fresh[order]
    return found


def _spread(x: Floats, k: int, dice: np.random.Generator) -> Floats:
    """k-means++: each next centre is a point, the likelier the farther it lies from those chosen."""
    chosen = [x[int(dice.random() * len(x))]]
    far = np.square(x - chosen[0]).sum(axis=1)
    while len(chosen) < k:
        upto = np.cumsum(far)
        place = int(np.searchsorted(upto, dice.random() * upto[-1], side="right"))
        chosen.append(x[min(place, len(x) - 1)])
        far = np.minimum(far, np.square(x - chosen[-1]).sum(axis=1))
    return np.array(chosen)


def settled(x: Floats, centres: Floats, enough: float = 0.0) -> Floats:
    """Lloyd's rounds until nobody changes, or distortion is small ``enough``: each round moves borders.

    A centre that loses all its points stays where it is.
    """
    which, far = nearest(x, centres)
    for _ in range(ROUNDS):
        if far.mean() <= enough:
            break
        mine = [x[which == j] for j in range(len(centres))]
        centres = np.array([some.mean(axis=0) if len(some) else was for some, was in zip(mine, centres, strict=True)])
        before, (which, far) = which, nearest(x, centres)
        if (before == which).all():
            break
    return centres
