"""The folder of a run: its configuration, its result and its generator, written and read again."""

import json
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from yaml import YAMLError

from wgan import PROJECT
from wgan.checks import UserError
from wgan.networks import Generator

GENERATOR = "generator.safetensors"
METRICS = "metrics.csv"
RESULT = "result.json"


def check_unused(folder: Path) -> None:
    """Raises UserError if a run was trained in the folder already, or is."""
    if (folder / METRICS).exists():
        raise UserError(f"hydra.run.dir={folder}: holds a run already; name another folder, or delete this one")


def begin_metrics(folder: Path, header: str) -> Path:
    """A new metrics.csv, by which a run claims its folder: of two that start at once, one gets it.

    Raises:
        UserError: if the other got it.
    """
    try:
        with (folder / METRICS).open("x") as file:
            file.write(header + "\n")
    except FileExistsError:
        check_unused(folder)
    return folder / METRICS


def write_result(folder: Path, generator: Generator, **figures: Any) -> None:
    """The end of a run: its generator and, last, its figures."""
    weights = {name: tensor.contiguous().cpu() for name, tensor in generator.state_dict().items()}
    (folder / GENERATOR).write_bytes(save(weights))
    (folder / RESULT).write_text(json.dumps(figures, indent=2) + "\n")


def load_generator(folder: Path) -> Generator:
    """The generator of a finished run, rebuilt from its folder alone.

    Raises:
        UserError: if the folder is not that of a finished run.
    """
    config = folder / ".hydra" / "config.yaml"
    if not config.is_file():
        raise UserError(f"run={folder}: not a run's folder; name one that train.py made, such as outputs/DATE/TIME")
    if not (folder / GENERATOR).is_file():
        raise UserError(f"run={folder}: this run has no {GENERATOR}, for it has not finished; name a finished one")
    try:
        cfg = cast(DictConfig, OmegaConf.load(config))
        generator = Generator(cfg.model.latent_dim)
        generator.load_state_dict(load_file(folder / GENERATOR))
    except (YAMLError, OmegaConfBaseException, SafetensorError, RuntimeError) as error:
        raise UserError(f"run={folder}: {GENERATOR} or .hydra/config.yaml is damaged; name another run") from error
    return generator


def provenance() -> dict[str, Any]:
    """What decides, besides the configuration, what a run computes: versions, and the project's git revision."""
    packages = ("wgan", "torch", "pytorch-lightning", "hydra-core")
    versions = {"python": platform.python_version()} | {package: version(package) for package in packages}
    return {"versions": versions, "git_revision": git_revision()}


def git_revision() -> str | None:
    """The project's commit, with "-dirty" where files differ from it; None outside a git checkout."""
    command = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603, no input of the user's
    except (OSError, subprocess.CalledProcessError):
        return None
