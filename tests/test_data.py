import gzip
import hashlib
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import PROJECT, TINY, configuration
from processes import Process

from wgan.data.mnist import UNPACKED_MD5, MNISTDigits, load_mnist
from wgan.errors import UserError
from wgan.run.training import train

RAW = PROJECT / "data" / "MNIST" / "raw"
PACKED = sorted(path.name for path in RAW.glob("*.gz"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data folder of its own, as a fresh clone has it: the packed files only."""
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in PACKED:
        shutil.copy(RAW / name, raw)
    return tmp_path / "data"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which all is unpacked."""
    root = tmp_path_factory.mktemp("unpacked")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in PACKED:
        shutil.copy(RAW / name, raw)
    load_mnist(root)
    return root


def digits(digit: int | str | list[int], batch_size: int = 64, n_critic: int = 5, seed: int = 0) -> MNISTDigits:
    data = MNISTDigits(root="data", digit=digit, batch_size=batch_size, n_critic=n_critic, seed=seed)
    data.setup("fit")
    return data


def test_images_and_draws_are_on_the_device_that_trains() -> None:
    data = MNISTDigits(root="data", digit=7, batch_size=64, n_critic=5, seed=0)
    device = torch.device("meta")  # stands for a GPU: it computes shapes
    trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=device), lightning_module=None)
    data.trainer = trainer  # type: ignore[assignment]
    data.setup("fit")
    loader = data.train_dataloader()
    images, labels = next(iter(loader))
    assert data.images.device == next(iter(loader.sampler)).device == images.device == labels.device == device
    assert images.shape == (160, 1, 28, 28)
    assert labels.shape == (224, 0)


def original_sevens() -> set[bytes]:
    """Read from the original files without torchvision or the package."""
    with (
        gzip.open(RAW / "train-images-idx3-ubyte.gz") as images,
        gzip.open(RAW / "train-labels-idx1-ubyte.gz") as labels,
    ):
        pixels = np.frombuffer(images.read(), np.uint8, offset=16).reshape(-1, 784)
        return {row.tobytes() for row in pixels[np.frombuffer(labels.read(), np.uint8, offset=8) == 7]}


def test_the_committed_files_are_the_original_ones() -> None:
    assert len(PACKED) == 4
    for name in PACKED:
        assert hashlib.md5(gzip.decompress((RAW / name).read_bytes())).hexdigest() == UNPACKED_MD5[name[:-3]]


@pytest.mark.parametrize(("digit", "count"), [(7, 6265), ([3, 8], 6131 + 5851), ("all", 60_000)])
def test_digits(digit: int | str | list[int], count: int) -> None:
    assert digits(digit).images.shape == (count, 1, 28, 28)


def test_the_images_drawn_are_sevens_and_in_range() -> None:
    loader = digits(7).train_dataloader()
    assert len(loader) == 97
    batch, _ = next(iter(loader))
    assert batch.shape == (5 * 32, 1, 28, 28)
    assert batch.dtype == torch.float32
    assert batch.min().item() == -1.0
    assert batch.max().item() == 1.0
    sevens = original_sevens()
    pixels = ((batch + 1) * 127.5).round().to(torch.uint8)
    assert all(image.numpy().tobytes() in sevens for image in pixels)


def test_images_are_drawn_with_replacement_from_the_whole_data_set() -> None:
    data = digits(7)
    draws = torch.cat([indices[:160] for indices in data.train_dataloader().sampler])
    assert len(draws) == 97 * 160
    distinct = len(draws.unique())
    # Of 6,265 images, 15,520 draws with replacement leave out a share of (1 - 1/6265)^15520 = 8.4 %.
    assert abs(distinct / 6265 - (1 - (1 - 1 / 6265) ** 15520)) < 0.02
    assert len(draws[:160].unique()) < len(draws[:1600].unique())
    assert draws.max() < 6265


def test_draws_are_a_function_of_seed_epoch_and_batch() -> None:
    def draws(seed: int, epoch: int) -> torch.Tensor:
        sampler = digits(7, seed=seed).train_dataloader().sampler
        sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        return torch.stack(list(sampler))

    assert torch.equal(draws(0, 1), draws(0, 1))
    assert not torch.equal(draws(0, 1), draws(0, 0))
    assert not torch.equal(draws(0, 1), draws(1, 1))


def test_batch_size_larger_than_the_data_set_is_refused() -> None:
    with pytest.raises(UserError, match=r"data\.batch_size=6266: must be at most 6265.*data\.digit=7"):
        digits(7, batch_size=6266)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, alter])
@pytest.mark.parametrize("name", ["train-images-idx3-ubyte.gz", "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_damaged_file_is_refused_by_name_until_restored(
    tmp_path: Path, unpacked: Path, name: str, damage: object
) -> None:
    root = shutil.copytree(unpacked, tmp_path / "data")
    path = root / "MNIST" / "raw" / name
    assert callable(damage)
    damage(path)
    with pytest.raises(UserError) as refusal:
        train(configuration(*TINY, f"data.root={root}"), root)
    assert str(path) in str(refusal.value)
    assert f"restore it with: rm {path}" in str(refusal.value)
    assert not list(root.glob("checkpoints/*"))
    path.unlink()
    if name.endswith(".gz"):  # what is unpacked suffices
        shutil.copy(RAW / name, path)
    assert len(load_mnist(root).data) == 60_000


def test_the_project_s_own_files_are_restored_with_git(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.setattr("wgan.data.mnist.PROJECT", root.parent)
    (root.parent / ".git").mkdir()
    path = root / "MNIST" / "raw" / "t10k-images-idx3-ubyte.gz"
    alter(path)
    with pytest.raises(UserError, match=f"restore it with: git -C {root.parent} checkout {path}"):
        load_mnist(root)


def test_missing_files_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", ["http://127.0.0.1:1/"])
    message = rf"data\.root={tmp_path}: MNIST is not there and cannot be fetched .*; copy its four .gz files to"
    with pytest.raises(UserError, match=message):
        load_mnist(tmp_path)


def test_processes_may_prepare_the_data_at_the_same_time(root: Path) -> None:
    script = root.parent / "load.py"
    script.write_text(
        "import hashlib, pathlib, sys\n"
        "from wgan.data.mnist import load_mnist\n"
        "print(hashlib.sha256(load_mnist(pathlib.Path(sys.argv[1])).data.numpy().tobytes()).hexdigest())\n"
    )
    processes = [Process(script, root, cwd=root) for _ in range(3)]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 3, outputs
    with gzip.open(RAW / "train-images-idx3-ubyte.gz") as images:
        expected = hashlib.sha256(images.read()[16:]).hexdigest()
    assert [out.strip() for out, _ in outputs] == [expected] * 3
