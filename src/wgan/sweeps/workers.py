"""How the jobs of one machine share it: the threads of its cores, and its GPUs."""

import logging
import os
import re
import signal
import tempfile
import threading
import time
from itertools import takewhile
from pathlib import Path

from filelock import FileLock, Timeout
from hydra.conf import HydraConf
from omegaconf import DictConfig, open_dict

log = logging.getLogger(__name__)

DEVICES = "CUDA_VISIBLE_DEVICES"
GPU = re.compile(r"\d+|(GPU|MIG)-[\w/-]+", re.ASCII)
THREADS = "OMP_NUM_THREADS"

leased: FileLock | None = None  # by this process, for its life


def list_gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES names, as CUDA reads it: up to the first name that can be no GPU's.

    Where it is not set, the numbers of all GPUs. CUDA is not started.
    """
    if (named := os.environ.get(DEVICES)) is not None:
        return list(takewhile(GPU.fullmatch, named.split(",")))
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def count_cores() -> int:
    """Cores that this process may use."""
    import joblib

    return int(joblib.cpu_count())


def count_workers(jobs_per_gpu: int, accelerator: str) -> int:
    """How many jobs this machine does at a time: jobs_per_gpu on each GPU; without GPUs, one on each core."""
    gpus = [] if accelerator == "cpu" else list_gpus()
    return len(gpus) * jobs_per_gpu or count_cores()


def limit_workers(config: DictConfig) -> None:
    """Let a sweep have no more workers than this machine does jobs at a time: the others would hold jobs and wait."""
    if not _is_launcher_of(config.hydra):
        return
    typed, most = _workers(config.hydra), count_workers(config.jobs_per_gpu, config.trainer.accelerator)
    if typed > most:
        config.hydra.launcher.n_jobs = most
        print(f"hydra.launcher.n_jobs={typed}: is more than this machine does at a time; {most} it is")


def settle_worker(hydra: HydraConf, cfg: DictConfig) -> None:
    """Take this process's share of the machine, if it is one of several workers; before PyTorch is imported.

    Workers do many jobs, and keep the share for their life.
    """
    if not _is_launcher_of(hydra):
        return
    share = max(1, count_cores() // _workers(hydra))
    os.environ[THREADS] = str(min(share, int(os.environ.get(THREADS) or share)))
    if cfg.trainer.accelerator != "cpu":
        lease_gpu(list_gpus(), cfg.jobs_per_gpu)


def tie_to_launcher(config: DictConfig) -> None:
    """Let the workers of a sweep end with this process, which is about to start them."""
    if _is_launcher_of(config.hydra):
        target = f"{follow_launcher.__module__}.{follow_launcher.__name__}"
        with open_dict(config.hydra.launcher):  # what else it is given, Hydra's plugin hands to joblib
            config.hydra.launcher.initializer = {"_target_": target, "_partial_": True, "launcher": os.getpid()}


def follow_launcher(launcher: int) -> None:
    """Let this worker end within a second of the process that started it, however that ends.

    A worker that is left over would keep its folder, its GPU and its memory.
    """
    threading.Thread(target=_end_after, args=(launcher,), daemon=True).start()


def _end_after(launcher: int) -> None:
    while os.getppid() == launcher:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)  # a run can be killed at any moment


def lease_gpu(gpus: list[str], jobs_per_gpu: int) -> None:
    """Let CUDA see one of `gpus`, on which fewer than `jobs_per_gpu` other processes of this user have a lease.

    The lease is a lock on a file, which ends with the process, however that ends. Waits while there is none.
    """
    global leased
    if leased or not gpus:
        return
    folder = Path(tempfile.gettempdir()) / f"wgan-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    waits = False
    while True:
        for place in range(jobs_per_gpu):
            for gpu in gpus:
                lock = FileLock(folder / f"{gpu}-{place}.lock")
                try:
                    lock.acquire(timeout=0)
                except Timeout:
                    continue
                leased = lock
                os.environ[DEVICES] = gpu
                return
        if not waits:
            log.info("Other jobs have all %d GPUs; waiting for one", len(gpus))
            waits = True
        time.sleep(1)


def _is_launcher_of(hydra: HydraConf) -> bool:
    return str(hydra.launcher._target_).endswith(".JoblibLauncher")


def _workers(hydra: HydraConf) -> int:
    n_jobs = int(hydra.launcher.n_jobs)
    return n_jobs if n_jobs > 0 else max(1, count_cores() + 1 + n_jobs)  # as joblib counts
