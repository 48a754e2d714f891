"""Slurm, besides what submitit does: the end of a command's jobs."""

import logging
import subprocess
import time
from datetime import datetime
from pathlib import Path

from hydra.conf import HydraConf

log = logging.getLogger(__name__)


def is_launcher_of(hydra: HydraConf) -> bool:
    """Whether a sweep's jobs are Slurm's."""
    return str(hydra.launcher._target_).endswith(".SlurmLauncher")


def cancel_jobs_of(hydra: HydraConf) -> None:
    """Let Slurm end the jobs of this command; nothing under another launcher."""
    if arrays := _arrays_of(hydra):
        subprocess.run(["scancel", *arrays], check=False)  # noqa: S603, S607, numbers that Slurm gave
        log.info("Slurm ends the sweep's jobs: %s", " ".join(arrays))


def wait_for_jobs_of(hydra: HydraConf) -> None:
    """Wait until Slurm has no job of this command any more; do not wait under another launcher."""
    if arrays := _arrays_of(hydra):
        command = ["squeue", "--noheader", "--jobs", ",".join(arrays)]
        while subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip():  # noqa: S603, as above
            time.sleep(2)


def _arrays_of(hydra: HydraConf) -> list[str]:
    """The numbers of the arrays of jobs that this command gave to Slurm: submitit has a folder for each job of them."""
    if not is_launcher_of(hydra):
        return []
    begun = datetime.fromisoformat(hydra.job.env_set["WGAN_LAUNCH"]).timestamp()
    folders = Path(hydra.launcher.submitit_folder).parent.glob("[0-9]*_*")
    return sorted({path.name.partition("_")[0] for path in folders if path.stat().st_mtime >= begun})
