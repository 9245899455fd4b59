"""What the API itself adds to the shapes of the domain: envelopes, bodies, health.

Knows: fields.  Must not know: where their values come from.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from profiles.alerts import Alert
from profiles.consent import Consent
from profiles.dictionary import FeatureLine
from profiles.erasure import SUBJECTS, Kind
from profiles.identity.claims import ID_LIMIT
from profiles.models.churn_inputs import Target
from profiles.models.drift import Moved
from profiles.models.params import Source
from profiles.store.desk_rows import LedgerLine
from profiles.view import ProfileView
from profiles.worth import SourceQuality, Totals

BATCH_LIMIT = 100
Id = Annotated[str, Meta(min_length=1, max_length=ID_LIMIT)]


class BatchGet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose profiles are wanted."""

    ids: Annotated[list[Id], Meta(min_length=1, max_length=BATCH_LIMIT)]


class Profiles(msgspec.Struct, frozen=True):
    """Those that exist, in the order asked, and those that do not."""

    profiles: tuple[ProfileView, ...]
    missing: tuple[str, ...]


class RevealWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which personal traits are wanted, and what for."""

    fields: Annotated[list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(min_length=1, max_length=20)]
    reason: Annotated[str, Meta(min_length=3, max_length=300, pattern=r"\S", description="goes on record")]


class Plain(msgspec.Struct, frozen=True):
    """Personal traits of one customer in plain, and under which number the audit log has it."""

    profile: str
    fields: dict[str, str | int | float | bool]
    missing: dict[str, str]  #: trait -> absent, not_kept (it came while there was no key), shredded
    audit: int


class RegulationWish(msgspec.Struct, frozen=True, rename="camel"):
    """What is ordered about whom; as Segment and RudderStack spell it."""

    regulation_type: Kind
    subject_ids: Annotated[list[Id], Meta(min_length=1, max_length=SUBJECTS)]
    subject_type: Literal["userId", "USER_ID"] = "userId"
    reason: Annotated[str, Meta(max_length=300, description="goes on record")] = ""


class Ordered(msgspec.Struct, frozen=True):
    """Where to ask how far an order has come."""

    id: str
    report: str


class ConsentWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a customer said, purpose by purpose, and where: on the phone, on paper ..."""

    consents: Annotated[
        dict[Annotated[str, Meta(min_length=1, max_length=60)], bool], Meta(min_length=1, max_length=20)
    ]
    reason: Annotated[str, Meta(max_length=300, description="goes on record")] = ""


class Consents(msgspec.Struct, frozen=True):
    """What a customer allows."""

    profile: str
    consents: dict[str, Consent]


class Export(msgspec.Struct, frozen=True):
    """Everything that is kept about one customer."""

    exported_at: int
    profile: ProfileView  #: personal traits masked
    ids: tuple[str, ...]  #: all that are this customer; timeline, alerts and deliveries are of each of them
    personal: dict[str, str | int | float | bool] | None  #: in plain, where the key may reveal and a reason was given
    consents: dict[str, Consent]
    timeline: list[dict[str, Any]]
    alerts: tuple[Alert, ...]
    deliveries: tuple[LedgerLine, ...]  #: every send and every refusal
    suppressed: bool


class ModelInput(msgspec.Struct, frozen=True):
    """One input of the churn model; the weight is per standard deviation and positive if it raises the risk."""

    feature: str
    group_zh: str
    group_en: str
    weight: float
    mean: float  #: of the transformed feature
    sd: float


class ChurnModel(msgspec.Struct, frozen=True):
    """The churn model that serves."""

    version: int
    source: Source  #: ``bgnbd``: buying behaviour alone, until the learner beats it; then ``blend``
    horizon_days: int
    target: Target  #: what is forecast not to come; ``visit`` in a shop without orders
    of_zh: str  #: what the probability is of
    of_en: str
    learner_share: float  #: of what is served, 0..1
    labels: int
    learned_until: int
    quality: dict[str, dict[str, float | None]]  #: forecaster -> measure -> value over the latest weeks of labels
    bgnbd: dict[str, float] | None  #: buying behaviour: r, alpha, a, b (weeks)
    gamma_gamma: dict[str, float] | None  #: value of an order: p, q, v
    inputs: tuple[ModelInput, ...]
    drift: tuple[Moved, ...]  #: what was watched for drift, in words: forecasts, each business group, their error


