"""Weights on disk: the checkpoints of a run and its exported generator. Reading them runs no code."""

import logging
import pickle
import re
import warnings
import zipfile
from io import BytesIO
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from wgan.checks import UserError
from wgan.files import write_whole
from wgan.module import WGAN
from wgan.networks import Generator
from wgan.runs import CHECKPOINTS, CONFIGURATION, load_configuration

GENERATOR = "generator.safetensors"

PARTS = ("state_dict", "optimizer_states", "loops", "losses", "iteration")  # what a run needs to go on
EPOCH = re.compile(r"epoch=(\d+)\.ckpt")

log = logging.getLogger(__name__)


class DamagedError(Exception):
    """A checkpoint that is not what was written."""


class PlainCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoints in a run's folder, written whole, and read as tensors and numbers only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / CHECKPOINTS

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        data = BytesIO()
        torch.save(checkpoint, data)
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
        if not zipfile.is_zipfile(path) and path.read_bytes()[:1] == pickle.PROTO:
            raise pickle.UnpicklingError("a bare pickle")
        with zipfile.ZipFile(path) as archive:
            if part := archive.testzip():
                raise DamagedError(f"the checksum of {part} is wrong")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a pickle protocol that is not PyTorch's own
            checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
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


class Checkpoint(NamedTuple):
    """Where a run can go on."""

    path: Path
    iteration: int


def newest_checkpoint(folder: Path, module: WGAN) -> Checkpoint | None:
    """A run's last.ckpt or, where that is damaged or missing, its newest checkpoint that can be read.

    Raises:
        UserError: if that one holds something else than a state of `module`, which has the state afterwards.
    """
    checkpoints = folder / CHECKPOINTS
    epochs = {int(found[1]): path for path in checkpoints.glob("*.ckpt") if (found := EPOCH.fullmatch(path.name))}
    newest_first = [epochs[epoch] for epoch in sorted(epochs, reverse=True)]
    for path in filter(Path.exists, (checkpoints / "last.ckpt", *newest_first)):
        try:
            state, optimizers, _, _, iteration = itemgetter(*PARTS)(read_checkpoint(path))
            module.load_state_dict(state)
            for optimizer, optimizer_state in zip(module.configure_optimizers(), optimizers, strict=True):
                optimizer.load_state_dict(optimizer_state)
            return Checkpoint(path, int(iteration))
        except DamagedError as damage:
            log.warning("%s is damaged and left out (%s)", path, damage)
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(f"{path}: not a checkpoint of this run; delete it to continue from another") from error
    return None


def write_generator(folder: Path, generator: Generator) -> None:
    """The generator of a finished run, for `load_generator`."""
    weights = {name: tensor.contiguous().cpu() for name, tensor in generator.state_dict().items()}
    write_whole(folder / GENERATOR, save(weights))


def load_generator(folder: Path, checkpoint: str | None = None) -> Generator:
    """The generator of a finished run, or of one of its checkpoints, rebuilt from the run's folder alone.

    Raises:
        UserError: if the folder is not that of a finished run, or has no such checkpoint.
    """
    cfg = load_configuration(folder, "run")
    path = folder / CHECKPOINTS / f"{checkpoint}.ckpt" if checkpoint else folder / GENERATOR
    if checkpoint and not path.is_file():
        there = ", ".join(sorted(each.stem for each in path.parent.glob("*.ckpt"))) or "none"
        raise UserError(f"checkpoint={checkpoint}: the run has no such checkpoint; there are {there}")
    if not path.is_file():
        raise UserError(f"run={folder}: this run has no {GENERATOR}, for it has not finished; name a finished one")
    try:
        weights = _generator_of(read_checkpoint(path)) if checkpoint else load_file(path)
        generator = Generator(cfg.model.latent_dim)
        generator.load_state_dict(weights)
    except (AttributeError, KeyError, TypeError, SafetensorError, RuntimeError, DamagedError) as error:
        raise UserError(f"run={folder}: {path.name} or {CONFIGURATION} is damaged; name another run") from error
    return generator


def _generator_of(checkpoint: dict[str, Any]) -> dict[str, Any]:
    prefix = "generator."
    state = checkpoint["state_dict"]
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
