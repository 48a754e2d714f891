"""The features on which figures rest: the classifier's, Inception's, or of a class of one's own."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from conftest import PROJECT, TINY, configuration, result, rows
from PIL import Image
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from wgan.data.mnist import load_digits
from wgan.errors import UserError
from wgan.quality import inception
from wgan.quality.features import extract_features, load_extractor
from wgan.quality.figures import Reference, measure_frechet_distance
from wgan.quality.inception import load_inception
from wgan.quality.ranking import list_figures
from wgan.run.checks import check_training
from wgan.run.fingerprint import fingerprint
from wgan.run.training import train
from wgan.run.trust import check_targets

ON_FEATURES = ["precision", "recall", "density", "coverage"]
DIGITS = tuple(range(10))


def mean_colours(images: Tensor) -> Tensor:
    """A function as an extractor: uint8 (n, 3, h, w) to (n, 3)."""
    return images.double().mean(dim=(2, 3))


class Halves(nn.Module):
    """A class: the means of the upper and lower half, by a layer whose weights are drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 4)
        self.dropout = nn.Dropout(0.5)

    def forward(self, images: Tensor) -> Tensor:
        halves = [half.float().mean(dim=(1, 2, 3)) / 255 for half in images.chunk(2, dim=2)]
        features: Tensor = self.dropout(self.layer(torch.stack(halves, dim=1)))
        return features


def flat(images: Tensor) -> Tensor:
    return images.double().mean()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of images in colour, of which six are held out."""
    folder, rng = tmp_path / "photos", np.random.default_rng(0)
    folder.mkdir()
    for k in range(60):
        Image.fromarray(rng.integers(256, size=(16, 16, 3), dtype=np.uint8)).save(folder / f"{k:02}.png")
    return folder


@pytest.mark.parametrize(
    ("digits", "features", "names"),
    [
        (None, None, ["nearest_distance"]),
        (None, "inception", ["fid", "kid", *ON_FEATURES, "nearest_distance"]),
        (None, "digits", ["fid_mnist", "kid_mnist", *ON_FEATURES, "nearest_distance"]),
        (None, "mine.Extractor", ["fid_own", "kid_own", *ON_FEATURES, "nearest_distance"]),
        ((7,), None, ["fid_mnist", "kid_mnist", *ON_FEATURES, "digit_share", "nearest_distance"]),
        ((7,), "inception", ["fid", "kid", *ON_FEATURES, "digit_share", "nearest_distance"]),
        (DIGITS, None, ["fid_mnist", "kid_mnist", *ON_FEATURES, "nearest_distance"]),
    ],
)
def test_figures_on_other_features_have_other_names(
    digits: tuple[int, ...] | None, features: str | None, names: list[str]
) -> None:
    assert list_figures(digits, features=features) == names
    conditional = list_figures(digits, features=features, conditional=True)
    assert conditional == [*names, *(["class_accuracy"] if digits else [])]


def test_an_extractor_of_ones_own_gives_the_figures_of_a_run(
    photos: Path, tmp_path: Path, run_main: Callable[..., str]
) -> None:
    folder = tmp_path / "run"
    typed = (
        "data=images",
        f"data.root={photos}",
        "data.size=16",
        "callbacks.quality.features=test_features.mean_colours",
    )
    train(configuration(*TINY, *typed, "objective=fid_own", "model.ema_decay=0.5"), folder)
    names = ["fid_own", "kid_own", *ON_FEATURES, "nearest_distance"]
    row = rows(folder, "quality.csv")[-1]
    assert list(row) == ["iteration", "epoch", "samples", *names, "wasserstein", "fid_own_raw"]
    found = result(folder)
    assert found["objective"] == found["fid_own"] == float(row["fid_own"])
    assert all(f"{name}_floor" in found for name in names)
    refused = run_main("evaluate.py", f"run={folder}", "n=12")
    assert refused.startswith(
        "error: callbacks.quality.features=test_features.mean_colours: is not of wgan, and the folder"
    )
    assert run_main("evaluate.py", f"run={folder}", "n=12", "trust=[test_features]") == ""
    assert json.loads((folder / "evaluation.json").read_text())["figures"]["fid_own"] == pytest.approx(found["fid_own"])


def test_a_class_is_made_once_and_disturbs_no_random_state() -> None:
    state = torch.get_rng_state()
    images = torch.randint(256, (3, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    features = extract_features("test_features.Halves", images)
    assert (features.shape, features.dtype, features.requires_grad) == ((3, 4), torch.float32, False)
    load_extractor.cache_clear()
    assert torch.equal(extract_features("test_features.Halves", images), features)  # in eval mode, of the same weights
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(
        UserError, match=r"features=test_features\.flat: must make features \(n, d\) of n images, not \(\) of 3"
    ):
        extract_features("test_features.flat", images)


def test_figures_of_digits_on_other_features() -> None:
    images, labels = (each[:40] for each in load_digits(PROJECT / "data", (3, 8)))
    known = Reference(images, images[:20], (3, 8), labels, labels[:20], extractor="test_features.Halves")
    figures = known.measure(images[20:], labels[20:])
    features = [extract_features("test_features.Halves", each) for each in (images, images[20:])]
    assert figures["fid_own"] == measure_frechet_distance(*features)
    assert figures["digit_share"] == figures["class_accuracy"] == 1


def test_the_classifiers_features_of_other_grey_images_and_of_none_in_colour() -> None:
    images = torch.randint(256, (20, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    known = Reference(images, images[:10], None, extractor="digits")
    assert list(known.floor) == ["fid_mnist", "kid_mnist", *ON_FEATURES, "nearest_distance"]
    with pytest.raises(UserError, match=r"features=digits: needs images of 1 x 28 x 28, not 3 x 28 x 28"):
        Reference(images.expand(-1, 3, -1, -1), images, None, extractor="digits")


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("callbacks.quality.features=incepton", "must be digits, inception, or a class of your own, such as mine.Extr"),
        ("callbacks.quality.features=mine.Extractor", "there is no such class"),
        ("objective=fid", "must be one of fid_mnist"),
    ],
)
def test_what_cannot_be_is_told_before_any_work(run_main: Callable[..., str], typed: str, line: str) -> None:
    assert run_main("train.py", *TINY, typed).startswith(f"error: {typed}: {line}")


def test_jobs_of_before_the_choice_keep_their_names() -> None:
    cfg = configuration(*TINY)
    before = configuration(*TINY)
    del before.callbacks.quality.features
    assert fingerprint(cfg) == fingerprint(before)
    assert fingerprint(configuration(*TINY, "callbacks.quality.features=inception")) != fingerprint(cfg)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty place for Inception's weights, without a network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(inception, "URL_INCEPTION_V3", "http://127.0.0.1:1/weights.pth")
    load_extractor.cache_clear()
    yield tmp_path / "hub" / "checkpoints"
    load_extractor.cache_clear()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of Inception's keys and shapes, with random numbers."""
    path = tmp_path_factory.mktemp("weights") / "weights.pth"
    with (
        patch("torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url"),
        patch.object(FeatureExtractorInceptionV3, "load_state_dict"),
    ):
        torch.save(FeatureExtractorInceptionV3("random", ["2048"]).state_dict(), path)
    return path


