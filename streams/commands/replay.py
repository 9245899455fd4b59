"""``mien replay``: events from JSON Lines files into a topic.

Knows: files and topics.  Must not know: what an event means; a line that is no event becomes a dead letter like any
other bad record.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from kafka import KafkaProducer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from profiles.settings import load
from streams.pace import Pace


class _Who(msgspec.Struct):
    userId: str | int | None = None  # noqa: N815 - the wire's name
    anonymousId: str | int | None = None  # noqa: N815


_who = msgspec.json.Decoder(_Who).decode


def replay(files: list[Path], topic: str, rate: float | None) -> int:
    """Publish every line; returns 0 when the broker has all of them."""
    settings = load()
    producer = KafkaProducer(
        bootstrap_servers=settings.broker.split(","), acks="all", linger_ms=20, enable_idempotence=False
    )
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    sent, pace = 0, Pace(rate)
    try:
        with Progress(*columns) as progress:
            for file in files:
                task = progress.add_task(file.name, total=file.stat().st_size)
                for line in _lines(file):
                    progress.advance(task, len(line) + 1)
                    if line.strip():
                        producer.send(topic, line, key=_key(line))
                        sent += 1
                        pace.wait()
            producer.flush()
    except KeyboardInterrupt:
        producer.flush()
        print(f"stopped after {sent} events; all of them are in {topic}")
        return 130
    finally:
        producer.close()
    print(f"{sent} events are in {topic}")
    return 0


def _lines(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        for line in stream:
            yield line.rstrip(b"\r\n")


def _key(line: bytes) -> bytes | None:
    """The customer, so that their events stay in order; a line that names nobody goes anywhere."""
    try:
        who = _who(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    name = who.userId if who.userId is not None else who.anonymousId
    return str(name).encode() if name is not None else None
