"""The outcomes of a sweep as a table: a file for programs, and the best jobs for the console."""

import csv
import statistics
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from wgan.commands.one_line import escape_unprintable
from wgan.errors import UserError
from wgan.files import write_whole
from wgan.sweeps.identity import shorten_key
from wgan.sweeps.outcomes import Sweep, read_sweep

NONE = "No job has finished."


def open_sweep(folder: str | Path) -> dict[str, list[Any]]:
    """The jobs of a sweep as a table, best first: columns by name, each with a value a job, None where there is none.

    They are the keys that were typed, as "model.clip_value", then status, objective, the figures, iterations, seconds,
    folder and error. `pandas.DataFrame(open_sweep(folder))` is a data frame.

    Args:
        folder: as multirun/NAME.

    Raises:
        UserError: if it has no job.
    """
    sweep = read_sweep(Path(folder))
    if not sweep.jobs:
        raise UserError(f"{folder}: no sweep; name a folder such as multirun/NAME")
    return tabulate_jobs(sweep)


def tabulate_jobs(sweep: Sweep) -> dict[str, list[Any]]:
    """The table of `open_sweep`."""
    keys = list(sweep.jobs[0].settings) if sweep.jobs else []
    return {
        **{key: [job.settings[key] for job in sweep.jobs] for key in keys},
        "status": [job.status for job in sweep.jobs],
        "objective": [job.value for job in sweep.jobs],
        **{name: [job.figures.get(name) for job in sweep.jobs] for name in (*sweep.figures, "iterations", "seconds")},
        "folder": [job.name for job in sweep.jobs],
        "error": [job.error for job in sweep.jobs],
    }


def write_csv(sweep: Sweep) -> None:
    """summary.csv: a row a job."""
    columns = tabulate_jobs(sweep)
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(columns)
    rows.writerows(zip(*columns.values(), strict=True))
    write_whole(sweep.folder / "summary.csv", text.getvalue().encode(errors="backslashreplace"))


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
