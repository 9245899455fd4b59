"""The API against its own description: whatever fits the document, or just does not, gets an answer that the document has.

Every operation of ``/openapi.json``, the collector's too, before a real broker and a real store; SCHEMATHESIS=2000 tries so
many requests of each instead of the usual few.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from typing import Any, Final

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from streams.topics import provision
from tests.api_shop import Shop, order, page, serving
from tests.lanes.brokers import Broker

TRIES: Final = int(os.environ.get("SCHEMATHESIS", "8"))
SECONDS: Final = 20
CHECKS: Final = [not_a_server_error, status_code_conformance, response_schema_conformance]


@pytest.fixture
def api(redis_url: str, session_broker: Broker) -> Iterator[tuple[str, str]]:
    """URL and a key for everything, of a shop that has customers, tags and an alert."""
    with Shop(redis_url) as shop:
        shop.open()
        shop.tell(page("u-1"), order("u-1", "o-1", 12.5))
        shop.lapse("u-1")
        chosen = {"broker": session_broker.address, "embedded": session_broker.embedded,
                  "replication": session_broker.replication}  # fmt: skip
        kafka = shop.settings.model_copy(update=chosen)
        provision(kafka)
        with serving(kafka) as url:
            yield url, shop.key("admin", "pii:reveal")


def test_no_request_that_the_description_allows_or_forbids_is_a_server_error(api: tuple[str, str]) -> None:
    """Valid and invalid values alike; refusals are of the statuses that the operation lists."""
    url, key = api
    headers = {"Authorization": f"Bearer {key}"}
    document = httpx.get(f"{url}/openapi.json", headers=headers, trust_env=False).raise_for_status().json()
    schema = schemathesis.openapi.from_dict(document)
    session = requests.Session()
    session.trust_env = False
    tried: dict[str, set[int]] = {}
    operations: Any = schema.get_all_operations()
    for found in operations:
        operation = found.ok()
        statuses = tried.setdefault(operation.label, set())
        for mode in GenerationMode:
            _ask(operation, mode, statuses, {"session": session, "base_url": url, "headers": headers})
    assert tried.keys() == {
        f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods
    }
    unheard = {label for label, statuses in tried.items() if not statuses & {200, 202, 204, 404}}
    unheard -= {"POST /sa", "POST /v1/profiles/find"}  # chance makes neither base64 of JSON nor exactly one good id
    assert not unheard, "nothing that was tried was ever understood there"


def _ask(operation: Any, mode: GenerationMode, statuses: set[int], how: dict[str, Any]) -> None:
    """So many requests to one operation."""

    @seed(20_261_122)
    @settings(max_examples=TRIES, database=None, deadline=None, phases=[Phase.explicit, Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if _streams(operation):
            statuses.add(_first_line(case, how))
            return
        response = case.call(timeout=SECONDS, **how)
        statuses.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    with suppress(Unsatisfiable) if mode is GenerationMode.NEGATIVE else nullcontext():  # nothing about it can be wrong
        ask()


def _streams(operation: Any) -> bool:
    return "text/event-stream" in str(operation.definition.raw["responses"].get("200", {}))


def _first_line(case: Any, how: dict[str, Any]) -> int:
    """The status of an answer that never ends."""
    given = case.as_transport_kwargs(base_url=how["base_url"], headers=how["headers"])
    with how["session"].request(**given, stream=True, timeout=SECONDS) as response:
        assert response.status_code < 500, response.text
        return int(response.status_code)
