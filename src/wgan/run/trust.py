"""What a configuration may build and where it may write. Nobody else asks whom to trust.

What the user types is the user's own: any class that can be imported. A run's folder may come from a stranger: only
this project's classes, PyTorch's and Lightning's are built from it, and those of packages that the user trusts.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import BatchSizeFinder, LearningRateFinder
from pytorch_lightning.loggers import Logger
from torch import nn
from torch.optim import LBFGS, Optimizer, SparseAdam

from wgan.data.images import ImageData
from wgan.errors import UserError
from wgan.model.lipschitz import LipschitzMethod
from wgan.model.wgan import WGAN
from wgan.run.checks import walk_leaves
from wgan.run.configuration import NAMESPACES, SENDING, load_configuration, names_class, resolve_references

Trust = Sequence[str] | None  # packages besides NAMESPACES; None: whatever can be imported


class Place(NamedTuple):
    """Where a `_target_` may stand: what is built there, if it is a class, and whose classes a stranger may name."""

    pattern: str
    kind: type | None = None
    namespaces: tuple[str, ...] = NAMESPACES


PLACES = (
    Place("model", WGAN),
    Place("model.critic_optimizer", Optimizer),
    Place("model.generator_optimizer", Optimizer),
    Place("model.lipschitz", LipschitzMethod),
    Place("optimizer.critic", Optimizer),
    Place("optimizer.generator", Optimizer),
    Place("data", ImageData),
    Place("trainer", Trainer),
    Place("logger.*", Logger, ("wgan",)),
    Place("callbacks.*.figures.*", None, ("wgan",)),
    Place("callbacks.*.features", None, ("wgan",)),
    Place("callbacks.*", Callback),
    # Networks are made by classes or functions, whose arguments may be layers.
    Place("model.generator", None, ("wgan", "torch.nn")),
    Place("model.critic", None, ("wgan", "torch.nn")),
    Place("model.generator.*", None, ("wgan", "torch.nn")),
    Place("model.critic.*", None, ("wgan", "torch.nn")),
)
REQUIRED = ("model", "data", "trainer")
WITHOUT_PARTIAL = ("model", "data", "trainer", "callbacks.*", "logger.*")
UNFIT = {
    LBFGS: "needs closures or sparse gradients; choose another optimizer",
    SparseAdam: "needs closures or sparse gradients; choose another optimizer",
    BatchSizeFinder: "trains to find a value; set data.batch_size yourself",
    LearningRateFinder: "trains to find a value; set optimizer.lr yourself",
}


def check_targets(cfg: DictConfig, trust: Trust) -> None:
    """Look at all that a configuration would build, before any of it is.

    Raises:
        UserError: for a `_target_` that is not of the kind that its place takes, or of a package that is not trusted,
            which is then not even imported; for a path out of the run's folder.
    """
    callbacks, loggers = ([f"{group}.{name}" for name in cfg.get(group, ())] for group in ("callbacks", "logger"))
    for key in (*REQUIRED, *callbacks, *loggers):
        if OmegaConf.select(cfg, f"{key}._target_") is None:
            raise UserError(f"{key}._target_: must be given, the class to build")
    found = walk_leaves(OmegaConf.to_container(cfg, resolve=True))
    for key, value in sorted(found, key=lambda leaf: leaf[0].startswith("model.")):  # it repeats what optimizer says
        place, _, name = key.rpartition(".")
        if names_class(key, value):
            _check_target(key, value, trust)
        elif name == "_partial_" and value and any(_matches(place, pattern) for pattern in WITHOUT_PARTIAL):
            raise UserError(f"{key}={value}: must not be given; only what gets its arguments later can be partial")
        elif "_args_" in key.split(".") and (trust is not None or not _is_network(key)):
            raise UserError(f"{key}={value}: must not be given; name every argument")
        elif place.partition(".")[0] in ("trainer", "callbacks") and _is_path(name, value):
            raise UserError(f"{key}={value}: must name no folder; a run stays in its own, which hydra.run.dir chooses")


def load_trusted(folder: Path, trust: Trust) -> DictConfig:
    """The configuration of the run in a folder: plain values, and no loggers, for nothing is trained with it.

    Raises:
        UserError: if it names what `check_targets` refuses, or is none.
    """
    cfg = resolve_references(load_configuration(folder, "run"))
    cfg.logger = {}
    check_targets(cfg, trust)
    return cfg


def _check_target(key: str, target: Any, trust: Trust) -> None:
    named = f"{key}={target}"
    place = next((place for place in PLACES if _matches(key.removesuffix("._target_"), place.pattern)), None)
    if place is None:
        raise UserError(f"{named}: nothing can be built here; remove it")
    if not isinstance(target, str):
        raise UserError(f"{named}: must be the name of a class")
    package = target.partition(".")[0]
    own = trust is None or any(_is_of(target, name) or SENDING.get(target) == name for name in trust)
    if not own and target in SENDING:
        sends = "sends what a run has to others; if you want that"
        raise UserError(f"{named}: {sends}, add 'trust=[{SENDING[target]}]'")
    if not own and not any(_is_of(target, name) for name in place.namespaces):
        ours = ", ".join(place.namespaces or NAMESPACES)
        raise UserError(
            f"{named}: is not of {ours}, and the folder may come from a stranger; if you know "
            f"what {package} does, add 'trust=[{package}]'"
        )
    try:
        found = get_object(target)
    except (Exception, SystemExit) as error:
        raise UserError(f"{named}: there is no such class") from error
    if isinstance(found, type) and found in UNFIT:
        raise UserError(f"{named}: {UNFIT[found]}")
    kind = place.kind or (None if own else nn.Module)
    if kind and not (isinstance(found, type) and issubclass(found, kind)):
        raise UserError(f"{named}: must be a kind of {kind.__name__}")
    if not own and not any(_is_of(found.__module__, name) for name in place.namespaces):
        raise UserError(f"{named}: must be a class of {', '.join(place.namespaces)}")
    if not callable(found):
        raise UserError(f"{named}: must be a class or a function")


def _matches(key: str, pattern: str) -> bool:
    """Whether a dotted key fits; "*" is any name, at the end of a network's any path of names."""
    return fnmatchcase(key, pattern) and (_is_network(key) or key.count(".") == pattern.count("."))


def _is_network(key: str) -> bool:
    return key.startswith(("model.generator.", "model.critic."))


def _is_of(target: str, package: str) -> bool:
    return f"{target}.".startswith(f"{package}.")


def _is_path(name: str, value: Any) -> bool:
    return name.endswith(("dir", "path")) or any(part in str(value) for part in ("/", "\\", ".."))
