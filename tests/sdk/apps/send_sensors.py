"""An app that uses SensorsAnalyticsSDK, under the names that 神策 apps use."""

from __future__ import annotations

import sys

import sensorsanalytics as sa


def main(url: str, key: str, who: str) -> None:
    consumer = sa.BatchConsumer(f"{url}/sa?project=default&token={key}", max_size=50)
    tracker = sa.SensorsAnalytics(consumer)
    tracker.profile_set(who, {"city": "上海", "age": 29}, is_login_id=True)
    for number in (1, 2):
        tracker.track(who, "ViewProduct", {"product_id": f"p-{number}", "product_classify": "咖啡"}, is_login_id=True)
    tracker.track(who, "AddToCart", {"product_id": "p-1", "product_quantity": 2}, is_login_id=True)
    tracker.track(who, "SubmitOrder", {"order_id": f"{who}-1", "order_actual_amount": 512.4}, is_login_id=True)
    tracker.track(who, "RefundOrder", {"order_id": f"{who}-1", "refund_amount": 12.4}, is_login_id=True)
    try:
        tracker.close()
    except Exception as error:
        print(f"failed: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:4])
