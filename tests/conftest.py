import csv
import fcntl
import gc
import getpass
import json
import os
import random
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import processes
import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.hydra import Hydra
from omegaconf import DictConfig
from processes import Process, server

from wgan.sweeps.identity import run_configuration

if TYPE_CHECKING:
    from torch import Tensor

PROJECT = Path(__file__).parents[1]

# Networks this small, in batches this small, take half the processor time with one thread; one is also what each of
# several processes at a time should have. Before any module of tests imports PyTorch, which reads it.
os.environ["OMP_NUM_THREADS"] = "1"

# Files whose tests take longest, the first of them alone minutes.
LONGEST = ("test_signature", "test_slurm", "test_readme", "test_sweeps", "test_resuming", "test_command_line")

CASES = 3  # of a test, in the quick part

SMALL = ("+model.generator.channels=8", "+model.critic.channels=8")  # of the networks
SMOKE = ("experiment=smoke", "trainer=cpu", *SMALL)

# The real thing, as small as it gets.
TINY = (
    *("trainer=cpu", "trainer.max_epochs=1", "trainer.limit_train_batches=3", "data.batch_size=4"),
    *("callbacks.quality.n=10", "callbacks.quality.final_n=12"),
    *SMALL,
)


# The same without pictures and figures of images, which take most of its time.
BARE = (*TINY, "~callbacks.quality", "~callbacks.samples", "objective=wasserstein")


def pytest_collection_finish() -> None:
    """What modules hold stays: collections, which each run asks for, need not look at it."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a test with many cases the quick part has a few, evenly spread. Several processes begin with the longest."""
    for _, group in groupby(items, key=lambda item: item.nodeid.partition("[")[0]):
        cases = list(group)
        few = {number * len(cases) // CASES for number in range(CASES)}
        for number, item in enumerate(cases):
            if number not in few:
                item.add_marker("slow")
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test that takes all cores has the machine to itself: other processes of tests wait for its end."""
    alone = item.get_closest_marker("alone") is not None
    with Path(__file__).open() as gate, Path(processes.__file__).open() as machine:
        fcntl.flock(gate, fcntl.LOCK_EX)  # who waits for the machine is not overtaken
        fcntl.flock(machine, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        return (yield)


def pytest_unconfigure() -> None:
    if server.cache_info().currsize:
        server().close()


def configuration(*overrides: str) -> DictConfig:
    """What `python train.py OVERRIDES` composes, without the keys of sweeps."""
    return deepcopy(composed(*overrides))


@cache  # for tests mostly want the same
def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        return run_configuration(compose("train", list(overrides)))


def command(*arguments: str | Path, cwd: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """A real process of the project, such as command("train.py", "seed=1", cwd=...), which imports nothing anew."""
    process = Process(*arguments, cwd=cwd)
    out, err = process.communicate(timeout)
    return subprocess.CompletedProcess(process.args, process.wait(), out, err)


def interpreter(*arguments: str | Path, cwd: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """As `command`, with all that a start costs: what a terminal does."""
    script, *rest = map(str, arguments)
    return subprocess.run(
        [sys.executable, str(PROJECT / script), *rest], cwd=cwd, capture_output=True, text=True, timeout=timeout
    )


def pasted(program: str, *arguments: str) -> str:
    """The line to paste that a process prints whose folder is not above the project's."""
    script = [str(PROJECT / program)] if program.endswith(".py") else []
    path = str(Path(sys.executable).with_name("python" if script else program))
    return shlex.join([Path(path).name if shutil.which(Path(path).name) == path else path, *script, *arguments])


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


SHELLS = {"bash": ("--norc", "--noprofile", "-i"), "zsh": ("-f", "-i")}  # as one types into them, without settings


def paste(shell: str, text: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """What comes of text that is pasted into bash or zsh; the exit code is that of its last command."""
    if not (program := shutil.which(shell)):
        pytest.skip(f"needs {shell}")
    environment = {**os.environ, "HISTFILE": ""}
    return subprocess.run(
        [program, *SHELLS[shell]], input=f"{text}\n", cwd=cwd, env=environment, capture_output=True, text=True
    )


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


def samples_of(folder: Path, n: int, seed: int = 0) -> "Tensor":
    """Images 0 to n-1 of a seed from a finished run, uint8 (n, 28, 28)."""
    from wgan.model.sampling import sample_images
    from wgan.run.generator import load_generator
    from wgan.run.trust import load_trusted

    return sample_images(load_generator(folder, load_trusted(folder, None)), n, 50, seed).squeeze(1)


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
    process = command("train.py", *SMOKE, f"hydra.run.dir={folder}", cwd=folder.parent)
    assert process.returncode == 0, process.stderr
    return Run(folder, process)


def used_cpu(run: Callable[[], object]) -> float:
    """Seconds of processor time of this process and those it waits for: the machine's other work is not in them."""
    begin = os.times()
    run()
    return sum(os.times()[:4]) - sum(begin[:4])


@pytest.fixture(scope="session")
def imports() -> float:
    """`measure_imports`, once for all tests."""
    return measure_imports()


def measure_imports() -> float:
    """Seconds of processor time that PyTorch and Lightning take to import, 3 to 10 of them."""
    program = [sys.executable, "-W", "ignore", "-c", "import torch, pytorch_lightning"]
    return used_cpu(lambda: subprocess.run(program, check=True))


def free_ports(n: int) -> int:
    """The first of n ports of the loopback interface, one after the other, that nobody has."""
    while True:
        first = random.randrange(16_000, 30_000)
        with ExitStack() as stack:
            taken = (stack.enter_context(socket.socket()) for _ in range(n))
            try:
                for port, one in enumerate(taken, first):
                    one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return first


@pytest.fixture(scope="session")
def slurm() -> Iterator[Path]:
    """The folder of a real Slurm with two nodes of one core each, for all tests that need one."""
    if not shutil.which("slurmctld", path=f"{os.environ['PATH']}:/usr/sbin"):
        pytest.skip("needs Debian's slurm-wlm and munge")
    script = PROJECT / "tests" / "slurm_cluster.sh"
    folder = Path(tempfile.mkdtemp(prefix="slurm", dir="/tmp"))  # sockets need short paths
    try:
        subprocess.run(["bash", script, "start", folder, str(free_ports(3))], check=True, timeout=120)
        yield folder
    finally:
        subprocess.run(["bash", script, "stop", folder], check=False, timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def cluster(slurm: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The commands of a real Slurm, which has no jobs but those of this test."""
    monkeypatch.setenv("SLURM_CONF", str(slurm / "slurm.conf"))
    monkeypatch.setenv("PATH", f"{slurm / 'bin'}{os.pathsep}{os.environ['PATH']}")
    yield
    subprocess.run(["scancel", f"--user={getpass.getuser()}"], check=True)
    deadline = time.monotonic() + 60
    while subprocess.run(["squeue", "--noheader"], check=True, capture_output=True).stdout:
        assert time.monotonic() < deadline, "jobs of Slurm do not end"
        time.sleep(0.2)


@pytest.fixture
def run_main(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """Calls an entry in this process, as if typed in an empty folder; returns the message it exits with, or ""."""
    import runpy

    find_mode = Hydra.get_mode

    def quickly(self: Hydra, config_name: str | None, overrides: list[str]) -> object:
        return find_mode(self, config_name, overrides) if "hydra.mode" in " ".join(overrides) else None

    # Hydra composes all once more to find the key hydra.mode, in a third of the time; real processes do so.
    monkeypatch.setattr(Hydra, "get_mode", quickly)

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
