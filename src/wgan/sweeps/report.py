"""A sweep on one page: python -m wgan.sweeps.report FOLDER writes its report.html and summary.csv."""

import argparse
import base64
import logging
import statistics
import sys
import time
from collections import Counter
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import yaml
from filelock import FileLock

from wgan.commands.one_line import escape_unprintable, explain_error
from wgan.errors import UserError
from wgan.files import METRICS, QUALITY, read_regular, write_whole
from wgan.quality.ranking import LOSSES, name_figure
from wgan.run import pasting
from wgan.run.configuration import BYTES
from wgan.run.strangers import check_contents
from wgan.sweeps import outcomes, plots, summary
from wgan.sweeps.curves import Curve, read_curve
from wgan.sweeps.identity import shorten_key
from wgan.sweeps.outcomes import Job, Sweep

if TYPE_CHECKING:
    from jinja2 import Template

MEANINGS = {
    "fid_mnist": "Fréchet distance to the training images: less is better",
    "kid_mnist": "kernel distance (squared MMD) to the training images: less is better; it can be below 0",
    "precision": "share of samples that look real: more is better",
    "recall": "share of the real images that are covered: more is better",
    "density": "in how many neighbourhoods of real images a sample lies: near 1 is better",
    "coverage": "share of real images with a sample in their neighbourhood: near 1 is better",
    "digit_share": "share of samples that are recognised as the digits asked for: more is better",
    "class_accuracy": "share of samples that are recognised as the digit asked for: more is better",
    "nearest_distance": "mean distance to the nearest training image, in pixels: 0 of memorised ones",
    "wasserstein": "the critic's estimate of the distance, in the last iteration",
    "c1": "-mean C(real), in the last iteration",
    "c2": "mean C(generated), in the last iteration",
    "g": "-mean C(G(z)), in the last iteration",
    "seconds": "that training took",
}

SECONDS_A_JOB = 0.1  # between two pages; writing one takes a tenth of it

log = logging.getLogger(__name__)


def update_report(folder: Path, *, at_once: bool = False) -> Sweep | None:
    """`write`, for a job: what goes wrong with it is logged, and does not end the job.

    What writing takes grows with the number of jobs. So does the time until the next, unless it is to be `at_once`.
    """
    try:
        if at_once or not _is_fresh(folder):
            return write_report(folder)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        log.warning("%s: the summary could not be written (%s)", folder, reason)
    return None


def write_report(folder: Path) -> Sweep:
    """Write a sweep's summary.csv and report.html."""
    with FileLock(folder / ".report.lock"):  # jobs end at the same time
        sweep = outcomes.read_sweep(folder)
        summary.write_csv(sweep)
        write_whole(folder / "report.html", render_page(sweep).encode(errors="backslashreplace"))
    return sweep


def _is_fresh(folder: Path) -> bool:
    report = folder / "report.html"
    return report.exists() and time.time() - report.stat().st_mtime < SECONDS_A_JOB * sum(1 for _ in folder.iterdir())


def render_page(sweep: Sweep) -> str:
    """The report: one file that needs no other, and no network."""
    objectives = dict.fromkeys(name_figure(job.objective) for job in sweep.jobs)
    shown = [name for name in sweep.figures if name not in ("c1", "c2", "g")]
    measured = dict.fromkeys(name if name not in LOSSES else "fid_mnist" for name in objectives)
    parts, colours = sweep.split_by_data(), _number_settings(sweep)
    firsts = {colours[job.name]: job for job in reversed(sweep.jobs)}
    return _template().render(
        sweep=sweep,
        keys=sweep.swept,
        apart=[key for key in sweep.swept if outcomes.sets_apart(key)],
        parts=[(part, _settings(part)) for part in parts],
        figures=[*dict.fromkeys((*objectives, *shown, "seconds"))],
        bests=[part.finished[0] for part in parts if part.finished and part.finished[0].value is not None],
        failed=[job for job in sweep.jobs if job.status in ("failed", "died")],
        ended_early=[job for job in sweep.jobs if job.status in ("stopped", "pruned")],
        curves={
            name: plots.plot_curves(
                _add_means(sweep, {job.name: read_curve(job.folder / QUALITY, name) for job in sweep.jobs})
            )
            for name in measured
        }
        | {
            "Wasserstein estimate": plots.plot_curves(
                _add_means(
                    sweep,
                    {
                        job.name: plots.average_bins(read_curve(job.folder / METRICS, "wasserstein"))
                        for job in sweep.jobs
                    },
                )
            ),
        },
        colours=colours,
        firsts=[firsts[number] for number in sorted(firsts)],
        numbers={job.name: number for number, job in enumerate(sweep.jobs)},
        command=_find_command(sweep.folder),
        meanings=MEANINGS,
        importance=[(part, keys) for part in parts if (keys := plots.measure_importance(part))],
        parallels=list(filter(None, map(plots.plot_parallel, parts))),
        heat_maps=[found for part in parts for found in plots.plot_heat_maps(part)],
        scatters=[found for part in parts for found in plots.plot_scatters(part)],
        sheet=[(job, image) for job in sweep.jobs if (image := _samples(job))],
        width=plots.WIDTH,
        height=plots.HEIGHT,
        wide=plots.WIDE,
    )


