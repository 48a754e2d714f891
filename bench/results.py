"""The tables and pictures of docs/results.md: python -m bench.results docs/results SWEEP ..., each over some seeds."""

import csv
import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from wgan.quality.ranking import FIGURES

COLUMNS = (*FIGURES, "spearman")
ON_THE_WAY = ("fid_mnist", "digit_share", "wasserstein")

Runs = dict[str, list[Path]]  # by the sweep's name, by seed


def describe(values: list[float]) -> str:
    """Mean ± standard deviation; a value that stands alone has none."""
    return f"{mean(values):.3g}" + (f" ± {stdev(values):.2g}" if len(values) > 1 else "")


def print_figures(runs: Runs) -> None:
    """Print a row a sweep: each figure at the end over the seeds; the floors last."""
    results = {name: [json.loads((run / "result.json").read_text()) for run in found] for name, found in runs.items()}
    columns = [name for name in COLUMNS if all(name in result for found in results.values() for result in found)]
    print("| method | seeds |", " | ".join(f"`{column}`" for column in columns), "|")
    print("| --- " * (len(columns) + 2) + "|")
    for name, found in results.items():
        cells = [describe([result[column] for result in found]) for column in columns]
        print(f"| {name} | {len(found)} |", " | ".join(cells), "|")
    floors = next(iter(results.values()))[0]
    cells = [f"{floors[f'{column}_floor']:.3g}" if f"{column}_floor" in floors else "" for column in columns]
    print("| floor | |", " | ".join(cells), "|")


def read_quality(run: Path) -> list[dict[str, str]]:
    """A row of quality.csv for each epoch; that of the end has more samples, and is left out."""
    with (run / "quality.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if row["samples"] == rows[0]["samples"]]


def print_epochs(runs: Runs) -> None:
    """Print a row an evaluation: means over the seeds of some figures."""
    found = defaultdict(list)
    for name, each in runs.items():
        for row in (row for run in each for row in read_quality(run)):
            found[int(row["iteration"]), name].append([float(row[column]) for column in ON_THE_WAY])
    print("| iteration |", " | ".join(f"{name}: `{column}`" for name in runs for column in ON_THE_WAY), "|")
    print("| --- " * (len(ON_THE_WAY) * len(runs) + 1) + "|")
    for iteration in sorted({iteration for iteration, _ in found}):
        cells = []
        for name in runs:
            columns = zip(*found[iteration, name], strict=True)
            cells += [f"{mean(values):.3g}" for values in columns] or [""] * len(ON_THE_WAY)
        print(f"| {iteration} |", " | ".join(cells), "|")


def draw_curves(runs: Runs, picture: Path) -> None:
    """fid_mnist of each epoch: a thin line a seed and a thick one for their mean."""
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for number, (name, found) in enumerate(runs.items()):
        curves = []
        for run in found:
            rows = read_quality(run)
            curves.append(([int(row["iteration"]) for row in rows], [float(row["fid_mnist"]) for row in rows]))
        for iterations, fids in curves:
            axes.plot(iterations, fids, color=f"C{number}", alpha=0.35, linewidth=0.8)
        means = np.mean([fids for _, fids in curves], axis=0)
        axes.plot(curves[0][0], means, color=f"C{number}", linewidth=2.2, marker="o", markersize=3, label=name)
    axes.set(xlabel="iteration", ylabel="fid_mnist of 1,024 samples", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(picture, dpi=100)


def join_grids(runs: Runs, picture: Path, columns: int = 3) -> None:
    """The last grid of each sweep's first run, under its name."""
    rows = -(-len(runs) // columns)
    figure, axes = plt.subplots(rows, columns, squeeze=False, layout="constrained", figsize=(12, 4.2 * rows))
    for axis in axes.flat:
        axis.axis("off")
    for axis, (name, found) in zip(axes.flat, runs.items(), strict=False):
        axis.imshow(
            np.asarray(Image.open(max((found[0] / "samples").glob("epoch=*.png")))), cmap="gray", vmin=0, vmax=255
        )
        axis.set_title(name)
    figure.savefig(picture, dpi=110)


def main(pictures: str, *sweeps: str) -> None:
    """Print the tables and save curves.png and grids.png."""
    runs = {Path(sweep).name: sorted(path.parent for path in Path(sweep).glob("*/result.json")) for sweep in sweeps}
    print_figures(runs)
    print()
    print_epochs(runs)
    draw_curves(runs, Path(pictures) / "curves.png")
    join_grids(runs, Path(pictures) / "grids.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
