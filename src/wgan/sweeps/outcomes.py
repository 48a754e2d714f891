"""What the jobs of a sweep reached, best first, read from their folders: whatever state these are in."""

import json
import math
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from wgan.files import read_regular
from wgan.quality.ranking import FIGURES, compute_objective, name_figure
from wgan.run import folder as runs
from wgan.run.code import describe_other_code
from wgan.run.configuration import CONFIGURATION, read_configuration
from wgan.run.fingerprint import FEATURES
from wgan.run.rules import is_number
from wgan.sweeps.identity import names_a_job, split_override
from wgan.sweeps.record import Record, find_jobs, find_record, read_record

ORDER = (*runs.TRAINED, "pruned", "ran away", "diverged", "failed", "died", "interrupted", "running")
NO_IMAGES = ("data.batch_size", "data.root")  # keys of data that do not change what is learned

DIED = "ended without a word: killed, or out of memory?"
LOST = "its result.json is missing or damaged"


@dataclass(frozen=True)
class Job:
    """A job of a sweep; `value` is that of the sweep's objective, None where there is none."""

    folder: Path
    launch: str
    status: str  # one of ORDER
    error: str  # in one line; of a job that was stopped or pruned the reason
    settings: dict[str, Any]  # of every key that any job of the sweep sets
    value: float | None
    objective: str = ""  # that of the newest job with its data: other images may have other figures
    figures: dict[str, float] = field(default_factory=dict)  # of result.json
    is_of_other_code: bool = False  # than this
    ended: float = 0  # when its result was written, in seconds since 1970

    @property
    def data(self) -> tuple[str, ...]:
        """What it learns; figures of different images say nothing about each other."""
        return _find_data(self.settings)

    @property
    def name(self) -> str:
        return self.folder.name


@dataclass(frozen=True)
class Sweep:
    """The jobs of a folder, of each data set the best first, and what differs between them."""

    folder: Path
    objective: str  # or those of the data sets, in words
    jobs: list[Job]
    common: list[str] = field(default_factory=list)  # overrides that all jobs were typed with
    launch: str = ""  # when the last command was given
    ordered: int = 0  # jobs of the last command

    @cached_property
    def swept(self) -> list[str]:
        """The keys with more than one value."""
        keys = self.jobs[0].settings if self.jobs else {}
        return [key for key in keys if len({str(job.settings[key]) for job in self.jobs}) > 1]

    def describe_setting(self, job: Job) -> str:
        """What a job has in common with those that differ from it in the seed alone."""
        return str({key: job.settings[key] for key in self.swept if key != "seed"})

    @property
    def finished(self) -> list[Job]:
        return [job for job in self.jobs if job.status in runs.TRAINED]

    @property
    def figures(self) -> list[str]:
        """The figures of quality of any job, and its losses; the user's own come last."""
        found = dict.fromkeys(name for job in self.jobs for name in job.figures)
        own = [name for name in found if f"{name}_floor" in found and name not in FIGURES]
        return [*(name for name in FIGURES if name in found), *own]

    def split_by_data(self) -> list["Sweep"]:
        """The sweep of each data set, with its objective, best jobs first."""
        sets: dict[tuple[str, ...], list[Job]] = {}
        for job in self.jobs:
            sets.setdefault(job.data, []).append(job)
        return [replace(self, jobs=jobs, objective=jobs[0].objective) for jobs in sets.values()]

    def count_statuses(self) -> dict[str, int]:
        """How many jobs are in each status."""
        found = Counter(job.status for job in self.jobs)
        return {status: found[status] for status in ORDER if found[status]}

    @property
    def not_begun(self) -> int:
        """How many jobs of the last command have no folder yet."""
        return max(0, self.ordered - sum(job.launch == self.launch for job in self.jobs))

    def describe_progress(self, launch: str, ordered: int) -> str:
        """How many of the jobs of a command, given at `launch`, have ended, and about how long the others will take."""
        own = [job for job in self.jobs if job.launch == launch and job.status not in ("running", "interrupted")]
        begun = datetime.fromisoformat(launch).timestamp()
        trained = sum(job.ended > begun for job in own)  # the others were there already
        told = f"{len(own)} of {ordered} jobs have ended"
        if not trained or len(own) >= ordered:
            return told
        left = (time.time() - begun) / trained * (ordered - len(own))
        return f"{told}, about {timedelta(seconds=math.ceil(left))} left"

    def group_by_setting(self) -> list[tuple[dict[str, Any], list[float]]]:
        """What jobs have in common that differ in the seed alone, with the objective of each; best mean first."""
        keys = [key for key in self.swept if key != "seed"]
        groups: dict[str, tuple[dict[str, Any], list[float]]] = {}
        for job in self.finished:
            if job.value is None:
                continue
            common = {key: job.settings[key] for key in keys}
            groups.setdefault(str(common), (common, []))[1].append(job.value)
        return sorted(groups.values(), key=lambda group: statistics.fmean(group[1]))


