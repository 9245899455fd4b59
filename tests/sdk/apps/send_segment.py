"""An app that uses segment-analytics-python: a customer looks, buys and gets some money back."""

from __future__ import annotations

import sys

from segment.analytics.client import Client


def main(url: str, key: str, who: str, retries: str) -> None:
    client = Client(
        key, host=url, gzip=True, max_retries=int(retries), on_error=lambda error, _: print(f"failed: {error}")
    )
    client.identify(who, {"city": "上海", "age": 29})
    for number in (1, 2):
        client.track(who, "Product Viewed", {"product_id": f"p-{number}", "category": "咖啡"})
    client.track(who, "Product Added", {"product_id": "p-1", "quantity": 2})
    client.track(who, "Order Completed", {"order_id": f"{who}-1", "revenue": 512.4, "currency": "CNY"})
    client.track(who, "Order Refunded", {"order_id": f"{who}-1", "revenue": 12.4, "currency": "CNY"})
    client.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:5])
