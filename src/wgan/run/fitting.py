"""From a configuration and a folder to a finished run: build what it names, train, write the result."""

import logging
from pathlib import Path
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint, Timer
from tqdm.contrib.logging import logging_redirect_tqdm

from wgan.callbacks.board import show_code
from wgan.callbacks.divergence import Divergence
from wgan.callbacks.tensorboard import list_hyperparameters
from wgan.errors import DivergenceError, PrunedError, UserError
from wgan.files import METRICS
from wgan.model.losses import wasserstein_estimate
from wgan.model.memory import keep_freed_memory
from wgan.model.wgan import WGAN
from wgan.quality.ranking import compute_objective
from wgan.run import folder as runs
from wgan.run.building import build_callbacks, build_data, build_loggers, build_model, check_figures, find_classes
from wgan.run.checkpoints import Checkpoint, LastCheckpoint, PlainCheckpoints, describe_place
from wgan.run.configuration import list_trust_needed, resolve_references
from wgan.run.continuing import find_newest_checkpoint
from wgan.run.early_end import EarlyEnd, describe_end
from wgan.run.fingerprint import find_decisive_values
from wgan.run.generator import write_generator
from wgan.run.machine import check_machine, has_bfloat16
from wgan.run.no_news import hide_no_news
from wgan.run.pasting import write_command
from wgan.run.trust import Trust, check_targets

log = logging.getLogger(__name__)


def fit(cfg: DictConfig, folder: Path, trust: Trust) -> float:
    """Train in a folder that this process holds, from the run's last checkpoint where there is one.

    Returns:
        The value of the configuration's objective.

    Raises:
        UserError: if the configuration or a checkpoint cannot be used, if the run diverges or is pruned.
    """
    hparams = list_hyperparameters(cfg)
    cfg = resolve_references(cfg)
    check_machine(cfg)
    check_targets(cfg, trust)
    keep_freed_memory()
    # All of it is written before it is read: no need to fill it first.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    provenance = runs.find_provenance()
    data = build_data(cfg)
    module = build_model(cfg, data.image_shape, find_classes(cfg, data))
    callbacks, timer = build_callbacks(cfg), Timer()
    check_figures(cfg, callbacks, data, module.classes)
    for callback in callbacks:
        if isinstance(callback, ModelCheckpoint):  # else the first logger says where
            callback.dirpath = callback.dirpath or str(folder / runs.CHECKPOINTS)

    with hide_no_news(), logging_redirect_tqdm():
        checkpoint = find_newest_checkpoint(folder, find_decisive_values(cfg), module, [*callbacks, timer])
        try:
            trainer = build_trainer(cfg, folder, [*callbacks, timer], checkpoint)
            for logger in trainer.loggers:
                logger.log_hyperparams(hparams)
            show_code(trainer, "configuration", OmegaConf.to_yaml(cfg))
            tell_start(cfg, folder, trainer.strategy.root_device, checkpoint)
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
        except PrunedError as error:
            spent = {"iterations": module.iteration, "seconds": round(timer.time_elapsed(), 3)}
            runs.write_result(folder, status="pruned", **error.decision, **spent, **provenance)
            raise

    figures = find_figures(trainer, module)
    objective = compute_objective(cfg.objective, figures)
    place = describe_place(trainer.strategy.root_device)
    begun_on = (checkpoint.contents if checkpoint else {}).get("begun_on", place)
    write_generator(folder, module.shown_generator)
    runs.write_result(
        folder,
        **describe_end(trainer),
        objective=objective,
        **figures,
        ran_away=any(callback.ran_away for callback in callbacks if isinstance(callback, Divergence)),
        iterations=module.iteration,
        epochs=trainer.current_epoch,
        seconds=round(timer.time_elapsed(), 3),
        max_epochs=cfg.trainer.max_epochs,
        image_shape=list(module.image_shape),
        **place | {"device": str(trainer.strategy.root_device), "begun_on": begun_on},
        **provenance,
    )
    end = ", ".join(f"{name} {figures[name]:.4g}" for name in ("c1", "c2", "g", "wasserstein"))
    log.info("Trained %d iterations in %.0f s: %s", module.iteration, timer.time_elapsed(), end)
    log.info("Run folder:  %s", folder)
    # HParams knows no figures of a run on its own.
    curves = write_command("tensorboard", "--logdir", str(folder.parent))
    images = write_command("generate.py", f"run={folder}", "n=100", "out=samples.png", *list_trust_needed(cfg))
    log.info("Curves:      %s", curves)
    log.info("More images: %s", images)
    return objective


def build_trainer(cfg: DictConfig, folder: Path, callbacks: list[Callback], resumed: Checkpoint | None) -> Trainer:
    """Lightning's trainer, which writes in the run's folder alone."""
    checkpoints = PlainCheckpoints(folder, find_decisive_values(cfg), resumed)
    trainer: Trainer = instantiate(
        cfg.trainer,
        default_root_dir=folder,
        logger=build_loggers(cfg, folder, after=resumed.iteration if resumed else 0),
        callbacks=[*callbacks, EarlyEnd(), LastCheckpoint(checkpoints)],
        plugins=[checkpoints, LightningEnvironment()],  # no cluster's, which would want several processes
    )
    return trainer


def tell_start(cfg: DictConfig, folder: Path, device: torch.device, resumed: Checkpoint | None) -> None:
    """Say where a run goes on, and what its user would not expect."""
    if cfg.trainer.precision == "bf16-mixed" and not has_bfloat16(device):
        log.warning("trainer.precision=bf16-mixed: is very slow on a processor without AVX-512; 32-true is not")
    if resumed:
        log.info("Continuing after iteration %d, from %s", resumed.iteration, resumed.path)
        place = describe_place(device)
        begun_on = resumed.contents.get("begun_on", place)
        if begun_on != place:
            log.warning(
                "The run was begun with %s and goes on with %s: its bits will not be those of an uninterrupted run",
                *(f"device {each['device']} and {each['threads']} threads" for each in (begun_on, place)),
            )
    elif (folder / METRICS).exists():
        log.info("There is no checkpoint in %s: starting at iteration 1", folder)


def find_figures(trainer: Trainer, module: WGAN) -> dict[str, float]:
    """The losses of the last iteration, and what callbacks measured."""
    losses = module.losses | {"wasserstein": wasserstein_estimate(module.losses["c1"], module.losses["c2"])}
    measured: dict[str, Any] = {name: value for name, value in trainer.callback_metrics.items() if name != "epoch"}
    return {name: value.item() for name, value in (losses | measured).items()}
