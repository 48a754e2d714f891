import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import command, result
from PIL import Image
from test_tensorboard import events_of

from wgan.data.folder import FolderImages, find_images, read_image
from wgan.errors import UserError

RED, BLUE = (200, 30, 10), (10, 20, 220)


def folder_images(root: Path, size: int = 16, channels: int = 3) -> FolderImages:
    return FolderImages(root=str(root), size=size, channels=channels, batch_size=4, n_critic=1, seed=0)


def read(picture: Image.Image, path: Path, channels: int = 3, **options: Any) -> np.ndarray:
    picture.save(path, **options)
    return read_image(path, size=16, channels=channels).numpy()


def test_all_kinds_of_files_are_read(tmp_path: Path) -> None:
    colour = Image.new("RGB", (16, 16), RED)
    expected = np.array(RED)[:, None, None]
    assert (read(colour, tmp_path / "a.png") == expected).all()
    assert (np.abs(read(colour, tmp_path / "a.jpg", quality=100).astype(int) - expected) <= 2).all()
    assert (read(colour.quantize(4), tmp_path / "palette.png") == expected).all()
    grey = read(Image.new("L", (16, 16), 77), tmp_path / "grey.png")
    assert grey.shape == (3, 16, 16)
    assert (grey == 77).all()
    assert (read(colour, tmp_path / "b.png", channels=1) == 79).all()  # 0.299 red, 0.587 green, 0.114 blue
    deep = Image.fromarray(np.full((16, 16), 257 * 77, dtype=np.uint16))
    assert (read(deep, tmp_path / "deep.png") == 77).all()
    clear = Image.new("RGBA", (16, 16), (*RED, 0))
    assert (read(clear, tmp_path / "clear.png") == 255).all()
    half = read(Image.new("RGBA", (16, 16), (0, 0, 0, 51)), tmp_path / "half.png")
    assert (half == 204).all()


def test_images_are_scaled_and_cropped_to_their_centre(tmp_path: Path) -> None:
    wide = np.zeros((32, 96, 3), dtype=np.uint8)
    wide[:, 32:64] = RED
    found = read(Image.fromarray(wide), tmp_path / "wide.png")
    assert found.shape == (3, 16, 16)
    assert (found[:, :, 2:-2] == np.array(RED)[:, None, None]).all()
    turned = Image.fromarray(np.concatenate([np.full((16, 16), 9), np.full((16, 16), 99)]).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    crop = read(turned.crop((0, 8, 16, 24)), tmp_path / "turned.jpg", exif=exif, quality=100)
    assert crop[0, 0].mean() > 90 > 20 > crop[0, -1].mean()


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Twelve red images and eight blue ones, each a folder."""
    for name, colour, n in (("red", RED, 12), ("blue", BLUE, 8)):
        (tmp_path / "root" / name).mkdir(parents=True)
        for k in range(n):
            Image.new("RGB", (20, 16), colour).save(tmp_path / "root" / name / f"{k:02d}.png")
    (tmp_path / "root" / "notes.txt").write_text("no image")
    return tmp_path / "root"


def test_folders_are_classes_and_each_tenth_image_is_held_out(classes: Path) -> None:
    data = folder_images(classes)
    images, labels = data.load(train=True)
    assert (images.shape, images.dtype, labels.dtype) == ((18, 3, 16, 16), torch.uint8, torch.int64)
    assert labels.tolist() == [0] * 8 + [1] * 10  # blue comes before red
    assert images[:8, 2].eq(220).all()
    assert images[8:, 0].eq(200).all()
    held_out, labels = data.load(train=False)
    assert (len(held_out), labels.tolist()) == (2, [1, 1])
    assert data.image_shape == (3, 16, 16)


def test_a_flat_folder_has_no_classes(classes: Path) -> None:
    _, labels = folder_images(classes / "red").load(train=True)
    assert labels.tolist() == [0] * 11


def test_images_that_cannot_be_used_are_named(classes: Path) -> None:
    with pytest.raises(UserError, match=r"root/blue/00.png: is of 20 x 16 pixels; set a smaller data.size, or remove"):
        folder_images(classes, size=20).load(train=True)
    (classes / "blue" / "03.png").write_bytes((classes / "blue" / "02.png").read_bytes()[:40])
    with pytest.raises(UserError, match=r"blue/03.png: not an image that can be read \(.*\); remove it or mend it"):
        folder_images(classes).load(train=True)
    (classes / "blue" / "03.png").unlink()
    os.mkfifo(classes / "blue" / "03.png")  # nobody would ever write
    assert len(find_images(classes)) == 19
    Image.new("RGB", (16, 16)).save(classes / "beside.png")
    with pytest.raises(UserError, match=r"root: has images in folders, which are classes, and beside them; move these"):
        find_images(classes)
    with pytest.raises(UserError, match=r"nowhere: has 0 images, of jpg, jpeg, png, .*; name a folder with more"):
        find_images(classes / "nowhere")


def test_a_run_on_a_folder_goes_on_and_generates_in_colour(classes: Path, tmp_path: Path) -> None:
    small = ("data=images", f"data.root={classes}", "data.size=16", "data.batch_size=4", "trainer=cpu")
    few = ("trainer.max_epochs=1", "callbacks.quality.n=10", "callbacks.quality.final_n=10")
    networks = ("+model.generator.channels=8", "+model.critic.channels=8")
    done = command("train.py", *small, *few, *networks, "hydra.run.dir=run", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert result(tmp_path / "run")["nearest_distance"] > 0
    assert events_of(tmp_path / "run").Tags()["images"] == ["samples"]
    again = command("train.py", "resume=run", "trainer.max_epochs=2", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    assert command("generate.py", "run=run", "n=4", "out=four.png", cwd=tmp_path).returncode == 0
    with Image.open(tmp_path / "four.png") as picture:
        assert (picture.mode, picture.size) == ("RGB", (76, 76))
    measured = command("evaluate.py", "run=run", "n=10", cwd=tmp_path)
    assert measured.stdout.splitlines()[1].startswith("nearest_distance")


def test_a_folder_must_be_named(run_main: Callable[..., str]) -> None:
    assert run_main("train.py", "data=images", "trainer=cpu") == "error: data.root: must be given, as data.root=..."
