from pathlib import Path

import numpy as np
import pytest
from conftest import TINY, Run, configuration, result, rows, samples_of
from PIL import Image
from test_tensorboard import events_of

from wgan.callbacks.quality import plot_quality
from wgan.data.mnist import MNISTDigits
from wgan.quality.figures import Reference, find_reference
from wgan.quality.neighbours import find_nearest
from wgan.quality.ranking import FIGURES_OF_IMAGES
from wgan.run.training import train

COLUMNS = ("iteration", "epoch", "samples", *FIGURES_OF_IMAGES, "wasserstein")
FOUR_EPOCHS = (*TINY, "trainer.max_epochs=4", "trainer.limit_train_batches=2")


def sevens() -> Reference:
    return find_reference(MNISTDigits(root="data", digit=7, batch_size=64, n_critic=5, seed=0))


@pytest.fixture(scope="module")
def four_epochs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("four_epochs")
    train(configuration(*FOUR_EPOCHS), folder)
    return folder


def test_a_row_an_evaluation(four_epochs: Path) -> None:
    found = rows(four_epochs, "quality.csv")
    assert list(found[0]) == list(COLUMNS)
    numbers = [tuple(int(row[name]) for name in ("iteration", "epoch", "samples")) for row in found]
    assert numbers == [(2, 1, 10), (4, 2, 10), (6, 3, 10), (8, 4, 10), (8, 4, 12)]
    estimates = {row["iteration"]: float(row["wasserstein"]) for row in rows(four_epochs)}
    for row in found:
        assert float(row["wasserstein"]) == pytest.approx(estimates[row["iteration"]], rel=1e-6)


def test_the_figures_are_those_of_the_images_of_the_seed(smoke_run: Run) -> None:
    known = sevens()
    figures = {name: result(smoke_run.folder)[name] for name in FIGURES_OF_IMAGES}
    wanted = known.measure(samples_of(smoke_run.folder, 100).unsqueeze(1))
    assert figures == pytest.approx(wanted, rel=1e-4)
    assert {name: float(value) for name, value in rows(smoke_run.folder, "quality.csv")[-1].items()} == pytest.approx(
        {"iteration": 10, "epoch": 2, "samples": 100, "wasserstein": result(smoke_run.folder)["wasserstein"]} | figures
    )
    floor = {name: result(smoke_run.folder)[f"{name}_floor"] for name in FIGURES_OF_IMAGES}
    assert floor == pytest.approx(known.floor, rel=1e-4)


@pytest.mark.slow
def test_as_many_samples_at_the_end_as_there_are_training_images(tmp_path: Path) -> None:
    train(configuration(*TINY, "callbacks.quality.final_n=auto", "callbacks.quality.every_n_epochs=0"), tmp_path)
    assert [row["samples"] for row in rows(tmp_path, "quality.csv")] == ["6265"]


@pytest.mark.parametrize(("every", "epochs"), [(1, [1, 2, 3, 4]), (3, [3]), (0, [])])
def test_every_k_epochs_or_never(tmp_path: Path, every: int, epochs: list[int]) -> None:
    train(configuration(*FOUR_EPOCHS, f"callbacks.quality.every_n_epochs={every}"), tmp_path)
    found = rows(tmp_path, "quality.csv")
    assert [int(row["epoch"]) for row in found if row["samples"] == "10"] == epochs
    assert [int(row["epoch"]) for row in found if row["samples"] == "12"] == [4]
    assert (tmp_path / "quality.png").exists() == (every > 0)
    assert (tmp_path / "nearest.png").exists()


def test_the_last_epoch_and_the_end_share_a_row_if_they_share_the_number_of_samples(tmp_path: Path) -> None:
    train(configuration(*FOUR_EPOCHS, "callbacks.quality.final_n=10"), tmp_path)
    assert [int(row["epoch"]) for row in rows(tmp_path, "quality.csv")] == [1, 2, 3, 4]


def test_tensorboard_has_the_curves_and_the_figures_of_the_end(four_epochs: Path) -> None:
    events, found = events_of(four_epochs), rows(four_epochs, "quality.csv")
    for name in FIGURES_OF_IMAGES:
        curve, end = events.Scalars(f"quality/{name}"), events.Scalars(f"quality_final/{name}")
        assert [point.step for point in curve] == [2, 4, 6, 8]
        assert [point.value for point in curve] == pytest.approx([float(row[name]) for row in found[:4]], rel=1e-6)
        assert [(point.step, point.value) for point in end] == [(8, pytest.approx(result(four_epochs)[name], rel=1e-6))]


SIDE = 2 * 28 + 4  # of a digit and its margin
LINE = 22  # of a caption