def _find_command(folder: Path) -> str:
    """The last command, as Hydra put it on record; "" where it did not."""
    try:
        text = read_regular(folder / "multirun.yaml", BYTES)
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.CSafeLoader)):
            return ""  # Hydra writes none, and few of them ask for much
        overrides = yaml.load(text, yaml.CSafeLoader)["hydra"]["overrides"]
        typed = [*overrides["hydra"], *overrides["task"]]
        words = ["python", "train.py", "-m", *(each for each in typed if each != "hydra.mode=MULTIRUN")]
        return " ".join(map(pasting.quote, words))
    except (OSError, KeyError, RecursionError, TypeError, ValueError, yaml.YAMLError):
        return ""


def _number_settings(sweep: Sweep) -> dict[str, int]:
    """A number for each job by name, the same for the seeds of a setting; the settings of the best jobs come first."""
    numbers: dict[str, int] = {}
    return {job.name: numbers.setdefault(sweep.describe_setting(job), len(numbers)) for job in sweep.jobs}


def _add_means(sweep: Sweep, series: dict[str, Curve]) -> dict[str, Curve]:
    """Beside the curves of jobs, by name, the mean of those of each setting with several seeds, by the setting."""
    groups: dict[str, list[Curve]] = {}
    for job in sweep.jobs:
        if series[job.name]:
            groups.setdefault(sweep.describe_setting(job), []).append(series[job.name])
    means = {}
    for setting, curves in groups.items():
        if len(curves) > 1:
            ys: dict[float, list[float]] = {}
            for x, y in (point for curve in curves for point in curve):
                ys.setdefault(x, []).append(y)
            means[setting] = [
                (x, statistics.fmean(found)) for x, found in sorted(ys.items()) if len(found) == len(curves)
            ]
    return series | means


def _settings(sweep: Sweep) -> list[tuple[Any, ...]]:
    """Each setting with the values of its seeds, their mean and deviation, and what the others became; best first."""
    return [
        (common, values, *summary.measure_spread(values), _count_others(sweep, common))
        for common, values in sweep.group_by_setting()
    ]


def _count_others(sweep: Sweep, common: dict[str, Any]) -> dict[str, int]:
    """How many jobs of a setting were pruned or diverged, which its mean does not show."""
    others = (job.status for job in sweep.jobs if common.items() <= job.settings.items())
    return Counter(status for status in others if status in ("pruned", "diverged"))


def _samples(job: Job) -> str:
    """The job's last grid of samples, base64."""
    grids = sorted((job.folder / "samples").glob("epoch=*.png"), key=lambda path: (len(path.name), path.name))
    for grid in reversed(grids):
        with suppress(OSError):  # a job that starts anew removes them
            return base64.b64encode(read_regular(grid)).decode()
    return ""


@cache
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined  # train.py --help does without

    environment = Environment(
        loader=PackageLoader("wgan.sweeps", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    quoted = partial(quote, errors="surrogateescape")  # a folder's name may be no text
    environment.filters |= {"short": shorten_key, "readable": summary.format_value, "urlencode": quoted}
    return environment.get_template("report.html")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m wgan.sweeps.report", description="Sum up a sweep on one page.")
    parser.add_argument("folder", type=Path, help="of the sweep, such as multirun/NAME")
    folder: Path = parser.parse_args().folder
    try:
        check_contents(folder, str(folder))
        sweep = outcomes.read_sweep(folder)
        if not sweep.jobs:
            raise UserError(f"{folder}: no sweep; name a folder such as multirun/NAME")
        print(summary.tabulate_best(sweep))  # also for a reader who may not write there
        write_report(folder)
        print(f"Report: {folder}/report.html, {folder}/summary.csv")
    except (OSError, UserError) as error:
        sys.exit(f"error: {escape_unprintable(explain_error(error, []) or str(error))}")


if __name__ == "__main__":
    main()
