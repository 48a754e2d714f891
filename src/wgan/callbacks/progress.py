"""Progress on the console: a bar on a terminal, and a line an epoch everywhere."""

import logging
import math
import sys
import time
from datetime import timedelta
from multiprocessing import current_process
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import TQDMProgressBar

from wgan.model.wgan import WGAN

log = logging.getLogger(__name__)

REDRAWN_EVERY = 0.1  # seconds: more often costs time and shows nothing


class Progress(TQDMProgressBar):
    """Lightning's bar, where standard output is a terminal, above it a line for each epoch that ended."""

    def setup(self, trainer: Trainer, module: WGAN, stage: str) -> None:
        super().setup(trainer, module, stage)
        self.shown: dict[str, int | str | float | dict[str, float]] = {}
        self.drawn = 0.0
        if not sys.stdout.isatty() or current_process().name != "MainProcess":  # workers share a terminal
            self.disable()

    def on_train_start(self, trainer: Trainer, module: WGAN) -> None:
        super().on_train_start(trainer)
        self.first_epoch, self.begin = trainer.current_epoch, time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, module: WGAN) -> None:
        super().on_train_epoch_start(trainer)
        self.train_progress_bar.set_description(_name_epoch(trainer))
        self.start = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, module: WGAN, outputs: Any, batch: Any, batch_idx: int) -> None:
        now = time.perf_counter()
        if self.is_enabled and (now - self.drawn >= REDRAWN_EVERY or batch_idx + 1 == trainer.num_training_batches):
            self.drawn = now
            super().on_train_batch_end(trainer, module, outputs, batch, batch_idx)

    def get_metrics(self, trainer: Trainer, module: WGAN) -> dict[str, int | str | float | dict[str, float]]:
        """The latest losses; those of a GPU, which no iteration waits for, at the end of an epoch."""
        if module.losses["g"].is_cpu:
            self.read_losses(module)
        return self.shown

    def read_losses(self, module: WGAN) -> None:
        self.shown = {name: loss.item() for name, loss in module.losses.items()}

    def on_train_epoch_end(self, trainer: Trainer, module: WGAN) -> None:
        self.read_losses(module)
        super().on_train_epoch_end(trainer, module)
        now = time.perf_counter()
        rate = trainer.num_training_batches / (now - self.start)
        done = trainer.current_epoch + 1
        left = (now - self.begin) / (done - self.first_epoch) * ((trainer.max_epochs or done) - done)
        log.info(
            "%s: iteration %d, %.3g iterations/s, c1 %.4g, c2 %.4g, g %.4g%s",
            _name_epoch(trainer),
            module.iteration,
            rate,
            *self.shown.values(),
            f", {timedelta(seconds=math.ceil(left))} left" if left else "",
        )
        self.train_progress_bar.set_description(f"{_name_epoch(trainer)}, measuring")  # quality comes next


def _name_epoch(trainer: Trainer) -> str:
    return f"Epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
