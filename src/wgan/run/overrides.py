"""What is typed on the command line must change something."""

from collections.abc import Sequence
from copy import deepcopy

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from wgan.errors import UserError

OF_CLASSES = ("callbacks", "logger")  # groups whose every key must be a class, which is checked elsewhere


def check_overrides_read(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Look at each key that is typed: a class must take it, or another key refer to it.

    Constructors refuse what they do not take. So only a key beside them is to be found here, in a group such as
    `optimizer` that is no class itself.

    Args:
        cfg: what was composed, with its references.
        overrides: as typed.

    Raises:
        UserError: for the first key that nothing reads.
    """
    for override in overrides:
        key = override.partition("=")[0].lstrip("+")
        *groups, name = key.split(".")
        if not groups or groups[0] in OF_CLASSES or OmegaConf.select(cfg, key) is None:
            continue
        places = [".".join(groups[:length]) for length in range(1, len(groups) + 1)]
        if not any(_is_built(cfg, place) for place in (*places, key)) and not _is_referred_to(cfg, key):
            classes = [f"{places[0]}.{child}" for child in cfg[places[0]] if _is_built(cfg, f"{places[0]}.{child}")]
            remedy = " and ".join(f"{each}.{name}" for each in classes)
            raise UserError(
                f"{override.lstrip('+')}: nothing reads it; " + (f"set {remedy}" if remedy else "remove it")
            )


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
