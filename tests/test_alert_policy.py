"""What becomes an alert and what does not: the desk's policy, without Redis."""

from __future__ import annotations

import copy
from collections import Counter
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.alerts import (
    AlertRule,
    Decision,
    Hold,
    Known,
    Policy,
    Raise,
    Refuse,
    Resolve,
    Text,
    alert_id,
    decide,
)
from profiles.clock import DAY, HOUR, MINUTE, SECOND
from profiles.deliveries import LADDER, next_attempt, sms_refusal
from profiles.reasons import REASONS
from profiles.wire import MAY_SEND, Because, Origin, Transition

NOW = 1_700_000_000_000
RESCUE = AlertRule("churn_rescue", Text("流失预警", "churn warning"), Text("致电关怀", "call the customer"))
COMPLAINT = AlertRule("service", Text("投诉", "complaint"), Text("尽快回访", "call back soon"))
RULES = {
    ("tier", "churn_warning"): RESCUE,
    ("tag", "high_value_at_risk"): RESCUE,
    ("tag", "complained"): COMPLAINT,
}
POLICY = Policy(NOW, DAY, {"days_silent": "沉默天数"})


def moved(to: str, was: str | None = "general", **about: object) -> Transition:
    return change("moved", "tier", to, was=was, **about)


def entered(tag: str, **about: object) -> Transition:
    return change("entered", "tag", tag, **about)


def left(tag: str, **about: object) -> Transition:
    return change("left", "tag", tag, **about)


def change(how: str, what: str, name: str, **about: object) -> Transition:
    base = {"bucket": 0, "seq": 1, "profile": "hh-1", "at": NOW, "clock": NOW, "origin": "live", "rules": 1}
    return Transition(what=what, name=name, change=how, **{**base, **about})  # type: ignore[arg-type]


def decided(*transitions: Transition, known: Known | None = None, policy: Policy = POLICY) -> list[Decision]:
    return decide(transitions, known or Known(), RULES, policy)


def said(decisions: list[Decision]) -> list[str]:
    """Decisions in a word each, refusals by their reason."""
    return [one.reason if isinstance(one, Refuse) else type(one).__name__.lower() for one in decisions]


def test_moving_to_a_rung_that_carries_an_alert_raises_it_with_everything_a_clerk_needs() -> None:
    because = (Because("days_silent", ">=", 90.0, 60.0),)
    [raised] = decided(moved("churn_warning", because=because, risk=0.83, tier="churn_warning", stage="dormant"))

    assert isinstance(raised, Raise)
    alert = raised.alert
    assert (alert.profile, alert.policy, alert.state) == ("hh-1", "churn_rescue", "open")
    assert (alert.at, alert.raised_at, alert.risk, alert.stage) == (NOW, NOW, 0.83, "dormant")
    assert alert.because == (Text(zh="沉默天数 90 ≥ 60", en="days_silent 90 >= 60"),)
    assert alert.action == RESCUE.action
    assert alert.id == alert_id("hh-1", "tier", "churn_warning", NOW)


def test_what_carries_no_alert_is_nobody_s_business() -> None:
    assert decided(moved("high_value"), entered("night_owl"), left("night_owl")) == []


def test_leaving_the_rung_resolves_the_alert() -> None:
    raised, resolved = decided(moved("churn_warning"), moved("growing", was="churn_warning", clock=NOW + HOUR))

    assert isinstance(raised, Raise)
    assert isinstance(resolved, Resolve)
    assert (resolved.alert.id, resolved.alert.state) == (raised.alert.id, "resolved")
    assert resolved.alert.resolved_at == NOW + HOUR
    assert resolved.unsent == ""


def test_coming_back_later_is_another_episode() -> None:
    again = moved("churn_warning", was="growing", at=NOW + HOUR, clock=NOW + HOUR)
    decisions = decided(moved("churn_warning"), moved("growing", was="churn_warning"), again)

    assert said(decisions) == ["raise", "resolve", "raise"]
    assert len({one.alert.id for one in decisions if isinstance(one, Raise)}) == 2


@pytest.mark.parametrize("origin", sorted(set(get_args(Origin)) - MAY_SEND))
def test_history_a_new_rule_and_a_merge_never_raise(origin: str) -> None:
    assert said(decided(moved("churn_warning", origin=origin))) == [origin]


@pytest.mark.parametrize("origin", sorted(set(get_args(Origin)) - MAY_SEND))
def test_they_end_an_alert_without_telling_anybody_outside(origin: str) -> None:
    _, resolved = decided(moved("churn_warning"), moved("growing", was="churn_warning", origin=origin))

    assert isinstance(resolved, Resolve)
    assert resolved.unsent == origin


def test_old_news_is_stale_whether_mien_or_the_desk_was_late() -> None:
    old = NOW - DAY - 1
    assert said(decided(moved("churn_warning", at=old))) == ["stale"], "an event that came a day late"
    assert said(decided(moved("churn_warning", at=old, clock=old))) == ["stale"], "a desk that was down for a day"
    assert said(decided(moved("churn_warning", at=old + 1))) == ["raise"]


def test_in_a_replay_the_stream_s_own_time_counts() -> None:
    year_old = moved("churn_warning", at=NOW - 365 * DAY, clock=NOW - 365 * DAY)
    assert said(decided(year_old, policy=Policy(0, DAY))) == ["raise"]


def test_a_second_cause_of_the_same_policy_is_the_same_episode_until_both_are_left() -> None:
    decisions = decided(
        moved("churn_warning"),
        entered("high_value_at_risk"),
        moved("growing", was="churn_warning"),
        left("high_value_at_risk"),
    )
    assert said(decisions) == ["raise", "episode_open", "hold", "hold", "resolve"]


