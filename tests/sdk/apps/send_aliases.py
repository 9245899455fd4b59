"""An app that tells, with each of three SDKs, that a customer it knew under one user id now has another."""

from __future__ import annotations

import sys

from posthog import Posthog
from rudderstack.analytics.client import Client as Rudder
from segment.analytics.client import Client as Segment


def main(url: str, key: str, who: str, retries: str) -> None:
    segment = Segment(key, host=url, max_retries=int(retries), on_error=lambda error, _: print(f"failed: {error}"))
    segment.alias(f"{who}-segment@example.com", f"{who}-segment")
    segment.shutdown()
    rudder = Rudder(key, host=url, max_retries=int(retries), on_error=lambda error, _: print(f"failed: {error}"))
    rudder.alias(f"{who}-rudder@example.com", f"{who}-rudder")
    rudder.flush()
    rudder.join()
    posthog = Posthog(key, host=url, max_retries=int(retries), on_error=lambda error, _: print(f"failed: {error}"))
    posthog.alias(f"{who}-posthog@example.com", f"{who}-posthog")
    posthog.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:5])
