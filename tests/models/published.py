"""A churn model as a learner might publish it; whatever it learned, the same every time."""

from __future__ import annotations

import numpy as np

from profiles.models.bgnbd import Bgnbd
from profiles.models.churn_inputs import HASH, RAW
from profiles.models.gammagamma import GammaGamma
from profiles.models.params import Params
from tests.customers import WHEN


def params(**changed: object) -> Params:
    """A model that has learned something, whatever it was."""
    many, random = len(RAW), np.random.default_rng(7)
    told: dict[str, object] = {
        "version": 3, "inputs_hash": HASH, "horizon_days": 28, "names": RAW,
        "means": tuple(random.uniform(0, 3, many).tolist()), "sds": tuple(random.uniform(0.2, 2, many).tolist()),
        "weights": tuple(random.normal(0, 0.4, many).tolist()), "intercept": -0.3, "typical": (0.0,) * many,
        "bgnbd": Bgnbd(0.24, 4.4, 0.8, 2.4), "gamma_gamma": GammaGamma(6.0, 4.0, 15.0),
        "blend": 0.6, "source": "blend", "samples": 9_000, "until": WHEN,
    }  # fmt: skip
    return Params(**(told | changed))  # type: ignore[arg-type]
