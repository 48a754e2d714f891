"""The checkpoints of a run. Reading them runs no code."""

import logging
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from copy import deepcopy
from io import BytesIO
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from packaging.version import Version
from pytorch_lightning import Callback, Trainer
from pytorch_lightning import callbacks as lightning

from wgan.errors import UserError
from wgan.files import open_regular, write_whole
from wgan.model.wgan import WGAN
from wgan.run.code import describe_code, warn_of_other_code
from wgan.run.configuration import find_stable_name
from wgan.run.fingerprint import LENGTH, spell_alike
from wgan.run.folder import CHECKPOINTS

PARTS = ("state_dict", "optimizer_states", "loops", "losses", "iteration")  # what a run needs to go on
LAST = "last.ckpt"
EPOCH = re.compile(r"epoch=(\d+)\.ckpt")

log = logging.getLogger(__name__)
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


def find_newest_checkpoint(
    folder: Path, values: dict[str, Any], module: WGAN, callbacks: Iterable[Callback] = ()
) -> Checkpoint | None:
    """A run's last.ckpt or, where that cannot be used, its newest checkpoint that can. `module` has its state then.

    Raises:
        UserError: if that one is another configuration's; if there are checkpoints, but no one is of this run.
    """
    other: UserError | None = None
    for path in list_newest_first(folder / CHECKPOINTS):
        try:
            contents = read_checkpoint(path)
            _ = itemgetter(*PARTS)(contents)
            check_configuration(path, contents.get("configuration"), values)
            warn_of_other_code(path, contents)
            load_state(contents, module, callbacks)
            return Checkpoint(path, contents)
        except DamagedError as damage:
            log.warning("%s is damaged and left out (%s)", path, damage)
        except UserError:
            raise
        except Exception as error:  # contents can be wrong in many ways
            log.warning("%s is not a checkpoint of this run and left out", path)
            other = UserError(f"{path}: not a checkpoint of this run; delete it to continue from another")
            other.__cause__ = error
    if other:
        raise other
    return None


def load_state(contents: dict[str, Any], module: WGAN, callbacks: Iterable[Callback]) -> None:
    """Load a checkpoint's state, and try on copies what Lightning and the optimizers will do with the rest.

    Raises:
        Exception: of any kind, if the contents are not of a run with such a module and such callbacks.
    """
    state, optimizers, loops, losses, iteration = itemgetter(*PARTS)(contents)
    if type(iteration) is not int or iteration < 1 or losses.keys() != {"c1", "c2", "g"}:
        raise ValueError(f"iteration {iteration}")
    for loss in losses.values():
        loss.item()
    if Version(contents["pytorch-lightning_version"]) < Version("2"):
        raise ValueError("of another Lightning")
    if "begun_on" in contents:
        begun_on = contents["begun_on"]
        if not _is_like(begun_on, describe_place(torch.device("cpu"))):
            raise ValueError(f"begun on {begun_on}")
        torch.device(begun_on["device"])

    loop = Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        plugins=[LightningEnvironment()],
    ).fit_loop
    new = loop.state_dict()
    loop.load_state_dict(deepcopy(loops["fit_loop"]))
    if not _is_like(loop.state_dict(), new) or loop.total_batch_idx + 1 != iteration:
        raise ValueError("loops")
    states = dict(contents["callbacks"])
    for callback in callbacks:
        if found := states.get(callback.state_key):
            deepcopy(callback).load_state_dict(deepcopy(found))

    module.load_state_dict(state)
    for optimizer, optimizer_state in zip(module.configure_optimizers(), optimizers, strict=True):
        optimizer.load_state_dict(optimizer_state)
    trial = deepcopy(module)
    for parameter in trial.parameters():
        parameter.grad = torch.zeros_like(parameter)
    for optimizer in trial.configure_optimizers():
        optimizer.step()
    if not all(parameter.isfinite().all() for parameter in trial.parameters()):
        raise ValueError("weights that are not finite")


def _is_like(found: Any, wanted: Any) -> bool:
    """Whether plain values have the same keys and types."""
    if type(found) is not type(wanted):
        return False
    return not isinstance(wanted, dict) or (
        found.keys() == wanted.keys() and all(_is_like(found[key], wanted[key]) for key in wanted)
    )


def list_newest_first(checkpoints: Path) -> Iterator[Path]:
    """The checkpoints in a folder: last.ckpt, then those of the epochs."""
    epochs = {int(found[1]): path for path in checkpoints.glob("*.ckpt") if (found := EPOCH.fullmatch(path.name))}
    return filter(Path.exists, (checkpoints / LAST, *(epochs[epoch] for epoch in sorted(epochs, reverse=True))))


def check_configuration(path: Path, values: dict[str, Any] | None, wanted: dict[str, Any]) -> None:
    """Raises UserError if a checkpoint belongs to a run with other values."""
    if values is None:
        log.warning("%s: tells no configuration, as those of older versions; taken for one of this run", path)
        return
    values = spell_alike(values)
    for key in filter(values.__contains__, wanted):  # what there is on one side alone, another version had not
        value = find_stable_name(values[key]) if key.endswith("_target_") else values[key]
        if key != LENGTH and value != wanted[key]:
            raise UserError(
                f"{path}: is of a run with {key}={value} (this run has {wanted[key]}); delete it to continue from "
                "another"
            )
