"""What was learned of how people write, as it is published, and how a text is scored with it.

Knows: weights of hashed pieces.  Must not know: how they were learned, whose text it is.
"""

from __future__ import annotations

from hashlib import blake2b
from math import exp, isfinite, log, sqrt
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from profiles.errors import ModelMismatch
from profiles.grams import SIZE, grams, pack

Band = Literal["positive", "neutral", "negative"]
Measures = dict[str, float | None]

CLEAR: Final = 0.6  #: how sure a band other than ``neutral`` is, see ``band``
_SURE: Final = 1e-6
_HALF: Final = np.dtype("<f2")
_MOST: Final = 1000.0
_PROBE: Final = "非常好用，下次还买！ Not worth it; ask a@b.cd or 13800138000 😡 ｆｕｌｌ"
HASH: Final = blake2b(pack(grams(_PROBE)).encode(), digest_size=8).hexdigest()
"""Changes whenever a text would become other pieces."""


class Params(msgspec.Struct, frozen=True):
    """A version of the model; never changed once published.  JSON both ways is exact."""

    version: int
    grams_hash: str
    ready: bool  #: whether it may speak: enough ratings of both sorts, and better than saying the same of everybody
    positive: int  #: rated texts learned, of 4 or 5 stars
    negative: int  #: of 1 or 2
    undecided: int  #: of 3: counted, not learned
    base_rate: float  #: share of positive among the latest
    intercept: float
    weights: bytes  #: of every code, half floats: 64 kB that rank and calibrate as the learner's own
    until: int  #: newest rated text (ms)
    metrics: dict[str, Measures]


encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Params).decode


def decode(raw: bytes | str) -> Params:
    """A published model, if it fits this code.

    Raises:
        ModelMismatch: it is none, or was learned on other pieces; keep the last good one.
    """
    try:
        params = _decode(raw)
    except msgspec.DecodeError as error:
        raise ModelMismatch(f"this is no model of voices: {error}") from error
    if params.grams_hash != HASH:
        raise ModelMismatch(
            f"voice model {params.version} was learned on pieces {params.grams_hash}, this code makes {HASH}; "
            "it is refused until the learner has published a new one"
        )
    if len(params.weights) != SIZE * _HALF.itemsize:
        raise ModelMismatch(f"voice model {params.version} is damaged: it has not {SIZE} weights")
    numbers = (params.intercept, params.base_rate)
    if not all(map(isfinite, numbers)) or not np.isfinite(weights(params)).all() or not 0.0 <= params.base_rate <= 1.0:
        raise ModelMismatch(f"voice model {params.version} is damaged: a number is not finite or out of bounds")
    return params


def packed(learned: dict[int, float]) -> bytes:
    """Weights by code, as they are published."""
    dense = np.zeros(SIZE, np.float64)
    dense[list(learned)] = list(learned.values())
    return np.clip(dense, -_MOST, _MOST).astype(_HALF).tobytes()


def weights(params: Params) -> npt.NDArray[np.float16]:
    """One weight for every code."""
    return np.frombuffer(params.weights, _HALF)


def probability(params: Params, codes: tuple[int, ...]) -> float:
    """How likely a review of this shop that reads so has 4 or 5 stars rather than 1 or 2."""
    weight = float(weights(params)[list(codes)].astype(np.float64).sum())
    return sigmoid(params.intercept + weight / sqrt(len(codes) or 1))


def leaning(probability: float, base_rate: float) -> float:
    """The same if good and bad reviews were equally common: what the words say, whatever people mostly say.

    >>> leaning(0.9, 0.9), round(leaning(0.5, 0.9), 2)
    (0.5, 0.1)
    """
    return sigmoid(_logit(probability) - _logit(base_rate))


def band(probability: float, base_rate: float) -> Band:
    """Which way a text points: the probability says so, and the words themselves, not only what people mostly say.

    >>> band(0.87, 0.85), band(0.45, 0.85), band(0.3, 0.85), band(0.95, 0.85)
    ('neutral', 'neutral', 'negative', 'positive')
    """
    low, high = sorted((probability, leaning(probability, base_rate)))
    return "positive" if low >= CLEAR else "negative" if high <= 1.0 - CLEAR else "neutral"


def sigmoid(x: float) -> float:
    """A probability from log-odds."""
    return 1.0 / (1.0 + exp(-min(max(x, -30.0), 30.0)))


def _logit(p: float) -> float:
    sure = min(max(p, _SURE), 1.0 - _SURE)
    return log(sure / (1.0 - sure))
