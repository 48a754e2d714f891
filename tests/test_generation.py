import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Run, command, interpreter
from PIL import Image

from wgan.commands.generation import interpolate, lay_out


def images_of(path: Path, rows: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The images of a grid of ten columns, uint8 (rows * 10, 28, 28): they are twice as large, with margins."""
    grid = np.asarray(Image.open(path))
    side = 2 * 28 + 4
    assert grid.shape == (rows * side + 4, 10 * side + 4)
    assert (grid[:4] == 255).all()
    assert (grid[:, :4] == 255).all()
    cells = grid[4:, 4:].reshape(rows, side, 10, side).swapaxes(1, 2).reshape(-1, side, side)
    assert (cells[:, 56:] == 255).all()
    assert (cells[:, :, 56:] == 255).all()
    images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] = cells[:, :56:2, :56:2]
    assert np.array_equal(cells[:, :56, :56], images.repeat(2, 1).repeat(2, 2))  # without blur
    return images


def test_grid_and_array_hold_the_same_images(smoke_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "moved"  # the folder alone suffices, wherever it is
    folder.mkdir()
    shutil.copytree(smoke_run.folder / ".hydra", folder / ".hydra")
    shutil.copy(smoke_run.folder / "generator.safetensors", folder)
    for start, out in ((interpreter, "sevens.png"), (command, "sevens.npz")):
        process = start("generate.py", "run=moved", "n=100", "seed=0", f"out={out}", cwd=tmp_path)
        assert process.returncode == 0, process.stderr
        assert process.stderr == ""
        assert process.stdout == f"100 images of seed 0: {out}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["moved", "sevens.npz", "sevens.png"]
    images = np.load(tmp_path / "sevens.npz")["images"]
    assert images.shape == (100, 28, 28)
    assert images.dtype == np.uint8
    assert np.array_equal(images_of(tmp_path / "sevens.png", rows=10), images)
    # In eval mode and from the same latent points: the grid of the run's last epoch.
    grid = smoke_run.folder / "samples" / "epoch=002.png"
    assert (tmp_path / "sevens.png").read_bytes() == grid.read_bytes()


def test_image_k_is_the_same_whatever_n(smoke_run: Run, tmp_path: Path, run_main: Callable[..., str]) -> None:
    for n in (3, 120):
        assert run_main("generate.py", f"run={smoke_run.folder}", f"n={n}", "seed=5", f"out={n}.npz") == ""
    few, many = (np.load(tmp_path / f"{n}.npz")["images"] for n in (3, 120))
    assert np.array_equal(few, many[:3])
    assert not np.array_equal(many[:20], many[100:])


def test_interpolation_goes_from_one_image_to_another(
    smoke_run: Run, tmp_path: Path, run_main: Callable[..., str]
) -> None:
    arguments = (f"run={smoke_run.folder}", "seed=5")
    assert run_main("generate.py", *arguments, "n=30", "mode=interpolation", "out=ways.npz") == ""
    assert run_main("generate.py", *arguments, "n=30", "mode=interpolation", "out=ways.png") == ""
    assert run_main("generate.py", *arguments, "n=6", "out=ends.npz") == ""
    ways, ends = (np.load(tmp_path / f"{name}.npz")["images"].astype(int) for name in ("ways", "ends"))
    assert np.array_equal(images_of(tmp_path / "ways.png", rows=3), ways)
    for row, way in enumerate(ways.reshape(3, 10, 28, 28)):
        assert np.abs(way[0] - ends[2 * row]).max() <= 1  # up to rounding
        assert np.abs(way[-1] - ends[2 * row + 1]).max() <= 1
        steps = np.abs(np.diff(way, axis=0)).mean(axis=(1, 2))
        assert 0 < steps.max() < np.abs(way[-1] - way[0]).mean()


def test_an_interpolation_that_moves(smoke_run: Run, tmp_path: Path, run_main: Callable[..., str]) -> None:
    arguments = (f"run={smoke_run.folder}", "n=40", "mode=interpolation")
    assert run_main("generate.py", *arguments, "out=ways.png") == ""
    assert run_main("generate.py", *arguments, "out=ways.gif") == ""
    ways = images_of(tmp_path / "ways.png", rows=4).reshape(4, 10, 28, 28)
    with Image.open(tmp_path / "ways.gif") as picture:
        assert picture.n_frames == 10
        for step in range(10):
            picture.seek(step)
            frame = np.asarray(picture.convert("L"))
            assert frame.shape == (124, 124)  # four ways, side by side
            assert np.abs(frame[4:60:2, 64:120:2].astype(int) - ways[1, step]).max() <= 2  # GIF has 256 greys, or fewer


def test_pixels_are_enlarged_without_blur(smoke_run: Run, tmp_path: Path, run_main: Callable[..., str]) -> None:
    for scale in (1, 4):
        assert run_main("generate.py", f"run={smoke_run.folder}", "n=9", f"scale={scale}", f"out={scale}.png") == ""
    small, large = (np.asarray(Image.open(tmp_path / f"{scale}.png")) for scale in (1, 4))
    assert small.shape == (84, 84)
    assert np.array_equal(large, np.kron(small, np.ones((4, 4), dtype=np.uint8)))


@pytest.mark.parametrize(("n", "size"), [(1, (1, 1)), (2, (16, 10)), (7, (22, 22)), (250_001, (501, 500))])
def test_a_picture_has_margins_unless_it_is_one_image_or_too_large(n: int, size: tuple[int, int]) -> None:
    picture = lay_out(torch.zeros(n, 1, 1, 1, dtype=torch.uint8), "auto")
    assert picture.shape == (1, *size[::-1])
    if n == 7:
        assert (picture[0, 14:, 10:] == 255).all()  # where there is no image


def test_images_of_an_earlier_epoch(smoke_run: Run, tmp_path: Path, run_main: Callable[..., str]) -> None:
    assert run_main("generate.py", "checkpoint=epoch=001", f"run={smoke_run.folder}", "out=first.png") == ""
    assert (tmp_path / "first.png").read_bytes() == (smoke_run.folder / "samples" / "epoch=001.png").read_bytes()


def test_help_tells_keys_and_values(run_main: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("generate.py", "--help") == "0"
    out = capsys.readouterr().out
    assert "mode: samples      # or interpolation" in out
    assert "hydra" not in out


def test_interpolated_points_lie_on_the_arc_in_equal_steps() -> None:
    points = interpolate(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]]), steps=4)
    angles = torch.tensor([0, math.pi / 6, math.pi / 3, math.pi / 2])
    assert torch.allclose(points, 2 * torch.stack([angles.cos(), angles.sin()], dim=1), atol=1e-6)


@pytest.mark.parametrize("end", [2.0, -1.0])
def test_interpolation_in_one_dimension_is_a_line(end: float) -> None:
    points = interpolate(torch.tensor([[1.0]]), torch.tensor([[end]]), steps=3)
    assert torch.allclose(points.flatten(), torch.tensor([1, (1 + end) / 2, end]))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run=nowhere"], "run=nowhere: must be the folder of a finished run"),
        (["run=."], "run=.: not a run's folder; name one that train.py made, such as outputs/DATE/TIME"),
        ([], "run: must be given, as run=..."),
        (["n=0"], "n=0: must be a whole number from 1 to 1000000"),
        (["seed=x"], "seed=x: must be a whole number from 0 to 18446744073709551615"),
        (["out=s.jpg"], "out=s.jpg: must be a file's name that ends in .png, .gif or .npz, in a folder that exists"),
        (["out=no/s.png"],
         "out=no/s.png: must be a file's name that ends in .png, .gif or .npz, in a folder that exists"),
        (["n=1000000000"], "n=1000000000: must be a whole number from 1 to 1000000"),
        (["scale=101"], "scale=101: must be auto, or a whole number from 1 to 100"),
        (["scale=50", "n=401"], "scale=50: is too much for 401 images; n times scale² must be at most 1000000"),
        (["out=s.gif"], "out=s.gif: only an interpolation moves; add mode=interpolation, or choose .png"),
        (["checkpoint=epoch=009"],
         "checkpoint=epoch=009: the run has no such checkpoint; there are epoch=001, epoch=002, last"),
        (["checkpoint=all"], "checkpoint=all: must be final, last, or the name of a checkpoint, such as epoch=005"),
        (["mode=video"], "mode=video: must be one of samples, interpolation"),
        (["mode=interpolation", "n=15"],
         "n=15: must be a multiple of 10, the length of a row, with mode=interpolation"),
        (["rum=."], "rum=.: no such key; did you mean run?"),
    ],
)  # fmt: skip
def test_bad_input(run_main: Callable[..., str], smoke_run: Run, arguments: list[str], line: str) -> None:
    run = [] if not arguments or arguments[0].startswith("run=") else [f"run={smoke_run.folder}"]
    assert run_main("generate.py", *run, *arguments) == f"error: {line}"


def test_a_wrong_key_is_told_wherever_it_stands(run_main: Callable[..., str]) -> None:
    for arguments in (("sed=5", "run=."), ("run=.", "sed=5"), ("sed=5",)):
        assert run_main("generate.py", *arguments) == "error: sed=5: no such key; did you mean seed?"


def test_unfinished_run(smoke_run: Run, tmp_path: Path, run_main: Callable[..., str]) -> None:
    shutil.copytree(smoke_run.folder / ".hydra", tmp_path / "run" / ".hydra")
    line = "run=run: this run has no generator.safetensors, for it has not finished; name a finished one"
    assert run_main("generate.py", "run=run") == f"error: {line}"


@pytest.mark.parametrize("name", [".hydra/config.yaml", "generator.safetensors"])
def test_damaged_run(smoke_run: Run, tmp_path: Path, run_main: Callable[..., str], name: str) -> None:
    shutil.copytree(smoke_run.folder / ".hydra", tmp_path / "run" / ".hydra")
    shutil.copy(smoke_run.folder / "generator.safetensors", tmp_path / "run")
    (tmp_path / "run" / name).write_bytes(b"{" + (smoke_run.folder / name).read_bytes())
    assert re.fullmatch(r"error: run=run: .*\S+ is damaged; name another run", run_main("generate.py", "run=run"))


def test_a_job_of_a_sweep_has_images_though_its_name_has_commas(
    smoke_run: Run, tmp_path: Path, run_main: Callable[..., str]
) -> None:
    shutil.copytree(smoke_run.folder, tmp_path / "clip_value=0.01,lr=5e-05-1f0a3b5c")
    assert run_main("generate.py", "run=clip_value=0.01,lr=5e-05-1f0a3b5c", "n=4", "out=a=b,c.png") == ""
    with Image.open(tmp_path / "a=b,c.png") as picture:
        assert picture.size == (124, 124)
