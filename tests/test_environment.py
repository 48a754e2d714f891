import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import BARE, PROJECT, command, interpreter, result
from test_sweeps import until

SLURM = {"SLURM_JOB_ID": "3", "SLURM_NTASKS": "2", "SLURM_JOB_NAME": "x", "SLURM_LOCALID": "1", "SLURM_NODEID": "0"}


@pytest.mark.parametrize(
    "environment",
    [{"LOCAL_RANK": "1", "MPLBACKEND": "x", "RANK": "1"},
     {**SLURM, "SLURM_PROCID": "1", "KUBERNETES_PORT": "tcp://10.0.0.1", "OMP_NUM_THREADS": "abc"}],
    ids=["ranks", "cluster"],
)  # fmt: skip
def test_what_others_set_is_no_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name, value in {"LC_ALL": "C", **environment}.items():
        monkeypatch.setenv(name, value)
    process = interpreter("train.py", *BARE, "hydra.run.dir=jürgen", cwd=tmp_path)
    assert (process.returncode, process.stderr) == (0, "")
    assert result(tmp_path / "jürgen")["status"] == "finished"
    assert list((tmp_path / "jürgen").glob("events.*"))


def test_closed_streams(tmp_path: Path) -> None:
    line = 'exec "$0" "$@" >&- 2>&-'
    arguments = [sys.executable, str(PROJECT / "train.py"), *BARE, "hydra.run.dir=run"]
    assert subprocess.run(["bash", "-c", line, *arguments], cwd=tmp_path).returncode == 0
    assert result(tmp_path / "run")["status"] == "finished"


@pytest.mark.slow
def test_threads_that_are_no_number_in_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "abc")
    arguments = ("-m", *BARE, "sweep=s", "seed=0,1", "+parallel=local")
    process = interpreter("train.py", *arguments, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stderr
    assert len(list(tmp_path.glob("multirun/s/*/result.json"))) == 2


def test_an_error_is_all_that_is_printed(tmp_path: Path) -> None:
    process = command("train.py", "model.n_critic=0", cwd=tmp_path)
    line = "error: model.n_critic=0: must be a whole number from 1 to 10000\n"
    assert (process.returncode, process.stdout, process.stderr) == (1, "", line)
    process = command("generate.py", "run=.", cwd=tmp_path)
    line = "error: run=.: not a run's folder; name one that train.py made, such as outputs/DATE/TIME\n"
    assert (process.returncode, process.stdout, process.stderr) == (1, "", line)


def catches_ctrl_c(pid: int) -> bool:
    (caught,) = re.findall(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(caught, 16) >> (signal.SIGINT - 1) & 1)


def await_first_lines(pid: int) -> None:
    """Return once a script has settled what Ctrl-C does; before, the interpreter catches it, for an instant alone."""
    deadline = time.monotonic() + 5
    while not catches_ctrl_c(pid) and time.monotonic() < deadline:
        pass
    until(lambda: not catches_ctrl_c(pid))


@pytest.mark.parametrize("script", ["train.py", "generate.py", "evaluate.py"])
@pytest.mark.parametrize("seconds", [0, 0.2])
def test_ctrl_c_at_once(tmp_path: Path, script: str, seconds: float) -> None:
    """From a script's first lines on; before them it is the interpreter's."""
    started = subprocess.Popen(
        [sys.executable, PROJECT / script, "--help"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which a shell's background job ignores
    )
    await_first_lines(started.pid)
    time.sleep(seconds)
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=60)
    assert err == b""
    assert started.returncode in (0, 130, -signal.SIGINT)


def test_ctrl_c_at_the_very_end(tmp_path: Path) -> None:
    """At the exit, when the command has done all, a signal ends it as it would end a program in C."""
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, os, signal\natexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    process = subprocess.run(
        [sys.executable, PROJECT / "train.py", "--help"], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert "clip_value" in process.stdout
    assert process.stderr == ""
