"""What the figures say of images for which the answer is known: python -m bench.figures RUN, a run that went badly."""

import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from wgan import PROJECT
from wgan.data.mnist import load_digits
from wgan.model.sampling import sample_images
from wgan.quality.figures import Reference
from wgan.run.generator import load_generator
from wgan.run.trust import load_trusted

ALL = tuple(range(10))
COLUMNS = ("fid_mnist", "precision", "recall", "density", "coverage", "digit_share")
SIZES = (50, 100, 150, 200, 400, 1028)


def known_images(sevens: Tensor, held_out: Tensor) -> dict[str, Tensor]:
    """Images that are as good, as poor or as few as their name says, uint8 (1028, 1, 28, 28)."""
    n = len(held_out)
    ones = load_digits(PROJECT / "data", (1,))[0]
    return {
        "real sevens, held out": held_out,
        "copies of training images": sevens[:n],
        "sevens, blurred": avg_pool2d(held_out.float(), 3, stride=1, padding=1).to(torch.uint8),
        "half sevens, half ones": torch.cat([held_out[: n // 2], ones[: n - n // 2]]),
        "eight sevens, again and again": sevens[:8].repeat(n // 8 + 1, 1, 1, 1)[:n],
        "one seven, again and again": sevens[:1].repeat(n, 1, 1, 1),
        "ones": ones[:n],
        "noise": torch.randint(0, 256, held_out.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0)),
    }


def print_table(known: Reference, kinds: dict[str, Tensor]) -> None:
    """A row a kind of images, in Markdown."""
    print("| images |", " | ".join(f"`{name}`" for name in COLUMNS), "|")
    print("| --- |", " | ".join(["---"] * len(COLUMNS)), "|")
    for kind, images in kinds.items():
        figures = known.measure(images)
        cells = (f"{figures[name]:.3g}" if name in figures else "" for name in COLUMNS)
        print(f"| {kind} |", " | ".join(cells), "|", flush=True)
    print()


def main(run: str) -> None:
    """Print the tables: images of a known kind, few images of one generator, few black images beside all digits."""
    sevens, held_out = (load_digits(PROJECT / "data", (7,), train=train)[0] for train in (True, False))
    known = Reference(sevens, held_out, (7,))
    print_table(known, known_images(sevens, held_out))
    cfg = load_trusted(Path(run), [])
    images = sample_images(load_generator(Path(run), cfg), max(SIZES), cfg.model.latent_dim, seed=0)
    print_table(known, {f"{n} of the generator": images[:n] for n in SIZES})
    digits, held_out = (load_digits(PROJECT / "data", ALL, train=train)[0] for train in (True, False))
    black = torch.zeros(max(SIZES), 1, 28, 28, dtype=torch.uint8)
    print_table(Reference(digits, held_out, ALL), {f"{n} black, beside all digits": black[:n] for n in SIZES})


if __name__ == "__main__":
    main(*sys.argv[1:])
