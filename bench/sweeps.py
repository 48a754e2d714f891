"""What a sweep of eight jobs costs, one after the other and by two workers: python -m bench.sweeps."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from wgan import PROJECT

SWEEP = (
    *("-m", "experiment=smoke", "trainer=cpu", "trainer.limit_train_batches=10", "sweep=s"),
    *("model.clip_value=0.01,0.05", "optimizer.lr=5e-5,1e-4", "model.n_critic=1,5"),
)
LAUNCHERS = {"one after the other": (), "two workers": ("+parallel=local", "hydra.launcher.n_jobs=2")}
REPETITIONS = 3


def main() -> None:
    """Print the wall times, their ratio, and how long jobs take from their start to their first iteration."""
    seconds: dict[str, list[float]] = {name: [] for name in LAUNCHERS}
    overheads: dict[str, list[float]] = {name: [] for name in LAUNCHERS}
    for _ in range(REPETITIONS):
        for name, launcher in LAUNCHERS.items():
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                command = [sys.executable, str(PROJECT / "train.py"), *SWEEP, *launcher]
                subprocess.run(command, cwd=folder, check=True, capture_output=True)
                seconds[name].append(time.perf_counter() - start)
                overheads[name] += map(overhead, Path(folder).glob("multirun/s/*/"))
    for name in LAUNCHERS:
        took, before = statistics.median(seconds[name]), statistics.median(overheads[name])
        most = max(overheads[name])
        print(f"{name}: {took:.1f} s; a job's start to its first iteration {before:.2f} s, at most {most:.2f} s")
    ratios = [one / other for one, other in zip(*seconds.values(), strict=True)]
    print(f"two workers are {statistics.median(ratios):.2f} times as fast")


def overhead(job: Path) -> float:
    """Seconds from the time at which the job took its folder to the end of its first iteration."""
    events = EventAccumulator(str(job))
    events.Reload()
    return float(events.Scalars("generator/loss")[0].wall_time - (job / ".lock").stat().st_mtime)


if __name__ == "__main__":
    main()
