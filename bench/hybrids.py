"""Samples of all ten digits that look like none or like two: python -m bench.hybrids RUN ..."""

import sys
from pathlib import Path

import torch
from torch import Tensor

from wgan import PROJECT
from wgan.data.mnist import load_digits
from wgan.model.labels import find_classes, list_sample_labels
from wgan.model.pixels import scale_pixels
from wgan.model.sampling import sample_images
from wgan.quality.classes import measure_classes, tabulate_classes
from wgan.quality.figures import Reference, measure_frechet_distance
from wgan.run.generator import load_generator
from wgan.run.trust import load_trusted

N = 1000
SURE = 0.9  # a hybrid is what the classifier gives less than this for its likeliest digit


@torch.no_grad()
def print_row(name: str, known: Reference, images: Tensor, asked: Tensor | None) -> None:
    """A row of a table in Markdown; `asked` are the digits that the images should show."""
    likeliest, digits = known.classifier(scale_pixels(images)).softmax(dim=1).max(dim=1)
    features, _ = known.classifier.classify(images)
    accuracy = "" if asked is None else f"{(digits == asked).float().mean():.3f}"
    distance = measure_frechet_distance(known.features, features)
    print(f"| {name} | {(likeliest < SURE).sum()} of {len(images)} | {distance:.3g} | {accuracy} |", flush=True)


def main(*runs: str) -> None:
    """Print a row for real images that are held out and one for each run, then a table of each run's classes."""
    sets = [load_digits(PROJECT / "data", tuple(range(10)), train=train) for train in (True, False)]
    (images, labels), (held_out, held_out_labels) = sets
    known = Reference(images, held_out, tuple(range(10)), labels, held_out_labels)
    print("| images | hybrids | `fid_mnist` | `class_accuracy` |\n| --- | --- | --- | --- |")
    print_row("real, held out", known, held_out[:N], held_out_labels[:N])
    tables = []
    for run in runs:
        cfg = load_trusted(Path(run), [])
        generator = load_generator(Path(run), cfg)
        classes = find_classes(generator)
        samples, asked = sample_images(generator, N, cfg.model.latent_dim, seed=0), list_sample_labels(N, classes)
        print_row(Path(run).name, known, samples, asked if classes else None)
        if classes:
            tables.append(tabulate_classes(measure_classes(known, samples, asked)))
    for table in tables:
        print("", f"| {' | '.join(table[0])} |", "| --- " * len(table[0]) + "|", sep="\n")
        print("\n".join(f"| {' | '.join(row)} |" for row in table[1:]))


if __name__ == "__main__":
    main(*sys.argv[1:])
