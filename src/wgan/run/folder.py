"""The folder of a run: who holds it, its configuration, its records and its result."""

import json
import logging
import math
import os
import platform
import shlex
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from omegaconf import OmegaConf

from wgan.errors import UserError
from wgan.files import METRICS, read_regular, remove_unfinished, write_whole
from wgan.run.code import describe_code
from wgan.run.strangers import check_contents

CHECKPOINTS = "checkpoints"
RESULT = "result.json"
GENERATOR = "generator.safetensors"
LOCK = ".lock"

TRAINED: tuple[str, ...] = ("finished", "stopped")  # statuses of a run that has all its files
ENDED: tuple[str, ...] = (*TRAINED, "pruned", "diverged")
COUNTS = dict.fromkeys(TRAINED, ("iterations", "max_epochs")) | {"pruned": ("iterations",), "diverged": ("iteration",)}

log = logging.getLogger(__name__)


@contextmanager
def hold_folder(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """The folder for this process alone; the lock ends with the process, however that ends.

    Raises:
        UserError: if another process holds it, unless that is to be waited for; if it holds what no run leaves there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    check_contents(folder, str(folder))
    path = folder / LOCK
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        holder = path.read_text() or "another process"
        if not wait:
            raise UserError(f"{folder}: {holder} trains in it; wait for its end, or name another folder") from error
        log.info("%s: %s trains in it; waiting for its end", folder, holder)
        lock.acquire()
    try:
        path.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        remove_unfinished(folder)
        yield
    finally:
        lock.release()


def is_held(folder: Path) -> bool:
    """Whether a process holds the folder."""
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True


def make_new_folder(folder: str) -> str:
    """Make this folder or, where it exists, the first of FOLDER-2, FOLDER-3 ... that does not; its name."""
    for number in count(1):
        try:
            Path(name := folder if number == 1 else f"{folder}-{number}").mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError:  # Hydra makes it again, and tells
            pass
        return name
    raise AssertionError


def empty_folder(folder: Path) -> None:
    """Remove the run that is in a folder which this process holds; the log, which is open, is cut.

    The result goes first, then the checkpoints: what a crash leaves is a run that goes on, or starts.
    """
    (folder / RESULT).unlink(missing_ok=True)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.suffix == ".log":
            os.truncate(path, 0)
        elif path.name != LOCK:
            path.unlink()


def check_unused(folder: Path) -> None:
    """Raises UserError if a run was trained in the folder already."""
    if any((folder / name).exists() for name in (METRICS, CHECKPOINTS, RESULT)):
        raise UserError(
            f"hydra.run.dir={folder}: holds a run already; continue it with {shlex.quote(f'resume={folder}')}, name "
            "another folder, or delete this one"
        )


def write_result(folder: Path, **figures: Any) -> None:
    """The end of a run, the last that is written of it."""
    write_whole(folder / RESULT, (json.dumps(figures, indent=2) + "\n").encode())


def read_result(folder: Path) -> dict[str, Any]:
    """What `write_result` wrote; empty before.

    Raises:
        UserError: if the file is damaged.
    """
    path = folder / RESULT
    if not path.exists():
        return {}
    try:
        found: dict[str, Any] = json.loads(read_regular(path))
        if any(type(found[key]) is not int for key in COUNTS[found["status"]]):
            raise ValueError("a count is no whole number")
        if found["status"] != "diverged" and not math.isfinite(found["objective"]):
            raise ValueError("the objective is not finite")
        return found
    except (KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise UserError(f"{path}: damaged; delete it to go on from the run's last checkpoint") from error


def find_provenance() -> dict[str, Any]:
    """What decides, besides the configuration, what a run computes: versions, and the project's code."""
    packages = ("wgan", "torch", "pytorch-lightning", "torchmetrics", "torch-fidelity", "hydra-core")
    versions = {"python": platform.python_version()} | {package: version(package) for package in packages}
    return {"versions": versions} | describe_code()


OmegaConf.register_new_resolver("new_folder", make_new_folder, replace=True)  # of conf/train.yaml
