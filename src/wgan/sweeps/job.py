"""One job of a sweep, in its folder: what is there already is taken or continued, and how it goes is put on record."""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hydra.conf import HydraConf
from omegaconf import DictConfig

from wgan.commands.one_line import explain_error
from wgan.errors import DivergenceError, PrunedError, UserError
from wgan.quality.ranking import compute_objective, name_figure
from wgan.run import folder as runs
from wgan.run.checks import check_training
from wgan.run.code import describe_other_code, warn_of_other_code
from wgan.run.configuration import CONFIGURATION, load_configuration
from wgan.run.fingerprint import Values, compute_the_same, find_decisive_values
from wgan.run.log import check_log
from wgan.run.rules import is_number
from wgan.run.training import restore_missing_generator, tell_how_to_continue, train_in
from wgan.sweeps import slurm, workers
from wgan.sweeps.identity import find_defaults, run_configuration
from wgan.sweeps.record import Record, read_record
from wgan.sweeps.report import update_report

log = logging.getLogger(__name__)


def find_launch(hydra: HydraConf) -> str:
    """When the command was given, the same for all of its jobs: the first look at it decides, and Hydra hands it on."""
    return str(hydra.job.env_set["WGAN_LAUNCH"])


def run_job(cfg: DictConfig, hydra: HydraConf) -> float | None:
    """Do a job of a sweep in the folder that is its own, in whatever process a launcher chose.

    What is finished is not trained again. What was interrupted or failed continues from its last checkpoint. With
    `rerun` what an earlier command trained is trained anew: all of it, or what other code has finished. A job that
    fails ends no other, but with `fail_fast`.

    Returns:
        The value of the objective, of a job that is pruned the last one; infinity of a run that diverged. None of a job
        that failed: NaN would end a search.

    Raises:
        KeyboardInterrupt: if it is interrupted.
        OSError: if it fails and even that cannot be put on record.
        SystemExit: if it fails and `fail_fast` is set.
    """
    folder = Path(hydra.runtime.output_dir)
    choices = {group: choice for group, choice in hydra.runtime.choices.items() if not group.startswith("hydra/")}
    jobs = int(hydra.job.env_set["WGAN_JOBS"])
    record = Record(find_launch(hydra), cfg.objective, list(hydra.overrides.task), choices, jobs=jobs)
    try:
        check_log(folder)
        with tell_how_to_continue("the same command again", folder), runs.hold_folder(folder, wait=True):
            earlier = read_record(folder)
            is_known = earlier is not None and earlier.launch == record.launch  # Slurm started it once more
            if not is_known and (cfg.rerun is True or (cfg.rerun == "changed" and _is_of_other_code(folder))):
                runs.empty_folder(folder)
            with _on_record(record, folder):
                workers.settle_worker(hydra, cfg)
                value = _value(run_configuration(cfg), folder, lambda: find_defaults(hydra))
    except Exception as error:
        failed = record._replace(status="failed", error=_line(error))
        log.error("Failed: %s", failed.error, exc_info=not isinstance(error, UserError))
        if read_record(folder) != failed:
            failed.write_beside(folder)
        if cfg.fail_fast:
            slurm.cancel_jobs_of(hydra)
            raise SystemExit(1) from error
        value = None
    finally:
        sweep = update_report(folder.parent)
    if sweep:
        log.info("%s", sweep.describe_progress(record.launch, jobs))
    return value


def _is_of_other_code(folder: Path) -> bool:
    return describe_other_code(runs.read_result(folder)) is not None


def _value(cfg: DictConfig, folder: Path, find_defaults: Callable[[], Values]) -> float:
    check_training(cfg)
    if (folder / CONFIGURATION).exists():
        earlier = find_decisive_values(load_configuration(folder, "sweep"))
        if not compute_the_same(earlier, find_decisive_values(cfg), find_defaults):
            raise UserError(f"{folder}: holds a run that was changed; rerun=true trains the job anew in its place")
        result = runs.read_result(folder)
        if result.get("status") in runs.TRAINED:
            restore_missing_generator(folder, result, trust=None)
            if not is_number(result.get(name_figure(cfg.objective))):
                path = folder / runs.RESULT
                raise UserError(f"{path}: has no {name_figure(cfg.objective)}; rerun=true trains the job anew")
            value = compute_objective(cfg.objective, result)
            warn_of_other_code(folder / runs.RESULT, result)
            log.info("%s already, %s %.4g: %s", result["status"].capitalize(), cfg.objective, value, folder)
            return value
        if result.get("status") == "pruned" and "prune" in cfg.callbacks:
            if is_number(result.get(name_figure(cfg.objective))):
                log.info("Pruned already, after %d iterations: %s", result["iterations"], folder)
                return compute_objective(cfg.objective, result)
            log.info("Pruned by another objective; it goes on: %s", folder)
        if result.get("status") == "diverged":
            log.info("Diverged already, in iteration %d: %s", result["iteration"], folder)
            return math.inf
    try:
        return train_in(folder, cfg)
    except PrunedError as error:
        log.info("Pruned: %s", error)
        return float(error.decision["objective"])
    except DivergenceError as error:
        log.error("%s", error)
        return math.inf


@contextmanager
def _on_record(record: Record, folder: Path) -> Iterator[None]:
    """Put on record how it ends what is done in the folder."""
    record.write(folder)
    try:
        yield
    except Exception as error:
        with suppress(OSError):  # a full disk, which is told
            record._replace(status="failed", error=_line(error)).write(folder)
        raise
    except BaseException:
        record._replace(status="interrupted").write(folder)
        raise
    record._replace(status=runs.read_result(folder)["status"]).write(folder)


def _line(error: Exception) -> str:
    return explain_error(error, []) or " ".join(f"{type(error).__name__}: {error}".split())
