"""What is typed, or stands in a configuration's file, must change something."""

from collections.abc import Sequence
from copy import deepcopy

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from wgan.errors import UserError

OF_CLASSES = ("callbacks", "logger")  # groups whose every key must be a class, which is checked elsewhere


def check_keys_read(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Look at each key that is typed, or stands in a file: a class must take it, or another key refer to it.

    Constructors refuse what they do not take. So only a key beside them is to be found here, in a group such as
    `optimizer` that is no class itself. There a file may have a key that every class of the group has, too: the value
    to which these refer, until they get their own.

    Args:
        cfg: what was composed, with its references.
        overrides: as typed.

    Raises:
        UserError: for the first key that nothing reads.
    """
    for override in overrides:
        key = override.partition("=")[0].lstrip("+")
        *groups, _ = key.split(".")
        if not groups or groups[0] in OF_CLASSES or OmegaConf.select(cfg, key) is None:
            continue
        places = [".".join(groups[:length]) for length in range(1, len(groups) + 1)]
        if not any(_is_built(cfg, place) for place in (*places, key)) and not _is_referred_to(cfg, key):
            raise UserError(_explain_unread(cfg, key))
    for group in map(str, cfg):
        if group in OF_CLASSES or not OmegaConf.is_dict(cfg[group]) or _is_built(cfg, group):
            continue
        classes = _find_classes(cfg, group)
        beside = [str(name) for name in cfg[group] if name not in classes]
        for name in beside:
            is_shadowed = all(name in cfg[group][each] for each in classes)
            if not is_shadowed and not _is_referred_to(cfg, f"{group}.{name}"):
                raise UserError(_explain_unread(cfg, f"{group}.{name}"))


def _explain_unread(cfg: DictConfig, key: str) -> str:
    group, name = key.partition(".")[0], key.rpartition(".")[2]
    remedy = " and ".join(f"{group}.{each}.{name}" for each in _find_classes(cfg, group))
    return f"{key}={OmegaConf.select(cfg, key)}: nothing reads it; " + (f"set {remedy}" if remedy else "remove it")


def _find_classes(cfg: DictConfig, group: str) -> list[str]:
    return [str(child) for child in cfg[group] if _is_built(cfg, f"{group}.{child}")]


def _is_built(cfg: DictConfig, place: str) -> bool:
    node = OmegaConf.select(cfg, place)
    return OmegaConf.is_dict(node) and "_target_" in node


def _is_referred_to(cfg: DictConfig, key: str) -> bool:
    """Whether the others cannot be resolved without it."""
    without = deepcopy(cfg)
    place, _, name = key.rpartition(".")
    with open_dict(without):
        del OmegaConf.select(without, place)[name]
    try:
        OmegaConf.to_container(without, resolve=True)
    except OmegaConfBaseException:  # InterpolationKeyError, or another fault, which is told later
        return True
    return False
