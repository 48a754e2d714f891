"""What the values of the configuration's keys must be, key by key."""

import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from wgan.quality.ranking import DIGITS, INCEPTION


class Rule(NamedTuple):
    """What the value of a key must be, as a test and in words that follow "must be"."""

    holds: Callable[[Any], bool]
    words: str


def whole(least: int, most: float = math.inf) -> Rule:
    """An int, and no bool, in [least, most]."""
    words = f"a whole number, {least} or more" if most == math.inf else f"a whole number from {least} to {most}"
    return Rule(lambda value: type(value) is int and least <= value <= most, words)


def one_of(*choices: str) -> Rule:
    """Equal to one of `choices`."""
    return Rule(lambda value: value in choices, "one of " + ", ".join(choices))


def is_number(value: Any) -> bool:
    """Whether it is an int or a float, and not too large for one."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _is_digits(value: Any) -> bool:
    digits = value if OmegaConf.is_list(value) else [value]
    return value == "all" or (len(digits) > 0 and all(type(d) is int and 0 <= d <= 9 for d in digits))


def _are_betas(value: Any) -> bool:
    return OmegaConf.is_list(value) and len(value) == 2 and all(is_number(b) and 0 <= b < 1 for b in value)


SWEEP = re.compile(r"/?\w[\w.=+-]*(/\w[\w.=+-]*)*", re.ASCII)  # one way to match a text: its time is linear
# In float32 lesser ones are 0.
POSITIVE = Rule(lambda value: is_number(value) and value >= 2**-126, "a number above 0, such as 5e-5")
SWITCH = Rule(lambda value: isinstance(value, bool), "true or false")
LARGEST = 1_000_000  # images, which have to fit into memory
SEED = whole(0, 2**64 - 1)
SOME = whole(10, LARGEST)
SAMPLES = Rule(lambda value: value == "auto" or SOME.holds(value), f"auto, or {SOME.words}")
OPTIMIZER = Rule(OmegaConf.is_dict, "the settings of an optimizer, as --cfg job shows them")

PACKAGES = Rule(
    lambda value: OmegaConf.is_list(value) and all(isinstance(name, str) and name for name in value),
    "a list of packages, such as [mynets]",
)

RULES = {
    "seed": SEED,
    "model.latent_dim": whole(1, 100_000),  # more would not fit into memory, nor would the images of an iteration
    "model.n_critic": whole(1, 10_000),
    "model.warmup_n_critic": whole(1, 10_000),
    "model.warmup_iterations": whole(0),
    "model.warmup_every": whole(0),
    "model.critic_update": one_of("alternating", "joint"),
    "model.critic_norm": one_of("batch", "layer", "none"),
    "model.clip_value": Rule(POSITIVE.holds, "a number above 0, such as 0.01"),
    "model.clip_scope": one_of("kernels", "all"),
    "model.ema_decay": Rule(
        lambda value: value is None or (is_number(value) and 0 <= value < 1),
        "null, or a number in [0, 1), such as 0.99",
    ),
    "model.conditional": SWITCH,
    "model.compile": SWITCH,
    "model.tf32": SWITCH,
    "optimizer.lr": POSITIVE,
    "optimizer.decay": one_of("none", "linear"),
    "optimizer.critic": OPTIMIZER,
    "optimizer.generator": OPTIMIZER,
    "optimizer.critic.lr": POSITIVE,
    "optimizer.generator.lr": POSITIVE,
    "optimizer.alpha": Rule(lambda value: is_number(value) and 0 <= value < 1, "a number in [0, 1), such as 0.99"),
    "optimizer.betas": Rule(_are_betas, "two numbers in [0, 1), such as [0.0,0.9]"),
    "data.root": Rule(lambda value: isinstance(value, str), "a folder, such as data"),
    "data.digit": Rule(_is_digits, "a digit from 0 to 9, a list of them such as [3,8], or all"),
    "data.batch_size": Rule(
        lambda value: whole(2).holds(value) and value % 2 == 0,
        "an even number, 2 or more: a critic step takes half a batch",
    ),
    "trainer.accelerator": one_of("auto", "cpu", "gpu"),
    "trainer.devices": Rule(
        lambda value: type(value) is int and value == 1, "1; CUDA_VISIBLE_DEVICES=2, say, chooses among several GPUs"
    ),
    "trainer.precision": one_of("32-true", "bf16-mixed", "16-mixed"),
    "trainer.max_epochs": whole(1),
    "trainer.limit_train_batches": Rule(
        lambda value: whole(1).holds(value) or (type(value) is float and 0 < value <= 1),
        "a share in (0, 1], such as 1.0, or a whole number of iterations",
    ),
    "trainer.log_every_n_steps": whole(1),
    "trainer.deterministic": SWITCH,
    "trainer.enable_model_summary": SWITCH,
    "callbacks.samples.seed": SEED,
    "callbacks.quality.seed": SEED,
    "callbacks.quality.every_n_epochs": whole(0),
    "callbacks.quality.n": SOME,
    "callbacks.quality.final_n": SAMPLES,
    "callbacks.quality.features": Rule(
        lambda value: value in (None, DIGITS, INCEPTION) or (isinstance(value, str) and "." in value),
        "digits, inception, or a class of your own, such as mine.Extractor; or null, which leaves it to the data set",
    ),
    "callbacks.divergence.warn_above": Rule(POSITIVE.holds, "a number above 0, such as 500"),
    "callbacks.prune.jobs": whole(1),
    "callbacks.prune.epochs": whole(0),
    "callbacks.checkpoints.filename": Rule(
        lambda value: isinstance(value, str) and re.fullmatch(r"\{epoch:0?\dd\}", value) is not None, "{epoch:03d}"
    ),
    "callbacks.checkpoints.save_last": SWITCH,
    "logger.wandb.mode": one_of("online", "offline", "disabled"),
    "trust": PACKAGES,
    "sweep": Rule(
        lambda value: isinstance(value, str) and SWEEP.fullmatch(value) is not None,
        "a folder's name, of letters, digits and _.=+-",
    ),
    "rerun": Rule(lambda value: isinstance(value, bool) or value == "changed", "true, false or changed"),
    "fail_fast": SWITCH,
    "jobs_per_gpu": whole(1),
}

FOLDER = Rule(lambda value: isinstance(value, str) and Path(value).is_dir(), "the folder of a run")

ENLARGEMENT = whole(1, 100)

GENERATION_RULES = {
    "run": Rule(FOLDER.holds, "the folder of a finished run"),
    "checkpoint": Rule(
        lambda value: isinstance(value, str) and re.fullmatch(r"final|last|epoch=\d+", value) is not None,
        "final, last, or the name of a checkpoint, such as epoch=005",
    ),
    "n": whole(1, LARGEST),
    "seed": SEED,
    "class": Rule(lambda value: value == "all" or type(value) is int, "all, or a class, such as 3"),
    "mode": one_of("samples", "interpolation"),
    "scale": Rule(lambda value: value == "auto" or ENLARGEMENT.holds(value), f"auto, or {ENLARGEMENT.words}"),
    "out": Rule(
        lambda value: (
            isinstance(value, str) and Path(value).suffix in (".png", ".gif", ".npz") and Path(value).parent.is_dir()
        ),
        "a file's name that ends in .png, .gif or .npz, in a folder that exists",
    ),
    "trust": PACKAGES,
}

EVALUATION_RULES = {
    "run": FOLDER,
    "checkpoint": Rule(
        lambda value: value == "all" or GENERATION_RULES["checkpoint"].holds(value),
        f"all, {GENERATION_RULES['checkpoint'].words}",
    ),
    "n": SAMPLES,
    "seed": Rule(lambda value: value == "auto" or SEED.holds(value), f"auto, or {SEED.words}"),
    "seeds": whole(1, 1000),
    "trust": PACKAGES,
}