def read_sweep(folder: Path) -> Sweep:
    """The sweep in a folder; without jobs where there is none."""
    records = {path: record for path in find_jobs(folder) if (record := read_record(path))}
    by_launch = sorted(records.items(), key=lambda each: each[1].launch)
    newest = by_launch[-1][1] if by_launch else None
    keys = dict.fromkeys(
        key.lstrip("+~")
        for _, record in sorted(records.items())
        for key, _ in map(split_override, record.overrides)
        if names_a_job(key) and not key.startswith("hydra")
    )
    settings = {path: _settings(path, record, list(keys)) for path, record in records.items()}
    objectives = {_find_data(settings[path]): record.objective for path, record in by_launch}
    jobs = [
        _job(path, record, objectives[_find_data(settings[path])], settings[path]) for path, record in records.items()
    ]
    typed = [set(record.overrides) for record in records.values()]
    common = [each for each in newest.overrides if all(each in those for those in typed)] if newest else []
    jobs.sort(key=_rank)
    sets = list(dict.fromkeys(job.data for job in jobs))
    jobs.sort(key=lambda job: sets.index(job.data))
    objective = " or ".join(dict.fromkeys(job.objective for job in jobs))
    return Sweep(folder, objective, jobs, common, *((newest.launch, newest.jobs) if newest else ()))


def _find_data(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """What decides whether figures compare: the images, and the features on which the figures rest."""
    return tuple(str(settings[key]) for key in settings if sets_apart(key))


def sets_apart(key: str) -> bool:
    """Whether figures of jobs with different values of this key say nothing about each other."""
    return key == FEATURES or (key.partition(".")[0] == "data" and key not in NO_IMAGES)


def _job(folder: Path, record: Record, objective: str, settings: dict[str, Any]) -> Job:
    result = _result(folder)
    status, error = record.status, record.error
    if result.get("status") in runs.ENDED and not _failed_afterwards(folder, record):
        status = "ran away" if result.get("ran_away") is True else result["status"]
        error = str(result.get("reason", ""))
    elif status == "running" and not _is_held(folder):
        status, error = "died", DIED
    elif status in runs.ENDED:
        status, error = "failed", LOST
    figures = {name: number for name, number in result.items() if is_number(number)}
    value = None
    if status == "diverged":
        value = math.inf
    elif status in (*runs.TRAINED, "pruned", "ran away") and math.isfinite(
        figures.get(name_figure(objective), math.nan)
    ):
        value = compute_objective(objective, figures)
    is_of_other_code = describe_other_code(result) is not None
    ended = 0.0
    with suppress(OSError):
        ended = (folder / runs.RESULT).stat().st_mtime
    return Job(folder, record.launch, status, error, settings, value, objective, figures, is_of_other_code, ended)


def _is_held(folder: Path) -> bool:
    try:
        return runs.is_held(folder)
    except OSError:  # of a reader who may not write there: the record is all there is
        return True


def _failed_afterwards(folder: Path, record: Record) -> bool:
    """Whether the job failed though there is a result: that of a run which is another one by now."""
    result, failure = folder / runs.RESULT, find_record(folder)
    return record.status == "failed" and failure.stat().st_mtime_ns > result.stat().st_mtime_ns


def _result(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_regular(folder / runs.RESULT))
    except (OSError, RecursionError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _settings(folder: Path, record: Record, keys: Iterable[str]) -> dict[str, Any]:
    typed = {key.lstrip("+~"): _number(value) for key, value in map(split_override, record.overrides)}
    try:
        cfg = read_configuration(folder / CONFIGURATION)
    except Exception:  # it may be missing, or damaged in many ways
        cfg = OmegaConf.create()
    found = {}
    for key in keys:
        try:
            value = OmegaConf.select(cfg, key)
        except Exception:  # an interpolation that leads nowhere, a list in place of a group
            value = None
        if OmegaConf.is_list(value):
            value = str(list(value or ()))
        elif value is None or OmegaConf.is_config(value):
            value = record.choices.get(key) or typed.get(key, "")
        found[key] = value
    return found


def _number(text: str) -> str | int | float:
    """What a configuration makes of an override, so that 5e-5 and 0.00005 are one value."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _rank(job: Job) -> tuple[int, float, str]:
    status = "finished" if job.status in runs.TRAINED else job.status
    return ORDER.index(status), math.inf if job.value is None else job.value, job.name