class SegmentLine(msgspec.Struct, frozen=True):
    """One segment with its portrait."""

    id: int  #: stays when the name changes
    zh: str
    en: str
    portrait_zh: str
    portrait_en: str
    typical: dict[str, float]  #: the median customer: days, orders, major units of the shop's currency
    share: float  #: of the customers followed, 0..1
    customers: int  #: that many of them; of a large shop the sample that is followed


class SegmentModel(msgspec.Struct, frozen=True):
    """The segments that serve, and how customers moved between them."""

    version: int
    learned_until: int  #: newest sample seen (ms)
    samples: int
    segments: tuple[SegmentLine, ...]
    migration: tuple[tuple[int, ...], ...]  #: customers, row: segment of the week before, column: of the latest week
    changed: float | None  #: share of them in another segment than the week before; null in the first week
    seedings: int  #: how often centres were sought afresh; ids went on


class VoiceModel(msgspec.Struct, frozen=True):
    """What was learned of how customers write."""

    version: int
    source: str  #: ``stars`` while only stars count, ``model`` once texts are read
    learned_until: int  #: newest rated text (ms)
    positive: int  #: rated texts learned: 4 or 5 stars
    negative: int  #: 1 or 2
    undecided: int  #: 3: counted, not learned
    quality: dict[str, dict[str, float | None]]  #: forecaster -> measure -> value over the latest rated texts


class Learned(msgspec.Struct, frozen=True):
    """Everything that is learned from the stream."""

    churn: ChurnModel | None
    segments: SegmentModel | None
    voice: VoiceModel | None


class FindBy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One id of a customer; exactly one field."""

    user_id: str | None = None
    anonymous_id: str | None = None
    crm_id: str | None = None
    unionid: str | None = None
    openid: str | None = None
    phone: str | None = None
    email: str | None = None


class Timeline(msgspec.Struct, frozen=True):
    """What happened to a customer, newest first: moments (``event``) and transitions (``what``)."""

    profile: str
    entries: list[dict[str, Any]]


class Members(msgspec.Struct, frozen=True):
    """Some customers who hold a tag; a page may be a little longer than asked."""

    tag: str
    members: list[str]
    has_more: bool
    next_cursor: str | None


class Alerts(msgspec.Struct, frozen=True):
    """Some alerts, the latest raised first."""

    alerts: tuple[Alert, ...]
    has_more: bool
    next_cursor: str | None


class Acknowledgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who takes an alert in hand."""

    by: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S", description="who, as screens show it")]


class Features(msgspec.Struct, frozen=True):
    """The data dictionary."""

    features: list[FeatureLine]


class Version(msgspec.Struct, frozen=True):
    """What runs."""

    name: str
    version: str
    python: str


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that must be, or should be, as it ought to."""

    ok: bool
    required: bool = True
    message: str | None = None
    seen: dict[str, Any] = {}


class Readiness(msgspec.Struct, frozen=True):
    """``ready``, ``degraded`` (reads are answered, but may be old) or ``not_ready``, and why."""

    status: str
    checks: dict[str, Check]


class SourceLine(msgspec.Struct, frozen=True):
    """One source, in short."""

    source: str
    kind: str
    topic: str
    key: str
    key_name: str
    totals: Totals
    last_seen: str | None


class Sources(msgspec.Struct, frozen=True):
    """Every source that sent something in the last 30 days, the one seen last first."""

    sources: tuple[SourceLine, ...]


class Qualities(msgspec.Struct, frozen=True):
    """What was counted of sources; counts are a second old at most."""

    days: int
    sources: tuple[SourceQuality, ...]
