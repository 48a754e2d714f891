"""A run from its command to its end: whether it may train, start or go on is told before PyTorch is imported."""

import gc
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from wgan.errors import UserError
from wgan.run import folder as runs
from wgan.run.checks import check_training, check_values
from wgan.run.code import warn_of_other_code
from wgan.run.configuration import list_trust_needed, load_configuration, save_configuration
from wgan.run.log import check_log
from wgan.run.pasting import write_command
from wgan.run.resuming import can_be_lengthened, check_unchanged

log = logging.getLogger(__name__)


def train(cfg: DictConfig, folder: str | Path, *, resume: bool = False, trust: Sequence[str] = ()) -> float:
    """Train the WGAN that `cfg` describes; all that the run leaves is in `folder`.

    Args:
        cfg: from `compose`.
        folder: a new one, such as "outputs/mine".
        resume: the run with this configuration that is in the folder goes on from its last checkpoint, or ends at once
            if it is finished.
        trust: with `resume` the configuration may be a stranger's: of other packages it may name these alone.

    Returns:
        The value of the configuration's objective: the smaller, the better.

    Raises:
        UserError: if what is asked for cannot be, before any work; if the run diverges, or cannot write its files.
        KeyboardInterrupt: if it is interrupted.
    """
    folder = Path(folder).absolute()
    check_training(cfg)
    check_values(DictConfig({"trust": trust}))
    check_log(folder)
    how_to_resume = write_command("train.py", f"resume={folder}", *list_trust_needed(cfg))
    with tell_how_to_continue(how_to_resume, folder), runs.hold_folder(folder):
        if not resume:
            runs.check_unused(folder)
        else:
            check_unchanged(load_configuration(folder, "resume"), cfg)
            result = runs.read_result(folder)
            if result.get("status") == "diverged":
                raise UserError(
                    f"resume={folder}: the run diverged in iteration {result['iteration']}, and would again; "
                    "start another, with a lower optimizer.lr, say"
                )
            if result.get("status") == "pruned":
                raise UserError(
                    f"resume={folder}: the sweep has pruned this job; the sweep's command without +prune trains it to "
                    "its end"
                )
            if result.get("max_epochs") == cfg.trainer.max_epochs:
                restore_missing_generator(folder, result, trust)
                warn_of_other_code(folder / runs.RESULT, result)
                status = str(result["status"]).capitalize()
                log.info("%s already, after %d iterations: %s", status, result["iterations"], folder)
                if can_be_lengthened(cfg) and result["status"] == "finished":
                    log.info("To lengthen it: %s trainer.max_epochs=%d", how_to_resume, 2 * cfg.trainer.max_epochs)
                return float(result["objective"])
            if result.get("status") == "stopped":
                raise UserError(
                    f"trainer.max_epochs={cfg.trainer.max_epochs}: the run was stopped after {result['iterations']} "
                    "iterations, and would be again; start another, without the callback that stopped it"
                )
        return train_in(folder, cfg, trust if resume else None)


def restore_missing_generator(folder: Path, result: dict[str, Any], trust: Sequence[str] | None) -> None:
    """See to it that a finished run, with this result, has its generator."""
    if not (folder / runs.GENERATOR).exists():
        from wgan.run.generator import restore_generator  # PyTorch takes seconds to import: most runs have it

        restore_generator(folder, result["iterations"], trust)


def train_in(folder: Path, cfg: DictConfig, trust: Sequence[str] | None = None) -> float:
    """`fit`, for a folder that this process holds; the configuration is saved before."""
    save_configuration(cfg, folder)
    from wgan.run.fitting import fit  # PyTorch takes seconds to import: whoever errs is told before

    objective = fit(cfg, folder, trust)
    gc.collect()  # Lightning's objects refer to each other in circles, in which the networks are
    return objective


@contextmanager
def tell_how_to_continue(how_to_continue: str, folder: Path) -> Iterator[None]:
    """Say how to continue when training in `folder` is interrupted, or can't write."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):  # Lightning makes the one of the other
        log.warning("Interrupted; continue with: %s", how_to_continue)
        raise KeyboardInterrupt from None
    except OSError as error:
        raise UserError(
            f"{error.filename or folder}: {error.strerror}; what the run has saved is intact: mend this, "
            f"then continue with: {how_to_continue}"
        ) from error
