"""The checkpoints of a run. Reading them runs no code."""

import logging
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning import Trainer
from pytorch_lightning import callbacks as lightning

from wgan.errors import UserError
from wgan.files import open_regular, write_whole
from wgan.model.wgan import WGAN
from wgan.run.code import describe_code
from wgan.run.folder import CHECKPOINTS

LAST = "last.ckpt"
EPOCH = re.compile(r"epoch=(\d+)\.ckpt")

logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # no banners, no advertisements


class DamagedError(Exception):
    """A checkpoint that is not what was written."""


class Checkpoint(NamedTuple):
    """Where a run can go on."""

    path: Path
    contents: dict[str, Any]

    @property
    def iteration(self) -> int:
        """The iteration after which it was saved."""
        return int(self.contents["iteration"])


class PlainCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoints in a run's folder, written whole.

    Each names the configuration to which it belongs: `values`, dotted keys and values of all that decides. Each names
    where the run was begun. A run goes on from `resumed`.
    """

    def __init__(self, folder: Path, values: dict[str, Any], resumed: Checkpoint | None = None) -> None:
        self.folder = folder / CHECKPOINTS
        self.values = values
        self.resumed = resumed
        self.last_iteration = 0  # which last.ckpt has

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        device = next(iter(checkpoint["state_dict"].values())).device
        begun_on = (self.resumed.contents if self.resumed else {}).get("begun_on", describe_place(device))
        data = BytesIO()
        more = {"configuration": self.values, "begun_on": begun_on} | describe_code()
        torch.save(checkpoint | more, data)
        write_whole(Path(path), data.getvalue())
        if Path(path).name == LAST:
            self.last_iteration = checkpoint["iteration"]

    def load_checkpoint(self, path: str | Path, map_location: Any = "cpu", weights_only: Any = True) -> dict[str, Any]:
        if self.resumed and self.resumed.path == Path(path):
            return self.resumed.contents  # read and checked already
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        if Path(path).resolve().parent == self.folder.resolve():  # the path may come from a stranger's checkpoint
            Path(path).unlink(missing_ok=True)


def describe_place(device: torch.device) -> dict[str, Any]:
    """What decides how sums are rounded, besides versions."""
    return {"device": device.type, "threads": torch.get_num_threads()}


class LastCheckpoint(lightning.Checkpoint):
    """Sees to it that last.ckpt is of the latest epoch, whatever else a run keeps.

    Lightning writes it only beside another checkpoint, which a run need not keep of every epoch.
    """

    def __init__(self, checkpoints: PlainCheckpoints) -> None:
        self.checkpoints = checkpoints

    def on_train_epoch_end(self, trainer: Trainer, module: WGAN) -> None:  # type: ignore[override]
        if self.checkpoints.last_iteration != module.iteration:
            trainer.save_checkpoint(self.checkpoints.folder / LAST)


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


def list_newest_first(checkpoints: Path) -> Iterator[Path]:
    """The checkpoints in a folder: last.ckpt, then those of the epochs."""
    epochs = {int(found[1]): path for path in checkpoints.glob("*.ckpt") if (found := EPOCH.fullmatch(path.name))}
    return filter(Path.exists, (checkpoints / LAST, *(epochs[epoch] for epoch in sorted(epochs, reverse=True))))
