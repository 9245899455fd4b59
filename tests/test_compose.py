"""What docker-compose.yml and the Dockerfile promise, checked without an engine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from profiles.settings import Settings, load

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
OURS = ("topics", "worker", "api")
LASTING = ("kafka", "valkey", "worker", "api")
CHECK_SECONDS = 60


def settings_of(service: str) -> Settings:
    """The settings a service really gets: defaults of the file, nothing from this machine."""
    given = {
        name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) for name, value in SERVICES[service]["environment"].items()
    }
    return load({name: value for name, value in given.items() if name.startswith("MIEN_")})


def test_the_parts_are_the_ones_the_readme_draws() -> None:
    assert set(SERVICES) == {"kafka", "valkey", *OURS}
    assert "version" not in COMPOSE, "the key is obsolete and makes compose warn"


def test_compose_itself_accepts_the_file() -> None:
    for compose in (["docker", "compose"], ["docker-compose"]):
        if (
            shutil.which(compose[0])
            and subprocess.run([*compose, "version"], capture_output=True, check=False).returncode == 0
        ):
            break
    else:
        pytest.skip("neither `docker compose` nor `docker-compose` is on this machine; the other tests read the YAML")
    done = subprocess.run(
        [*compose, "config", "-q"], cwd=ROOT, capture_output=True, text=True, timeout=CHECK_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_variable_named_anywhere_in_the_files_is_a_setting() -> None:
    known = {f"MIEN_{field.upper()}" for field in Settings.model_fields}
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8") + DOCKERFILE
    named = set(re.findall(r"\bMIEN_[A-Z0-9_]*[A-Z0-9]", text))

    assert named
    assert named <= known


@pytest.mark.parametrize("service", OURS)
def test_the_settings_of_every_part_are_valid_and_name_the_services(service: str) -> None:
    settings = settings_of(service)

    assert settings.broker == "kafka:19092"
    assert settings.redis == "redis://valkey:6379/0"
    assert settings.log_format == "json"
    assert not settings.embedded


def test_all_parts_agree_on_where_a_customer_lives() -> None:
    assert len({settings_of(service).buckets for service in OURS}) == 1


def test_parts_find_the_broker_where_it_listens() -> None:
    kafka = SERVICES["kafka"]["environment"]
    advertised = dict(one.split("://") for one in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    listeners = dict(one.split("://") for one in kafka["KAFKA_LISTENERS"].split(","))

    assert advertised["PLAINTEXT"] == settings_of("worker").broker
    assert advertised["PLAINTEXT_HOST"] == "localhost:9092", "for producers on this host"
    assert {name: at.rsplit(":")[1] for name, at in advertised.items()}.items() <= {
        name: at.rsplit(":")[1] for name, at in listeners.items()
    }.items()
    assert set(kafka["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].replace(":PLAINTEXT", "").split(",")) == set(listeners)


def test_kafka_gets_its_whole_configuration_because_one_variable_drops_the_defaults() -> None:
    given = {name.removeprefix("KAFKA_") for name in SERVICES["kafka"]["environment"]}

    assert {
        "CLUSTER_ID",
        "NODE_ID",
        "PROCESS_ROLES",
        "CONTROLLER_QUORUM_VOTERS",
        "CONTROLLER_LISTENER_NAMES",
        "LISTENERS",
        "ADVERTISED_LISTENERS",
        "LISTENER_SECURITY_PROTOCOL_MAP",
        "INTER_BROKER_LISTENER_NAME",
        "OFFSETS_TOPIC_REPLICATION_FACTOR",
        "TRANSACTION_STATE_LOG_REPLICATION_FACTOR",
        "TRANSACTION_STATE_LOG_MIN_ISR",
        "SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR",
        "SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR",
        "LOG_DIRS",
    } <= given
    assert SERVICES["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_valkey_keeps_state_and_never_evicts_it() -> None:
    command = SERVICES["valkey"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))

    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"


@pytest.mark.parametrize("service", LASTING)
def test_every_lasting_part_has_a_health_check_and_comes_back_after_a_crash(service: str) -> None:
    assert {"test", "interval", "timeout", "retries", "start_period"} <= SERVICES[service]["healthcheck"].keys()
    assert SERVICES[service]["restart"] == "unless-stopped"


def test_health_checks_ask_the_port_the_part_listens_on() -> None:
    for service, port in (("worker", settings_of("worker").metrics_port), ("api", settings_of("api").api_port)):
        (code,) = (word for word in SERVICES[service]["healthcheck"]["test"] if "urlopen" in word)
        assert f"http://127.0.0.1:{port}/" in code
        compile(code, "healthcheck", "exec")


def test_topics_are_made_once_before_anything_reads_them() -> None:
    assert SERVICES["topics"]["restart"] == "no"
    assert SERVICES["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    for service in ("worker", "api"):
        assert SERVICES[service]["depends_on"] == {
            "topics": {"condition": "service_completed_successfully"},
            "valkey": {"condition": "service_healthy"},
        }


def test_workers_can_be_scaled() -> None:
    assert not {"container_name", "hostname", "ports"} & SERVICES["worker"].keys()


@pytest.mark.parametrize("service", OURS)
def test_our_parts_run_without_privileges_on_a_read_only_image(service: str) -> None:
    part = SERVICES[service]

    assert part["read_only"] is True
    assert part["cap_drop"] == ["ALL"]
    assert part["security_opt"] == ["no-new-privileges:true"]
    assert part["command"][0] == service


def test_every_published_port_is_for_this_host_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_volume_is_named_so_that_down_and_up_keeps_the_data() -> None:
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}

    assert used == set(COMPOSE["volumes"])


def test_the_image_runs_as_an_ordinary_user_with_hashed_packages_only() -> None:
    steps = [line for line in DOCKERFILE.splitlines() if line and not line.lstrip().startswith("#")]
    last_stage = steps[max(i for i, line in enumerate(steps) if line.startswith("FROM ")) :]

    assert "USER mien" in last_stage
    assert 'ENTRYPOINT ["mien"]' in last_stage
    assert all(
        "--require-hashes" in line or "--no-deps --no-build-isolation" in line
        for line in steps
        if "pip install" in line
    )


def test_what_the_image_copies_exists_and_is_let_through() -> None:
    copied = {
        name
        for line in DOCKERFILE.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for name in line.split()[1:-1]
    }
    let_through = {
        line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")
    }

    assert copied == let_through
    assert all((ROOT / name).exists() for name in copied)
