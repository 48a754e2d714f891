import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT

from bench.memory import peak_memory

FAULTS = """
import resource, torch
from wgan.model.memory import keep_freed_memory
{call}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def use(times):
    for _ in range(times):
        first, second = torch.ones(2**24), torch.ones(2**24)  # of 64 MiB, 16,384 pages, each
        del first, second
use(10)
before = faults()
use(5)
print(faults() - before)
"""

JOBS = """
from pathlib import Path
from conftest import TINY, configuration
from wgan.run.training import train

for job in range(20):
    train(configuration(*TINY, f"seed={job}"), Path(f"{job}"))
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    print("resident", pages, flush=True)
"""


def python(program: str, folder: Path) -> list[str]:
    """The lines that a program prints in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "tests")}
    process = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="the setting is glibc's")
def test_what_is_freed_is_used_again_without_page_faults(tmp_path: Path) -> None:
    without, kept = (int(python(FAULTS.format(call=call), tmp_path)[0]) for call in ("", "keep_freed_memory()"))
    assert without > 100_000
    assert kept < 1_000, kept


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_twenty_jobs_in_one_process_take_the_memory_of_few(tmp_path: Path) -> None:
    lines = python(JOBS, tmp_path)
    resident = [int(line.split()[1]) for line in lines if line.startswith("resident")]
    assert len(resident) == 20
    assert resident[-1] < 1.05 * resident[2]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_peak_memory_with_the_default_networks(tmp_path: Path) -> None:
    short = ("trainer=cpu", "trainer.max_epochs=2", "trainer.limit_train_batches=3", f"hydra.run.dir={tmp_path}/run")
    assert 0.5e9 < peak_memory(*short) < 1.3e9
