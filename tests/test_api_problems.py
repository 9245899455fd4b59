"""Whatever goes wrong is told in one shape, and nothing else is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Self

import httpx
import pytest

from profiles.settings import Settings
from streams.embedded import start_valkey
from streams.supervisor import Supervisor
from tests.api_shop import Shop, page, serving
from tests.lanes.clusters import open_cluster
from tests.lanes.stores import Store
from tests.processes import eventually

FIELDS = {"type", "title", "status", "detail", "instance", "code", "message", "request_id"}


@pytest.fixture
def shop(redis_url: str) -> Iterator[Shop]:
    with Shop(redis_url) as opened:
        yield opened.open()


@pytest.fixture
def http(shop: Shop) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {shop.key('admin')}"}
    with serving(shop.settings) as url, httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "unknown_path"),
        ("GET", "/v1/profiles/", 404, "unknown_path"),
        ("GET", "/v1/profiles/a/b", 404, "unknown_path"),
        ("GET", "/v1/profiles/nobody", 404, "unknown_profile"),
        ("GET", "/v1/tags/none/members", 404, "unknown_tag"),
        ("DELETE", "/v1/profiles/u-1", 405, "method_not_allowed"),
        ("GET", "/v1/profiles:batchGet", 405, "method_not_allowed"),
        ("GET", "/v1/tags/lately_here/members?limit=0", 422, "invalid_request"),
    ],
)
def test_every_refusal_has_the_same_members(http: httpx.Client, method: str, path: str, status: int, code: str) -> None:
    answer = http.request(method, path, headers={"X-Request-Id": "abc-1"})

    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert problem.keys() >= FIELDS
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"urn:mien:problem:{code}")
    assert problem["message"] == problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"] == "abc-1"
    assert ("allow" in answer.headers) is (status == 405)


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "é", "<script>"])
def test_a_request_id_that_could_spoil_a_log_is_replaced(http: httpx.Client, given: str) -> None:
    answer = http.get("/healthz", headers=[(b"x-request-id", given.encode())])

    assert len(answer.headers["x-request-id"]) == 16


def test_a_store_that_is_away_is_503_and_comes_back_by_itself(store: Store, shop: Shop) -> None:
    shop.tell(page("u-1"))
    token = shop.key("admin")
    with Ice(store) if store.cluster else Door(store.url) as door:
        settings = shop.settings.model_copy(update={"redis": door.url})
        with serving(settings) as url, httpx.Client(base_url=url, trust_env=False, timeout=10) as http:
            http.headers["X-Api-Key"] = token
            assert http.get("/v1/profiles/u-1").status_code == 200

            door.shut()
            for path in ("/v1/profiles/u-1", "/v1/tags", "/v1/alerts", "/v1/stream/alerts"):
                answer = http.get(path)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "1"), path
                assert answer.json()["code"] == "store_unavailable"
            assert http.get("/healthz").status_code == 200
            eventually(lambda: http.get("/readyz").status_code == 503, "readiness notices")

            door.open()
            assert http.get("/v1/profiles/u-1").status_code == 200


@pytest.mark.parametrize("scheme", ["redis", "redis+cluster"])
def test_the_api_starts_without_a_store_and_says_so(scheme: str) -> None:
    with closing(socket.socket()) as nobody:  # bound, so that nobody else gets the port, and not listening
        nobody.bind(("127.0.0.1", 0))
        settings = Settings(redis=f"{scheme}://127.0.0.1:{nobody.getsockname()[1]}/0", api_port=0, api_keys="k=admin")
        with serving(settings) as url, httpx.Client(base_url=url, trust_env=False, headers={"X-Api-Key": "k"}) as http:
            assert http.get("/healthz").json() == {"status": "alive"}
            assert http.get("/readyz").status_code == 503
            assert http.get("/v1/profiles/u-1").json()["code"] == "store_unavailable"
            assert http.get("/v1/alerts").json()["code"] == "store_unavailable"


def test_a_fault_of_ours_tells_its_request_id_and_nothing_else(shop: Shop, http: httpx.Client) -> None:
    shop.run(shop.client.set("rules", "not a hash"))

    answer = http.get("/v1/tags")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "WRONGTYPE" not in answer.text
    assert "Traceback" not in answer.text


def test_a_store_of_another_shop_is_never_read(shop: Shop) -> None:
    settings = shop.settings.model_copy(update={"buckets": 64, "api_keys": "k=admin"})
    with serving(settings) as url, httpx.Client(base_url=url, trust_env=False, headers={"X-Api-Key": "k"}) as http:
        answer = http.get("/v1/profiles/u-1")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert "MIEN_BUCKETS=3" in answer.json()["message"]
        assert http.get("/readyz").json()["checks"]["shop"]["message"] == answer.json()["message"]


@pytest.mark.parametrize("scheme", ["redis", "redis+cluster"])
def test_a_store_of_another_kind_says_what_to_write_instead(
    store: Store, shop: Shop, scheme: str, tmp_path: Path
) -> None:
    """One server where a Cluster was named, a node of one where a server was: never an internal error."""
    with Supervisor() as supervisor:
        if scheme == "redis":
            cluster = store if store.cluster else open_cluster(supervisor, tmp_path, tmp_path / "logs", durable=False)
            where = f"redis://127.0.0.1:{cluster.nodes[0].port}/0"
        else:
            one = start_valkey(supervisor, tmp_path, tmp_path / "logs", durable=False)
            where = one.replace("redis://", "redis+cluster://")
        settings = shop.settings.model_copy(update={"redis": where, "api_keys": "k=admin"})
        with serving(settings) as url, httpx.Client(base_url=url, trust_env=False, headers={"X-Api-Key": "k"}) as http:
            answer = http.get("/v1/profiles/u-1")
            assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
            right = "redis+cluster" if scheme == "redis" else "redis"
            assert f"write {right}://host:port" in answer.json()["message"]
            assert f"write {right}://host:port" in http.get("/readyz").text


class Ice:
    """A store that can be frozen whole, where every node has an address of its own and none a door."""

    def __init__(self, store: Store) -> None:
        self.url = store.url
        self._store = store
        self._frozen = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.open()

    def open(self) -> None:
        self._frozen.close()
        self._store.until_whole()

    def shut(self) -> None:
        for place in range(len(self._store.nodes)):
            self._frozen.enter_context(self._store.frozen(place))


class Door:
    """A way to the store that can be shut: connections through it are cut and no new ones are taken."""

    def __init__(self, redis_url: str) -> None:
        host, port = redis_url.removeprefix("redis://").split("/")[0].split(":")
        self._to = host, int(port)
        self._wires: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._here = self._listener.getsockname()
        self.url = f"redis://127.0.0.1:{self._here[1]}/0"

    def __enter__(self) -> Self:
        self._serve()
        return self

    def __exit__(self, *_: object) -> None:
        self.shut()

    def open(self) -> None:
        self._listener = socket.create_server(self._here)
        self._serve()

    def shut(self) -> None:
        for each in [self._listener, *self._wires]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._wires.clear()
        self._thread.join(5)

    def _serve(self) -> None:
        self._thread = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._to)
            self._wires += [near, far]
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(a, b), daemon=True).start()


def _pump(a: socket.socket, b: socket.socket) -> None:
    with suppress(OSError):
        while data := a.recv(65536):
            b.sendall(data)
