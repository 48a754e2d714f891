import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from wgan.sweeps.identity import run_configuration

PROJECT = Path(__file__).parents[1]

# The real thing, as small as it gets.
TINY = (
    *("trainer=cpu", "trainer.max_epochs=1", "trainer.limit_train_batches=3", "data.batch_size=4"),
    *("callbacks.quality.n=10", "callbacks.quality.final_n=12"),
)


def configuration(*overrides: str) -> DictConfig:
    """What `python train.py OVERRIDES` composes, without the keys of sweeps."""
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        return run_configuration(compose("train", list(overrides)))


def command(*arguments: str | Path, cwd: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """A real process of the project, such as command("train.py", "seed=1", cwd=...)."""
    script, *rest = map(str, arguments)
    return subprocess.run(
        [sys.executable, str(PROJECT / script), *rest], cwd=cwd, capture_output=True, text=True, timeout=timeout
    )


def shell(line: str, cwd: Path, timeout: float = 600) -> str:
    """What a terminal in the activated environment prints; nothing of a make that runs the tests is inherited."""
    inherited = ("MAKELEVEL", "MAKEFLAGS", "MFLAGS")
    environment = {name: value for name, value in os.environ.items() if name not in inherited}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.run(
        ["/bin/sh", "-c", line], cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout
    )
    assert process.returncode == 0, f"{line}\n{process.stdout}\n{process.stderr}"
    assert "Warning" not in process.stderr
    return process.stdout


@contextmanager
def tensorboard(logdir: str | Path, cwd: Path, runs: set[str]) -> Iterator[str]:
    """The address of a real TensorBoard, once it lists all of `runs`."""
    program = Path(sys.executable).with_name("tensorboard")
    with subprocess.Popen(
        [program, "--logdir", logdir, "--port=0"], cwd=cwd, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stderr is not None
            found = next(match for text in server.stderr if (match := re.search(r"http://localhost:\d+/", text)))
            deadline = time.monotonic() + 120
            while not runs <= set(json.loads(post(f"{found.group()}data/runs"))):
                assert time.monotonic() < deadline
                time.sleep(0.5)
            yield found.group()
        finally:
            server.kill()


def post(url: str, request: object = None) -> bytes:
    """The answer to a request in JSON; without one, to a plain GET."""
    data = None if request is None else json.dumps(request).encode()
    typed = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(typed, timeout=60) as response:
        answer: bytes = response.read()
    return answer


def rows(folder: Path, name: str = "metrics.csv") -> list[dict[str, str]]:
    """Of a run's metrics.csv, or its quality.csv."""
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def result(folder: Path) -> dict[str, Any]:
    """A run's result.json."""
    read: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return read


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but the lock, which names the process that came last."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


class Run(NamedTuple):
    folder: Path
    process: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of `experiment=smoke`, trained by a real process from a folder that is not the project's."""
    folder = tmp_path_factory.mktemp("smoke") / "run"
    process = command("train.py", "experiment=smoke", "trainer=cpu", f"hydra.run.dir={folder}", cwd=folder.parent)
    assert process.returncode == 0, process.stderr
    return Run(folder, process)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A real Slurm with two nodes of one core each, for this test alone."""
    if not shutil.which("slurmctld", path=f"{os.environ['PATH']}:/usr/sbin"):
        pytest.skip("needs Debian's slurm-wlm and munge")
    script = PROJECT / "tests" / "slurm_cluster.sh"
    folder = Path(tempfile.mkdtemp(prefix="slurm", dir="/tmp"))  # sockets need short paths
    try:
        subprocess.run(["bash", script, "start", folder], check=True, timeout=120)
        monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        yield
    finally:
        subprocess.run(["bash", script, "stop", folder], check=False, timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def run_main(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """Calls an entry in this process, as if typed in an empty folder; returns the message it exits with, or ""."""
    import runpy

    def run(script: str, *arguments: str) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
        monkeypatch.setattr(sys, "argv", [str(PROJECT / script), *arguments])
        try:
            runpy.run_path(str(PROJECT / script), run_name="__main__")
        except SystemExit as end:
            return str(end.code)
        return ""

    return run
