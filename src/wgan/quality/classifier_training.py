"""Train the digit classifier anew: python -m wgan.quality.classifier_training [FILE]."""

import sys
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional
from torch.optim import Adam
from torch.optim.lr_scheduler import OneCycleLR

from wgan import PROJECT
from wgan.data.mnist import load_digits
from wgan.files import write_whole
from wgan.model.memory import keep_freed_memory
from wgan.model.pixels import scale_pixels
from wgan.quality.classifier import WEIGHTS, DigitClassifier

BATCH_SIZE = 128


def train_classifier(images: Tensor, labels: Tensor, epochs: int) -> DigitClassifier:
    """A classifier trained on images, uint8 (n, 1, 28, 28), and their digits; each batch is shifted by a pixel at most.

    The same images, number of threads and machine give the same bits.
    """
    batches = len(images) // BATCH_SIZE
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        classifier = DigitClassifier()
        optimizer = Adam(classifier.parameters())
        schedule = OneCycleLR(optimizer, max_lr=3e-3, total_steps=epochs * batches)
        shiftable = functional.pad(scale_pixels(images), (1, 1, 1, 1), value=-1)
        for _ in range(epochs):
            for chosen in torch.randperm(len(images))[: batches * BATCH_SIZE].split(BATCH_SIZE):
                top, left = torch.randint(3, (2,)).tolist()
                logits = classifier(shiftable[chosen, :, top : top + 28, left : left + 28])
                optimizer.zero_grad()
                functional.cross_entropy(logits, labels[chosen]).backward()
                optimizer.step()
                schedule.step()
    return classifier.eval()


def measure_accuracy(classifier: DigitClassifier, images: Tensor, labels: Tensor) -> float:
    """Share of images, uint8 (n, 1, 28, 28), whose digit is recognised."""
    _, digits = classifier.classify(images)
    return (digits == labels).float().mean().item()


def main(out: Path) -> None:
    """Train on MNIST's training images, write the weights, print the accuracy on its test images."""
    keep_freed_memory()
    training, test = (load_digits(PROJECT / "data", tuple(range(10)), train=train) for train in (True, False))
    classifier = train_classifier(*training, epochs=8)
    write_whole(out, save(classifier.state_dict()))
    share = measure_accuracy(classifier, *test)
    print(f"{share:.2%} of MNIST's {len(test[0]):,} test images recognised: {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else WEIGHTS)
