"""From a configuration and a folder to a finished run: build what it names, train, write the result."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint, Timer
from tqdm.contrib.logging import logging_redirect_tqdm

from wgan.callbacks.tensorboard import hyperparameters
from wgan.data.images import ImageData
from wgan.errors import DivergenceError, UserError
from wgan.model.losses import wasserstein_estimate
from wgan.model.memory import keep_freed_memory
from wgan.quality.objective import value_of
from wgan.run import checkpoints as weights
from wgan.run import folder as runs
from wgan.run.building import build_callbacks, build_data, build_loggers, build_model, check_objective
from wgan.run.configuration import resolve_references, trust_needed
from wgan.run.fingerprint import decisive_values
from wgan.run.generator import write_generator
from wgan.run.machine import check_machine, has_bfloat16
from wgan.run.pasting import write_command
from wgan.run.trust import Trust, check_targets

log = logging.getLogger(__name__)
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # no banners, no advertisements

NO_NEWS = (
    ".*does not have many workers",  # the images are a tensor in memory: a worker would only slow their indexing down
    "GPU available but not used",  # trainer=cpu was asked for
    "The `srun` command is available",  # a run is one process, on Slurm too
    "The .grad attribute of a Tensor that is not a leaf",  # torch.compile looks at all that tensors have
    ".*treespec, LeafSpec",  # Lightning 2.6 calls a function of PyTorch 2.14 in its old way
    "Checkpoint directory .* exists and is not empty",  # a run that goes on
    "The dirpath has changed",  # the same, in a folder that was moved
)


def check_buildable(configurations: Sequence[DictConfig]) -> None:
    """Build what the configurations name, and let it go: what a sweep's jobs would find before their first iteration.

    Raises:
        UserError, hydra.errors.InstantiationException: for the first thing that cannot be.
    """
    loaded: dict[str, ImageData] = {}
    for cfg in map(resolve_references, configurations):
        check_targets(cfg, trust=None)
        data = build_data(cfg)
        source = str({key: value for key, value in cfg.data.items() if key not in ("batch_size", "n_critic", "seed")})
        data.share_images(loaded.setdefault(source, data))
        build_model(cfg, data.image_shape)
        check_objective(cfg, build_callbacks(cfg), data)


def fit(cfg: DictConfig, folder: Path, trust: Trust) -> float:
    """Train in a folder that this process holds, from the run's last checkpoint where there is one.

    Returns:
        The value of the configuration's objective.

    Raises:
        UserError: if the configuration or a checkpoint cannot be used, or if the run diverges.
    """
    hparams = hyperparameters(cfg)
    cfg = resolve_references(cfg)
    check_machine(cfg)
    check_targets(cfg, trust)
    keep_freed_memory()
    # All of it is written before it is read: no need to fill it first.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    provenance = runs.provenance()
    data = build_data(cfg)
    module = build_model(cfg, data.image_shape)
    callbacks = build_callbacks(cfg)
    check_objective(cfg, callbacks, data)
    for callback in callbacks:
        if isinstance(callback, ModelCheckpoint):  # else the first logger says where
            callback.dirpath = callback.dirpath or str(folder / runs.CHECKPOINTS)
    timer = Timer()
    checkpoints = weights.PlainCheckpoints(folder, decisive_values(cfg))
    checkpoint = weights.newest_checkpoint(checkpoints, module)
    loggers = build_loggers(cfg, folder, after=checkpoint.iteration if checkpoint else 0)

    with warnings.catch_warnings(), logging_redirect_tqdm():
        for message in NO_NEWS:
            warnings.filterwarnings("ignore", message=message)
        try:
            trainer: Trainer = instantiate(
                cfg.trainer,
                default_root_dir=folder,
                logger=loggers,
                callbacks=[*callbacks, timer],
                plugins=[checkpoints, LightningEnvironment()],  # no cluster's, which would want several processes
            )
            if cfg.trainer.precision == "bf16-mixed" and not has_bfloat16(trainer.strategy.root_device):
                log.warning("trainer.precision=bf16-mixed: is very slow on a processor without AVX-512; 32-true is not")
            for logger in loggers:
                logger.log_hyperparams(hparams)
            if checkpoint:
                log.info("Continuing after iteration %d, from %s", checkpoint.iteration, checkpoint.path)
            trainer.fit(module, datamodule=data, ckpt_path=checkpoint and checkpoint.path, weights_only=True)
        except MisconfigurationException as error:
            raise UserError(f"trainer: {' '.join(str(error).split())}") from error
        except (AssertionError, ImportError, RuntimeError, TypeError, ValueError) as error:
            if module.losses:
                raise
            raise InstantiationException(f"{error}\nfull_key: the first iteration") from error
        except DivergenceError as error:
            where = {"iteration": error.iteration, "quantity": error.quantity}
            runs.write_result(folder, status="diverged", **where, **provenance)
            raise

    losses = module.losses | {"wasserstein": wasserstein_estimate(module.losses["c1"], module.losses["c2"])}
    measured = losses | {name: value for name, value in trainer.callback_metrics.items() if name not in losses}
    figures = {name: value.item() for name, value in measured.items() if name != "epoch"}
    objective = value_of(cfg.objective, figures)
    seconds = timer.time_elapsed()
    counts = {"iterations": module.iteration, "epochs": trainer.current_epoch, "seconds": round(seconds, 3)}
    length = {"max_epochs": cfg.trainer.max_epochs}
    place = {"device": str(trainer.strategy.root_device), "threads": torch.get_num_threads()}
    shape = {"image_shape": list(module.image_shape)}
    write_generator(folder, module.generator)
    outcome = {"status": "finished", "objective": objective} | figures
    runs.write_result(folder, **outcome, **counts, **length, **shape, **place, **provenance)

    end = ", ".join(f"{name} {figures[name]:.4g}" for name in losses)
    log.info("Trained %d iterations in %.0f s: %s", module.iteration, seconds, end)
    log.info("Run folder:  %s", folder)
    # HParams knows no figures of a run on its own.
    curves = write_command("tensorboard", "--logdir", str(folder.parent))
    images = write_command("generate.py", f"run={folder}", "n=100", "out=samples.png", *trust_needed(cfg))
    log.info("Curves:      %s", curves)
    log.info("More images: %s", images)
    return objective
