"""How the cost of an iteration grows with the configuration: python -m bench.scaling FILE.png draws it."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
from matplotlib.figure import Figure

from bench.timing import in_lightning
from wgan.model.memory import keep_freed_memory

ROUNDS = 3
ITERATIONS = 3  # of each value in a round
N_CRITIC = (1, 2, 5, 10, 20)
BATCH_SIZE = (16, 32, 64, 128, 256)
LENGTH = 60  # iterations of the run whose time is drawn as it goes on


def seconds(key: str, values: Sequence[int]) -> list[float]:
    """Of an iteration with each value of a key: the medians of rounds in which each has its turn."""
    rounds = [[median(in_lightning(ITERATIONS, f"{key}={value}")) for value in values] for _ in range(ROUNDS)]
    return [median(column) for column in zip(*rounds, strict=True)]


def main(out: str) -> None:
    """Draw three lines with what was measured, and print how well they fit."""
    logging.disable(logging.WARNING)
    keep_freed_memory()
    curves = {
        "model.n_critic": (N_CRITIC, seconds("model.n_critic", N_CRITIC), "seconds an iteration"),
        "data.batch_size": (BATCH_SIZE, seconds("data.batch_size", BATCH_SIZE), "seconds an iteration"),
        "iterations": (range(1, LENGTH + 1), np.cumsum(in_lightning(LENGTH)).tolist(), "seconds of a run"),
    }
    figure = Figure(figsize=(11, 3.6), dpi=110, layout="constrained")
    for axes, (name, (values, measured, label)) in zip(figure.subplots(1, 3), curves.items(), strict=True):
        slope, start = np.polyfit(values, measured, 1)
        fit = np.corrcoef(values, measured)[0, 1] ** 2
        axes.plot(values, measured, "o", markersize=4)
        axes.plot([0, max(values)], [start, start + slope * max(values)], linewidth=1)
        axes.set(xlabel=name, ylabel=label, title=f"{start:.3g} s + {slope:.3g} s each, R² = {fit:.4f}", ylim=0, xlim=0)
        axes.grid(alpha=0.3)
        print(f"{name:16} {start:.4f} s + {slope:.5f} s each   R^2 {fit:.4f}")
    figure.savefig(Path(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
