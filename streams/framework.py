"""Faust, set up the way Mien needs it.

Knows: Faust's settings, and which of them depend on the broker.
Must not know: agents, topics, what is done with records.

What these settings promise is pinned in ``tests/contract``: an upgrade of Faust that breaks a promise fails there.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable
from typing import Any, Final

import faust
from faust.types import TP

from profiles.settings import Settings
from profiles.stable import code_of
from streams.batches import FetchScheduler
from streams.transport import FetchTransport, PromptTransport

SETTLED: Final = 0.1  #: seconds; many turns of the loop, where Faust needs about three


class QuietWorker(faust.Worker):
    """Leaves the root logger at the level that was asked for.

    Faust lowers it to DEBUG from WARNING upwards, so that a spinner can turn with every line: each library then writes
    thousands of lines a second that nobody reads.
    """

    def on_setup_root_logger(self, logger: logging.Logger, level: int) -> None:
        """No spinner."""


def faust_app(settings: Settings, reads: Iterable[str] = ()) -> faust.App:
    """An app that delivers whole fetches; on the private broker it joins and fetches sooner.

    The private broker also leaves requests unanswered: those of a group whose leader froze between joining and sharing
    out, for one.  Asking again helps, so nobody waits long there.
    ``reads``: the topics that may be others after a restart.
    """
    prompt: dict[str, Any] = {
        "broker_session_timeout": 6.0,
        "broker_rebalance_timeout": 2.0,
        "broker_heartbeat_interval": 1.0,
        "broker_request_timeout": 8.0,
    }
    patient: dict[str, Any] = {"broker_session_timeout": 30.0, "broker_rebalance_timeout": 60.0}
    app = faust.App(
        settings.group,
        broker=[f"kafka://{server.strip()}" for server in settings.broker.split(",")],
        store="memory://",
        Worker=QuietWorker,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        table_standby_replicas=1,
        ConsumerScheduler=FetchScheduler,
        broker_max_poll_records=4000,
        stream_buffer_maxsize=8,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=_place(os.environ.get("MIEN_INSTANCE", ""), () if settings.embedded else reads),
        broker_commit_interval=1.0,
        worker_redirect_stdouts=False,
        datadir=str(settings.data_dir / "faust"),
        **(prompt if settings.embedded else patient),
    )
    transport = PromptTransport if settings.embedded else FetchTransport
    app.transport = transport(app.conf.broker_consumer, app)
    return app


def _place(instance: str, reads: Iterable[str]) -> str | None:
    """The name under which a restarted worker takes its place in the group again, without a rebalance.

    Apache Kafka gives a name that it knows its old partitions back and does not look at what it wants to read now: a
    new topic would be read by nobody until the next rebalance.  So the name is another one when the topics are.  Tansu
    does look; there the name must stay, because the group would wait for the old one for ever.
    """
    topics = ",".join(sorted(reads))
    return f"{instance}-{code_of(topics):x}" if instance and topics else instance or None


async def rewind(app: Any, topic: str, partition: int, offset: int) -> None:
    """Read a partition again from ``offset``; to be called by the agent that reads it, about the batch in its hands.

    Faust notes how far it has read a few turns of the loop *after* it handed a batch over, and drops in silence what
    comes later from before that note.  A seek made within those turns is half undone: it brings the old records, and
    Faust drops all that one fetch does not carry past the note, for ever.  So the note is let pass first.  Batches
    that were under way arrive nevertheless: whoever rewinds looks at every batch, and rewinds again.
    """
    await asyncio.sleep(SETTLED)
    await app.consumer.seek(TP(topic, partition), offset)
