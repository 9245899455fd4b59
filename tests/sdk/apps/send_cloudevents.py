"""An app that makes CloudEvents with their SDK and posts them: binary, structured, and a batch."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

import httpx
from cloudevents.core.bindings.http import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent


def main(url: str, key: str, who: str) -> None:
    made = 0

    def event(kind: str, **data: Any) -> CloudEvent:
        nonlocal made
        made += 1
        attributes = {"id": f"{who}-{made}", "source": "/shop", "type": kind, "specversion": "1.0", "subject": who}
        return CloudEvent({**attributes, "time": datetime.now(UTC), "datacontenttype": "application/json"}, data)

    headers = {"Authorization": f"Bearer {key}"}
    traits = {"traits": {"city": "上海", "age": 29}}
    several = [
        event("Product Added", product_id="p-1", quantity=2),
        event("Order Completed", order_id=f"{who}-1", revenue=512.4, currency="CNY"),
        event("Order Refunded", order_id=f"{who}-1", revenue=12.4, currency="CNY"),
    ]
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as http:
        for one in (to_binary(event("identify", **traits), JSONFormat()),
                    to_binary(event("Product Viewed", product_id="p-1", category="咖啡"), JSONFormat()),
                    to_structured(event("Product Viewed", product_id="p-2", category="咖啡"), JSONFormat())):  # fmt: skip
            http.post("/v1/cloudevents", content=one.body, headers=one.headers).raise_for_status()
        batch = [json.loads(to_structured(each, JSONFormat()).body) for each in several]
        kind = {"Content-Type": "application/cloudevents-batch+json"}
        http.post("/v1/cloudevents", content=json.dumps(batch), headers=kind).raise_for_status()


if __name__ == "__main__":
    main(*sys.argv[1:4])