@pytest.fixture
def there(hub: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file where it belongs, known by its digest."""
    hub.mkdir(parents=True)
    (hub / weights.name).symlink_to(weights)
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(weights.read_bytes()).hexdigest())
    return hub / weights.name


def test_without_a_network_a_line_tells_which_file_to_copy_where(hub: Path, run_main: Callable[..., str]) -> None:
    line = run_main("train.py", *TINY, "callbacks.quality.features=inception")
    assert line.startswith(
        "error: callbacks.quality.features=inception: its weights are not there and cannot be fetched ("
    )
    assert line.endswith(f"); copy http://127.0.0.1:1/weights.pth to {hub}/weights.pth")
    assert "\n" not in line


def test_another_file_than_the_published_one_is_not_read(hub: Path) -> None:
    hub.mkdir(parents=True)
    (hub / "weights.pth").write_bytes(b"harm")
    with pytest.raises(UserError, match=f"^{hub}/weights.pth: damaged, its SHA-256 is not 6726825d"):
        load_inception()


def test_inceptions_features_of_grey_and_coloured_images(there: Path) -> None:
    state = torch.get_rng_state()
    images = torch.randint(256, (2, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    features = extract_features("inception", images)
    assert torch.equal(torch.get_rng_state(), state)
    assert (features.shape, features.requires_grad) == ((2, 2048), False)
    assert torch.equal(extract_features("inception", images.expand(-1, 3, -1, -1)), features)
    assert not torch.equal(features[0], features[1])


@pytest.mark.slow
def test_a_run_with_figures_on_inception(there: Path, photos: Path, tmp_path: Path) -> None:
    images = ("data=images", f"data.root={photos}", "data.size=16", "callbacks.quality.features=inception")
    few = ("callbacks.quality.every_n_epochs=0", "callbacks.quality.final_n=10")
    train(configuration(*TINY, *images, *few, "objective=fid"), tmp_path / "run")
    found = result(tmp_path / "run")
    assert found["objective"] == found["fid"] > 0
    assert {"kid", "kid_floor", "precision", "nearest_distance"} <= found.keys()
    assert "fid_mnist" not in found


def test_the_protocol_of_lucic_2018_is_a_run_that_could_begin() -> None:
    cfg = configuration("experiment=lucic2018")
    check_training(cfg)
    check_targets(cfg, trust=None)
    assert (cfg.data.digit, cfg.trainer.max_epochs, cfg.model.clip_scope, cfg.objective) == ("all", 20, "all", "fid")
    assert "fid" in list_figures(DIGITS, features=cfg.callbacks.quality.features)
