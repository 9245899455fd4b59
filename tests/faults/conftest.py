"""One shop for all faults, under one load: each fault finds what those before it left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.webhooks import new_secret
from tests.e2e.stacks import Stack, stack
from tests.faults.load import Load, loading
from tests.hook_receiver import Receiver
from tests.processes import eventually

pytest.register_assert_rewrite("tests.faults.judge", "tests.faults.faults")
TAGS = Path(__file__).with_name("tags.yaml")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, hook: Receiver) -> Iterator[Stack]:
    """Two workers, so that one can take over from the other, and a webhook."""
    with stack(
        tmp_path_factory.mktemp("faults"),
        workers=2,
        buckets=8,  # so that each of four workers gets some
        event_partitions=2,
        tags=TAGS,
        currency="USD",
        sms="off",
        webhook_urls=(hook.url,),
        webhook_secret=new_secret(),
        webhook_private=True,
    ) as started:
        yield started


@pytest.fixture(scope="module")
def load(shop: Stack) -> Iterator[Load]:
    """The load, once the shop has caught up with its beginning."""
    with loading(shop.broker, int(os.environ.get("SEED", "1"))) as started:
        with started.paused():
            wanted = started.books.valid, started.books.duplicates
            eventually(lambda: shop.counted() == wanted, "the beginning is applied", seconds=120)
        yield started
