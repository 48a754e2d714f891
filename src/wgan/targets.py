"""What a configuration may build and where it may write: it can come from a stranger."""

from typing import Any

from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer
from pytorch_lightning.callbacks import BatchSizeFinder, LearningRateFinder
from torch.optim import LBFGS, Optimizer, SparseAdam

from wgan.checks import UserError, leaves

NAMESPACES = ("wgan", "torch", "pytorch_lightning")

KINDS: dict[str, type] = {
    "model": LightningModule,
    "model.critic_optimizer": Optimizer,
    "model.generator_optimizer": Optimizer,
    "optimizer.critic": Optimizer,
    "optimizer.generator": Optimizer,
    "data": LightningDataModule,
    "trainer": Trainer,
    "callbacks.*": Callback,
}
UNFIT = {
    LBFGS: "needs closures or sparse gradients; choose another optimizer",
    SparseAdam: "needs closures or sparse gradients; choose another optimizer",
    BatchSizeFinder: "trains to find a value; set data.batch_size yourself",
    LearningRateFinder: "trains to find a value; set optimizer.lr yourself",
}


def check_targets(cfg: DictConfig) -> None:
    """Raises UserError for a `_target_` that is not a class of the kind that its place takes, or a path out of the run.

    Only the classes of NAMESPACES can be named: the name of anything else, such as a function, is not even resolved.
    """
    for place in ("model", "data", "trainer", *(f"callbacks.{name}" for name in cfg.callbacks)):
        if OmegaConf.select(cfg, f"{place}._target_") is None:
            raise UserError(f"{place}._target_: must be given, the class to build")
    found = leaves(OmegaConf.to_container(cfg, resolve=True))
    for key, value in sorted(found, key=lambda leaf: leaf[0].startswith("model.")):  # it repeats what optimizer says
        place, _, name = key.rpartition(".")
        if name == "_target_":
            _check_target(place, value)
        elif name == "_partial_" and value and KINDS.get(place) is not Optimizer:
            raise UserError(f"{key}={value}: must not be given; only an optimizer gets its parameters later")
        elif "_args_" in key.split("."):
            raise UserError(f"{key}={value}: must not be given; name every argument")
        elif place.partition(".")[0] in ("trainer", "callbacks") and _is_path(name, value):
            raise UserError(f"{key}={value}: must name no folder; a run stays in its own, which hydra.run.dir chooses")


def _check_target(place: str, target: Any) -> None:
    named = f"{place}._target_={target}"
    kind = KINDS.get("callbacks.*" if place.startswith("callbacks.") else place)
    if kind is None:
        raise UserError(f"{named}: nothing can be built here; remove it")
    if not isinstance(target, str) or target.partition(".")[0] not in NAMESPACES:
        raise UserError(f"{named}: must be a class of {', '.join(NAMESPACES)}")
    try:
        found = get_class(target)
    except (Exception, SystemExit) as error:
        raise UserError(f"{named}: there is no such class") from error
    if found in UNFIT:
        raise UserError(f"{named}: {UNFIT[found]}")
    if not issubclass(found, kind) or found.__module__.partition(".")[0] not in NAMESPACES:
        raise UserError(f"{named}: must be a kind of {kind.__name__}")


def _is_path(name: str, value: Any) -> bool:
    return name.endswith(("dir", "path")) or any(part in str(value) for part in ("/", "\\", ".."))
