import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from conftest import configuration
from hydra.conf import HydraConf
from hydra.core.utils import JobReturn
from omegaconf import OmegaConf

from wgan.sweeps import workers

LEASE = """
import os, sys, time
from wgan.sweeps import workers
workers.lease_gpu(workers.list_gpus(), int(sys.argv[1]))
workers.lease_gpu(workers.list_gpus(), int(sys.argv[1]))  # of the next job of this worker
print(os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
assert "torch" not in sys.modules
sys.stdin.read()
"""


class Worker(subprocess.Popen[str]):
    """A process that leases a GPU for its life."""

    def __init__(self, gpus: str, jobs_per_gpu: int, folder: Path) -> None:
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": gpus, "TMPDIR": str(folder)}
        command = [sys.executable, "-c", LEASE, str(jobs_per_gpu)]
        super().__init__(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def gpu(self) -> str:
        """What the worker lets CUDA see, once it has a lease."""
        assert self.stdout is not None
        return self.stdout.readline().strip()

    def has_none_after(self, seconds: float) -> bool:
        time.sleep(seconds)
        assert self.stdout is not None
        os.set_blocking(self.stdout.fileno(), False)
        nothing = not self.stdout.readline()
        os.set_blocking(self.stdout.fileno(), True)
        return nothing


@pytest.mark.parametrize(("jobs_per_gpu", "shared"), [(1, ["3", "5"]), (2, ["3", "3", "5", "5"])])
def test_each_worker_has_a_gpu_to_itself_or_its_share(tmp_path: Path, jobs_per_gpu: int, shared: list[str]) -> None:
    some = [Worker("3,5", jobs_per_gpu, tmp_path) for _ in shared]
    try:
        assert sorted(worker.gpu() for worker in some) == shared
    finally:
        for worker in some:
            worker.kill()
            worker.communicate()


def test_who_comes_late_waits_and_a_crashed_worker_frees_its_gpu(tmp_path: Path) -> None:
    first, second = Worker("0,1", 1, tmp_path), Worker("0,1", 1, tmp_path)
    gpus = {first.gpu(): first, second.gpu(): second}
    late = Worker("0,1", 1, tmp_path)
    try:
        assert set(gpus) == {"0", "1"}
        assert late.has_none_after(1.5)
        gpus["1"].send_signal(signal.SIGKILL)
        assert late.gpu() == "1"
    finally:
        for worker in (first, second, late):
            worker.kill()
            worker.communicate()


def test_gpus_are_spread_before_they_are_shared(tmp_path: Path) -> None:
    first = Worker("0,1", 2, tmp_path)
    one = first.gpu()
    second = Worker("0,1", 2, tmp_path)
    try:
        assert {one, second.gpu()} == {"0", "1"}
    finally:
        for worker in (first, second):
            worker.kill()
            worker.communicate()


def test_without_a_gpu_nothing_is_leased(tmp_path: Path) -> None:
    worker = Worker("", 1, tmp_path)
    assert worker.gpu() == ""
    worker.kill()
    worker.communicate()
    assert not list(tmp_path.iterdir())


def test_counting_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "count_cores", lambda: 6)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2,GPU-8f1b")
    assert workers.count_workers(1, "auto") == 3
    assert workers.count_workers(2, "gpu") == 6
    assert workers.count_workers(2, "cpu") == 6
    for none in ("", "-1", "none", "-1,0"):  # CUDA reads up to the first that is no GPU
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", none)
        assert workers.count_workers(2, "auto") == 6
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,-1,1")
    assert workers.list_gpus() == ["3"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 8)
    assert workers.count_workers(1, "auto") == 8


def test_a_sweep_has_no_more_workers_than_gpus(
    monkeypatch: pytest.MonkeyPatch, run_main: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    started: list[int] = []

    def launch(launcher: Any, **_: object) -> list[JobReturn]:
        started.append(launcher.joblib["n_jobs"])
        return []

    monkeypatch.setattr(import_module("hydra_plugins.hydra_joblib_launcher._core"), "launch", launch)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2,5")
    typed = ("train.py", "-m", "hydra/launcher=joblib", "jobs_per_gpu=2", "seed=0,1")
    for n_jobs, accelerator in ((64, "auto"), (2, "auto"), (64, "cpu")):
        overrides = (f"hydra.launcher.n_jobs={n_jobs}", f"trainer.accelerator={accelerator}")
        assert run_main(*typed, *overrides) == ""
    assert started == [6, 2, workers.count_cores()]
    assert "hydra.launcher.n_jobs=64: is more than this machine does at a time; 6 it is" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("n_jobs", "before", "after"),
    [(2, None, "4"), (3, None, "2"), (8, None, "1"), (20, None, "1"), (-1, None, "1"), (2, "1", "1"), (4, "8", "2")],
)
def test_threads_are_shared_out(monkeypatch: pytest.MonkeyPatch, n_jobs: int, before: str | None, after: str) -> None:
    monkeypatch.setattr(workers, "count_cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", before or "")
    target = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"
    hydra = HydraConf(launcher=OmegaConf.create({"_target_": target, "n_jobs": n_jobs}))
    workers.settle_worker(hydra, configuration("trainer=cpu"))
    assert os.environ["OMP_NUM_THREADS"] == after
