"""What the model sees is finite and bounded, whatever the features are, and always means the same."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from profiles.errors import ModelMismatch
from profiles.features import INDEX
from profiles.models import churn_inputs as inputs
from profiles.rules import assign_slots, compile_rules, load
from profiles.rules.parts import SHIPPED
from profiles.step import SAMPLED

ANYTHING = st.one_of(st.floats(), st.sampled_from([np.nan, np.inf, -np.inf, 1e308, -1e308, 0.0, 5e-324]))


@given(arrays(np.float64, (3, len(inputs.RAW)), elements=ANYTHING))
def test_a_vector_is_finite_and_in_bounds_whatever_the_features_are(raw: np.ndarray) -> None:
    x = inputs.vectors(raw)
    assert np.isfinite(x).all()
    assert (x >= 0).all()
    assert (x <= 1e5).all()


@given(arrays(np.float64, (4, len(inputs.RAW)), elements=ANYTHING))
def test_one_customer_and_many_get_the_same_numbers(raw: np.ndarray) -> None:
    many = inputs.vectors(raw)
    for row, x in zip(raw.tolist(), many, strict=True):
        assert inputs.vector(dict(zip(inputs.RAW, row, strict=True))).tobytes() == x.tobytes()


def test_what_is_not_known_is_not_zero_where_zero_would_say_something() -> None:
    never_visited = inputs.vector({"days_since_order": 3.0, "orders": 1.0})
    just_visited = inputs.vector({"days_since_order": 3.0, "orders": 1.0, "days_since_visit": 0.0})
    assert never_visited[inputs.AT["days_since_visit"]] > just_visited[inputs.AT["days_since_visit"]]


def test_who_never_ordered_or_has_an_infinite_feature_reaches_no_model() -> None:
    sound = {"days_since_order": 3.0, "days_since_first_order": 9.0, "orders": 2.0}
    rows = [sound, {}, sound | {"orders": 0.0}, sound | {"overdue": float("inf")}, sound | {"orders": float("nan")}]
    assert inputs.usable(inputs.matrix(rows)).tolist() == [True, False, False, False, False]


def test_a_matrix_of_another_list_is_refused() -> None:
    with pytest.raises(ModelMismatch, match=r"churn_inputs\.RAW"):
        inputs.vectors(np.zeros((2, len(inputs.RAW) + 1)))


def test_samples_carry_every_input_and_the_kernels_derive_them_whatever_the_rules_ask() -> None:
    document = load(SHIPPED.read_text(encoding="utf-8"), "tags.yaml")
    wanted = compile_rules(document, assign_slots(document, {})).rules.wanted
    assert set(inputs.RAW) <= set(SAMPLED)
    assert {INDEX[name] for name in SAMPLED} <= set(wanted.tolist())


def test_the_hash_is_the_same_in_every_process() -> None:
    code = "from profiles.models.churn_inputs import HASH; print(HASH)"
    for seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        )
        assert told.stdout.decode().strip() == inputs.HASH


def test_every_input_belongs_to_a_named_group_and_every_group_has_numbers_to_show() -> None:
    assert {each.group for each in inputs.INPUTS} == set(inputs.GROUPS)
    assert {each.group for each in inputs.INPUTS if each.zh and each.en} == set(inputs.GROUPS)
