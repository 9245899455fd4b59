"""The learner of voices: rated texts in, published weights of hashed pieces out.

A review of 4 or 5 stars is a positive text, one of 1 or 2 a negative one, 3 say nothing.  River's logistic regression with
AdaGrad learns them one at a time, after each was forecast: test, then train.  Nothing is weighted or resampled, so what
it says is a probability in the shop's own mix; ``voice_params.band`` takes the mix out again.
All pieces of a text together have length 1: however long it is, and whatever is in it, it moves the model a little.
Knows: opinions and their order.  Must not know: Kafka, Redis, who publishes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log, sqrt
from typing import Final

import msgspec
import numpy as np
from river import linear_model, optim
from river.utils import VectorDict

from profiles.errors import ModelMismatch
from profiles.grams import SIZE, unpack
from profiles.models import quality
from profiles.models.packing import Packed, pack
from profiles.models.packing import unpack as unpacked
from profiles.models.voice_params import HASH, Measures, Params, packed
from profiles.wire import Opinion

__all__ = ["Memory", "Params", "decode", "encode", "read", "update", "zero"]

RATE: Final = 0.4  #: AdaGrad's; less is overcautious for thousands of reviews, more is too sure
WINDOW: Final = 2000  #: latest rated texts that quality is measured on
ENOUGH: Final = 200  #: rated texts before the model may speak
BOTH: Final = 30  #: of either sort
RANKS: Final = 0.6  #: AUC before the model may speak


@dataclass
class Memory:
    """The learner's whole state."""

    regression: linear_model.LogisticRegression = field(default_factory=lambda: _regression(optim.AdaGrad(RATE)))
    positive: int = 0
    negative: int = 0
    undecided: int = 0
    until: int = 0  #: newest rated text (ms)
    recent: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=WINDOW))  #: forecast, outcome


class _Stored(msgspec.Struct, frozen=True):
    """A memory as plain data; the arrays are in the order in which the pieces were first met."""

    grams_hash: str
    codes: Packed
    weights: Packed
    squares: Packed
    intercept: float
    positive: int
    negative: int
    undecided: int
    until: int
    recent: list[tuple[float, bool]]


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Stored).decode


def zero() -> Memory:
    """A learner that has read nothing."""
    return Memory()


def update(memory: Memory, opinions: Sequence[Opinion]) -> None:
    """Learn rated texts in order.  The memory changes in place; one without stars or without a text changes nothing."""
    for opinion in opinions:
        codes = unpack(opinion.grams)
        if not codes or not 1 <= opinion.stars <= 5:
            continue
        memory.until = max(memory.until, opinion.at)
        if opinion.stars == 3:
            memory.undecided += 1
            continue
        _learn(memory, dict.fromkeys(codes, 1.0 / sqrt(len(codes))), opinion.stars > 3)


def read(memory: Memory, version: int) -> Params | None:
    """Params as they stand, or None before the first rated text."""
    if not memory.positive + memory.negative + memory.undecided:
        return None
    metrics = _measures(memory)
    return Params(
        version=version,
        grams_hash=HASH,
        ready=_ready(memory, metrics["served"], metrics["base_rate"]),
        positive=memory.positive,
        negative=memory.negative,
        undecided=memory.undecided,
        base_rate=metrics["base_rate"]["positive"] or 0.0,
        intercept=float(memory.regression.intercept),
        weights=packed(memory.regression.weights),
        until=memory.until,
        metrics=metrics,
    )


def encode(memory: Memory) -> bytes:
    """The whole state; ``decode`` goes on from it to the last bit."""
    weights, squares = memory.regression.weights, memory.regression.optimizer.g2
    return _encode(
        _Stored(
            grams_hash=HASH,
            codes=pack(np.fromiter(weights, np.int64, len(weights))),
            weights=pack(np.fromiter(weights.values(), np.float64, len(weights))),
            squares=pack(np.fromiter((squares[code] for code in weights), np.float64, len(weights))),
            intercept=float(memory.regression.intercept),
            positive=memory.positive,
            negative=memory.negative,
            undecided=memory.undecided,
            until=memory.until,
            recent=list(memory.recent),
        )
    )


def decode(raw: bytes) -> Memory:
    """Raises ModelMismatch: it is no such state, or was learned on other pieces; begin with ``zero``."""
    try:
        stored = _decode(raw)
    except msgspec.DecodeError as error:
        raise ModelMismatch(f"this is no state of the learner of voices: {error}") from error
    if stored.grams_hash != HASH:
        raise ModelMismatch(f"the learner's state is for pieces {stored.grams_hash}, this code makes {HASH}")
    codes = unpacked(stored.codes, np.int64, ())
    weights, squares = (unpacked(each, np.float64, ()) for each in (stored.weights, stored.squares))
    if not len(codes) == len(weights) == len(squares) <= SIZE:
        raise ModelMismatch("the learner's state is damaged: its lists are not of one length")
    rate = optim.AdaGrad(RATE)
    rate.n_iterations = stored.positive + stored.negative
    rate.g2.update(zip(codes.tolist(), squares.tolist(), strict=True))
    regression = _regression(rate)
    regression.intercept = stored.intercept
    regression._weights = VectorDict(dict(zip(codes.tolist(), weights.tolist(), strict=True)))  # noqa: SLF001 - the only way back in
    recent = deque(stored.recent, WINDOW)
    return Memory(regression, stored.positive, stored.negative, stored.undecided, stored.until, recent)


def _learn(memory: Memory, x: dict[int, float], positive: bool) -> None:
    regression = memory.regression
    memory.recent.append((float(regression.predict_proba_one(x)[True]), positive))  # type: ignore[no-untyped-call]
    regression.learn_one(x, positive)
    if positive:
        memory.positive += 1
    else:
        memory.negative += 1


def _measures(memory: Memory) -> dict[str, Measures]:
    """Quality of forecasts made before their stars were known, and of saying the same of every text."""
    p = np.array([each for each, _ in memory.recent])
    good = np.array([each for _, each in memory.recent], np.bool_)
    share = float(good.mean()) if len(good) else None
    sure = None if share is None else max(share, 1.0 - share)
    served: Measures = {
        "auc": quality.auc(p, good),
        "accuracy": float(((p >= 0.5) == good).mean()) if len(good) else None,
        "brier": quality.brier(p, good),
        "log_loss": quality.log_loss(p, good),
        "ece": quality.ece(p, good),
    }
    base: Measures = {"positive": share, "accuracy": sure, "log_loss": _entropy(share)}
    return {"served": served, "base_rate": base}


def _entropy(share: float | None) -> float | None:
    """Log-loss of whoever says the base rate of every text."""
    if share is None:
        return None
    return -sum(q * log(q) for q in (share, 1.0 - share) if q > 0.0)


def _ready(memory: Memory, served: Measures, base: Measures) -> bool:
    """Whether it has read enough of both sorts and knows more than the base rate."""
    enough = memory.positive + memory.negative >= ENOUGH and min(memory.positive, memory.negative) >= BOTH
    auc, lost, same = served["auc"], served["log_loss"], base["log_loss"]
    if not enough or auc is None or lost is None or same is None:
        return False
    return auc >= RANKS and lost < same


def _regression(rate: optim.AdaGrad) -> linear_model.LogisticRegression:
    return linear_model.LogisticRegression(rate)
