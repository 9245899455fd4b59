"""Children are started, mourned, started again and stopped in order; none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.supervisor import Supervisor
from tests.processes import eventually, running

ROOT = Path(__file__).parents[1]
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)",
]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said: list[str]) -> Iterator[Supervisor]:
    with Supervisor(said.append) as one:
        yield one


def test_a_child_runs_until_it_is_stopped(supervisor: Supervisor, tmp_path: Path) -> None:
    child = supervisor.start("sleeper", SLEEP, log=tmp_path / "sleeper.log")
    assert child.alive

    supervisor.stop()

    assert child.state == "was killed by SIGTERM"
    assert child.pid is not None
    assert not running(child.pid)


def test_the_child_is_the_command_itself_with_its_own_log_folder_and_environment(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    code = "import os; print(os.getpid(), os.getcwd(), os.environ['WORD'], os.getsid(0) == os.getpid())"
    child = supervisor.start(
        "teller", [sys.executable, "-c", code], log=tmp_path / "logs" / "t.log", env={"WORD": "画像"}, cwd=tmp_path
    )

    eventually(lambda: child.code == 0, "the child ends")

    assert child.log.read_text(encoding="utf-8").split() == [str(child.pid), str(tmp_path), "画像", "True"]


def test_children_stop_in_the_reverse_order_of_starting(supervisor: Supervisor, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    for name in ("valkey", "broker", "worker"):
        supervisor.start(name, [sys.executable, "-c", _writes_when_stopped(name, diary)], log=tmp_path / f"{name}.log")
    eventually(lambda: all(c.last_words().strip() == "ready" for c in supervisor.children), "all are ready")

    supervisor.stop()

    assert diary.read_text(encoding="utf-8").split() == ["worker", "broker", "valkey"]


def test_a_child_that_ignores_sigterm_is_killed_when_patience_ends(said: list[str], tmp_path: Path) -> None:
    with Supervisor(said.append, patience=0.3) as supervisor:
        child = supervisor.start("stubborn", STUBBORN, log=tmp_path / "stubborn.log")
        eventually(lambda: "ready" in child.last_words(), "it ignores SIGTERM")

    assert child.state == "was killed by SIGKILL"
    assert said == ["stubborn did not stop within 0.3 s and was killed"]


def test_a_death_is_told_with_the_last_words_and_answered_by_a_new_start(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    child = supervisor.start(
        "worker",
        [sys.executable, "-c", "import sys; sys.exit('Redis is away')"],
        log=tmp_path / "worker.log",
        restart=True,
    )

    eventually(lambda: child.restarts == 2, "it was started again twice")

    assert said[0] == "worker exited with code 1; starting it again in 0.5 s\n    Redis is away"
    assert said[1].startswith("worker exited with code 1; starting it again in 1 s"), "the pause grows"


def test_a_killed_child_comes_back_under_a_new_process(supervisor: Supervisor, tmp_path: Path) -> None:
    child = supervisor.start("worker", SLEEP, log=tmp_path / "worker.log", restart=True)
    first = child.pid
    assert first is not None

    os.kill(first, signal.SIGKILL)

    eventually(lambda: child.restarts == 1 and child.alive, "it is back")
    assert child.pid != first


def test_a_death_that_is_not_answered_ends_the_waiting(supervisor: Supervisor, said: list[str], tmp_path: Path) -> None:
    log = tmp_path / "broker.log"
    child = supervisor.start("broker", [sys.executable, "-c", "raise SystemExit(3)"], log=log)

    assert supervisor.wait(15) is child
    assert supervisor.wait(0) is None, "one death is told once"
    assert said == [f"broker exited with code 3; its log is {log}"]


def test_a_program_that_does_not_exist_says_so_in_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    child = supervisor.start("ghost", ["/no/such/program"], log=tmp_path / "ghost.log")

    assert supervisor.wait(15) is child
    assert child.code == 127
    assert "cannot run /no/such/program: No such file or directory" in child.last_words()


def test_a_name_belongs_to_one_running_child(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start("worker", SLEEP, log=tmp_path / "worker.log")

    with pytest.raises(ValueError, match="worker is already running"):
        supervisor.start("worker", SLEEP, log=tmp_path / "other.log")


def test_a_log_of_an_earlier_life_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    for word in ("first", "second"):
        with Supervisor() as supervisor:
            supervisor.start("one", [sys.executable, "-c", f"print({word!r})"], log=log)
            assert supervisor.wait(15) is not None

    assert log.read_text(encoding="utf-8") == "second\n"
    assert (tmp_path / "one.log.1").read_text(encoding="utf-8") == "first\n"


def test_a_stopped_supervisor_starts_nothing(tmp_path: Path) -> None:
    supervisor = Supervisor()
    supervisor.stop()
    supervisor.stop()

    with pytest.raises(RuntimeError, match="has been stopped"):
        supervisor.start("late", SLEEP, log=tmp_path / "late.log")


def test_a_report_that_cannot_be_written_does_not_end_the_watch(tmp_path: Path) -> None:
    def closed(_: str) -> None:
        raise BrokenPipeError

    with Supervisor(closed) as supervisor:
        other = supervisor.start("other", SLEEP, log=tmp_path / "other.log")
        child = supervisor.start("worker", ["/no/such/program"], log=tmp_path / "worker.log", restart=True)
        eventually(lambda: child.restarts == 1, "it was started again")
        assert other.alive


def test_ctrl_c_reaches_only_the_parent_which_then_stops_the_children(tmp_path: Path) -> None:
    """A terminal sends SIGINT to a whole process group; a worker hit by it could not finish its batch."""
    diary = tmp_path / "diary"
    parent, pid = _parent(tmp_path, _writes_when_stopped("child", diary))
    eventually(lambda: "ready" in (tmp_path / "child.log").read_text(encoding="utf-8"), "the child is ready")

    os.killpg(parent.pid, signal.SIGINT)

    assert parent.wait(timeout=15) == 0
    assert diary.read_text(encoding="utf-8") == "child\n", "the child heard SIGTERM, not SIGINT"
    assert not running(pid)


def test_kill_9_of_the_parent_takes_the_children_along(tmp_path: Path) -> None:
    parent, pid = _parent(tmp_path, "import time; time.sleep(600)")
    assert running(pid)

    parent.kill()
    parent.wait(timeout=15)

    eventually(lambda: not running(pid), "the child is gone")


def test_where_the_kernel_cannot_do_it_a_watcher_takes_the_child_along(tmp_path: Path) -> None:
    """The way of systems other than Linux, forced here."""
    leash = "import sys; from streams import leash; leash._ask_kernel = bool; sys.exit(leash.main(sys.argv))"
    forced = f"""
        import os, subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", {leash!r}, str(os.getpid()), "sleep", "600"])
        print(child.pid, flush=True)
        child.wait()
    """
    parent, pid = _first_word([sys.executable, "-c", textwrap.dedent(forced)])
    assert running(pid)

    parent.kill()
    parent.wait(timeout=15)

    eventually(lambda: not running(pid), "the child is gone")


def _parent(folder: Path, child_code: str) -> tuple[subprocess.Popen[str], int]:
    """A process of its own group that supervises one child, and the child's pid."""
    code = f"""
        import sys
        from pathlib import Path
        from streams.supervisor import Supervisor
        with Supervisor() as supervisor:
            command = [sys.executable, "-c", {child_code!r}]
            child = supervisor.start("child", command, log=Path({str(folder)!r}) / "child.log")
            print(child.pid, flush=True)
            try:
                supervisor.wait(600)
            except KeyboardInterrupt:
                pass
    """
    return _first_word([sys.executable, "-c", textwrap.dedent(code)])


def _first_word(command: list[str]) -> tuple[subprocess.Popen[str], int]:
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True)
    assert parent.stdout is not None
    with parent.stdout as said:
        return parent, int(said.readline())


def _writes_when_stopped(word: str, diary: Path) -> str:
    return textwrap.dedent(f"""
        import signal, sys
        def stopped(*_):
            with open({str(diary)!r}, "a") as diary:
                diary.write("{word}\\n")
            sys.exit(0)
        signal.signal(signal.SIGTERM, stopped)
        print("ready", flush=True)
        signal.pause()
    """)
