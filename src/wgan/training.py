"""Training from a configuration: check it, build what it names, train, and write the result."""

import logging
import time
import warnings
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig
from pytorch_lightning import Trainer
from tqdm.contrib.logging import logging_redirect_tqdm

from wgan import runs
from wgan.checks import check
from wgan.losses import wasserstein_estimate
from wgan.tensorboard import TensorBoard

log = logging.getLogger(__name__)
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # no banners, no advertisements


def train(cfg: DictConfig, folder: Path) -> float:
    """Train the WGAN that `cfg` describes; all that the run leaves is in `folder`.

    Returns:
        The Wasserstein estimate of the last iteration.

    Raises:
        UserError: if the configuration asks for what cannot be, before any work.
    """
    check(cfg)
    module = instantiate(cfg.model)
    data = instantiate(cfg.data)
    logger = TensorBoard(folder)
    callbacks = [instantiate(callback) for callback in cfg.callbacks.values()]
    trainer: Trainer = instantiate(cfg.trainer, default_root_dir=folder, logger=logger, callbacks=callbacks)
    logger.log_config(cfg)

    start = time.perf_counter()
    with warnings.catch_warnings(), logging_redirect_tqdm():
        # The images are a tensor in memory: a worker would only slow their indexing down.
        warnings.filterwarnings("ignore", message=".*does not have many workers")
        # Lightning 2.6 calls a function of PyTorch 2.14 in its old way.
        warnings.filterwarnings("ignore", message=".*treespec, LeafSpec", category=FutureWarning)
        trainer.fit(module, datamodule=data)
    seconds = time.perf_counter() - start

    losses = {name: trainer.callback_metrics[name] for name in ("c1", "c2", "g")}
    losses["wasserstein"] = wasserstein_estimate(losses["c1"], losses["c2"])
    figures = {name: loss.item() for name, loss in losses.items()}
    runs.write_result(folder, module.generator, **figures, iterations=module.iteration, seconds=round(seconds, 3))

    log.info(
        "Trained %d iterations in %.0f s: c1 %.4g, c2 %.4g, g %.4g, Wasserstein estimate %.4g",
        *(module.iteration, seconds, *figures.values()),
    )
    log.info("Run folder:  %s", folder)
    log.info("Curves:      tensorboard --logdir %s", folder)
    log.info("More images: python generate.py run=%s n=100 out=samples.png", folder)
    return figures["wasserstein"]
