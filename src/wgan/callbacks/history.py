"""The losses of every iteration: metrics.csv, the loggers' curves and losses.png."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from pytorch_lightning import Callback, Trainer
from torch import Tensor

from wgan.callbacks.board import flush_boards, show_scalars
from wgan.callbacks.table import Table
from wgan.errors import DivergenceError
from wgan.files import METRICS, write_whole
from wgan.model.losses import wasserstein_estimate
from wgan.model.wgan import WGAN
from wgan.pictures import encode_plot

COLUMNS = ("iteration", "epoch", "c1", "c2", "g", "wasserstein")
TAGS = ("critic/loss_real", "critic/loss_fake", "generator/loss", "critic/wasserstein")


class History(Callback):
    """Keeps the losses on the device and writes them at the end of each epoch, so that no iteration waits for them."""

    def __init__(self) -> None:
        self.table = Table(METRICS, COLUMNS)
        self.losses: list[Tensor] = []  # of this epoch
        self.times: list[float] = []

    def on_load_checkpoint(self, trainer: Trainer, module: WGAN, checkpoint: dict[str, Any]) -> None:
        self.table.load(checkpoint, Path(trainer.default_root_dir))

    def on_fit_start(self, trainer: Trainer, module: WGAN) -> None:
        self.table.write(Path(trainer.default_root_dir))

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
        losses = torch.stack(self.losses).double().cpu()
        iterations = torch.arange(module.iteration - len(losses), module.iteration) + 1
        epochs = torch.full_like(iterations, trainer.current_epoch + 1)
        self.table.append(torch.column_stack([iterations, epochs, losses]))
        self.table.write(Path(trainer.default_root_dir))
        for iteration, values, seconds in zip(iterations.tolist(), losses.tolist(), self.times, strict=True):
            show_scalars(trainer, dict(zip(TAGS, values, strict=True)), iteration, seconds)
        self.losses.clear()
        self.times.clear()

    def on_save_checkpoint(self, trainer: Trainer, module: WGAN, checkpoint: dict[str, Any]) -> None:
        self.table.save(checkpoint)
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
    axes.set(xlabel="iteration", ylabel="loss", title=f"{out.parent.name}: losses of critic and generator")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    write_whole(out, encode_plot(figure))
