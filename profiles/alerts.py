"""When a customer's change is somebody's business, and when it is not.

Knows: episodes, the order of the gates, the words of an alert.
Must not know: Redis, webhooks, SMS, rule documents; what time it is.  (What leaves for an alert is in ``deliveries``,
where it is kept in ``store/desk``.)

An *episode* is the time a customer stands on a rung, or holds a tag, that carries an alert.  Several such causes of
one policy that overlap are one episode: it has one alert, raised by the first cause and resolved when the last is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, Literal

import msgspec

from profiles.clock import DAY, Millis
from profiles.wire import MAY_SEND, Because, Transition

State = Literal["open", "acknowledged", "resolved"]
STATES: Final[tuple[State, ...]] = ("open", "acknowledged", "resolved")

Cause = tuple[str, str]  #: what and name of a transition: ``("tier", "churn_warning")``
Place = tuple[str, str, str]  #: a cause and the profile it is true of: what, name, profile


class Text(msgspec.Struct, frozen=True):
    """A sentence for people, in both languages."""

    zh: str
    en: str


@dataclass(frozen=True)
class AlertRule:
    """What a tag or a rung raises: which policy acts, what the alert is called, what a clerk may do about it."""

    policy: str
    label: Text
    action: Text


Rules = Mapping[Cause, AlertRule]

#: policies whose alerts compete for the budget of a day, by what is at stake
RANKED: Final = frozenset({"churn_rescue"})


class Alert(msgspec.Struct, frozen=True):
    """One episode that somebody should know of.

    ``at`` is the moment the cause became true, ``raised_at`` what time it was when Mien said so; times in milliseconds.
    """

    id: str
    profile: str
    policy: str
    what: str
    name: str
    label: Text
    at: Millis
    raised_at: Millis
    state: State
    because: tuple[Text, ...]
    risk: float | None
    tier: str | None
    stage: str | None
    action: Text
    acknowledged_at: Millis | None = None
    acknowledged_by: str | None = None
    resolved_at: Millis | None = None
    stake: float | None = None  #: risk x a year's orders, in the shop's currency; null until a model serves
    reasons: tuple[Text, ...] = ()  #: what raises the risk most, as the churn model has it; none until one serves


def alert_id(profile: str, what: str, name: str, at: Millis) -> str:
    """The same for the same episode on every machine and in every replay.

    >>> alert_id("hh-1", "tier", "churn_warning", 1_700_000_000_000)
    '1008efab7d9e61f163b444cf'
    """
    return blake2b(msgspec.json.encode((profile, what, name, at)), digest_size=12).hexdigest()


def event_type(policy: str, verb: str) -> str:
    """What an alert event is called on screens and in webhooks.

    >>> event_type("churn_rescue", "raised")
    'churn_rescue.alert.raised'
    """
    return f"{policy}.alert.{verb}"


# --- what the desk knows when it decides -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Episode:
    """An alert that is not resolved, and what holds it open."""

    alert: Alert
    causes: tuple[Cause, ...]


@dataclass
class Known:
    """The part of the desk's memory that a batch may touch; decisions are applied to it one after the other."""

    episodes: dict[str, Episode] = field(default_factory=dict)  #: alert id -> the open episode
    of_cause: dict[Place, str] = field(default_factory=dict)  #: place -> alert id
    of_policy: dict[tuple[str, str], str] = field(default_factory=dict)  #: policy and profile -> alert id
    raised: set[str] = field(default_factory=set)  #: ids, of those asked for, that were raised before
    spent: dict[int, int] = field(default_factory=dict)  #: day of the shop -> ranked alerts raised on it


@dataclass(frozen=True)
class Asked:
    """What the desk must look up before it can decide about a batch."""

    causes: tuple[Place, ...]
    policies: tuple[tuple[str, str], ...]
    ids: tuple[str, ...]
    days: tuple[int, ...] = ()


