"""resume=FOLDER: the configuration of a run that goes on."""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from wgan import PROJECT
from wgan.errors import UserError
from wgan.run.checks import GROUPS, OPTIONAL, SINGLE, walk_leaves
from wgan.run.configuration import CONFIGURATION, load_configuration
from wgan.run.fingerprint import LENGTH
from wgan.run.names import is_quoted
from wgan.run.strangers import check_contents

# MNIST's files, as torchvision unpacks them.
UNPACKED = tuple(f"{part}-{what}-ubyte" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1"))

# Hydra's options that show something; the others would take another configuration, or start several runs.
SHOWING = {"--cfg", "-c", "--resolve", "--info", "-i", "--package", "-p", "--help", "-h", "--hydra-help", "--version"}


def with_resume(main: Callable[[], Any]) -> Callable[[], Any]:
    """Let resume=FOLDER on the command line of a Hydra `main` compose conf/resume.yaml, with the run's configuration.

    The folder may be a stranger's. Hydra would build what it finds under "hydra", and writes a log in the folder: such
    a key, and links that lead out of the folder, are refused before Hydra starts.
    """

    @wraps(main)
    def wrapper() -> Any:
        typed = [argument for argument in sys.argv[1:] if argument.startswith("resume=")]
        if typed:
            others = [argument for argument in sys.argv[1:] if argument not in typed]
            name = typed[-1].partition("=")[2]
            name = name[1:-1] if is_quoted(name) else name
            _check_arguments(name, others)
            folder = Path(name).absolute()
            ConfigStore.instance().store("run", _run_configuration(folder))
            OmegaConf.register_new_resolver("resumed", lambda: str(folder), replace=True)
            sys.argv[1:] = ["--config-name=resume", *others]
        return main()

    return wrapper


def check_unchanged(saved: DictConfig, cfg: DictConfig) -> None:
    """Raises UserError if `cfg` is not the configuration `saved`, but for a greater trainer.max_epochs.

    Learning rates that fall over the whole run bind it to its length.
    """
    # Interpolations stay as they are: whoever changes a key changes one leaf.
    before, now = (dict(walk_leaves(OmegaConf.to_container(each))) for each in (saved, cfg))
    keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    if keys == [LENGTH] and now[LENGTH] > before[LENGTH]:
        if not can_be_lengthened(cfg):
            raise UserError(
                f"{LENGTH}={now[LENGTH]} (the run has {before[LENGTH]}): optimizer.decay={cfg.optimizer.decay} takes "
                "the learning rates to 0 at the run's end; start another run"
            )
        return
    if keys:
        values = ", ".join(f"{key}={now.get(key)} (the run has {before.get(key)})" for key in keys)
        raise UserError(f"{values}: resume= can raise {LENGTH}, nothing else; for other values start another run")


def can_be_lengthened(cfg: DictConfig) -> bool:
    """Whether the first iterations of a longer run are those of this one: not if its learning rates fall to 0."""
    return bool(OmegaConf.select(cfg, "optimizer.decay", default="none") == "none")


def _check_arguments(name: str, others: list[str]) -> None:
    if not name or "${" in name:  # which Hydra would take for an interpolation
        raise UserError(f"resume={name}: must name the folder of a run, such as outputs/DATE/TIME")
    for argument in others:
        key = argument.lstrip("+~").partition("=")[0]
        if argument.startswith("-") and argument.partition("=")[0] not in SHOWING:
            raise UserError(f"resume={name}: continues one run; leave out {argument}")
        if key in (*GROUPS, "experiment") or key.startswith("hydra"):
            raise UserError(f"{argument}: resume= has the run's own configuration; it can raise {LENGTH}, nothing else")


def _run_configuration(folder: Path) -> DictConfig:
    cfg = load_configuration(folder, "resume")
    check_contents(folder, f"resume={folder}")
    if unknown := [str(key) for key in cfg if key not in (*SINGLE, *GROUPS, *OPTIONAL)]:
        raise UserError(f"resume={folder}: {CONFIGURATION} has a key {unknown[0]}; do not trust this folder")
    if missing := [key for key in SINGLE if key not in cfg]:
        raise UserError(
            f"resume={folder}: {CONFIGURATION} has no {missing[0]}, as those of older versions; start another run"
        )
    if OmegaConf.select(cfg, "data._target_") == "wgan.MNISTDigits":
        _check_mnist(PROJECT / str(OmegaConf.select(cfg, "data.root")))
    return cfg


def _check_mnist(root: Path) -> None:
    if root != PROJECT / "data" and not all((root / "MNIST" / "raw" / name).is_file() for name in UNPACKED):
        raise UserError(
            f"data.root={root}: must be data or have MNIST unpacked: a run that goes on writes nothing there"
        )
