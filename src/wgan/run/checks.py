"""What must hold before work starts; each failure is one line with the key, the value and the remedy."""

import math
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from wgan.errors import UserError
from wgan.quality.ranking import FIGURES, name_distances, name_figure
from wgan.run.rules import RULES, Rule

OURS = "a run has its own; callbacks.NAME adds to them"

REFUSED = {
    "trainer.callbacks": OURS,
    "trainer.logger": OURS,
    "trainer.plugins": OURS,
    "trainer.strategy": "a run is one process on one device; sweeps run in parallel",
    "trainer.num_nodes": "a run is one process on one device; sweeps run in parallel",
    "trainer.fast_dev_run": "set experiment=smoke",
    "trainer.overfit_batches": "set trainer.limit_train_batches",
    "trainer.max_time": "a run has trainer.max_epochs epochs; interrupt it, and resume=FOLDER goes on",
    "trainer.max_steps": "Lightning counts every optimizer step, 11 an iteration by default; "
    "set trainer.max_epochs, and trainer.limit_train_batches for the iterations of an epoch",
}

SINGLE = ("seed", "objective")  # keys of no group
GROUPS = ("model", "optimizer", "data", "trainer", "callbacks")
OPTIONAL = ("logger",)  # a group that runs of earlier versions do not have

# Keys that the configuration of every run has: without them the libraries would take values of their own.
NEEDED = (
    *SINGLE,
    *("model.latent_dim", "model.n_critic", "optimizer.critic", "optimizer.generator", "trainer.max_epochs"),
)

# Keys that exist to hand a value on, each with the key that sets it.
FOLLOWS = {
    "data.n_critic": "model.n_critic",
    "data.seed": "seed",
    "model.seed": "seed",
    "model.lr_decay": "optimizer.decay",
}

LARGEST_NUMBER = 3.4e38

ABSENT = object()


def walk_leaves(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of nested dicts; a list of plain values is a value."""
    if isinstance(node, list) and any(isinstance(child, dict | list) for child in node):
        node = dict(enumerate(node))
    if isinstance(node, dict) and node:
        for name, child in node.items():
            yield from walk_leaves(child, f"{key}.{name}" if key else str(name))
    else:
        yield key, node


def check_training(cfg: DictConfig) -> None:
    """Raises UserError for the first thing in a training configuration that cannot be."""
    for key in map(str, cfg):
        if key not in (*SINGLE, *GROUPS, *OPTIONAL):
            raise UserError(f"{key}={cfg[key]}: no such key; --help lists all")
    for group in GROUPS:
        if not OmegaConf.is_dict(cfg.get(group)):
            raise UserError(f"{group}={cfg.get(group)}: must be one of the group's choices, which --help lists")
    for key in NEEDED:
        if OmegaConf.select(cfg, key, default=ABSENT) is ABSENT:
            raise UserError(f"{key}: must be given, as {key}=...")
    for name, callback in cfg.callbacks.items():
        _check_callback(f"callbacks.{name}", callback)
    own = [str(figure) for callback in cfg.callbacks.values() for figure in callback.get("figures") or ()]
    figures = [*dict.fromkeys((*FIGURES, *name_distances(OmegaConf.select(cfg, "callbacks.quality.features")), *own))]
    for name, callback in cfg.callbacks.items():
        if callback.get("monitor", figures[0]) not in figures:
            raise UserError(f"callbacks.{name}.monitor={callback.monitor}: must be one of {', '.join(figures)}")
    loggers = cfg.get("logger", {})
    if not OmegaConf.is_dict(loggers):
        raise UserError(f"logger={loggers}: must be one of the group's choices, which --help lists")
    for name, logger in loggers.items():
        if not OmegaConf.is_dict(logger):
            raise UserError(f"logger.{name}={logger}: must be a logger's settings; '~logger.{name}' removes it")
    for key, reason in REFUSED.items():
        if (value := OmegaConf.select(cfg, key, default=ABSENT)) is not ABSENT:
            raise UserError(f"{key}={value}: {reason}")
    check_values(cfg)
    for key, value in walk_leaves(OmegaConf.to_container(OmegaConf.masked_copy(cfg, ["model", "optimizer"]))):
        if type(value) in (int, float) and LARGEST_NUMBER < abs(value) < math.inf:
            raise UserError(f"{key}={value}: must be at most {LARGEST_NUMBER:.2g}, the largest number of float32")
    if name_figure(str(cfg.objective)) not in figures:
        words = f"one of {', '.join(figures)}; with - before it, as in -recall, if more is better"
        raise UserError(f"objective={cfg.objective}: must be {words}")
    for key, source in FOLLOWS.items():
        if (value := OmegaConf.select(cfg, key)) != OmegaConf.select(cfg, source):
            raise UserError(f"{key}={value}: must be as {source}; set {source} alone")


def _check_callback(key: str, callback: Any) -> None:
    if not OmegaConf.is_dict(callback):
        raise UserError(f"{key}={callback}: must be a callback's settings; '~{key}' removes it")
    for name in ("every_n_train_steps", "train_time_interval"):
        if name in callback:
            raise UserError(f"{key}.{name}={callback[name]}: runs go on from ends of epochs only; set every_n_epochs")


def check_values(cfg: DictConfig, rules: dict[str, Rule] = RULES) -> None:
    """Raises UserError for the first key of `rules` that has a value in `cfg` which cannot be."""
    for key, rule in rules.items():
        value = OmegaConf.select(cfg, key, default=ABSENT)
        if value is not ABSENT and not rule.holds(value):
            raise UserError(f"{key}={value}: must be {rule.words}")
