"""Seconds of iterations: in the bare loop, in the plain loop and in a run."""

import time
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bench.bare import BareLoop
from bench.plain import PlainLoop
from wgan import PROJECT
from wgan.run.training import train
from wgan.sweeps.identity import run_configuration


def configuration(*overrides: str) -> DictConfig:
    """What `python train.py trainer=cpu OVERRIDES` composes."""
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        return run_configuration(compose("train", ["trainer=cpu", *overrides]))


WITHOUT_QUALITY = ("~callbacks.quality", "objective=wasserstein")


def ends(folder: str) -> list[float]:
    """When each iteration of a run ended, in seconds, by TensorBoard's clock."""
    points = EventAccumulator(folder, {"scalars": 0}).Reload().Scalars("generator/loss")
    return [point.wall_time for point in points]


def first_begin(folder: str) -> float:
    """When the first iteration of a run began: as long before its end as the second one took."""
    first, second, *_ = ends(folder)
    return 2 * first - second


def in_loop(iteration: Callable[[], object], number: int) -> list[float]:
    """Seconds of `number` iterations, after one that is not counted."""
    marks = []
    for _ in range(number + 2):
        marks.append(time.perf_counter())
        iteration()
    return [later - earlier for earlier, later in pairwise(marks[1:])]


def in_lightning(number: int, *overrides: str) -> list[float]:
    """The same of a run, with all that a run does besides."""
    with TemporaryDirectory() as folder:
        length = ("trainer.max_epochs=1", f"trainer.limit_train_batches={number + 2}")
        train(configuration(*WITHOUT_QUALITY, *length, *overrides), Path(folder))
        return [later - earlier for earlier, later in pairwise(ends(folder))][-number:]


def in_bfloat16(iteration: Callable[[], None]) -> Callable[[], None]:
    """An iteration under autocast."""

    def wrapped() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            iteration()

    return wrapped


@cache
def plain_loop() -> PlainLoop:
    """Of this process."""
    return PlainLoop(BareLoop(configuration()).data.images)


def in_plain_loop(number: int, autocast: bool) -> list[float]:
    """Seconds of iterations of the plain loop."""
    iteration = plain_loop().iteration
    return in_loop(in_bfloat16(iteration) if autocast else iteration, number)
