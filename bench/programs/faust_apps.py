"""Faust apps to measure: as its documentation starts one, on this broker.

Knows: Faust's settings.  Must not know: what an agent does.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

import faust

PRIVATE = "MIEN_BENCH_PRIVATE"  #: set where the broker is the private one
RAW: dict[str, Any] = {"key_serializer": "raw", "value_serializer": "raw"}  #: else Faust decodes JSON itself, slowly
SESSION: dict[str, Any] = {
    "broker_session_timeout": 6.0,
    "broker_rebalance_timeout": 2.0,
    "broker_heartbeat_interval": 1.0,
}


def app_on(broker: str, **settings: Any) -> Any:
    """An app with everything else at its default; unchecked, because Faust's decorators carry no types."""
    prompt: dict[str, Any] = SESSION if PRIVATE in os.environ else {}  # it answers a join after half of that time
    return faust.App(
        f"bench-{os.getpid()}",
        broker=f"kafka://{broker}",
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        worker_redirect_stdouts=False,
        datadir=tempfile.mkdtemp(prefix="mien-bench-faust-"),
        **prompt,
        **settings,
    )


def work(app: Any) -> None:
    """Run the app as ``faust worker`` does, until a signal."""
    app.finalize()
    worker = faust.Worker(app, loglevel="WARN")
    worker.execute_from_commandline()
