"""What callbacks show, on every logger that a run has."""

from collections.abc import Mapping
from textwrap import indent

from pytorch_lightning import Trainer
from pytorch_lightning.loggers import MLFlowLogger, TensorBoardLogger, WandbLogger
from torch import Tensor

from wgan.pictures import make_picture


def show_scalars(trainer: Trainer, scalars: Mapping[str, float], iteration: int, walltime: float | None = None) -> None:
    """Numbers of an iteration, by name; `walltime` is when they were true, in seconds since 1970."""
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            for name, value in scalars.items():
                logger.experiment.add_scalar(name, value, iteration, walltime=walltime)
        else:
            logger.log_metrics(dict(scalars), step=iteration)


def show_image(trainer: Trainer, name: str, image: Tensor, iteration: int) -> None:
    """An image, uint8 (1, h, w) or (3, h, w), on the loggers that take some."""
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image(name, image, iteration)
        elif isinstance(logger, WandbLogger):
            logger.log_image(name, [make_picture(image)], step=iteration)
        elif isinstance(logger, MLFlowLogger):
            logger.experiment.log_image(logger.run_id, make_picture(image), key=name, step=iteration)


def show_histogram(trainer: Trainer, name: str, values: Tensor, iteration: int) -> None:
    """How numbers are spread, on TensorBoard."""
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_histogram(name, values, iteration)


def show_code(trainer: Trainer, name: str, text: str) -> None:
    """A text as it is, on TensorBoard; once, at the beginning of a run."""
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_text(name, indent(text, "    "))  # code in Markdown


def flush_boards(trainer: Trainer) -> None:
    """Let what was shown reach the disk."""
    for logger in trainer.loggers:
        logger.save()
