"""Where a run goes on: the newest of its checkpoints that can be used."""

import logging
from collections.abc import Iterable
from copy import deepcopy
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from packaging.version import Version
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from wgan.errors import UserError
from wgan.model.wgan import WGAN
from wgan.run.checkpoints import Checkpoint, DamagedError, describe_place, list_newest_first, read_checkpoint
from wgan.run.code import warn_of_other_code
from wgan.run.configuration import find_stable_name
from wgan.run.fingerprint import LENGTH, spell_alike
from wgan.run.folder import CHECKPOINTS

PARTS = ("state_dict", "optimizer_states", "loops", "losses", "iteration")  # what a run needs to go on
LARGEST = 2**63  # number of a callback, which counts or tells seconds

log = logging.getLogger(__name__)


def find_newest_checkpoint(
    folder: Path, values: dict[str, Any], module: WGAN, callbacks: Iterable[Callback] = ()
) -> Checkpoint | None:
    """A run's last.ckpt or, where that cannot be used, its newest checkpoint that can. `module` has its state then.

    Raises:
        UserError: if that one is another configuration's; if there are checkpoints, but no one is of this run.
    """
    other: UserError | None = None
    for path in list_newest_first(folder / CHECKPOINTS):
        try:
            contents = read_checkpoint(path)
            _ = itemgetter(*PARTS)(contents)
            check_configuration(path, contents.get("configuration"), values)
            warn_of_other_code(path, contents)
            load_state(contents, module, callbacks)
            return Checkpoint(path, contents)
        except DamagedError as damage:
            log.warning("%s is damaged and left out (%s)", path, damage)
        except UserError:
            raise
        except Exception as error:  # contents can be wrong in many ways
            log.warning("%s is not a checkpoint of this run and left out", path)
            other = UserError(f"{path}: not a checkpoint of this run; delete it to continue from another")
            other.__cause__ = error
    if other:
        raise other
    return None


def load_state(contents: dict[str, Any], module: WGAN, callbacks: Iterable[Callback]) -> None:
    """Load a checkpoint's state, and try on copies what Lightning and the optimizers will do with the rest.

    Raises:
        Exception: of any kind, if the contents are not of a run with such a module and such callbacks.
    """
    state, optimizers, loops, losses, iteration = itemgetter(*PARTS)(contents)
    if type(iteration) is not int or iteration < 1 or losses.keys() != {"c1", "c2", "g"}:
        raise ValueError(f"iteration {iteration}")
    for loss in losses.values():
        loss.item()
    if Version(contents["pytorch-lightning_version"]) < Version("2"):
        raise ValueError("of another Lightning")
    if "begun_on" in contents:
        begun_on = contents["begun_on"]
        if not _is_like(begun_on, describe_place(torch.device("cpu"))):
            raise ValueError(f"begun on {begun_on}")
        torch.device(begun_on["device"])

    loop = Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        plugins=[LightningEnvironment()],
    ).fit_loop
    new = loop.state_dict()
    loop.load_state_dict(deepcopy(loops["fit_loop"]))
    if not _is_like(loop.state_dict(), new) or loop.total_batch_idx + 1 != iteration:
        raise ValueError("loops")
    states = dict(contents["callbacks"])
    for callback in callbacks:
        if found := states.get(callback.state_key):
            check_callback(callback, found)

    module.load_state_dict(state)
    for optimizer, optimizer_state in zip(module.configure_optimizers(), optimizers, strict=True):
        optimizer.load_state_dict(optimizer_state)
    trial = deepcopy(module)
    for parameter in trial.parameters():
        parameter.grad = torch.zeros_like(parameter)
    for optimizer in trial.configure_optimizers():
        optimizer.step()
    if not all(parameter.isfinite().all() for parameter in trial.parameters()):
        raise ValueError("weights that are not finite")


def check_callback(callback: Callback, state: Any) -> None:
    """Load a state into a copy, and look at what a callback of Lightning's will compute with.

    Raises:
        Exception: of any kind, if the state is not of such a callback.
    """
    loaded = deepcopy(callback)
    loaded.load_state_dict(deepcopy(state))
    if type(callback).__module__.startswith("pytorch_lightning.") and not _is_state(
        loaded.state_dict(), callback.state_dict()
    ):
        raise ValueError(callback.state_key)
    if isinstance(loaded, ModelCheckpoint):
        kept, worst = loaded.best_k_models, loaded.kth_best_model_path
        if not all(isinstance(path, str) and score.shape == () for path, score in kept.items()):
            raise ValueError("best_k_models")
        if 0 < loaded.save_top_k <= len(kept) and worst not in kept:
            raise ValueError("kth_best_model_path")


def _is_state(found: Any, wanted: Any) -> bool:
    """Whether values are of the kinds of those that a callback begins with; for None and {} all kinds are."""
    if wanted is None or (isinstance(wanted, dict) and not wanted):
        return wanted is None or isinstance(found, dict)
    if isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(_is_state(found[key], wanted[key]) for key in wanted)
    if isinstance(wanted, torch.Tensor):
        return isinstance(found, torch.Tensor) and found.shape == wanted.shape
    if type(wanted) in (int, float):
        return type(found) in (int, float) and abs(found) < LARGEST
    return type(found) is type(wanted)


def _is_like(found: Any, wanted: Any) -> bool:
    """Whether plain values have the same keys and types."""
    if type(found) is not type(wanted):
        return False
    return not isinstance(wanted, dict) or (
        found.keys() == wanted.keys() and all(_is_like(found[key], wanted[key]) for key in wanted)
    )


def check_configuration(path: Path, values: dict[str, Any] | None, wanted: dict[str, Any]) -> None:
    """Raises UserError if a checkpoint belongs to a run with other values."""
    if values is None:
        log.warning("%s: tells no configuration, as those of older versions; taken for one of this run", path)
        return
    values = spell_alike(values)
    for key in filter(values.__contains__, wanted):  # what there is on one side alone, another version had not
        value = find_stable_name(values[key]) if key.endswith("_target_") else values[key]
        if key != LENGTH and value != wanted[key]:
            raise UserError(
                f"{path}: is of a run with {key}={value} (this run has {wanted[key]}); delete it to continue from "
                "another"
            )
