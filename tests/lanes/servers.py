"""A broker and a store of the lanes that were chosen, together: what ``streams.commands.stack`` runs Mien on.

Knows: that both end together.
Must not know: which lanes there are, what runs on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streams.child import Child
from streams.supervisor import Supervisor
from tests.lanes import ran
from tests.lanes.brokers import Broker, open_broker
from tests.lanes.stores import Store, open_store


@dataclass
class Pair:
    """Both servers, as ``streams.commands.stack.Servers`` wants them and with what tests do to them."""

    data_dir: Path
    supervisor: Supervisor
    kafka: Broker
    store: Store

    @property
    def broker(self) -> str:
        return self.kafka.address

    @property
    def redis(self) -> str:
        return self.store.url

    @property
    def embedded(self) -> bool:
        return self.kafka.embedded

    @property
    def logs(self) -> Path:
        return self.data_dir / "logs"

    @property
    def children(self) -> tuple[Child, ...]:
        return self.supervisor.children


@contextmanager
def servers(folder: Path) -> Iterator[Pair]:
    """A new broker and a new store that log to disk in ``folder``, until the block ends."""
    with Supervisor() as supervisor:
        store = open_store(supervisor, folder / "store", folder / "logs", durable=True)
        ran.store(store)
        yield Pair(folder, supervisor, open_broker(supervisor, folder / "kafka", folder / "logs"), store)
