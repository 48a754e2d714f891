"""What the jobs of a sweep reached, best first, read from their folders: whatever state these are in."""

import csv
import json
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from wgan import runs
from wgan.files import write_whole
from wgan.objective import FIGURES, figure_of, value_of
from wgan.sweeps.identity import names_a_job, split
from wgan.sweeps.record import RECORD, Record, read_record

ORDER = ("finished", "diverged", "failed", "died", "interrupted", "running")
DIED = "ended without a word: killed, or out of memory?"


@dataclass(frozen=True)
class Job:
    """A job of a sweep; `value` is that of the sweep's objective, None where there is none."""

    folder: Path
    launch: str
    status: str  # one of ORDER
    error: str
    settings: dict[str, Any]  # of every key that any job of the sweep sets
    value: float | None
    figures: dict[str, float] = field(default_factory=dict)  # of result.json

    @property
    def name(self) -> str:
        return self.folder.name


@dataclass(frozen=True)
class Sweep:
    """The jobs of a folder, best first, and what differs between them."""

    folder: Path
    objective: str
    jobs: list[Job]

    @property
    def swept(self) -> list[str]:
        """The keys with more than one value."""
        keys = self.jobs[0].settings if self.jobs else {}
        return [key for key in keys if len({str(job.settings[key]) for job in self.jobs}) > 1]

    @property
    def finished(self) -> list[Job]:
        return [job for job in self.jobs if job.status == "finished"]

    def counts(self) -> dict[str, int]:
        """How many jobs are in each status."""
        found = Counter(job.status for job in self.jobs)
        return {status: found[status] for status in ORDER if found[status]}

    def settings(self) -> list[tuple[dict[str, Any], list[float]]]:
        """What jobs have in common that differ in the seed alone, with the objective of each; best mean first."""
        keys = [key for key in self.swept if key != "seed"]
        groups: dict[str, tuple[dict[str, Any], list[float]]] = {}
        for job in self.finished:
            if job.value is None:
                continue
            common = {key: job.settings[key] for key in keys}
            groups.setdefault(str(common), (common, []))[1].append(job.value)
        return sorted(groups.values(), key=lambda group: statistics.fmean(group[1]))


def read(folder: Path) -> Sweep:
    """The sweep in a folder; without jobs where there is none."""
    records = {path.parent: record for path in folder.glob(f"*/{RECORD}") if (record := read_record(path.parent))}
    newest = max(records.values(), key=lambda record: record.launch, default=None)
    objective = newest.objective if newest else ""
    keys = dict.fromkeys(
        key.lstrip("+~")
        for _, record in sorted(records.items())
        for key, _ in map(split, record.overrides)
        if names_a_job(key) and not key.startswith("hydra")
    )
    jobs = [_job(path, record, objective, list(keys)) for path, record in records.items()]
    return Sweep(folder, objective, sorted(jobs, key=_rank))


def write_csv(sweep: Sweep) -> None:
    """summary.csv: a row a job."""
    keys = list(sweep.jobs[0].settings) if sweep.jobs else []
    measured = [name for name in (*FIGURES, "iterations", "seconds") if any(name in job.figures for job in sweep.jobs)]
    table = StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow([*keys, "status", "objective", *measured, "folder", "error"])
    for job in sweep.jobs:
        figures = [job.figures.get(name, "") for name in measured]
        value = "" if job.value is None else job.value
        rows.writerow([*(job.settings[key] for key in keys), job.status, value, *figures, job.name, job.error])
    write_whole(sweep.folder / "summary.csv", table.getvalue().encode())


def best(sweep: Sweep, n: int = 5) -> str:
    """The n best jobs as a table for the console."""
    columns = dict.fromkeys((sweep.objective, "fid_mnist", "digit_share"))
    shown = [name for name in columns if name == sweep.objective or any(name in job.figures for job in sweep.jobs)]
    lines = [["", *map(short, sweep.swept), *shown, "folder"]]
    for place, job in enumerate(sweep.finished[:n], start=1):
        figures = job.figures | {sweep.objective: job.value}
        cells = (readable(figures.get(name, "")) for name in shown)
        lines.append([str(place), *(readable(job.settings[key]) for key in sweep.swept), *cells, job.name])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return "\n".join(table) if len(lines) > 1 else "No job has finished."


def short(key: str) -> str:
    """The last part of a dotted key."""
    return ".".join(key.split(".")[-2:]) if key.endswith(".lr") and key != "optimizer.lr" else key.rpartition(".")[2]


def readable(value: Any) -> str:
    """Four digits of a number that has more."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation, None of a single value."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def _job(folder: Path, record: Record, objective: str, keys: Iterable[str]) -> Job:
    result = _result(folder)
    status, error = record.status, record.error
    if result.get("status") in ("finished", "diverged"):
        status, error = result["status"], ""
    elif status == "running" and not runs.is_held(folder):
        status, error = "died", DIED
    value = None
    if status == "diverged":
        value = math.inf
    elif status == "finished":
        value = value_of(objective, result) if figure_of(objective) in result else None
    figures = {name: number for name, number in result.items() if type(number) in (int, float)}
    return Job(folder, record.launch, status, error, _settings(folder, record, keys), value, figures)


def _result(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / runs.RESULT).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _settings(folder: Path, record: Record, keys: Iterable[str]) -> dict[str, Any]:
    typed = {key.lstrip("+~"): value for key, value in map(split, record.overrides)}
    try:
        cfg = OmegaConf.load(folder / runs.CONFIGURATION)
    except Exception:  # it may be missing, or damaged in many ways
        cfg = OmegaConf.create()
    found = {}
    for key in keys:
        value = OmegaConf.select(cfg, key) if isinstance(cfg, DictConfig) else None
        if OmegaConf.is_list(value):
            value = str(list(value or ()))
        elif value is None or OmegaConf.is_config(value):
            value = record.choices.get(key) or typed.get(key, "")
        found[key] = value
    return found


def _rank(job: Job) -> tuple[int, float, str]:
    return ORDER.index(job.status), math.inf if job.value is None else job.value, job.name
