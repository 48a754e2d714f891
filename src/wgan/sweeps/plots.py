"""The geometry of the report's plots; its template draws them as SVG."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from wgan.run.rules import is_number
from wgan.sweeps.outcomes import Job, Sweep
from wgan.sweeps.summary import format_value

WIDTH, HEIGHT = 480, 230  # of a plot without its margins

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


def average_bins(points: Points, most: int = 100) -> list[tuple[float, float]]:
    """Means of neighbours, so that `most` points are left at most."""
    size = max(1, math.ceil(len(points) / most))
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts]


def _is_scattered(sweep: Sweep, key: str) -> bool:
    values = {job.settings[key] for job in sweep.finished}
    return key != "seed" and len(values) > SCATTERED and all(is_number(value) for value in values)


def _heat_map(sweep: Sweep, row_key: str, column_key: str) -> HeatMap:
    values: dict[tuple[str, str], list[float]] = {}
    for job in sweep.finished:
        if job.value is not None:
            values.setdefault((str(job.settings[row_key]), str(job.settings[column_key])), []).append(job.value)
    rows, columns = (_sorted(place[axis] for place in values) for axis in (0, 1))
    means = {place: sum(found) / len(found) for place, found in values.items()}
    order = sorted(set(means.values()))
    cells = [
        Cell(rows.index(row), columns.index(column), mean, order.index(mean) / max(1, len(order) - 1))
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
