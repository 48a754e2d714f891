"""What of a configuration decides what a run computes, and a short name for it."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from wgan.quality.ranking import LOSSES
from wgan.run.checks import walk_leaves
from wgan.run.configuration import find_stable_name, name_stably

DECIDING = ("seed", "model", "optimizer", "data", "trainer", "callbacks")

# Keys that say how or where a run computes, and not what.
HOW = (
    *("objective", "logger", "parallel", "search", "prune"),
    *("trainer.accelerator", "trainer.devices", "trainer.enable_model_summary", "trainer.log_every_n_steps"),
)

MNIST_ROOT = "data.root"  # MNIST is the same wherever it lies

DIGIT = "data.digit"

LENGTH = "trainer.max_epochs"  # the one that can be raised while a run goes on

# Callbacks that look at a run and change nothing. Others, of the user's own too, may.
LOOKING = ("History", "Divergence", "CriticWeights", "Samples", "Progress", "MedianPruning")
LIGHTNINGS_LOOKING = ("DeviceStatsMonitor", "LearningRateMonitor", "ModelCheckpoint", "ModelSummary", "Timer")

# Of the figures those after each epoch only show how a run went, unless a callback looks at one, to stop the run.
SHOWN = ("callbacks.quality.n", "callbacks.quality.every_n_epochs")

FEATURES = "callbacks.quality.features"  # null of runs from before there was a choice

ABSENT = object()

Values = Mapping[str, Any]


def find_decisive_values(cfg: DictConfig) -> dict[str, Any]:
    """Dotted keys and plain values of all that decides what a run computes, and the figures by which it is judged."""
    groups: Any = OmegaConf.to_container(OmegaConf.masked_copy(cfg, [*DECIDING, "objective"]), resolve=True)
    groups.pop("objective", None)  # to which a callback that only looks may refer
    groups = name_stably(groups)
    callbacks = groups.get("callbacks") or {}
    groups["callbacks"] = {name: each for name, each in callbacks.items() if not _only_looks(each)}
    monitored = {
        each["monitor"] for each in groups["callbacks"].values() if isinstance(each, dict) and "monitor" in each
    }
    shown = SHOWN if monitored <= {*LOSSES} else ()
    not_deciding = (*HOW, *shown, *((MNIST_ROOT,) if groups["data"].get("_target_") == "wgan.MNISTDigits" else ()))
    values = {key: value for key, value in walk_leaves(groups) if not is_or_is_below(key, not_deciding)}
    if values.get(FEATURES, "") is None:
        del values[FEATURES]
    return spell_alike({key: value for key, value in values.items() if value != {} and not key.endswith("._partial_")})


def spell_alike(values: Values) -> dict[str, Any]:
    """Decisive values, where MNIST's digits have one of their spellings: 7 for [7,7], [3,8] for [8,3]."""
    digits = values.get(DIGIT)
    of_mnist = find_stable_name(values.get("data._target_")) == "wgan.MNISTDigits"
    if not of_mnist or not isinstance(digits, list) or not all(type(digit) is int for digit in digits):
        return dict(values)
    digits = sorted(set(digits))
    return {**values, DIGIT: digits[0] if len(digits) == 1 else "all" if digits == list(range(10)) else digits}


def fingerprint(cfg: DictConfig) -> str:
    """Eight hexadecimal digits that differ where two configurations compute different things."""
    return fingerprint_values(find_decisive_values(cfg))


def fingerprint_values(values: Values) -> str:
    """The same, of decisive values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]


def compute_the_same(earlier: Values, values: Values, find_defaults: Callable[[], Values]) -> bool:
    """Whether an earlier run, by its decisive values, computed what a run with these would.

    A key that did not exist when the earlier one ran counts as its default; a callback that it did not have, does not.
    """
    new = [key for key in values if key not in earlier]
    if not earlier or any(earlier[key] != values.get(key, ABSENT) for key in earlier) or any(map(_is_callbacks, new)):
        return False
    return not new or all(find_defaults().get(key, ABSENT) == values[key] for key in new)


def is_or_is_below(key: str, places: Sequence[str]) -> bool:
    """Whether a dotted key is one of `places`, or stands below one."""
    return any(key == place or key.startswith(f"{place}.") for place in places)


def _only_looks(callback: Any) -> bool:
    package, _, name = str(callback.get("_target_") if isinstance(callback, dict) else "").rpartition(".")
    return (package == "wgan" and name in LOOKING) or (
        f"{package}.".startswith("pytorch_lightning.") and name in LIGHTNINGS_LOOKING
    )


def _is_callbacks(key: str) -> bool:
    return key.startswith("callbacks.")
