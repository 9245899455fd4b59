"""An app that uses posthog: a customer looks, buys and gets some money back."""

from __future__ import annotations

import sys
from typing import Any

from posthog import Posthog


def main(url: str, key: str, who: str, retries: str) -> None:
    client = Posthog(
        key, host=url, gzip=True, max_retries=int(retries), on_error=lambda error, _: print(f"failed: {error}")
    )

    def sent(event: str, **properties: Any) -> None:
        client.capture(event, distinct_id=who, properties=properties)

    client.set(distinct_id=who, properties={"city": "上海", "age": 29})
    for number in (1, 2):
        sent("Product Viewed", product_id=f"p-{number}", category="咖啡")
    sent("Product Added", product_id="p-1", quantity=2)
    sent("Order Completed", order_id=f"{who}-1", revenue=512.4, currency="CNY")
    sent("Order Refunded", order_id=f"{who}-1", revenue=12.4, currency="CNY")
    client.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:5])