def test_another_policy_is_another_episode() -> None:
    assert said(decided(moved("churn_warning"), entered("complained"))) == ["raise", "raise"]


def test_entering_twice_without_leaving_is_refused_and_changes_nothing() -> None:
    known = Known()
    decided(moved("churn_warning"), known=known)
    before = copy.deepcopy(known)

    assert said(decided(moved("churn_warning", at=NOW + 1), known=known)) == ["episode_open"]
    assert known == before


def test_the_very_same_alert_is_not_raised_again_after_it_was_resolved() -> None:
    known = Known(raised={alert_id("hh-1", "tier", "churn_warning", NOW)})
    assert said(decided(moved("churn_warning"), known=known)) == ["already_raised"]


def test_leaving_without_an_episode_is_silent() -> None:
    assert decided(moved("growing", was="churn_warning"), left("complained")) == []


def test_an_episode_ends_even_if_its_rule_is_gone_by_then() -> None:
    known = Known()
    decide([moved("churn_warning")], known, RULES, POLICY)
    assert said(decide([moved("growing", was="churn_warning")], known, {}, POLICY)) == ["resolve"]


def test_the_first_placement_on_a_ladder_counts_as_entering() -> None:
    assert said(decided(moved("churn_warning", was=None))) == ["raise"]


def test_a_refused_entry_leaves_no_episode_behind() -> None:
    decisions = decided(moved("churn_warning", origin="backfill"), moved("growing", was="churn_warning"))
    assert said(decisions) == ["backfill"]


# --- laws ------------------------------------------------------------------------------------------------------------

transitions = st.lists(
    st.builds(
        change,
        how=st.sampled_from(["entered", "left"]),
        what=st.just("tag"),
        name=st.sampled_from(["high_value_at_risk", "complained", "churn"]),
        profile=st.sampled_from(["a", "b"]),
        at=st.integers(NOW - 2 * DAY, NOW),
        origin=st.sampled_from(sorted(get_args(Origin))),
    )
    | st.builds(
        moved,
        to=st.sampled_from(["churn_warning", "growing"]),
        was=st.sampled_from(["churn_warning", "growing", None]),
        profile=st.sampled_from(["a", "b"]),
        at=st.integers(NOW - 2 * DAY, NOW),
    ),
    max_size=20,
)


@given(batch=transitions, cuts=st.sets(st.integers(0, 20)))
def test_decisions_do_not_depend_on_where_a_batch_was_cut(batch: list[Transition], cuts: set[int]) -> None:
    whole, known = decided(*batch), Known()
    edges = [0, *sorted(cuts), len(batch)]
    parts = [batch[start:end] for start, end in pairwise(edges)]
    assert [one for part in parts for one in decided(*part, known=known)] == whole


@given(batch=transitions)
def test_a_customer_never_has_two_open_alerts_of_one_policy(batch: list[Transition]) -> None:
    open_now: Counter[tuple[str, str]] = Counter()
    for one in decided(*batch):
        if isinstance(one, Raise | Resolve):
            open_now[one.alert.policy, one.alert.profile] += 1 if isinstance(one, Raise) else -1
            assert set(open_now.values()) <= {0, 1}


@given(batch=transitions)
def test_memory_never_points_to_an_alert_that_is_not_open(batch: list[Transition]) -> None:
    known = Known()
    decided(*batch, known=known)

    assert set(known.of_policy.values()) == set(known.episodes)
    assert set(known.of_cause.values()) == set(known.episodes)
    for (what, name, profile), one in known.of_cause.items():
        assert (what, name) in known.episodes[one].causes
        assert known.episodes[one].alert.profile == profile


@given(batch=transitions)
def test_every_refusal_can_be_said_in_words(batch: list[Transition]) -> None:
    for one in decided(*batch):
        match one:
            case Refuse(reason) | Resolve(unsent=reason):
                assert not reason or REASONS[reason].zh
            case Hold(causes=causes):
                assert causes


# --- before a send, and after a failure ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gates", "reason"),
    [
        ({}, ""),
        ({"enabled": False, "alert": "resolved"}, "sms_off"),
        ({"alert": "resolved"}, "already_recovered"),
        ({"alert": "acknowledged"}, ""),
        ({"now": NOW + DAY + 1}, "stale"),
    ],
)
def test_an_sms_passes_the_gates_in_order(gates: dict[str, object], reason: str) -> None:
    usual = {"enabled": True, "alert": "open", "created_at": NOW, "now": NOW, "stale_after": DAY}
    assert sms_refusal(**{**usual, **gates}) == reason  # type: ignore[arg-type]


def test_the_ladder_is_climbed_rung_by_rung_and_a_little_late() -> None:
    waits = [next_attempt("one", attempts, 0) for attempts in range(len(LADDER))]

    assert [wait for wait in waits if wait is None] == []
    for pause, wait in zip(LADDER, waits, strict=True):
        assert pause <= (wait or 0) <= pause * 1.1
    assert next_attempt("one", len(LADDER), 0) is None
    assert sum(LADDER) == 5 * SECOND + 35 * MINUTE + 75 * HOUR


def test_what_failed_together_does_not_come_back_together_but_always_at_the_same_time() -> None:
    assert next_attempt("one", 3, 0) == next_attempt("one", 3, 0)
    assert len({next_attempt(f"delivery {number}", 3, 0) for number in range(50)}) > 45


def test_a_receiver_may_ask_for_a_longer_pause_but_not_for_ever() -> None:
    assert next_attempt("one", 1, NOW, retry_after=MINUTE) == NOW + MINUTE
    assert (next_attempt("one", 2, NOW, retry_after=SECOND) or 0) >= NOW + 5 * MINUTE
    assert next_attempt("one", 1, NOW, retry_after=365 * DAY) == NOW + DAY
