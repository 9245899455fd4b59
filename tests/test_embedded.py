"""The private stack: one command's servers come up by themselves, and nothing of them stays when it ends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from redis import Redis

from streams.embedded import Embedded, EmbeddedError
from streams.owner import Taken
from streams.ports import pick_port
from tests.processes import eventually, running

ROOT = Path(__file__).parents[1]


def test_both_servers_answer_and_end_with_the_block(tmp_path: Path) -> None:
    with Embedded(tmp_path / ".mien") as stack:
        with Redis.from_url(stack.redis) as redis:
            assert redis.ping()
            assert redis.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert _topics(stack.broker) == []
        assert [child.name for child in stack.children] == ["valkey", "broker"]

    assert [child.code for child in stack.children] == [0, 0]
    assert not any(_listening(address) for address in (stack.broker, stack.redis.split("/")[2]))


def test_profiles_outlive_a_restart_and_the_broker_starts_empty(tmp_path: Path) -> None:
    with Embedded(tmp_path) as stack, Redis.from_url(stack.redis) as redis:
        redis.set("{0}:p:ada", "a profile")
        admin = KafkaAdminClient(bootstrap_servers=stack.broker)
        admin.create_topics({"events.orders": {"num_partitions": 1, "replication_factor": 1}})
        admin.close()

    with Embedded(tmp_path) as stack, Redis.from_url(stack.redis) as redis:
        assert redis.get("{0}:p:ada") == b"a profile"
        assert _topics(stack.broker) == []
        assert stack.embedded, "says that its log is new"


def test_kill_9_of_the_owner_leaves_no_process_and_the_directory_free(tmp_path: Path) -> None:
    owner, pids = _owner(tmp_path)
    assert all(running(pid) for pid in pids)

    owner.kill()
    owner.wait(timeout=15)

    eventually(lambda: not any(running(pid) for pid in pids), "both servers are gone")
    with Embedded(tmp_path) as stack, Redis.from_url(stack.redis) as redis:
        assert redis.get("written") == b"before the kill", "what Valkey had acknowledged is still there"


def test_a_second_start_is_refused_with_the_process_and_what_to_do(tmp_path: Path) -> None:
    owner, _ = _owner(tmp_path)

    with pytest.raises(Taken, match=rf"in use by process {owner.pid} .*kill {owner.pid}.*MIEN_DATA_DIR"):
        Embedded(tmp_path).start()

    owner.kill()
    owner.wait(timeout=15)


def test_a_refused_start_does_not_disturb_the_owner(tmp_path: Path) -> None:
    with Embedded(tmp_path) as stack:
        with pytest.raises(Taken), Embedded(tmp_path):
            pass
        with Redis.from_url(stack.redis) as redis:
            assert redis.ping()
        with pytest.raises(Taken):
            Embedded(tmp_path).start()


def test_a_lock_file_left_by_a_crash_means_nothing(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(f"{os.getppid()}\nmien up\n", encoding="utf-8")

    with Embedded(tmp_path) as stack:
        assert stack.broker


def test_a_server_that_cannot_start_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    """The log of a full disk or a damaged file is what helps; nobody should have to look for it."""
    with Embedded(tmp_path):
        pass
    manifest = tmp_path / "valkey" / "appendonlydir" / "appendonly.aof.manifest"
    manifest.write_text("damaged\n", encoding="utf-8")

    with pytest.raises(EmbeddedError, match=r"(?s)valkey exited with code 1 before it was ready.*manifest"):
        Embedded(tmp_path).__enter__()

    with pytest.raises(EmbeddedError), Embedded(tmp_path):
        pass  # and the directory was given back: this is not Taken


def test_nothing_is_written_outside_the_data_directory(tmp_path: Path) -> None:
    home, data = tmp_path / "home", tmp_path / "data"
    home.mkdir()
    code = f"""
        from pathlib import Path
        from streams.embedded import Embedded
        with Embedded(Path({str(data)!r})):
            pass
    """
    env = {**os.environ, "HOME": str(home)}
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, env=env, check=True, timeout=60)

    assert list(home.iterdir()) == []


def test_a_port_in_use_is_replaced_by_a_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        preferred = taken.getsockname()[1]
        port, was_taken = pick_port(preferred)

        assert was_taken
        assert port not in {0, preferred}

    assert pick_port(preferred) == (preferred, False)


def _topics(broker: str) -> list[str]:
    admin = KafkaAdminClient(bootstrap_servers=broker)
    names: list[str] = admin.list_topics()
    admin.close()
    return names


def _listening(address: str) -> bool:
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def _owner(folder: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """Another process that owns the directory, and its servers' pids."""
    code = f"""
        from pathlib import Path
        from redis import Redis
        from streams.embedded import Embedded
        with Embedded(Path({str(folder)!r})) as stack:
            Redis.from_url(stack.redis).set("written", "before the kill")
            print(*[child.pid for child in stack.children], flush=True)
            stack.supervisor.wait(600)
    """
    owner = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout as said:
        return owner, [int(pid) for pid in said.readline().split()]
