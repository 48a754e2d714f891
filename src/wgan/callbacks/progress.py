"""Progress on the console: a bar on a terminal, and a line an epoch everywhere."""

import logging
import sys
import time

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import TQDMProgressBar

from wgan.module import WGAN

log = logging.getLogger(__name__)


class Progress(TQDMProgressBar):
    """Lightning's bar, where standard output is a terminal, above it a line for each epoch that ended."""

    def setup(self, trainer: Trainer, module: WGAN, stage: str) -> None:
        super().setup(trainer, module, stage)
        if not sys.stdout.isatty():
            self.disable()

    def on_train_epoch_start(self, trainer: Trainer, module: WGAN) -> None:
        super().on_train_epoch_start(trainer)
        self.train_progress_bar.set_description(f"Epoch {trainer.current_epoch + 1}/{trainer.max_epochs}")
        self.start = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, module: WGAN) -> None:
        super().on_train_epoch_end(trainer, module)
        rate = trainer.num_training_batches / (time.perf_counter() - self.start)
        losses = (trainer.callback_metrics[name] for name in ("c1", "c2", "g"))
        log.info(
            "Epoch %d/%d: iteration %d, %.3g iterations/s, c1 %.4g, c2 %.4g, g %.4g",
            trainer.current_epoch + 1,
            trainer.max_epochs,
            module.iteration,
            rate,
            *losses,
        )
