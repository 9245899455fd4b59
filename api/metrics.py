"""What the API counts for Prometheus.

Knows: names and help texts, and that several processes may count together (``crew``).
Must not know: who counts.  No label ever holds an id of a person.
"""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SHARED_IN: Final = "PROMETHEUS_MULTIPROC_DIR"  #: the variable that tells prometheus_client where processes add up

LATENCIES: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


def _version() -> str:
    try:
        return version("mien")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+source"


VERSION: Final = _version()
DURATION: Final = Histogram(
    "http_request_duration_seconds",
    "From the first line of a request to the end of its answer; streams are not counted.",
    ["route", "method", "status_class"],
    buckets=LATENCIES,
)
SSE_CLIENTS: Final = Gauge("mien_sse_clients", "Live streams that are open.", ["stream"], multiprocess_mode="livesum")
COLLECTED: Final = Counter("mien_collected", "Events that SDKs sent and Kafka has.", ["dialect"])
NOT_COLLECTED: Final = Counter(
    "mien_collect_refused", "Events that became dead letters at the door, by reason.", ["dialect", "reason"]
)
TURNED_AWAY: Final = Counter(
    "mien_collect_suppressed", "Events of suppressed customers, of which nothing was written.", ["dialect"]
)
SOURCES_BROKEN: Final = Gauge(
    "mien_collect_sources_broken",
    "1 while MIEN_SOURCES cannot be used and what it said before is in force.",
    multiprocess_mode="livemax",
)
BUILD: Final = Gauge("mien_build_info", "Always 1; the labels say what runs.", ["version"], multiprocess_mode="max")
BUILD.labels(VERSION).set(1)


def told() -> bytes:
    """All numbers as Prometheus reads them; of all processes together where there are several."""
    if SHARED_IN not in os.environ:
        return generate_latest()
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return generate_latest(together)
