"""The figures of quality, of sets of images for which the answer is known."""

import math
from collections.abc import Callable

import pytest
import torch
from conftest import PROJECT
from torch import Tensor
from torch.nn.functional import avg_pool2d
from torch_fidelity.metric_prc import calculate_precision_recall_part

from wgan.data.mnist import MNISTDigits, load_digits
from wgan.quality.figures import Reference, find_reference, measure_frechet_distance, measure_kernel_distance
from wgan.quality.ranking import FIGURES_OF_IMAGES

Measured = dict[str, float]


@pytest.fixture(scope="module")
def sevens() -> Tensor:
    return load_digits(PROJECT / "data", (7,))[0]


@pytest.fixture(scope="module")
def known(sevens: Tensor) -> Reference:
    """Every other training seven; the held-out ones are the rest."""
    return Reference(sevens[::2], sevens[1::2], (7,))


@pytest.fixture(scope="module")
def measured(known: Reference, sevens: Tensor) -> dict[str, Measured]:
    """What is measured of 1,024 images of each kind."""
    half, n = sevens[1::2][:1024], 1024
    noise = torch.randint(0, 256, half.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    kinds = {
        "sevens": half,
        "copies": known.images[:n],
        "blurred": avg_pool2d(half.float(), 3, stride=1, padding=1).to(torch.uint8),
        "mixed": torch.cat([half[: n // 2], load_digits(PROJECT / "data", (1,))[0][: n // 2]]),
        "few": known.images[:24:3].repeat(n // 8, 1, 1, 1),
        "one": known.images[:1].repeat(n, 1, 1, 1),
        "ones": load_digits(PROJECT / "data", (1,))[0][:n],
        "noise": noise,
        "black": torch.zeros_like(half),
    }
    return {name: known.measure(images) for name, images in kinds.items()}


def test_the_figures_have_their_names(measured: dict[str, Measured]) -> None:
    assert all(tuple(figures) == FIGURES_OF_IMAGES for figures in measured.values())
    assert all(math.isfinite(value) for figures in measured.values() for value in figures.values())


def test_other_sevens_are_at_the_floor(measured: dict[str, Measured], known: Reference) -> None:
    figures = measured["sevens"]
    assert 0 <= figures["fid_mnist"] < 1.5
    assert abs(figures["kid_mnist"]) < 1.5
    assert figures["precision"] > 0.85
    assert figures["recall"] > 0.85
    assert figures["density"] == pytest.approx(1, abs=0.1)
    assert figures["coverage"] == pytest.approx(1 - 2**-5, abs=0.02)
    assert figures["digit_share"] > 0.99
    assert 3 < figures["nearest_distance"] < 5
    assert known.floor == known.measure(known.held_out)
    assert known.floor["fid_mnist"] < figures["fid_mnist"]  # of fewer samples it is larger


def test_the_distances_put_what_is_worse_behind(measured: dict[str, Measured]) -> None:
    for name in ("fid_mnist", "kid_mnist"):
        for kinds in (("blurred", "ones", "noise"), ("mixed", "ones", "noise"), ("few", "one", "noise")):
            order = [measured[kind][name] for kind in ("sevens", *kinds)]
            assert order == sorted(order)
            assert order[1] > 20 * order[0]


def test_a_collapsed_generator_has_precision_without_recall(measured: dict[str, Measured]) -> None:
    for kind in ("few", "one"):
        assert measured[kind]["precision"] == 1
        assert measured[kind]["recall"] < 0.01
        assert measured[kind]["coverage"] < 0.06
        assert measured[kind]["digit_share"] == 1


def test_noise_is_no_digit(measured: dict[str, Measured]) -> None:
    for kind in ("noise", "black"):
        assert measured[kind]["digit_share"] < 0.01
        for name in ("precision", "recall", "density", "coverage"):
            assert measured[kind][name] < 0.01
        assert measured[kind]["fid_mnist"] > measured["ones"]["fid_mnist"] / 2
    assert measured["noise"]["nearest_distance"] > 2 * measured["sevens"]["nearest_distance"]


def test_ones_are_digits_but_not_the_wanted_ones(measured: dict[str, Measured]) -> None:
    assert measured["ones"]["digit_share"] < 0.02
    assert measured["ones"]["precision"] < 0.2
    assert measured["ones"]["recall"] < 0.05
    assert measured["ones"]["density"] < 0.05
    assert measured["ones"]["coverage"] < 0.05
    assert measured["mixed"]["digit_share"] == pytest.approx(0.5, abs=0.01)
    assert measured["mixed"]["precision"] == pytest.approx(0.5, abs=0.1)
    assert measured["mixed"]["recall"] > 0.7
    assert measured["mixed"]["density"] == pytest.approx(0.5, abs=0.1)
    assert measured["mixed"]["coverage"] > 0.7


def test_blurred_sevens_are_sevens_of_less_variety(measured: dict[str, Measured]) -> None:
    assert measured["blurred"]["digit_share"] > 0.98
    assert measured["blurred"]["precision"] > 0.85
    assert measured["blurred"]["recall"] < 0.1
    assert measured["blurred"]["density"] > 0.8
    assert measured["blurred"]["coverage"] < 0.4


def test_copies_are_found_out_by_their_nearest_neighbours_alone(measured: dict[str, Measured]) -> None:
    assert measured["copies"]["nearest_distance"] == 0
    assert measured["copies"]["precision"] > 0.85
    assert measured["copies"]["recall"] > 0.85
    assert measured["copies"]["density"] > 0.9
    assert measured["copies"]["coverage"] > 0.95
    for name in ("fid_mnist", "kid_mnist"):
        assert abs(measured["copies"][name]) < 1.5


def test_the_same_images_have_the_same_figures_whatever_the_global_random_state(known: Reference) -> None:
    images = known.held_out[:50]
    first = known.measure(images)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    assert known.measure(images) == first
    assert torch.equal(torch.get_rng_state(), state)


def test_frechet_distance_of_shifted_and_stretched_features() -> None:
    features = torch.randn(500, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert measure_frechet_distance(features, features) == pytest.approx(0, abs=1e-6)
    assert measure_frechet_distance(features, features + 0.5) == pytest.approx(64 * 0.5**2)
    spread = (features - features.mean(dim=0)).square().sum().item() / 499  # the trace of the covariance
    stretched = features.mean(dim=0) + 3 * (features - features.mean(dim=0))
    assert measure_frechet_distance(features, stretched) == pytest.approx((3 - 1) ** 2 * spread)


def test_kernel_distance_of_sets_that_are_one_subset() -> None:
    rng = torch.Generator().manual_seed(0)
    real, generated = torch.randn(2, 30, 64, generator=rng)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / 64 + 1) ** 3

    def mean_of_pairs(points: Tensor) -> Tensor:
        return (kernel(points, points).sum() - kernel(points, points).trace()) / (30 * 29)

    wanted = mean_of_pairs(real) + mean_of_pairs(generated) - 2 * kernel(real, generated).mean()
    assert measure_kernel_distance(real, generated) == pytest.approx(wanted.item(), abs=1e-4)


def precision_recall(generated: list[float], real: list[float]) -> tuple[float, float]:
    """Of points on a line."""
    sets = (torch.tensor(points).unsqueeze(1) for points in (generated, real))
    precision, recall = calculate_precision_recall_part(*sets, neighborhood=3, batch_size=2)
    return precision, recall


@pytest.mark.parametrize(
    ("generated", "real", "expected"),
    [
        ([0, 1, 2, 3], [0, 1, 2, 3], (1, 1)),
        ([10, 11, 12, 13], [0, 1, 2, 3], (0, 0)),
        # Radii of the generated points are 3, 2, 2, 3: they reach from -3 to 6. Those of the real ones are 30 and 20.
        ([0, 1, 2, 3], [0, 10, 20, 30], (1, 0.25)),
        ([0, 10, 20, 30], [0, 1, 2, 3], (0.25, 1)),
    ],
)
def test_precision_and_recall_by_hand(generated: list[float], real: list[float], expected: tuple[float, float]) -> None:
    assert precision_recall([float(g) for g in generated], [float(r) for r in real]) == expected


def test_precision_and_recall_compare_as_many_images_as_the_floor_at_most(
    known: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, int]] = []

    def spy(generated: Tensor, real: Tensor, *options: int) -> tuple[float, float]:
        sizes.append((len(generated), len(real)))
        return 0.0, 0.0

    monkeypatch.setattr("wgan.quality.figures.calculate_precision_recall_part", spy)
    small = Reference(known.images[:300], known.held_out[:200], (7,))
    for n in (12, 200, 250, 301):
        small.measure(torch.zeros(n, 1, 28, 28, dtype=torch.uint8))
    assert sizes == [(12, 12), (200, 200), (200, 200), (200, 200)]


@pytest.mark.parametrize("digits", [(3,), (3, 8), tuple(range(10))], ids=str)
def test_the_wanted_digits_can_be_others(digits: tuple[int, ...], make: Callable[..., Reference]) -> None:
    known = make(digits)
    figures = known.measure(known.held_out[:200])
    sevens = load_digits(PROJECT / "data", (7,), train=False)[0][:100]
    if len(digits) == 10:
        assert "digit_share" not in figures  # it is 1, whatever is shown
    else:
        assert figures["digit_share"] > 0.97
        assert known.measure(sevens)["digit_share"] == pytest.approx(1.0 if 7 in digits else 0.0, abs=0.03)


def test_few_images_fool_precision_but_neither_density_nor_coverage() -> None:
    images, held_out = (load_digits(PROJECT / "data", tuple(range(10)), train=train)[0] for train in (True, False))
    known = Reference(images[:6000], held_out[:1000], tuple(range(10)))
    black = [known.measure(torch.zeros(n, 1, 28, 28, dtype=torch.uint8)) for n in (50, 1000)]
    assert [figures["precision"] for figures in black] == [1, 0]
    assert all(figures["density"] < 0.05 for figures in black)
    assert all(figures["coverage"] < 0.3 for figures in black)


@pytest.fixture
def make() -> Callable[..., Reference]:
    """A small reference, of 300 images."""
    return lambda digits: Reference(
        load_digits(PROJECT / "data", digits)[0][:300], load_digits(PROJECT / "data", digits, train=False)[0], digits
    )


def test_a_process_keeps_the_images_of_one_run_only() -> None:
    def digits(digit: int) -> MNISTDigits:
        return MNISTDigits(root="data", digit=digit, batch_size=64, n_critic=5, seed=0)

    first = find_reference(digits(7))
    assert find_reference(digits(7)) is first
    assert len(first.images) == 6265
    assert len(first.held_out) == 1028
    find_reference(digits(1))
    assert find_reference(digits(7)) is not first
