"""Images from a finished run."""

import logging
from io import BytesIO
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from wgan.checks import check_values
from wgan.files import write_whole
from wgan.images import grid, png
from wgan.weights import load_generator

log = logging.getLogger(__name__)


def generate(cfg: DictConfig) -> None:
    """Write the images that `cfg` (conf/generate.yaml) asks for: a grid in a .png, or an array in a .npz.

    Raises:
        UserError: if the configuration is wrong or names no finished run.
    """
    check_values(cfg)
    out = Path(cfg.out)
    samples = load_generator(Path(cfg.run)).sample(cfg.n, cfg.seed)
    if out.suffix == ".npz":
        array = BytesIO()
        np.savez_compressed(array, images=samples.numpy())
        write_whole(out, array.getvalue())
    else:
        write_whole(out, png(grid(samples)))
    log.info("%d images of seed %d: %s", cfg.n, cfg.seed, out)
