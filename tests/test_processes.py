"""Forked processes are as those that the interpreter starts."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import processes
import pytest
from conftest import PROJECT
from fork_server import check_fork_is_safe
from processes import Process, Server

ABOUT = """
import json, os, signal, sys, torch
print(json.dumps({
    "argv": sys.argv, "folder": os.getcwd(), "name": __name__, "path": sys.path[:2], "threads": torch.get_num_threads(),
    "session": os.getsid(0) == os.getpid(), "environment": {k: v for k, v in os.environ.items() if k != "_"},
    "tty": [sys.stdin.isatty(), sys.stdout.isatty()], "stdin": sys.stdin.read(),
    "handlers": [repr(signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGPIPE)],
    "tasks": len(os.listdir("/proc/self/task")), "descriptors": len(os.listdir("/proc/self/fd")),
}))
"""
ENDS = [
    "",
    "import sys; sys.exit(3)",
    "raise SystemExit('no')",
    "1 / 0",
    "raise KeyboardInterrupt",
    "import os; os.abort()",
    "import os; os.kill(os.getpid(), 9)",
    "import atexit; atexit.register(print, 'at exit'); print('now')",
    "import threading; threading.Timer(0.1, print, ['from a thread']).start(); print('now')",
    "import sys; sys.stdout = open('/dev/full', 'w'); print('lost')",
    "import sys; sys.exit([1])",
]


def started(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """By the interpreter."""
    command = [sys.executable, str(script), *arguments]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=script.parent, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


@pytest.mark.parametrize("program", ENDS)
def test_they_end_alike(tmp_path: Path, program: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(program)
    wanted = started(script)
    process = Process(script, cwd=tmp_path)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (wanted.returncode, wanted.stdout)
    assert err.splitlines()[-1:] == wanted.stderr.splitlines()[-1:]


def test_they_find_the_same(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(ABOUT)
    wanted = started(script, "a=b", "ü")
    process = Process(script, "a=b", "ü", cwd=tmp_path, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})
    assert process.communicate(timeout=60) == (wanted.stdout, wanted.stderr)


@pytest.mark.parametrize("threads", ["1", "2", None])
def test_they_have_the_threads_that_are_asked_for(tmp_path: Path, threads: str | None) -> None:
    script = tmp_path / "script.py"
    script.write_text("import torch; print(torch.get_num_threads())")
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment |= {"OMP_NUM_THREADS": threads} if threads else {}
    process = Process(script, cwd=tmp_path, env=environment)
    wanted = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
    assert process.communicate(timeout=60) == (wanted.stdout, wanted.stderr)


def test_they_head_a_session_and_can_be_stopped_and_killed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import time; print('begun', flush=True); time.sleep(600)")
    process = Process(script, cwd=tmp_path, start_new_session=True)
    assert os.getpgid(process.pid) == os.getsid(process.pid) == process.pid
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(timeout=60) == -signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_what_one_printed_that_takes_too_long_is_told(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import time; print('all that it said', flush=True); time.sleep(600)")
    process = Process(script, cwd=tmp_path)
    with pytest.raises(AssertionError, match=r"timed out after 5 seconds; it printed:\nall that it said"):
        process.communicate(timeout=5)
    assert process.returncode == -signal.SIGKILL


def test_a_server_that_died_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = Server()
    dead.process.kill()
    dead.process.wait()
    monkeypatch.setattr(processes, "server", lambda: dead)
    with pytest.raises(RuntimeError, match=r"the fork server has ended \(-9\)"):
        Process("train.py", "--help", cwd=PROJECT)
    dead.close()


def test_a_server_with_threads_forks_nothing() -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    with pytest.raises(RuntimeError, match="the fork server has threads"):
        check_fork_is_safe()
    end.set()
    thread.join()
