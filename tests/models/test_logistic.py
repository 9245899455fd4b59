"""Our handful of numbers and River's pipeline are the same model, to the last bit."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from profiles.models.churn_inputs import HASH, RAW
from profiles.models.logistic import Logistic, State
from profiles.models.params import Params, learned

K = len(RAW)


def data(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.gamma(2.0, 1.0, (n, K)).astype(np.float32)
    x[:, -3:] = 0.0  # what a shop without clicks looks like
    return x, rng.random(n) < 1.0 / (1.0 + np.exp(x[:, 0] - x[:, 1]))


def dicts(x: np.ndarray) -> list[dict[str, float]]:
    return [dict(zip(RAW, row, strict=True)) for row in x.astype(np.float64).tolist()]


def params_of(state: State) -> Params:
    sds = tuple(np.sqrt(state.variances).tolist())
    means, weights = tuple(state.means), tuple(state.weights)
    return Params(
        1, HASH, 28, RAW, means, sds, weights, state.intercept, means, None, None, 1.0, "blend", state.samples, 0
    )


def test_learning_is_what_rivers_own_pipeline_does() -> None:
    x, happened = data(400)
    ours, theirs = Logistic(RAW), Logistic(RAW)
    ours.learn(x, happened)
    for row, label in zip(dicts(x), happened.tolist(), strict=True):
        theirs.pipeline.learn_one(row, label)
    theirs._samples = len(x)
    assert ours.state() == theirs.state()


@pytest.mark.parametrize("codec", [msgspec.json, msgspec.msgpack])
@pytest.mark.parametrize("before", [0, 1, 700])
def test_a_restored_learner_goes_on_to_the_last_bit(codec: object, before: int) -> None:
    x, happened = data(before + 500)
    stayed = Logistic(RAW)
    stayed.learn(x[:before], happened[:before])
    raw = codec.encode(stayed.state())  # type: ignore[attr-defined]
    restored = Logistic(RAW, codec.decode(raw, type=State))  # type: ignore[attr-defined]
    for one in (stayed, restored):
        one.learn(x[before:], happened[before:])
    assert restored.state() == stayed.state()
    gaps = [
        abs(stayed.pipeline.predict_proba_one(row)[True] - restored.pipeline.predict_proba_one(row)[True])
        for row in dicts(x[:200])
    ]
    assert max(gaps) == 0.0


def test_scoring_in_numpy_agrees_with_river() -> None:
    x, happened = data(1500)
    learner = Logistic(RAW)
    learner.learn(x, happened)
    ours = learned(params_of(learner.state()), x)
    theirs = [learner.pipeline.predict_proba_one(row)[True] for row in dicts(x)]
    assert np.abs(ours - theirs).max() < 1e-12


def test_no_outcome_weighs_more_than_the_other() -> None:
    """Weights would buy nothing in ranking and cost all calibration: rare churn is forecast as rare."""
    rng = np.random.default_rng(5)
    x, _ = data(6000)
    happened = rng.random(len(x)) < 0.08
    learner = Logistic(RAW)
    learner.learn(x, happened)
    loss = learner.pipeline["LogisticRegression"].loss
    assert (loss.weight_pos, loss.weight_neg) == (1.0, 1.0)
    assert abs(learned(params_of(learner.state()), x[-3000:]).mean() - 0.08) < 0.03


def test_an_untrained_learner_says_one_half() -> None:
    assert learned(params_of(Logistic(RAW).state()), data(3)[0]).tolist() == [0.5] * 3
