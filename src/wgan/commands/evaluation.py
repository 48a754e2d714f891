"""The figures of a run, from its generators alone."""

import json
import logging
import math
import statistics
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from wgan.errors import UserError
from wgan.files import write_whole
from wgan.model.labels import list_sample_labels
from wgan.model.sampling import sample_images
from wgan.quality.classes import measure_classes, tabulate_classes
from wgan.quality.own import measure_own
from wgan.run.building import build_own_figures
from wgan.run.checks import check_values
from wgan.run.folder import CHECKPOINTS, find_provenance
from wgan.run.generator import load_generator
from wgan.run.opened import open_run
from wgan.run.rules import EVALUATION_RULES
from wgan.run.strangers import check_contents

EVALUATION = "evaluation.json"

Figures = dict[str, float]

log = logging.getLogger(__name__)


def evaluate(cfg: DictConfig) -> None:
    """Measure what `cfg` (conf/evaluate.yaml) asks for, print a table, and write evaluation.json in the run's folder.

    Of several seeds the figures are their means.

    Raises:
        UserError: if the configuration is wrong, or names no run or no checkpoint of it.
    """
    check_values(cfg, EVALUATION_RULES)
    folder = Path(cfg.run)
    check_contents(folder, f"run={folder}")
    opened = open_run(folder, list(cfg.trust))
    run = opened.configuration
    single, names = cfg.checkpoint != "all", [cfg.checkpoint]
    if not single:
        names = sorted(path.stem for path in (folder / CHECKPOINTS).glob("epoch=*.ckpt"))
        if not names:
            raise UserError(f"checkpoint=all: {folder} has no checkpoints of epochs; set checkpoint=final")
    known, classes = opened.reference, opened.classes
    own = build_own_figures(run)
    floor = known.floor | measure_own(own, known.held_out, known.images)
    n = len(known.images) if cfg.n == "auto" else cfg.n
    first = OmegaConf.select(run, "callbacks.quality.seed", default=run.seed) if cfg.seed == "auto" else cfg.seed
    seeds = [(first + k) % 2**64 for k in range(cfg.seeds)]
    labels = list_sample_labels(n, classes) if classes else None
    by_class: list[dict[int, Figures]] = []  # of each seed
    figures: dict[str, Figures] = {}
    errors: dict[str, Figures] = {}
    for name in names:
        generator = load_generator(folder, run, None if name == "final" else name)
        measured = []
        for seed in seeds:
            images = sample_images(generator, n, run.model.latent_dim, seed)
            measured.append(known.measure(images, labels) | measure_own(own, images, known.images))
            if labels is not None and single:
                by_class.append(measure_classes(known, images, labels))
        columns = {figure: [each[figure] for each in measured] for figure in floor}
        figures[name] = {figure: statistics.fmean(values) for figure, values in columns.items()}
        if len(seeds) > 1:
            root = math.sqrt(len(seeds))
            errors[name] = {figure: statistics.stdev(values) / root for figure, values in columns.items()}

    lines = _list_figures if single else _list_checkpoints
    log.info("\n".join(lines(f"{n} samples", figures, errors, floor)))
    outcome = {"checkpoint": cfg.checkpoint, "n": n, "seeds": seeds, "floor": floor}
    outcome["figures"] = figures[cfg.checkpoint] if single else figures
    if any(by_class):
        outcome["by_class"] = means = {
            label: {name: statistics.fmean(each[label][name] for each in by_class) for name in measured}
            for label, measured in by_class[0].items()
        }
        log.info("\n".join(["", *_align_columns(tabulate_classes(means))]))
    if errors:
        outcome["standard_errors"] = errors[cfg.checkpoint] if single else errors
    write_whole(folder / EVALUATION, (json.dumps(outcome | find_provenance(), indent=2) + "\n").encode())


def _list_figures(title: str, figures: dict[str, Figures], errors: dict[str, Figures], floor: Figures) -> list[str]:
    """A line a figure, of the only checkpoint."""
    lines = [f"{title:<16} {'':10} {'':{10 if errors else 0}} {'floor':>10}"]
    for name, each in figures.items():
        for figure, value in each.items():
            error = f"± {errors[name][figure]:<8.2g}" if errors else ""
            lines.append(f"{figure:<16} {value:10.4g} {error} {floor[figure]:10.4g}")
    return lines


def _list_checkpoints(title: str, figures: dict[str, Figures], errors: dict[str, Figures], floor: Figures) -> list[str]:
    """A line a checkpoint, a column a figure."""
    rows = [[title, *floor]]
    for name, each in figures.items():
        error = {figure: f" ± {value:.2g}" for figure, value in errors.get(name, {}).items()}
        rows.append([name, *(f"{value:.4g}{error.get(figure, '')}" for figure, value in each.items())])
    rows.append(["floor", *(f"{value:.4g}" for value in floor.values())])
    return _align_columns(rows)


def _align_columns(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