def ask(transitions: Iterable[Transition], rules: Rules, day: Callable[[Millis], int] = lambda at: at // DAY) -> Asked:
    """Everything that :func:`decide` may want to know about these transitions."""
    causes: dict[Place, None] = {}
    policies: dict[tuple[str, str], None] = {}
    ids: dict[str, None] = {}
    days: dict[int, None] = {}
    for t in transitions:
        left, entered = _moves(t)
        if left:
            causes[*left, t.profile] = None  # whatever the rules say today: the episode may be older than they are
        if entered and (rule := rules.get(entered)):
            causes[*entered, t.profile] = None
            policies[rule.policy, t.profile] = None
            ids[alert_id(t.profile, *entered, t.at)] = None
            if rule.policy in RANKED:
                days[day(t.clock)] = None
    return Asked(tuple(causes), tuple(policies), tuple(ids), tuple(days))


# --- what it decides ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Raise:
    """A new alert, and with it an episode."""

    alert: Alert


@dataclass(frozen=True)
class Refuse:
    """No alert, and why (a code of ``reasons``)."""

    reason: str
    policy: str
    cause: Cause
    profile: str
    alert: str = ""  #: id of the alert that is already there, where that is the reason


@dataclass(frozen=True)
class Hold:
    """The causes of an open episode changed: one came to it or left it, at least one remains."""

    alert: str
    causes: tuple[Cause, ...]
    profile: str
    came: Cause | None = None
    left: Cause | None = None


@dataclass(frozen=True)
class Resolve:
    """The episode is over; ``alert`` is how it ends.  ``unsent`` says why nobody outside may be told, if so."""

    alert: Alert
    last: Cause
    unsent: str = ""


Decision = Raise | Refuse | Hold | Resolve


def decide(transitions: Sequence[Transition], known: Known, rules: Rules, policy: Policy) -> list[Decision]:
    """What follows from transitions of one bucket, in their order.  ``known`` is brought up to date on the way.

    The result does not depend on where a batch was cut: each transition sees only what those before it left behind.
    """
    decisions: list[Decision] = []
    for t in transitions:
        left, entered = _moves(t)
        if entered and (rule := rules.get(entered)):  # first: a step from one cause to another of the same policy ...
            decisions += _enter(t, entered, rule, known, policy)
        if left:  # ... then leaves an episode that goes on
            decisions += _leave(t, left, known, policy)
    return decisions


@dataclass(frozen=True)
class Policy:
    """What a decision depends on besides the transition.

    ``now`` is 0 in a replay, where transitions bring their own time; ``names`` are the features' Chinese names.
    ``budget`` is how many ranked alerts a day of the shop may have, 0 any number; ``day`` says which day it is.
    """

    now: Millis
    stale_after: Millis
    names: Mapping[str, str] = field(default_factory=dict)
    budget: int = 0
    day: Callable[[Millis], int] = lambda at: at // DAY


def refusal(t: Transition, known: Known, rule: AlertRule, entered: Cause, policy: Policy) -> str:
    """The first gate that is shut for this entry, as a reason code; empty if all are open.

    The order is the order of the reasons a person would give: not news at all, old news, known already, not worth it.
    """
    if unsent := _unsent(t, policy):
        return unsent
    if alert_id(t.profile, *entered, t.at) in known.raised:
        return "already_raised"
    if (rule.policy, t.profile) in known.of_policy:
        return "episode_open"
    return _unaffordable(t, known, policy) if rule.policy in RANKED and policy.budget else ""


def _unaffordable(t: Transition, known: Known, policy: Policy) -> str:
    """The line says who is worth one of the day's alerts; the count holds whatever the line had foreseen."""
    if t.below:
        return "below_line"
    return "over_budget" if known.spent.get(policy.day(t.clock), 0) >= policy.budget else ""


def _unsent(t: Transition, policy: Policy) -> str:
    if t.origin not in MAY_SEND:
        return t.origin
    return "stale" if max(policy.now, t.clock) - t.at > policy.stale_after else ""


def _moves(t: Transition) -> tuple[Cause | None, Cause | None]:
    """The cause a transition leaves and the one it enters."""
    here = (t.what, t.name)
    if t.change == "moved":
        return ((t.what, t.was) if t.was is not None else None), here
    return (here, None) if t.change == "left" else (None, here)


def _enter(t: Transition, cause: Cause, rule: AlertRule, known: Known, policy: Policy) -> list[Decision]:
    reason = refusal(t, known, rule, cause, policy)
    if not reason:
        alert = _alert(t, cause, rule, policy.names)
        known.episodes[alert.id] = Episode(alert, (cause,))
        known.of_cause[*cause, t.profile] = known.of_policy[rule.policy, t.profile] = alert.id
        known.raised.add(alert.id)
        if rule.policy in RANKED:
            day = policy.day(t.clock)
            known.spent[day] = known.spent.get(day, 0) + 1
        return [Raise(alert)]
    if reason != "episode_open":
        return [Refuse(reason, rule.policy, cause, t.profile)]
    one = known.of_policy[rule.policy, t.profile]
    refused = Refuse(reason, rule.policy, cause, t.profile, one)
    episode = known.episodes[one]
    if cause in episode.causes:
        return [refused]
    known.episodes[one] = Episode(episode.alert, (*episode.causes, cause))
    known.of_cause[*cause, t.profile] = one
    return [refused, Hold(one, known.episodes[one].causes, t.profile, came=cause)]


def _leave(t: Transition, cause: Cause, known: Known, policy: Policy) -> list[Decision]:
    one = known.of_cause.pop((*cause, t.profile), None)
    if one is None:
        return []
    episode = known.episodes[one]
    causes = tuple(other for other in episode.causes if other != cause)
    if causes:
        known.episodes[one] = Episode(episode.alert, causes)
        return [Hold(one, causes, t.profile, left=cause)]
    del known.episodes[one], known.of_policy[episode.alert.policy, t.profile]
    over = msgspec.structs.replace(episode.alert, state="resolved", resolved_at=t.clock)
    return [Resolve(over, cause, _unsent(t, policy))]


def _alert(t: Transition, cause: Cause, rule: AlertRule, names: Mapping[str, str]) -> Alert:
    return Alert(
        id=alert_id(t.profile, *cause, t.at),
        profile=t.profile,
        policy=rule.policy,
        what=t.what,
        name=t.name,
        label=rule.label,
        at=t.at,
        raised_at=t.clock,
        state="open",
        because=tuple(_said(one, names) for one in t.because),
        risk=t.risk,
        tier=t.tier,
        stage=t.stage,
        action=rule.action,
        stake=t.stake,
        reasons=tuple(Text(*each) for each in t.reasons),
    )


_SIGNS: Final = {
    "<=": "≤",
    ">=": "≥",
    "!=": "≠",
    "is known": "已知",
    "is unknown": "未知",
    "held": "已有此标签",
    "not held": "无此标签",
}


def _said(because: Because, names: Mapping[str, str]) -> Text:
    zh = msgspec.structs.replace(
        because,
        feature=names.get(because.feature, because.feature),
        compare=_SIGNS.get(because.compare, because.compare),
    )
    return Text(zh=str(zh), en=str(because))
