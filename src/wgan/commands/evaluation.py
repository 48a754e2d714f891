"""The figures of a run, from its generator alone."""

import json
import logging
import math
import statistics
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from wgan.files import write_whole
from wgan.model.sampling import sample_images
from wgan.quality.figures import reference_of
from wgan.quality.own import measure_own
from wgan.run.building import build_data, build_own_figures
from wgan.run.checks import check_values
from wgan.run.folder import provenance
from wgan.run.generator import load_generator
from wgan.run.rules import EVALUATION_RULES
from wgan.run.strangers import check_contents
from wgan.run.trust import load_trusted

EVALUATION = "evaluation.json"

log = logging.getLogger(__name__)


def evaluate(cfg: DictConfig) -> dict[str, float]:
    """Measure what `cfg` (conf/evaluate.yaml) asks for, print a table, and write evaluation.json in the run's folder.

    Returns:
        The figures; of several seeds, their means.

    Raises:
        UserError: if the configuration is wrong, or names no run or no checkpoint of it.
    """
    check_values(cfg, EVALUATION_RULES)
    folder = Path(cfg.run)
    check_contents(folder, f"run={folder}")
    run = load_trusted(folder, list(cfg.trust))
    generator = load_generator(folder, run, None if cfg.checkpoint == "final" else cfg.checkpoint)
    if run.data._target_ == "wgan.MNISTDigits":
        run.data.root = "data"  # the same images as anywhere, and a stranger's folder cannot name another place
    known = reference_of(build_data(run))
    own = build_own_figures(run)
    floor = known.floor | measure_own(own, known.held_out, known.images)
    n = len(known.images) if cfg.n == "auto" else cfg.n
    first = OmegaConf.select(run, "callbacks.quality.seed", default=run.seed) if cfg.seed == "auto" else cfg.seed
    seeds = [(first + k) % 2**64 for k in range(cfg.seeds)]
    measured = []
    for seed in seeds:
        images = sample_images(generator, n, run.model.latent_dim, seed)
        measured.append(known.measure(images) | measure_own(own, images, known.images))
    figures = {name: statistics.fmean(each[name] for each in measured) for name in floor}
    outcome = {"checkpoint": cfg.checkpoint, "n": n, "seeds": seeds, "figures": figures, "floor": floor}
    errors = {}
    if cfg.seeds > 1:
        errors = {name: statistics.stdev(each[name] for each in measured) / math.sqrt(cfg.seeds) for name in figures}
        outcome["standard_errors"] = errors
    write_whole(folder / EVALUATION, (json.dumps(outcome | provenance(), indent=2) + "\n").encode())

    log.info("%-16s %10s %s %10s", f"{n} samples", "", "".ljust(10) if errors else "", "floor")
    for name, value in figures.items():
        error = f"± {errors[name]:<8.2g}" if errors else ""
        log.info("%-16s %10.4g %s %10.4g", name, value, error, floor[name])
    return figures
