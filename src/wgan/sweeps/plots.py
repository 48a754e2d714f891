"""The geometry of the report's plots; its template draws them as SVG."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from wgan.run.rules import is_number
from wgan.sweeps.outcomes import Job, Sweep
from wgan.sweeps.summary import format_value

WIDTH, HEIGHT = 480, 230  # of a plot without its margins
WIDE = 1050  # of one that has all keys

LEAST_JOBS = 4  # of fewer nothing is told of the keys' importance

SCATTERED = 8  # more values of a key than this are scattered

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Curves:
    """Lines in [0, WIDTH] x [0, HEIGHT], y downwards; ticks are places and what to write there."""

    lines: dict[str, str]  # "x,y x,y ..." by name
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


@dataclass(frozen=True)
class Cell:
    """The jobs with one value of each of two keys: the mean of their objective, and its rank in [0, 1], 0 the best."""

    row: int
    column: int
    mean: float
    shade: float
    jobs: list[Job]


@dataclass(frozen=True)
class HeatMap:
    """The objective over two keys."""

    row_key: str
    column_key: str
    jobs: list[Job]
    rows: list[str]
    columns: list[str]
    cells: list[Cell]


@dataclass(frozen=True)
class Scatter:
    """The objective over one key: places of jobs; ticks as those of curves."""

    key: str
    jobs: list[Job]
    points: list[tuple[float, float, Job]]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


@dataclass(frozen=True)
class Parallel:
    """An upright axis a key, at its x, with the objective as the last; a line a job, from axis to axis."""

    jobs: list[Job]
    axes: list[tuple[float, str, list[tuple[float, str]]]]  # x, key and ticks
    lines: list[tuple[str, Job]]


class Axis:
    """From values to [0, length]: logarithmic where they span more than a factor of ten, unless it must not be."""

    def __init__(self, values: Sequence[float], length: float, *, can_be_logarithmic: bool = True) -> None:
        low, high = min(values), max(values)
        is_logarithmic = can_be_logarithmic and low > 0 and high > 10 * low
        self.scale = math.log10 if is_logarithmic else float
        self.low, self.span = self.scale(low), self.scale(high) - self.scale(low) or 1.0
        self.length = length
        wanted = _decades(low, high) if is_logarithmic else _steps(low, high)
        self.ticks = [(self.place(value), f"{value:g}") for value in wanted]

    def place(self, value: float) -> float:
        """Where a value stands."""
        return self.length * (self.scale(value) - self.low) / self.span


def plot_curves(series: Mapping[str, Points]) -> Curves | None:
    """Scaled to the plot; y is logarithmic where it spans more than a factor of ten. None without two points."""
    kept = {name: [(x, y) for x, y in points if math.isfinite(y)] for name, points in series.items()}
    xs = [x for points in kept.values() for x, _ in points]
    ys = [y for points in kept.values() for _, y in points]
    if len(set(xs)) < 2:
        return None
    across, up = Axis(xs, WIDTH, can_be_logarithmic=False), Axis(ys, HEIGHT)
    lines = {
        name: " ".join(f"{across.place(x):.1f},{HEIGHT - up.place(y):.1f}" for x, y in points)
        for name, points in kept.items()
        if points
    }
    whole = [(place, text) for place, text in across.ticks if "." not in text]
    return Curves(lines, whole, [(HEIGHT - place, text) for place, text in up.ticks])


def plot_scatters(sweep: Sweep) -> list[Scatter]:
    """One for each key that takes so many values that a heat map would have holes, as in a search."""
    found = []
    for key in filter(partial(_is_scattered, sweep), sweep.swept):
        jobs = [job for job in sweep.finished if job.value is not None and math.isfinite(job.value)]
        xs, ys = [float(job.settings[key]) for job in jobs], [job.value or 0.0 for job in jobs]
        across, up = Axis(xs, WIDTH), Axis(ys, HEIGHT)
        points = [(across.place(x), HEIGHT - up.place(y), job) for x, y, job in zip(xs, ys, jobs, strict=True)]
        ticks = [(HEIGHT - place, text) for place, text in up.ticks]
        found.append(Scatter(key, sweep.jobs, points, across.ticks, ticks))
    return found


def plot_heat_maps(sweep: Sweep) -> list[HeatMap]:
    """One for each pair of swept keys, but the seed and keys with very many values."""
    keys = [key for key in sweep.swept if key != "seed" and not _is_scattered(sweep, key)]
    pairs = [(one, other) for number, one in enumerate(keys) for other in keys[number + 1 :]]
    return [found for pair in pairs if (found := _heat_map(sweep, *pair)).cells]


def plot_parallel(sweep: Sweep) -> Parallel | None:
    """All keys at once; None where heat maps and scatters show as much, of two keys or less."""
    keys = [key for key in sweep.swept if key != "seed"]
    jobs = [job for job in sweep.finished if job.value is not None and math.isfinite(job.value)]
    if len(keys) < 3 or len(jobs) < 2:
        return None
    columns = {key: [job.settings[key] for job in jobs] for key in keys} | {
        sweep.objective: [job.value for job in jobs]
    }
    axes, heights = [], []
    for number, (key, values) in enumerate(columns.items()):
        places, ticks = _place(values)
        axes.append((WIDE * number / (len(columns) - 1), key, ticks))
        heights.append(places)
    lines = [
        (" ".join(f"{x:.1f},{y:.1f}" for (x, _, _), y in zip(axes, places, strict=True)), job)
        for job, *places in zip(jobs, *heights, strict=True)
    ]
    return Parallel(sweep.jobs, axes, lines)


def measure_importance(sweep: Sweep) -> list[tuple[str, float, str]]:
    """How strongly the objective hangs on each swept key, in [0, 1], the strongest first; and what is better.

    Of numbers it is the absolute value of Spearman's rank correlation. Of other values it is the root of the share of
    the ranks' variance that lies between them, H / (n - 1) of Kruskal and Wallis. Of a few jobs it says little.
    """
    jobs = [job for job in sweep.finished if job.value is not None and math.isfinite(job.value)]
    objective = [job.value for job in jobs]
    if len(jobs) < LEAST_JOBS or len(set(objective)) < 2:
        return []
    from scipy.stats import kruskal, spearmanr  # takes a second to import

    found = []
    for key in sweep.swept:
        values = [job.settings[key] for job in jobs]
        if len(set(map(str, values))) < 2:
            continue
        if all(map(is_number, values)):
            correlation = float(spearmanr(values, objective).statistic)
            found.append((key, abs(correlation), "smaller is better" if correlation > 0 else "larger is better"))
        else:
            groups = {str(value): [job.value for job in jobs if job.settings[key] == value] for value in values}
            share = float(kruskal(*groups.values()).statistic) / (len(jobs) - 1)
            best = min(groups, key=lambda value: statistics.fmean(each or 0.0 for each in groups[value]))
            found.append((key, math.sqrt(share), f"{best} is best"))
    return sorted(found, key=lambda each: -each[1])


def _place(values: Sequence[Any]) -> tuple[list[float], list[tuple[float, str]]]:
    """Heights of values on an upright axis, downwards, and its ticks: where there are few values, they."""
    names = _sorted(map(str, values))
    if all(map(is_number, values)):
        axis = Axis(list(map(float, values)), HEIGHT)
        few = [(axis.place(float(name)), f"{float(name):g}") for name in names]
        ticks = few if len(names) <= 4 else axis.ticks
        return [HEIGHT - axis.place(float(value)) for value in values], [
            (HEIGHT - place, text) for place, text in ticks
        ]
    heights = {name: HEIGHT * (number + 0.5) / len(names) for number, name in enumerate(names)}
    return [heights[str(value)] for value in values], [(height, name) for name, height in heights.items()]


def average_bins(points: Points, most: int = 100) -> list[tuple[float, float]]:
    """Means of neighbours, so that `most` points are left at most."""
    size = max(1, math.ceil(len(points) / most))
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts]


def _is_scattered(sweep: Sweep, key: str) -> bool:
    values = {job.settings[key] for job in sweep.finished}
    return key != "seed" and len(values) > SCATTERED and all(is_number(value) for value in values)


def _heat_map(sweep: Sweep, row_key: str, column_key: str) -> HeatMap:
    jobs: dict[tuple[str, str], list[Job]] = {}
    for job in sweep.finished:
        if job.value is not None:
            jobs.setdefault((str(job.settings[row_key]), str(job.settings[column_key])), []).append(job)
    rows, columns = (_sorted(place[axis] for place in jobs) for axis in (0, 1))
    means = {place: statistics.fmean(job.value or 0.0 for job in found) for place, found in jobs.items()}
    order = sorted(set(means.values()))
    cells = [
        Cell(
            rows.index(row), columns.index(column), mean, order.index(mean) / max(1, len(order) - 1), jobs[row, column]
        )
        for (row, column), mean in means.items()
    ]
    return HeatMap(row_key, column_key, sweep.jobs, [*map(_label, rows)], [*map(_label, columns)], cells)


def _sorted(values: Iterable[str]) -> list[str]:
    def rank(value: str) -> tuple[bool, Any]:
        try:
            return False, float(value)
        except ValueError:
            return True, value

    return sorted(set(values), key=rank)


def _label(value: str) -> str:
    try:
        return format_value(float(value)) if len(value) > 6 else value
    except ValueError:
        return value


def _steps(low: float, high: float) -> list[float]:
    """About five round numbers from low to high."""
    rough = (high - low) / 5 or 1.0
    power = 10 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = math.ceil(low / step)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten, and their double and fivefold where there are few of them."""
    factors = (1, 2, 5) if high < 1000 * low else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [factor * 10.0**power for power in powers for factor in factors if low <= factor * 10.0**power <= high]
