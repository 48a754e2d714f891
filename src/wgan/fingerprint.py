"""What of a configuration decides what a run computes, and a short name for it."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from wgan.checks import GROUPS, SINGLE, leaves

# Keys that say how or where a run computes, or what is read off it, and not what it computes.
HOW = (
    *("objective", "data.root", "callbacks.progress", "parallel", "search"),
    *("trainer.accelerator", "trainer.devices", "trainer.enable_model_summary", "trainer.log_every_n_steps"),
)

LENGTH = "trainer.max_epochs"  # the one that can be raised while a run goes on


def decisive_values(cfg: DictConfig) -> dict[str, Any]:
    """Dotted keys and plain values of all that decides what a run computes."""
    values = OmegaConf.to_container(OmegaConf.masked_copy(cfg, [*SINGLE, *GROUPS]), resolve=True)
    return {key: value for key, value in leaves(values) if not is_or_is_below(key, HOW)}


def fingerprint(cfg: DictConfig) -> str:
    """Eight hexadecimal digits that differ where two configurations compute different things."""
    return hashlib.sha256(json.dumps(decisive_values(cfg), sort_keys=True).encode()).hexdigest()[:8]


def is_or_is_below(key: str, places: Sequence[str]) -> bool:
    """Whether a dotted key is one of `places`, or stands below one."""
    return any(key == place or key.startswith(f"{place}.") for place in places)
