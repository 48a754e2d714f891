"""The figures of a run, from its generator alone."""

import json
import logging
import math
import statistics
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from wgan import PROJECT
from wgan.checks import check_values
from wgan.configuration import load_configuration
from wgan.data import digits_of
from wgan.files import write_whole
from wgan.metrics.quality import reference
from wgan.rules import EVALUATION_RULES
from wgan.runs import provenance
from wgan.strangers import check_contents
from wgan.weights import load_generator

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
    generator = load_generator(folder, None if cfg.checkpoint == "final" else cfg.checkpoint)
    run = load_configuration(folder, "run")
    # The project's own MNIST: the same images as anywhere, and a stranger's folder cannot name another place.
    known = reference(PROJECT / "data", digits_of(run.data.digit))
    n = len(known.images) if cfg.n == "auto" else cfg.n
    first = OmegaConf.select(run, "callbacks.quality.seed", default=run.seed) if cfg.seed == "auto" else cfg.seed
    seeds = [(first + k) % 2**64 for k in range(cfg.seeds)]
    measured = [known.measure(generator.sample(n, seed)) for seed in seeds]
    figures = {name: statistics.fmean(each[name] for each in measured) for name in known.floor}
    outcome = {"checkpoint": cfg.checkpoint, "n": n, "seeds": seeds, "figures": figures, "floor": known.floor}
    errors = {}
    if cfg.seeds > 1:
        errors = {name: statistics.stdev(each[name] for each in measured) / math.sqrt(cfg.seeds) for name in figures}
        outcome["standard_errors"] = errors
    write_whole(folder / EVALUATION, (json.dumps(outcome | provenance(), indent=2) + "\n").encode())

    log.info("%-16s %10s %s %10s", f"{n} samples", "", "".ljust(10) if errors else "", "floor")
    for name, value in figures.items():
        error = f"± {errors[name]:<8.2g}" if errors else ""
        log.info("%-16s %10.4g %s %10.4g", name, value, error, known.floor[name])
    return figures
