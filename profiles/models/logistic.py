"""The learner itself: River's ``StandardScaler | LogisticRegression(AdaGrad)``, one sample at a time.

Its state is a handful of numbers.  They are kept as plain data, and a pipeline made from them goes on to the last bit
as the one they came from: the only place that reaches into River's objects, held in place by tests.
Knows: River.  Must not know: what the inputs are, when labels come.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from river import linear_model, optim, preprocessing
from river.utils import VectorDict

Bools = npt.NDArray[np.bool_]
Singles = npt.NDArray[np.float32]

RATE: Final = 0.1  #: AdaGrad's; ties batch regression on three shops


class State(msgspec.Struct, frozen=True):
    """Everything a pipeline has learned; lists are in the order of the inputs."""

    samples: int
    means: list[float]
    variances: list[float]
    weights: list[float]
    intercept: float
    squares: list[float]  #: AdaGrad's sums of squared gradients


class Logistic:
    """A pipeline over named inputs."""

    def __init__(self, names: Sequence[str], state: State | None = None) -> None:
        self._names = tuple(names)
        state = state or _nothing(len(names))
        self._samples = state.samples
        known = self._names if state.samples else ()
        counts = dict.fromkeys(known, state.samples)
        self._scaler = preprocessing.StandardScaler()
        self._scaler.counts.update(counts)
        self._scaler.means.update(zip(known, state.means, strict=False))
        self._scaler.vars.update(zip(known, state.variances, strict=False))
        rate = optim.AdaGrad(RATE)
        rate.n_iterations = state.samples
        rate.g2.update(zip(known, state.squares, strict=False))
        self._regression = linear_model.LogisticRegression(rate)
        self._regression.intercept = state.intercept
        self._regression._weights = VectorDict(dict(zip(known, state.weights, strict=False)))  # noqa: SLF001 - the only way back in
        self.pipeline = self._scaler | self._regression

    def learn(self, x: Singles, happened: Bools) -> None:
        """Learn the rows of ``x`` in order.

        The two steps are called by hand, as the pipeline would: its own dispatch costs as much as the scaler.
        """
        scaler, regression, names = self._scaler, self._regression, self._names
        for row, label in zip(x.astype(np.float64).tolist(), happened.tolist(), strict=True):
            inputs = dict(zip(names, row, strict=True))
            scaler.learn_one(inputs)  # type: ignore[no-untyped-call]
            regression.learn_one(scaler.transform_one(inputs), label)  # type: ignore[no-untyped-call]
        self._samples += len(x)

    def state(self) -> State:
        """What has been learned so far, as plain data."""
        if self._samples == 0:
            return _nothing(len(self._names))
        weights, rate = self._regression.weights, self._regression.optimizer
        return State(
            samples=self._samples,
            means=[float(self._scaler.means[name]) for name in self._names],
            variances=[float(self._scaler.vars[name]) for name in self._names],
            weights=[float(weights[name]) for name in self._names],
            intercept=float(self._regression.intercept),
            squares=[float(rate.g2[name]) for name in self._names],
        )


def _nothing(inputs: int) -> State:
    zeros = [0.0] * inputs
    return State(0, zeros, zeros, zeros, 0.0, zeros)
