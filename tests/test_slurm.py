import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import command
from test_sweeps import BROKEN, LONG, OBJECTS, break_job, job, outcomes, start, until

SLURM = (
    *("+parallel=slurm", "hydra.launcher.gpus_per_node=0", "hydra.launcher.cpus_per_task=1"),
    "hydra.launcher.mem_gb=2",
)
pytestmark = pytest.mark.slow


def holder(folder: Path) -> int:
    """The process that trains in a folder."""
    return int((folder / ".lock").read_text().split()[1])


def queue() -> str:
    return subprocess.run(["squeue", "--noheader"], check=True, capture_output=True, text=True).stdout


def test_a_sweep_on_slurm_goes_on_after_all_that_can_happen_to_its_jobs(cluster: None, tmp_path: Path) -> None:
    sweep = tmp_path / "multirun" / "cluster"
    typed = (*LONG, "sweep=cluster", "seed=0,1,2,3")
    broken = break_job(sweep, *LONG, "seed=1")
    process = start(*typed, *SLURM, cwd=tmp_path)

    def has_begun(seed: int) -> Callable[[], bool]:
        return lambda: any((path / "checkpoints" / "epoch=003.ckpt").exists() for path in jobs_of(seed))

    def jobs_of(seed: int) -> list[Path]:
        return [path.parent for path in sweep.glob("*/job.json") if f'"seed={seed}"' in path.read_text()]

    until(has_begun(0))
    os.kill(holder(job(sweep, *LONG, "seed=0")), signal.SIGUSR2)  # as Slurm does before the time limit
    until(has_begun(2))
    os.kill(holder(job(sweep, *LONG, "seed=2")), signal.SIGKILL)
    until(has_begun(3))
    (array,) = {path.name.partition("_")[0] for path in sweep.glob(".submitit/[0-9]*_*")}
    subprocess.run(["scontrol", "requeue", f"{array}_3"], check=True)
    printed = process.communicate(timeout=240)[0]
    assert process.returncode == 1, printed
    assert "error: 2 of 4 jobs failed" in printed
    assert f"{broken.name}: {broken}/{BROKEN}: {OBJECTS}" in printed
    assert f"{job(sweep, *LONG, 'seed=2').name}: ended without a word" in printed
    finished = {path: path.stat().st_mtime_ns for path in sweep.glob("*/result.json")}
    assert {path.parent for path in finished} == {job(sweep, *LONG, f"seed={seed}") for seed in (0, 3)}
    for path in finished:
        assert "Continuing after iteration" in (path.parent / "train.log").read_text()

    (broken / BROKEN).unlink()
    again = command("train.py", "-m", *typed, *SLURM, cwd=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    logs = [path.read_text() for path in sweep.glob("*/train.log")]
    assert [log.count("Trained 36 iterations") for log in logs] == [1] * 4

    (basic_folder := tmp_path / "basic").mkdir()
    here = command("train.py", "-m", *typed, cwd=basic_folder)
    assert here.returncode == 0, here.stdout + here.stderr
    basic = outcomes(tmp_path / "basic" / "multirun" / "cluster")
    on_slurm = outcomes(sweep)
    renamed = on_slurm.pop(broken.name)
    expected = basic.pop(job(tmp_path / "basic" / "multirun" / "cluster", *LONG, "seed=1").name)
    assert on_slurm == basic
    for name in ("losses.png", "nearest.png", "quality.png"):  # they show the folder's name
        assert renamed.pop(name) != expected.pop(name)
    assert renamed == expected


def test_an_interrupted_sweep_ends_its_jobs_on_slurm(cluster: None, tmp_path: Path) -> None:
    sweep = tmp_path / "multirun" / "stopped"
    process = start(*LONG, "trainer.max_epochs=500", "sweep=stopped", "seed=0,1,2", *SLURM, cwd=tmp_path)
    until(lambda: len(list(sweep.glob("*/checkpoints/epoch=001.ckpt"))) == 2)
    process.send_signal(signal.SIGINT)
    printed = process.communicate(timeout=60)[0]
    assert process.returncode == 130, printed
    assert "Interrupted; continue with: " in printed
    until(lambda: not queue(), seconds=30)


def test_with_fail_fast_a_failure_ends_the_jobs_on_slurm(cluster: None, tmp_path: Path) -> None:
    sweep = tmp_path / "multirun" / "fast"
    long = (*LONG, "trainer.max_epochs=500")
    break_job(sweep, *long, "seed=1")
    process = command("train.py", "-m", *long, "sweep=fast", "seed=0,1,2", "fail_fast=true", *SLURM, cwd=tmp_path)
    assert process.returncode == 1
    assert "jobs failed" in process.stderr
    assert not queue()
    assert not list(sweep.glob("*/result.json"))
