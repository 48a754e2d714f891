"""Training from a configuration: check it, build what it names, train, and write the result."""

import logging
import time
import warnings
from pathlib import Path

from hydra.utils import instantiate
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig
from pytorch_lightning import Trainer
from tqdm.contrib.logging import logging_redirect_tqdm

from wgan import runs
from wgan.checks import UserError, check_training
from wgan.losses import wasserstein_estimate
from wgan.tensorboard import TensorBoard, hyperparameters

log = logging.getLogger(__name__)
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # no banners, no advertisements

NO_NEWS = (
    ".*does not have many workers",  # the images are a tensor in memory: a worker would only slow their indexing down
    "GPU available but not used",  # trainer=cpu was asked for
    "The `srun` command is available",  # a run is one process, on Slurm too
    ".*treespec, LeafSpec",  # Lightning 2.6 calls a function of PyTorch 2.14 in its old way
)


def train(cfg: DictConfig, folder: Path) -> float:
    """Train the WGAN that `cfg` describes; all that the run leaves is in `folder`.

    Returns:
        The Wasserstein estimate of the last iteration.

    Raises:
        UserError: if the configuration asks for what cannot be, before any work.
    """
    check_training(cfg)
    runs.check_unused(folder)
    provenance = runs.provenance()
    logger = TensorBoard(folder)
    hparams = hyperparameters(cfg)
    module = instantiate(cfg.model)
    data = instantiate(cfg.data)
    callbacks = [instantiate(callback) for callback in cfg.callbacks.values()]

    start = time.perf_counter()
    with warnings.catch_warnings(), logging_redirect_tqdm():
        for message in NO_NEWS:
            warnings.filterwarnings("ignore", message=message)
        trainer: Trainer = instantiate(cfg.trainer, default_root_dir=folder, logger=logger, callbacks=callbacks)
        logger.log_hyperparameters(hparams)
        try:
            trainer.fit(module, datamodule=data)
        except MisconfigurationException as error:
            raise UserError(f"trainer: {' '.join(str(error).split())}") from error
    seconds = time.perf_counter() - start

    losses = {name: trainer.callback_metrics[name] for name in ("c1", "c2", "g")}
    losses["wasserstein"] = wasserstein_estimate(losses["c1"], losses["c2"])
    figures = {name: loss.item() for name, loss in losses.items()}
    counts = {"iterations": module.iteration, "seconds": round(seconds, 3)}
    runs.write_result(folder, module.generator, **figures, **counts, **provenance)

    end = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
    log.info("Trained %d iterations in %.0f s: %s", module.iteration, seconds, end)
    log.info("Run folder:  %s", folder)
    log.info("Curves:      tensorboard --logdir %s", folder.parent)  # HParams knows no figures of a run on its own
    log.info("More images: python generate.py run=%s n=100 out=samples.png", folder)
    return figures["wasserstein"]
