"""The geometry of the report's plots; its template draws them as SVG."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wgan.sweeps.outcomes import Job, Sweep
from wgan.sweeps.summary import readable

WIDTH, HEIGHT = 480, 230  # of a plot without its margins

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


def curves(series: Mapping[str, Points]) -> Curves | None:
    """Scaled to the plot; y is logarithmic where it spans more than a factor of ten. None without two points."""
    kept = {name: [(x, y) for x, y in points if math.isfinite(y)] for name, points in series.items()}
    xs = [x for points in kept.values() for x, _ in points]
    ys = [y for points in kept.values() for _, y in points]
    if len(set(xs)) < 2:
        return None
    logarithmic = min(ys) > 0 and max(ys) > 10 * min(ys)
    scale = math.log10 if logarithmic else float
    low, high = scale(min(ys)), scale(max(ys))
    span = high - low or 1.0
    left, right = min(xs), max(xs)

    def place(x: float, y: float) -> tuple[float, float]:
        return WIDTH * (x - left) / (right - left), HEIGHT * (1 - (scale(y) - low) / span)

    lines = {
        name: " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in points)
        for name, points in kept.items()
        if points
    }
    wanted = _decades(min(ys), max(ys)) if logarithmic else _steps(min(ys), max(ys))
    return Curves(
        lines,
        [(place(x, min(ys))[0], f"{x:g}") for x in _steps(left, right) if x == int(x)],
        [(place(left, y)[1], f"{y:g}") for y in wanted],
    )


def heat_maps(sweep: Sweep) -> list[HeatMap]:
    """One for each pair of swept keys but the seed."""
    keys = [key for key in sweep.swept if key != "seed"]
    pairs = [(one, other) for number, one in enumerate(keys) for other in keys[number + 1 :]]
    return [found for pair in pairs if (found := _heat_map(sweep, *pair)).cells]


def binned(points: Points, most: int = 100) -> list[tuple[float, float]]:
    """Means of neighbours, so that `most` points are left at most."""
    size = max(1, math.ceil(len(points) / most))
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts]


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
        return readable(float(value)) if len(value) > 6 else value
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
