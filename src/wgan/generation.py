"""Images from a finished run."""

import logging
from pathlib import Path

import numpy as np
from omegaconf import DictConfig
from PIL import Image

from wgan import images, runs
from wgan.checks import check_values

log = logging.getLogger(__name__)


def generate(cfg: DictConfig) -> None:
    """Write the images that `cfg` (conf/generate.yaml) asks for: a grid in a .png, or an array in a .npz.

    Raises:
        UserError: if the configuration is wrong or names no finished run.
    """
    check_values(cfg)
    out = Path(cfg.out)
    samples = runs.load_generator(Path(cfg.run)).sample(cfg.n, cfg.seed)
    if out.suffix == ".npz":
        np.savez_compressed(out, images=samples.numpy())
    else:
        Image.fromarray(images.grid(samples).numpy()).save(out)
    log.info("%d images of seed %d: %s", cfg.n, cfg.seed, out)
