"""Images of a run: samples, or ways through the latent space."""

import logging
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from wgan.errors import UserError
from wgan.files import write_whole
from wgan.model.labels import ROW, find_classes, list_sample_labels
from wgan.model.randomness import sample_latents
from wgan.model.sampling import generate_images
from wgan.pictures import SCALE, arrange_grid, draw_grid, encode_animation, encode_png, enlarge
from wgan.run.checks import check_values
from wgan.run.generator import load_generator
from wgan.run.rules import GENERATION_RULES, LARGEST
from wgan.run.trust import load_trusted

STEPS = ROW  # images of a way from one latent point to another, of one class

log = logging.getLogger(__name__)


def generate(cfg: DictConfig) -> None:
    """Write the images that `cfg` (conf/generate.yaml) asks for: a grid, an array, or a GIF that moves.

    Raises:
        UserError: if the configuration is wrong or names no finished run.
    """
    check_values(cfg, GENERATION_RULES)
    if cfg.mode == "interpolation" and cfg.n % STEPS:
        raise UserError(f"n={cfg.n}: must be a multiple of {STEPS}, the length of a row, with mode=interpolation")
    out = Path(cfg.out)
    if out.suffix == ".gif" and cfg.mode != "interpolation":
        raise UserError(f"out={out}: only an interpolation moves; add mode=interpolation, or choose .png")
    if cfg.scale != "auto" and cfg.n * cfg.scale**2 > LARGEST:
        raise UserError(f"scale={cfg.scale}: is too much for {cfg.n} images; n times scale² must be at most {LARGEST}")
    run = load_trusted(Path(cfg.run), list(cfg.trust))
    generator = load_generator(Path(cfg.run), run, None if cfg.checkpoint == "final" else cfg.checkpoint)
    latent_dim, classes = run.model.latent_dim, find_classes(generator)
    labels = list_labels(cfg, classes)
    if cfg.mode == "interpolation":
        ends = sample_latents(2 * cfg.n // STEPS, latent_dim, cfg.seed)
        images = generate_images(generator, interpolate(ends[::2], ends[1::2], STEPS), labels)
    else:
        images = generate_images(generator, sample_latents(cfg.n, latent_dim, cfg.seed), labels)
    if out.suffix == ".npz":
        array = BytesIO()
        # Grey images without their only channel.
        np.savez_compressed(array, images=(images.squeeze(1) if images.shape[1] == 1 else images).numpy())
        write_whole(out, array.getvalue())
    elif out.suffix == ".gif":
        write_whole(out, encode_animation([lay_out(images[step::STEPS], cfg.scale) for step in range(STEPS)]))
    else:
        in_rows = cfg.mode == "interpolation" or (classes and cfg["class"] == "all")
        write_whole(out, encode_png(lay_out(images, cfg.scale, STEPS if in_rows else None)))
    log.info("%d images of seed %d: %s", cfg.n, cfg.seed, out)


def lay_out(images: Tensor, scale: int | Literal["auto"], columns: int | None = None) -> Tensor:
    """Images, uint8 (n, c, h, w), as one, (c, H, W), near square by default.

    A number enlarges their pixels. "auto" gives them margins, too, but one alone, and more than fit into memory, stay
    as they are.
    """
    if scale == "auto" and 1 < len(images) <= LARGEST // SCALE**2:
        return draw_grid(images, columns)
    return enlarge(arrange_grid(images, columns), 1 if scale == "auto" else scale)


def list_labels(cfg: DictConfig, classes: tuple[int, ...]) -> Tensor:
    """The labels of the images that are asked for, int64 (n,), of a generator with these classes.

    Raises:
        UserError: if the generator does not know the class.
    """
    asked = cfg["class"]
    if asked == "all":
        return list_sample_labels(cfg.n, classes)
    if not classes:
        raise UserError(f"class={asked}: this run has no classes, since model.conditional is false; leave class out")
    if asked not in classes:
        raise UserError(f"class={asked}: the run has no such class; choose one of {', '.join(map(str, classes))}")
    return torch.full((cfg.n,), asked)


def interpolate(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Points on the great arcs from `start` to `end`, (n, latent_dim) each, both included: (n * steps, latent_dim).

    Latent points of N(0, 1)^latent_dim lie near a sphere, which a straight line would leave (White 2016, slerp). Where
    no arc is the shortest one, as in one dimension, the line is taken.
    """
    angle = torch.arccos(torch.cosine_similarity(start, end, dim=1).clamp(-1, 1))[:, None, None]
    share = torch.linspace(0, 1, steps)[None, :, None]
    start, end = start[:, None], end[:, None]
    arcs = (((1 - share) * angle).sin() * start + (share * angle).sin() * end) / angle.sin()
    return torch.where(angle.sin() > 1e-3, arcs, torch.lerp(start, end, share)).flatten(0, 1)
