"""The exported generator of a run, and those of its checkpoints."""

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from wgan.errors import UserError
from wgan.files import read_regular, write_whole
from wgan.model.labels import CLASSES
from wgan.model.networks import GREY_28, ImageShape
from wgan.run.building import build_generator
from wgan.run.checkpoints import DamagedError, list_newest_first, read_checkpoint
from wgan.run.code import warn_of_other_code
from wgan.run.configuration import CONFIGURATION, list_trust_needed
from wgan.run.continuing import check_configuration
from wgan.run.fingerprint import find_decisive_values
from wgan.run.folder import CHECKPOINTS, GENERATOR, RESULT, TRAINED, read_result
from wgan.run.pasting import write_command
from wgan.run.trust import Trust, load_trusted

LARGEST_GENERATOR = 2**32  # bytes
LARGEST_SIDE = 1024  # pixels of an image, or its channels

log = logging.getLogger(__name__)


def write_generator(folder: Path, generator: nn.Module) -> None:
    """The generator of a finished run, for `load_generator`."""
    weights = {name: tensor.contiguous().cpu() for name, tensor in generator.state_dict().items()}
    write_whole(folder / GENERATOR, save(weights))


def load_generator(folder: Path, cfg: DictConfig, checkpoint: str | None = None) -> nn.Module:
    """The generator of a finished run, or of one of its checkpoints.

    Args:
        cfg: the run's configuration, from `load_trusted`.

    Raises:
        UserError: if the folder is not that of a finished run, or has no such checkpoint.
    """
    path = folder / CHECKPOINTS / f"{checkpoint}.ckpt" if checkpoint else folder / GENERATOR
    if checkpoint and not path.is_file():
        there = ", ".join(sorted(each.stem for each in path.parent.glob("*.ckpt"))) or "none"
        raise UserError(f"checkpoint={checkpoint}: the run has no such checkpoint; there are {there}")
    if not path.exists():
        if read_result(folder).get("status") in TRAINED:
            how = write_command("train.py", f"resume={folder.absolute()}", *list_trust_needed(cfg))
            raise UserError(f"run={folder}: its {GENERATOR} is gone; make it again with: {how}")
        raise UserError(f"run={folder}: this run has no {GENERATOR}, for it has not finished; name a finished one")
    try:
        if checkpoint:
            contents = read_checkpoint(path)
            check_configuration(path, contents.get("configuration"), find_decisive_values(cfg))
            warn_of_other_code(path, contents)
            weights, shape = _generator_of(contents), contents.get("image_shape", GREY_28)
        else:
            weights = load(read_regular(path, LARGEST_GENERATOR))
            result = read_result(folder)
            warn_of_other_code(folder / RESULT, result)
            shape = result.get("image_shape", GREY_28)
        generator = build_generator(cfg, _image_shape(shape), _classes(weights), LARGEST_GENERATOR // 4)
        generator.load_state_dict(weights)
    except (AttributeError, KeyError, TypeError, ValueError, SafetensorError, RuntimeError, DamagedError) as error:
        raise UserError(f"run={folder}: {path.name} or {CONFIGURATION} is damaged; name another run") from error
    return generator


def restore_generator(folder: Path, iterations: int, trust: Trust) -> None:
    """Write the generator of a finished run, whose file is gone, again: from the checkpoint of its last iteration.

    Raises:
        UserError: if there is no such checkpoint.
    """
    cfg = load_trusted(folder, trust)
    for path in list_newest_first(folder / CHECKPOINTS):
        with suppress(DamagedError, KeyError, RuntimeError, TypeError):
            if read_checkpoint(path)["iteration"] == iterations:
                write_generator(folder, load_generator(folder, cfg, path.stem))
                log.info("%s was gone; made again from %s", folder / GENERATOR, path)
                return
    raise UserError(
        f"{folder / GENERATOR}: is gone, and no checkpoint is of iteration {iterations}, the last; delete "
        f"{folder / RESULT} to go on from the checkpoints that there are"
    )


def _generator_of(checkpoint: dict[str, Any]) -> dict[str, Any]:
    state = checkpoint["state_dict"]
    prefix = "averaged.module." if "averaged.n_averaged" in state else "generator."
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _classes(weights: dict[str, Tensor]) -> list[int]:
    """Raises ValueError if they are none, or could be far more than a file holds: a tensor can repeat its numbers."""
    found = weights.get(CLASSES, torch.empty(0, dtype=torch.int64))
    if found.dtype != torch.int64 or found.ndim != 1 or not found.is_contiguous():
        raise ValueError(CLASSES)
    return found.tolist()


def _image_shape(found: Any) -> ImageShape:
    """Raises ValueError if it is none, or one of images that are too large."""
    channels, height, width = found
    if not all(type(size) is int and 1 <= size <= LARGEST_SIDE for size in (channels, height, width)):
        raise ValueError(f"image_shape {found}")
    return channels, height, width
