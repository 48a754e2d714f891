"""The early end of a sweep's jobs that are worse than the others."""

import statistics
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf
from pytorch_lightning import Callback, Trainer

from wgan.errors import PrunedError, UserError
from wgan.files import METRICS, QUALITY
from wgan.model.wgan import WGAN
from wgan.quality.ranking import LOSSES, compute_objective, name_figure
from wgan.run.configuration import CONFIGURATION, read_configuration
from wgan.run.fingerprint import find_decisive_values
from wgan.run.folder import RESULT, TRAINED, read_result
from wgan.sweeps.curves import read_curve
from wgan.sweeps.outcomes import NO_IMAGES
from wgan.sweeps.record import find_jobs

Values = Mapping[int, float]  # of the objective, by epoch: the smaller, the better


class MedianPruning(Callback):
    """Ends a job before an epoch if its `objective` is worse than the median of the sweep's finished jobs.

    The rule is that of Optuna's MedianPruner; see `find_median`. An epoch is judged before the next one starts: its
    checkpoint is there then, and a run that goes on judges it again. Jobs with other images do not count, nor do those
    that measured another number of samples. One after the other, the same jobs are pruned each time; of jobs in
    parallel it depends on which ended first.
    """

    def __init__(self, objective: str, jobs: int, epochs: int) -> None:
        self.objective = objective
        self.jobs = jobs
        self.epochs = epochs

    def on_train_epoch_start(self, trainer: Trainer, module: WGAN) -> None:  # type: ignore[override]
        folder, epoch = Path(trainer.default_root_dir), trainer.current_epoch
        own = read_values(folder, self.objective)
        if epoch <= self.epochs or epoch not in own:
            return
        others = read_finished(folder, self.objective)
        median = find_median(own, epoch, others.values(), self.jobs)
        if median is None:
            return
        figure = name_figure(self.objective)
        value = compute_objective(self.objective, {figure: own[epoch]})  # with its sign
        there = {path.name: values[epoch] for path, values in others.items() if epoch in values}
        raise PrunedError(
            f"epoch {epoch}: {self.objective} {own[epoch]:.4g}, at best {min(own.values()):.4g}, is worse than "
            f"{median:.4g}, the median of {len(there)} finished jobs",
            {"objective": own[epoch], figure: value, "epochs": epoch, "median": median, "compared_with": there},
        )


def find_median(own: Values, epoch: int, others: Collection[Values], jobs: int) -> float | None:
    """The median of the others' values after an epoch, if the best of one's own so far is greater; else None.

    As optuna.pruners.MedianPruner: there are at least `jobs` others; those without a value of that epoch are left out.
    """
    there = [values[epoch] for values in others if epoch in values]
    if len(others) < jobs or not there:
        return None
    median = statistics.median(there)
    best = min(value for each, value in own.items() if each <= epoch)
    return median if best > median else None


def read_values(folder: Path, objective: str) -> Values:
    """The objective after each epoch; of a loss, in its last iteration."""
    figure = name_figure(objective)
    curve = read_curve(folder / (METRICS if figure in LOSSES else QUALITY), figure, over="epoch")
    return {int(epoch): compute_objective(objective, {figure: value}) for epoch, value in curve}


def read_finished(folder: Path, objective: str) -> dict[Path, Values]:
    """The values of the finished jobs beside a job's folder whose figures compare with the job's."""
    measured = _describe_measured(folder)
    found = {}
    for path in find_jobs(folder.parent):
        with suppress(OSError, UserError):  # it has not ended, or is damaged
            job = _read_ended(path, (path / RESULT).stat().st_mtime_ns, objective)
            if path != folder and job.is_finished and job.measured == measured:
                found[path] = job.values
    return found


class _Ended(NamedTuple):
    is_finished: bool
    measured: dict[str, Any]
    values: Values


@cache  # it does not change any more, and each epoch of each job asks for it
def _read_ended(folder: Path, written: int, objective: str) -> _Ended:  # noqa: ARG001, when its result was written
    is_finished = read_result(folder).get("status") in TRAINED
    return _Ended(is_finished, _describe_measured(folder), read_values(folder, objective))


def _describe_measured(folder: Path) -> dict[str, Any]:
    """The images of a run, and how many of its own are measured after each epoch."""
    cfg = read_configuration(folder / CONFIGURATION)
    left_out = (*NO_IMAGES, "data.n_critic", "data.seed")
    values = find_decisive_values(cfg).items()
    images = {key: value for key, value in values if key.startswith("data.") and key not in left_out}
    return images | {"n": OmegaConf.select(cfg, "callbacks.quality.n")}