def digits_of(picture: Image.Image, top: int, rows: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """The digits, (rows, 10, 28, 28), of a sheet from a line of pixels on."""
    cells = np.asarray(picture.convert("L"), dtype=np.uint8)[top + 4 :, 4:]
    cells = cells[: rows * SIDE, : 10 * SIDE].reshape(rows, SIDE, 10, SIDE).swapaxes(1, 2)
    digits: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] = cells[..., :56:2, :56:2]
    assert np.array_equal(cells[..., :56, :56], digits.repeat(2, 2).repeat(2, 3))  # no blur
    return digits


def test_nearest_png_shows_samples_above_their_nearest_training_images(smoke_run: Run) -> None:
    picture = Image.open(smoke_run.folder / "nearest.png")
    assert picture.size == (4 + 10 * SIDE, 3 * LINE + 2 * (4 + SIDE))
    samples = samples_of(smoke_run.folder, 10).unsqueeze(1)
    real = sevens().images
    top = 2 * LINE
    assert np.array_equal(digits_of(picture, top, rows=1)[0], samples.squeeze(1).numpy())
    nearest_real = real[find_nearest(samples, real)[0]].squeeze(1).numpy()
    assert np.array_equal(digits_of(picture, top + 4 + SIDE + LINE, rows=1)[0], nearest_real)
    for caption in (0, LINE, top + 4 + SIDE):  # there is something to read
        assert (np.asarray(picture)[caption : caption + LINE] < 128).any()


def test_progress_gif_shows_the_grids_one_after_the_other(smoke_run: Run) -> None:
    with Image.open(smoke_run.folder / "progress.gif") as animation:
        assert animation.n_frames == 2
        titles = []
        for frame, seconds in ((0, 0.5), (1, 2)):
            animation.seek(frame)
            assert animation.info["duration"] == 1000 * seconds
            grid = Image.open(smoke_run.folder / "samples" / f"epoch={frame + 1:03d}.png")
            assert np.array_equal(digits_of(animation, LINE, rows=10), digits_of(grid, 0, rows=10))
            titles.append(np.asarray(animation.convert("L"))[:LINE])
        assert not np.array_equal(titles[0], titles[1])  # each names its epoch


def write(folder: Path, fids: list[float], estimates: list[float]) -> None:
    """The tables of a run with two iterations an epoch."""
    losses = [f"{2 * i + k},{i + 1},0,0,0,{mean + (-7, 7)[k - 1]}" for i, mean in enumerate(estimates) for k in (1, 2)]
    quality = [f"{2 * i + 2},{i + 1},10,{fid},0,0,0,0,0,0.5,0,{estimates[i] + 7}" for i, fid in enumerate(fids)]
    (folder / "metrics.csv").write_text("\n".join(["iteration,epoch,c1,c2,g,wasserstein", *losses, ""]))
    (folder / "quality.csv").write_text("\n".join([",".join(COLUMNS), *quality, "99,9,12,0,0,0,0,0,0,0,0,0", ""]))


@pytest.mark.parametrize(
    ("estimates", "correlation"),
    [([40, 30, 20, 10], 1), ([1, 2, 3, 4], -1), ([40, 20, 30, 10], 0.8), ([10, 40, 20, 30], -0.4)],
)
def test_spearman_correlation_worked_out_by_hand(tmp_path: Path, estimates: list[float], correlation: float) -> None:
    write(tmp_path, [500, 100, 50, 10], estimates)
    assert plot_quality(tmp_path, 10, {"fid_mnist": 1.5}, "fid_mnist", "digit_share").item() == pytest.approx(
        correlation, abs=1e-5
    )


def test_two_evaluations_have_no_correlation(tmp_path: Path) -> None:
    write(tmp_path, [500, 100], [2, 1])
    assert plot_quality(tmp_path, 10, {"fid_mnist": 1.5}, "fid_mnist", "digit_share").isnan()


def test_quality_png_shows_the_curves_in_their_colours(tmp_path: Path) -> None:
    write(tmp_path, [500, 100, 50, 10], [40, 30, 20, 10])
    plot_quality(tmp_path, 10, {"fid_mnist": 1.5}, "fid_mnist", "digit_share")
    picture = np.asarray(Image.open(tmp_path / "quality.png").convert("RGB"))
    for colour, half in (((31, 119, 180), 0), ((255, 127, 14), 0), ((44, 160, 44), 1)):
        shown = np.abs(picture.astype(int) - colour).max(axis=2) < 8
        assert np.array_split(shown, 2)[half].sum() > 300


def test_the_correlation_is_in_the_result(four_epochs: Path) -> None:
    assert -1 <= result(four_epochs)["spearman"] <= 1


def test_without_history_there_is_no_estimate_to_draw(tmp_path: Path) -> None:
    train(configuration(*TINY, "~callbacks.history"), tmp_path)
    assert "spearman" not in result(tmp_path)
    assert not (tmp_path / "quality.png").exists()
