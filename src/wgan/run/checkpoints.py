"""Weights on disk: the checkpoints of a run and its exported generator. Reading them runs no code."""

import logging
import os
import pickle
import re
import shlex
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from wgan.errors import UserError
from wgan.files import open_regular, read_regular, write_whole
from wgan.model.networks import GREY_28, ImageShape
from wgan.model.wgan import WGAN
from wgan.run.building import build_generator
from wgan.run.configuration import CONFIGURATION, load_configuration, resolve_references, stable_name
from wgan.run.fingerprint import LENGTH, decisive_values
from wgan.run.folder import CHECKPOINTS, GENERATOR, RESULT, read_result
from wgan.run.trust import Trust, check_targets

LARGEST_GENERATOR = 2**32  # bytes
LARGEST_SIDE = 1024  # pixels of an image, or its channels

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
        torch.save(checkpoint | {"configuration": self.values}, data)
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
    for path in _newest_first(checkpoints.folder):
        try:
            checkpoint = read_checkpoint(path)
            state, optimizers, _, _, iteration = itemgetter(*PARTS)(checkpoint)
            _check_configuration(path, checkpoint.get("configuration"), checkpoints.values)
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


def _newest_first(checkpoints: Path) -> Iterator[Path]:
    epochs = {int(found[1]): path for path in checkpoints.glob("*.ckpt") if (found := EPOCH.fullmatch(path.name))}
    return filter(Path.exists, (checkpoints / "last.ckpt", *(epochs[epoch] for epoch in sorted(epochs, reverse=True))))


def _check_configuration(path: Path, values: dict[str, Any] | None, wanted: dict[str, Any]) -> None:
    """Raises UserError if a checkpoint belongs to a run with other values."""
    if values is None:
        log.warning("%s: tells no configuration, as those of older versions; taken for one of this run", path)
        return
    for key in filter(values.__contains__, wanted):  # what there is on one side alone, another version had not
        value = stable_name(values[key]) if key.endswith("_target_") else values[key]
        if key != LENGTH and value != wanted[key]:
            raise UserError(
                f"{path}: is of a run with {key}={value} (this run has {wanted[key]}); delete it to continue from "
                "another"
            )


def write_generator(folder: Path, generator: nn.Module) -> None:
    """The generator of a finished run, for `load_generator`."""
    weights = {name: tensor.contiguous().cpu() for name, tensor in generator.state_dict().items()}
    write_whole(folder / GENERATOR, save(weights))


def load_generator(folder: Path, checkpoint: str | None = None, *, trust: Trust) -> nn.Module:
    """The generator of a finished run, or of one of its checkpoints, rebuilt from the run's folder alone.

    Args:
        trust: packages whose classes the run's configuration may name, besides ours; None: any.

    Raises:
        UserError: if the folder is not that of a finished run, or has no such checkpoint.
    """
    cfg = load_configuration(folder, "run")
    path = folder / CHECKPOINTS / f"{checkpoint}.ckpt" if checkpoint else folder / GENERATOR
    if checkpoint and not path.is_file():
        there = ", ".join(sorted(each.stem for each in path.parent.glob("*.ckpt"))) or "none"
        raise UserError(f"checkpoint={checkpoint}: the run has no such checkpoint; there are {there}")
    if not path.exists():
        if read_result(folder).get("status") == "finished":
            how = shlex.quote(f"resume={folder}")
            raise UserError(f"run={folder}: its {GENERATOR} is gone; make it again with: python train.py {how}")
        raise UserError(f"run={folder}: this run has no {GENERATOR}, for it has not finished; name a finished one")
    cfg = resolve_references(cfg)
    cfg.logger = {}  # nothing is logged
    check_targets(cfg, trust)
    try:
        if checkpoint:
            contents = read_checkpoint(path)
            _check_configuration(path, contents.get("configuration"), decisive_values(cfg))
            weights, shape = _generator_of(contents), contents.get("image_shape", GREY_28)
        else:
            weights = load(read_regular(path, LARGEST_GENERATOR))
            shape = read_result(folder).get("image_shape", GREY_28)
        generator = build_generator(cfg, _image_shape(shape), LARGEST_GENERATOR // 4)
        generator.load_state_dict(weights)
    except (AttributeError, KeyError, TypeError, ValueError, SafetensorError, RuntimeError, DamagedError) as error:
        raise UserError(f"run={folder}: {path.name} or {CONFIGURATION} is damaged; name another run") from error
    return generator


def restore_generator(folder: Path, iterations: int, trust: Trust) -> None:
    """Write the generator of a finished run, whose file is gone, again: from the checkpoint of its last iteration.

    Raises:
        UserError: if there is no such checkpoint.
    """
    for path in _newest_first(folder / CHECKPOINTS):
        with suppress(DamagedError, KeyError, RuntimeError, TypeError):
            if read_checkpoint(path)["iteration"] == iterations:
                write_generator(folder, load_generator(folder, path.stem, trust=trust))
                log.info("%s was gone; made again from %s", folder / GENERATOR, path)
                return
    raise UserError(
        f"{folder / GENERATOR}: is gone, and no checkpoint is of iteration {iterations}, the last; delete "
        f"{folder / RESULT} to go on from the checkpoints that there are"
    )


def _generator_of(checkpoint: dict[str, Any]) -> dict[str, Any]:
    prefix = "generator."
    state = checkpoint["state_dict"]
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _image_shape(found: Any) -> ImageShape:
    """Raises ValueError if it is none, or one of images that are too large."""
    channels, height, width = found
    if not all(type(size) is int and 1 <= size <= LARGEST_SIDE for size in (channels, height, width)):
        raise ValueError(f"image_shape {found}")
    return channels, height, width
