"""The checkpoints of a run. Reading them runs no code."""

import logging
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator
from io import BytesIO
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from lightning_fabric.plugins import TorchCheckpointIO

from wgan.errors import UserError
from wgan.files import open_regular, write_whole
from wgan.model.wgan import WGAN
from wgan.run.code import describe_code, warn_of_other_code
from wgan.run.configuration import stable_name
from wgan.run.fingerprint import LENGTH, spell_alike
from wgan.run.folder import CHECKPOINTS

PARTS = ("state_dict", "optimizer_states", "loops", "losses", "iteration")  # what a run needs to go on
EPOCH = re.compile(r"epoch=(\d+)\.ckpt")

log = logging.getLogger(__name__)


class DamagedError(Exception):
    """A checkpoint that is not what was written."""


class PlainCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoints in a run's folder, written whole, and read as tensors and plain values only.

    Each names the configuration to which it belongs: `values`, dotted keys and values of all that decides.
    """

    def __init__(self, folder: Path, values: dict[str, Any]) -> None:
        self.folder = folder / CHECKPOINTS
        self.values = values

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        data = BytesIO()
        torch.save(checkpoint | {"configuration": self.values} | describe_code(), data)
        write_whole(Path(path), data.getvalue())

    def load_checkpoint(self, path: str | Path, map_location: Any = "cpu", weights_only: Any = True) -> dict[str, Any]:
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        if Path(path).resolve().parent == self.folder.resolve():  # the path may come from a stranger's checkpoint
            Path(path).unlink(missing_ok=True)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The contents of a checkpoint, tensors on the CPU.

    Raises:
        UserError: if it holds anything else but tensors and numbers, such as a program to run.
        DamagedError: if it cannot be read.
    """
    try:
        with open_regular(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a pickle protocol that is not PyTorch's own
            _check_archive(file)
            checkpoint: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        return checkpoint
    except DamagedError:
        raise
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: holds pickled objects besides tensors and numbers, which could run any program, and is "
            "therefore not opened; delete it to continue from an earlier checkpoint"
        ) from error
    except Exception as error:
        raise DamagedError(f"{type(error).__name__}: {error}".splitlines()[0]) from error


def _check_archive(file: BinaryIO) -> None:
    """Look at a checkpoint's file without unpacking it, and go back to its beginning."""
    if not zipfile.is_zipfile(file):
        file.seek(0)
        if file.read(1) == pickle.PROTO:
            raise pickle.UnpicklingError("a bare pickle")
    with zipfile.ZipFile(file) as archive:
        # PyTorch does not compress: whatever is larger unpacked was not written by it.
        if sum(part.file_size for part in archive.infolist()) > os.fstat(file.fileno()).st_size:
            raise DamagedError("it says that it holds more than it can")
        if name := archive.testzip():
            raise DamagedError(f"the checksum of {name} is wrong")
    file.seek(0)


class Checkpoint(NamedTuple):
    """Where a run can go on."""

    path: Path
    iteration: int


def newest_checkpoint(checkpoints: PlainCheckpoints, module: WGAN) -> Checkpoint | None:
    """A run's last.ckpt or, where that is damaged or missing, its newest checkpoint that can be read.

    Raises:
        UserError: if that one is another configuration's, or holds something else than a state of `module`, which has
            the state afterwards.
    """
    for path in newest_first(checkpoints.folder):
        try:
            checkpoint = read_checkpoint(path)
            state, optimizers, _, _, iteration = itemgetter(*PARTS)(checkpoint)
            check_configuration(path, checkpoint.get("configuration"), checkpoints.values)
            warn_of_other_code(path, checkpoint)
            if type(iteration) is not int or iteration < 1:
                raise ValueError(f"iteration {iteration}")
            module.load_state_dict(state)
            for optimizer, optimizer_state in zip(module.configure_optimizers(), optimizers, strict=True):
                optimizer.load_state_dict(optimizer_state)
            return Checkpoint(path, iteration)
        except DamagedError as damage:
            log.warning("%s is damaged and left out (%s)", path, damage)
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(f"{path}: not a checkpoint of this run; delete it to continue from another") from error
    return None


def newest_first(checkpoints: Path) -> Iterator[Path]:
    """The checkpoints in a folder: last.ckpt, then those of the epochs."""
    epochs = {int(found[1]): path for path in checkpoints.glob("*.ckpt") if (found := EPOCH.fullmatch(path.name))}
    return filter(Path.exists, (checkpoints / "last.ckpt", *(epochs[epoch] for epoch in sorted(epochs, reverse=True))))


def check_configuration(path: Path, values: dict[str, Any] | None, wanted: dict[str, Any]) -> None:
    """Raises UserError if a checkpoint belongs to a run with other values."""
    if values is None:
        log.warning("%s: tells no configuration, as those of older versions; taken for one of this run", path)
        return
    values = spell_alike(values)
    for key in filter(values.__contains__, wanted):  # what there is on one side alone, another version had not
        value = stable_name(values[key]) if key.endswith("_target_") else values[key]
        if key != LENGTH and value != wanted[key]:
            raise UserError(
                f"{path}: is of a run with {key}={value} (this run has {wanted[key]}); delete it to continue from "
                "another"
            )
