import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import PROJECT
from safetensors.torch import load_file
from torch import Tensor

from wgan.data.mnist import load_digits
from wgan.quality.classifier import FEATURES, WEIGHTS, load_classifier
from wgan.quality.classifier_training import measure_accuracy, train_classifier


@pytest.fixture(scope="module")
def test_set() -> tuple[Tensor, Tensor]:
    """Images (10000, 1, 28, 28) and digits."""
    return load_digits(PROJECT / "data", tuple(range(10)), train=False)


def test_the_shipped_weights_recognise_the_test_set(test_set: tuple[Tensor, Tensor]) -> None:
    assert len(test_set[0]) == 10_000
    assert measure_accuracy(load_classifier(), *test_set) >= 0.992


def test_the_shipped_weights_are_small() -> None:
    assert WEIGHTS.stat().st_size <= 500_000
    assert sum(parameter.numel() for parameter in load_classifier().parameters()) == 105_914


def test_features_and_digits_are_those_of_single_images(test_set: tuple[Tensor, Tensor]) -> None:
    classifier = load_classifier()
    features, digits = classifier.classify(test_set[0][:501])  # two batches
    assert features.shape == (501, FEATURES)
    assert FEATURES <= 64
    assert features.min() >= 0
    for k in (0, 499, 500):
        image = test_set[0][k : k + 1]
        assert torch.allclose(classifier.classify(image)[0], features[k : k + 1], atol=1e-4)
        logits = classifier(image.float() / 127.5 - 1)
        assert logits.argmax() == digits[k]


def test_training_gives_the_same_bits_and_leaves_the_global_random_state_alone(test_set: tuple[Tensor, Tensor]) -> None:
    images, labels = test_set[0][:1024], test_set[1][:1024]
    state = torch.get_rng_state()
    first = train_classifier(images, labels, epochs=1).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(5)
    second = train_classifier(images, labels, epochs=1).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_the_command_trains_a_classifier_as_good(tmp_path: Path) -> None:
    out = tmp_path / "classifier.safetensors"
    command = [sys.executable, "-m", "wgan.quality.classifier_training", str(out)]
    process = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True)
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.endswith(f" of MNIST's 10,000 test images recognised: {out}\n")
    assert float(process.stdout.partition("%")[0]) >= 99.2
    trained, shipped = load_file(out), load_file(WEIGHTS)
    assert {name: tensor.shape for name, tensor in trained.items()} == {
        name: tensor.shape for name, tensor in shipped.items()
    }
