"""The outcomes of a sweep as a table: a file for programs, and the best jobs for the console."""

import csv
import statistics
from collections.abc import Sequence
from io import StringIO
from typing import Any

from wgan.commands.one_line import escape_unprintable
from wgan.files import write_whole
from wgan.sweeps.identity import shorten_key
from wgan.sweeps.outcomes import Sweep

NONE = "No job has finished."


def write_csv(sweep: Sweep) -> None:
    """summary.csv: a row a job."""
    keys = list(sweep.jobs[0].settings) if sweep.jobs else []
    measured = [*sweep.figures, "iterations", "seconds"]
    table = StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow([*keys, "status", "objective", *measured, "folder", "error"])
    for job in sweep.jobs:
        figures = [job.figures.get(name, "") for name in measured]
        value = "" if job.value is None else job.value
        rows.writerow([*(job.settings[key] for key in keys), job.status, value, *figures, job.name, job.error])
    write_whole(sweep.folder / "summary.csv", table.getvalue().encode(errors="backslashreplace"))


def tabulate_best(sweep: Sweep, n: int = 5) -> str:
    """The n best jobs as a table for the console; of each data set, where there are several."""
    return "\n\n".join(_tabulate(part, sweep.swept, n) for part in sweep.split_by_data()) or NONE


def _tabulate(sweep: Sweep, swept: Sequence[str], n: int) -> str:
    columns = dict.fromkeys((sweep.objective, "fid_mnist", "digit_share"))
    shown = [name for name in columns if name == sweep.objective or any(name in job.figures for job in sweep.jobs)]
    lines = [["", *(shorten_key(key, swept) for key in swept), *shown, "folder"]]
    for place, job in enumerate(sweep.finished[:n], start=1):
        figures = job.figures | {sweep.objective: job.value}
        cells = (format_value(figures.get(name, "")) for name in shown)
        settings = (format_value(job.settings[key]) for key in swept)
        lines.append([escape_unprintable(cell) for cell in (str(place), *settings, *cells, job.name)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return "\n".join(table) if len(lines) > 1 else NONE


def format_value(value: Any) -> str:
    """Four digits of a number that has more."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def measure_spread(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation, None of a single value."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None
