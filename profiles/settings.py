"""Every setting of Mien, in one class.

Knows: names, types, defaults and limits of the ``MIEN_*`` variables.
Must not know: what any part does with them.  Only the shells (``streams``, ``api``) build a ``Settings``.

A secret may also come from a file: ``MIEN_WEBHOOK_SECRET_FILE=/run/secrets/hook`` fills ``webhook_secret``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

Names = tuple[str, ...]


class Settings(BaseModel):
    """The whole configuration of one process; read it once, at the door, and pass it down."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    broker: str = Field("localhost:9092", description="Kafka bootstrap servers, comma separated.")
    redis: str = Field(
        "redis://localhost:6379/0",
        description="Redis or Valkey URL; `redis+cluster://host:port,host:port` for a Cluster.",
    )
    group: str = Field("mien", description="Kafka consumer group and client id prefix.")
    event_topics: Names = Field(
        ("events.*",), description="Topics to read events from: names or globs, comma separated."
    )
    history_topics: Names = Field(
        ("*.history",), description="Which of them hold history: names or globs. Their events never send anything."
    )
    event_partitions: int = Field(4, ge=1, description="Partitions of an event topic that Mien creates itself.")
    buckets: int = Field(8, ge=1, le=1024, description="Buckets of customers = partitions of profile-inputs.")
    replication: int = Field(1, ge=1, description="Replication factor of topics that Mien creates.")
    embedded: bool = Field(False, description="True inside `mien up` and `mien demo`: tuned for the private broker.")
    clock: Literal["wall", "stream"] = Field("wall", description="What drives the sweep: the wall, or a replay.")
    learn: bool = Field(True, description="Let cut points and the churn model follow the stream.")
    churn_days: int = Field(
        28, ge=7, le=364, multiple_of=7, description="Lost means: no order for so many days; whole weeks."
    )

    ids_per_customer: int = Field(
        1000, ge=2, description="At most so many ids are one customer; more look like a fault."
    )
    one_to_one: Names = Field(
        ("user", "crm", "unionid"),
        description="Kinds of ids of which a customer has one: events that show two do not join them.",
    )
    blocked_ids: Names = Field((), description="More ids, phones and e-mails that are nobody's, comma separated.")

    faults_per_minute: int = Field(
        20, ge=0, description="More events than this that cannot be handled stop a worker; 0: any number."
    )
    accept_loss: bool = Field(False, description="Go on although unread records are gone; they are counted.")

    timezone: str = Field("Asia/Shanghai", description="The shop's time zone: where its days begin.")
    currency: str = Field("CNY", pattern="^[A-Z]{3}$", description="The currency amounts are kept in.")
    rates: str = Field("", description="Fixed rates into it, e.g. USD:7.1,EUR:7.8; others go to dead letters.")
    tags: Path | None = Field(None, description="A tags.yaml to publish on first start; default: the shipped one.")

    sources: Path | None = Field(
        None, description="A sources.yaml: its sources go before the shipped ones, and replace those of their name."
    )

    data_dir: Path = Field(Path(".mien"), description="Where the embedded stack and file outputs live.")
    api_host: str = Field("127.0.0.1", description="Address the API listens on.")
    api_port: int = Field(8000, ge=0, le=65535, description="Port the API listens on; 0 picks a free one.")
    api_workers: int = Field(1, ge=1, le=64, description="Processes that serve the API on that port, a core each.")
    api_keys: str = Field("", description="Bootstrap keys: `secret=scope+scope`, comma separated.")

    collect: bool = Field(True, description="Take events over HTTP, from SDKs.")
    collect_bytes: int = Field(
        6 << 20, ge=1024, description="Bytes of one request to the collector, inflated; the largest SDK batch is 5 MiB."
    )
    collect_per_second: float = Field(0, ge=0, description="Events a second that one key may send; 0: any number.")

    pii_keys: str = Field(
        "", description="Keys that seal personal traits: `name:base64`, current first; none: only masks are kept."
    )

    webhook_urls: Names = Field((), description="Where alerts are posted, comma separated.")
    webhook_secret: str = Field("", description="Signing secret (whsec_...), see the Standard Webhooks spec.")
    webhook_private: bool = Field(False, description="Allow webhooks to http:// and private addresses.")
    sms: Literal["off", "console", "file"] = Field("console", description="Provider of rescue SMS.")
    sms_needs_consent: bool = Field(
        False, description="Text only customers who agreed; else all who did not refuse. China's law asks for it."
    )
    alerts_a_day: int = Field(
        0, ge=0, description="At most so many churn alerts a day of the shop, where most is at stake; 0: any number."
    )
    stale_hours: float = Field(24.0, gt=0, description="A transition older than this never sends anything.")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level logged.")
    log_format: Literal["console", "json"] = Field("console", description="Log lines for people or for machines.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Worker metrics for Prometheus; 0 turns them off.")

    @field_validator("event_topics", "history_topics", "webhook_urls", "one_to_one", "blocked_ids", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except Exception:
            raise ValueError(f"unknown time zone {value!r}; use an IANA name such as Asia/Shanghai") from None
        return value


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment, secrets also from ``*_FILE``.

    Raises:
        pydantic.ValidationError: a variable has a wrong value; the message names it.
        OSError: a ``*_FILE`` variable names a file that cannot be read.
    """
    environ = os.environ if environ is None else environ
    given: dict[str, object] = {}
    for field in Settings.model_fields:
        name = f"MIEN_{field.upper()}"
        if path := environ.get(f"{name}_FILE"):
            given[field] = Path(path).read_text(encoding="utf-8").strip()
        elif name in environ:
            given[field] = environ[name]
    return Settings.model_validate(given)


def as_environ(settings: Settings) -> dict[str, str]:
    """The same settings as variables, to hand to a child process.

    >>> as_environ(Settings(buckets=4))["MIEN_BUCKETS"]
    '4'
    """
    out: dict[str, str] = {}
    for field in Settings.model_fields:
        value = getattr(settings, field)
        if value is not None:
            out[f"MIEN_{field.upper()}"] = ",".join(value) if isinstance(value, tuple) else str(value)
    return out
