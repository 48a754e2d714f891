"""The tables of docs/results.md: python -m bench.results FOLDER ..., each of a sweep over two seeds or more."""

import csv
import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev

from wgan.quality.ranking import FIGURES


def at_the_end(folders: dict[str, list[Path]]) -> None:
    """Print a row a figure: its mean ± standard deviation over the seeds, and its floor."""
    results = {name: [json.loads((run / "result.json").read_text()) for run in runs] for name, runs in folders.items()}
    figures = [
        name for name in (*FIGURES, "spearman") if all(name in each for found in results.values() for each in found)
    ]
    print("| figure |", " | ".join(f"{name}, {len(runs)} seeds" for name, runs in folders.items()), "| floor |")
    print("| --- |", " | ".join(["---"] * (len(folders) + 1)), "|")
    for figure in figures:
        values = [[result[figure] for result in found] for found in results.values()]
        floor = next(iter(results.values()))[0].get(f"{figure}_floor")
        cells = [*(f"{mean(each):.3g} ± {stdev(each):.2g}" for each in values), "" if floor is None else f"{floor:.3g}"]
        print(f"| `{figure}` |", " | ".join(cells), "|")


def on_the_way(folders: dict[str, list[Path]]) -> None:
    """Print a row an evaluation: means over the seeds of some figures."""
    columns = ("fid_mnist", "digit_share", "wasserstein")
    print("| iteration |", " | ".join(f"{name}: `{column}`" for name in folders for column in columns), "|")
    print("| --- |", " | ".join(["---"] * len(columns) * len(folders)), "|")
    found = defaultdict(list)
    for name, runs in folders.items():
        for run in runs:
            with (run / "quality.csv").open(newline="") as file:
                rows = list(csv.DictReader(file))
            for row in rows:
                if row["samples"] != rows[0]["samples"]:  # of the end
                    continue
                found[int(row["iteration"]), name].append([float(row[column]) for column in columns])
    for iteration in sorted({iteration for iteration, _ in found}):
        means = (mean(values) for name in folders for values in zip(*found[iteration, name], strict=True))
        print(f"| {iteration} |", " | ".join(f"{value:.3g}" for value in means), "|")


def main(*sweeps: str) -> None:
    """Print both tables."""
    folders = {Path(sweep).name: sorted(path.parent for path in Path(sweep).glob("*/result.json")) for sweep in sweeps}
    at_the_end(folders)
    print()
    on_the_way(folders)


if __name__ == "__main__":
    main(*sys.argv[1:])
