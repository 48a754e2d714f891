"""The losses of every iteration: metrics.csv, the loggers' curves and losses.png."""

import csv
import logging
import os
import time
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from pytorch_lightning import Callback, Trainer
from torch import Tensor

from wgan.callbacks.board import flush_boards, show_scalars
from wgan.errors import DivergenceError
from wgan.files import FLOAT32, METRICS, read_regular, write_whole
from wgan.model.losses import wasserstein_estimate
from wgan.model.wgan import WGAN

COLUMNS = ("iteration", "epoch", "c1", "c2", "g", "wasserstein")
TAGS = ("critic/loss_real", "critic/loss_fake", "generator/loss", "critic/wasserstein")

# Bytes of metrics.csv: of a row at most; of the rows that a killed process wrote after the last checkpoint; of all.
ROW, LAST_ROWS, LARGEST_METRICS = 128, 2**23, 2**30

log = logging.getLogger(__name__)


class History(Callback):
    """Keeps the losses on the device and writes them at the end of each epoch, so that no iteration waits for them."""

    def __init__(self) -> None:
        self.begun = False
        self.losses: list[Tensor] = []
        self.times: list[float] = []

    def on_load_checkpoint(self, trainer: Trainer, module: WGAN, checkpoint: dict[str, Any]) -> None:
        self.begin(trainer, checkpoint["iteration"])  # here, since with all epochs done no training starts

    def on_train_start(self, trainer: Trainer, module: WGAN) -> None:
        self.begin(trainer, module.iteration)

    def begin(self, trainer: Trainer, iteration: int) -> None:
        """Go on with the table after an iteration."""
        if not self.begun:
            begin_metrics(Path(trainer.default_root_dir), ",".join(COLUMNS), done=iteration)
            self.begun = True

    def on_train_batch_end(self, trainer: Trainer, module: WGAN, outputs: Any, batch: Any, batch_idx: int) -> None:
        c1, c2, g = outputs["c1"], outputs["c2"], outputs["g"]
        self.losses.append(torch.stack((c1, c2, g, wasserstein_estimate(c1, c2))))
        self.times.append(time.time())

    def on_train_epoch_end(self, trainer: Trainer, module: WGAN) -> None:
        self.write(trainer, module)

    def on_exception(self, trainer: Trainer, module: WGAN, exception: BaseException) -> None:
        if isinstance(exception, DivergenceError) and self.losses:
            self.write(trainer, module)

    def write(self, trainer: Trainer, module: WGAN) -> None:
        """Move what is kept to the disk, where it must be before a checkpoint says that the epoch is done."""
        losses = torch.stack(self.losses).tolist()
        first = module.iteration - len(losses) + 1
        with (Path(trainer.default_root_dir) / METRICS).open("a", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            for iteration, (values, seconds) in enumerate(zip(losses, self.times, strict=True), start=first):
                rows.writerow((iteration, trainer.current_epoch + 1, *values))
                show_scalars(trainer, dict(zip(TAGS, values, strict=True)), iteration, seconds)
            file.flush()
            os.fsync(file.fileno())
        self.losses.clear()
        self.times.clear()

    def on_save_checkpoint(self, trainer: Trainer, module: WGAN, checkpoint: dict[str, Any]) -> None:
        flush_boards(trainer)

    def on_fit_end(self, trainer: Trainer, module: WGAN) -> None:
        folder = Path(trainer.default_root_dir)
        plot_losses(folder / METRICS, folder / "losses.png")


def plot_losses(metrics: Path, out: Path) -> None:
    """Line plot of c1, c2 and g over the iterations of a metrics.csv."""
    columns = np.genfromtxt(metrics, delimiter=",", names=True, ndmin=1)
    figure = Figure(figsize=(9, 5), dpi=120, layout="constrained")
    axes = figure.subplots()
    for name, label in (("c1", "c1: critic, real"), ("c2", "c2: critic, generated"), ("g", "g: generator")):
        axes.plot(columns["iteration"], columns[name], label=label, linewidth=1)
    axes.set(xlabel="iteration", ylabel="loss", title="Losses of critic and generator")
    axes.grid(alpha=0.3)
    axes.legend()
    picture = BytesIO()
    figure.savefig(picture, format="png")
    write_whole(out, picture.getvalue())


def begin_metrics(folder: Path, header: str, done: int) -> None:
    """Cut the run's metrics.csv to the rows of iterations 1 to `done`: a killed process may have written others.

    Damaged rows are left out, and a warning tells how many there are.
    """
    path = folder / METRICS
    largest = min(ROW * done + LAST_ROWS, LARGEST_METRICS)
    written = BytesIO(read_regular(path, largest) if path.exists() else b"")
    numbers = len(header.split(","))
    kept = {row[0]: line for line in written if (row := _numbers_of(line, numbers)) and 1 <= row[0] <= done}
    if len(kept) < done:
        first = next(number for number in count(1) if number not in kept)
        log.warning("%s lacks %d iterations, the first of them %d", path, done - len(kept), first)
    write_whole(path, b"".join((f"{header}\n".encode(), *kept.values())))


def _numbers_of(line: bytes, n: int) -> list[float] | None:
    """The numbers of a line of a table: a whole one, then float32; None of a line that has not `n` of them."""
    try:
        numbers = list(map(float, line.split(b",")))
    except ValueError:
        return None
    are_numbers = len(numbers) == n and all(abs(number) <= FLOAT32 for number in numbers)
    return numbers if are_numbers and numbers[0].is_integer() else None
