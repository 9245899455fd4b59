"""The judge reads events from files as it reads the topic they were in: by the same mapping, with the same outcome."""

from __future__ import annotations

import json
from pathlib import Path

from profiles.clock import zone
from profiles.landing import Landing
from profiles.settings import Settings
from profiles.verify.files import Lines
from profiles.verify.log import Inputs
from profiles.verify.source import Partition, Record, Sources

NOW = 1_795_000_000_000
SOURCES = """
version: 1
sources:
  - name: crm
    topics: ["crm.*"]
    user: 会员号
    time: 时间
    event_from: 动作
    events: {下单: Order Completed, 心跳: skip}
    id: 流水号
    fields: {revenue: {from: 金额, unit: fen}}
"""
ROWS = [
    *(
        {"会员号": f"u-{i % 5}", "动作": "下单", "流水号": f"s-{i}", "金额": "1,250", "时间": NOW - i}
        for i in range(20)
    ),
    {"会员号": "u-1", "动作": "心跳", "时间": NOW},
    {"会员号": "u-1", "动作": "下单", "金额": "many", "时间": NOW},
    {"event": "Order Completed", "userId": "u-9", "timestamp": NOW, "properties": {"revenue": 5}},
    {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": "x",
        "data": {"会员号": "u-2", "动作": "逛", "时间": NOW},
    },
]


def events(inputs: Inputs) -> list[tuple[str, int, int, int, int]]:
    rows = inputs.work.events
    return sorted(
        (inputs.work.profiles[row], *map(int, (kind, time, amount, key)))
        for row, kind, time, amount, key in zip(rows.row, rows.kind, rows.time, rows.amount, rows.key, strict=True)
    )


def test_lines_of_files_are_read_by_the_mapping_of_their_topic(tmp_path: Path) -> None:
    """What it skips is no refusal; a CloudEvent is opened; what no source claims is read as it is."""
    path, here = tmp_path / "sources.yaml", zone("Asia/Shanghai")
    path.write_text(SOURCES, encoding="utf-8")
    settings = Settings(sources=path)
    raw = [json.dumps(row).encode() for row in ROWS]
    for topic, accepted, refused in (("crm.orders", 20, 3), ("events.behavior", 1, 23)):
        lines = Lines(Landing.of(settings), 3, NOW, topic)
        lines.read(raw)
        topics = Sources(Landing.of(settings), 3)
        topics.read(Partition(topic, 0), (Record(at, NOW, value) for at, value in enumerate(raw)))
        mine = [events(lines.bucket(number, here, frozenset())) for number in range(3)]
        theirs = [events(topics.bucket(number, here, frozenset())) for number in range(3)]
        assert mine == theirs
        assert (sum(map(len, mine)), lines.refused) == (accepted, refused)
        assert len(topics.refused) == refused
