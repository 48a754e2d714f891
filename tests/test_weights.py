import os
import pickle
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import PROJECT, configuration
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning import Trainer

from wgan.errors import UserError
from wgan.model.networks import GREY_28
from wgan.model.wgan import WGAN
from wgan.run.building import build_model
from wgan.run.checkpoints import DamagedError, PlainCheckpoints, read_checkpoint
from wgan.run.continuing import find_newest_checkpoint


class Payload:
    """Unpickled in the usual way, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def module() -> WGAN:
    return build_model(configuration(), GREY_28)


VALUES = {"seed": 0, "trainer.max_epochs": 10}


def write(path: Path, module: WGAN, iteration: int) -> None:
    trainer = Trainer(accelerator="cpu", logger=False, plugins=[LightningEnvironment()])
    loop = trainer.fit_loop.state_dict()
    loop["epoch_loop.batch_progress"]["total"]["ready"] = iteration
    contents = {
        "state_dict": module.state_dict(),
        "optimizer_states": [optimizer.state_dict() for optimizer in module.configure_optimizers()],
        "loops": {"fit_loop": loop},
        "losses": dict.fromkeys(("c1", "c2", "g"), torch.tensor(1.0)),
        "iteration": iteration,
        "callbacks": {},
        "pytorch-lightning_version": version("pytorch-lightning"),
    }
    PlainCheckpoints(path.parent.parent, VALUES).save_checkpoint(contents, path)


def found(folder: Path, module: WGAN, **values: Any) -> tuple[Path, int] | None:
    """Where a run in this folder would go on."""
    checkpoint = find_newest_checkpoint(folder, VALUES | values, module)
    return checkpoint and (checkpoint.path, checkpoint.iteration)


def test_no_checkpoint(tmp_path: Path, module: WGAN) -> None:
    assert found(tmp_path, module) is None


def test_last_is_the_one_to_go_on_from(tmp_path: Path, module: WGAN) -> None:
    for name, iteration in (("epoch=001", 5), ("epoch=002", 10), ("last", 10)):
        write(tmp_path / "checkpoints" / f"{name}.ckpt", module, iteration)
    wanted = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    torch.nn.init.zeros_(next(module.critic.parameters()))
    assert found(tmp_path, module) == (tmp_path / "checkpoints" / "last.ckpt", 10)
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in module.state_dict().items())


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def emptied(data: bytes) -> bytes:
    return b""


def zeroed(data: bytes) -> bytes:
    return bytes(len(data))


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize("damage", [cut, emptied, zeroed, flipped])
def test_a_damaged_one_is_reported_and_an_earlier_one_taken(
    tmp_path: Path, module: WGAN, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "checkpoints"
    for epoch in (9, 10, 999, 1000):
        write(folder / f"epoch={epoch:03d}.ckpt", module, epoch)
    last = folder / "last.ckpt"
    last.write_bytes(damage((folder / "epoch=1000.ckpt").read_bytes()))
    with pytest.raises(DamagedError):
        read_checkpoint(last)
    assert found(tmp_path, module) == (folder / "epoch=1000.ckpt", 1000)
    assert [record.getMessage().startswith(f"{last} is damaged and left out (") for record in caplog.records] == [True]
    (folder / "epoch=1000.ckpt").unlink()
    assert found(tmp_path, module) == (folder / "epoch=999.ckpt", 999)


@pytest.mark.parametrize("how", ["torch", "zip of a newer pickle", "bare pickle"])
def test_a_payload_is_refused_and_does_not_run(tmp_path: Path, module: WGAN, how: str) -> None:
    folder, made = tmp_path / "checkpoints", tmp_path / "made"
    write(folder / "epoch=001.ckpt", module, 5)
    contents = {"state_dict": module.state_dict(), "iteration": 10, "more": Payload(made)}
    path = folder / "last.ckpt"
    if how == "bare pickle":
        path.write_bytes(pickle.dumps(contents))
    else:
        torch.save(contents, path, pickle_protocol=2 if how == "torch" else 4)
    with pytest.raises(UserError, match=r"last\.ckpt: holds pickled objects besides tensors and numbers"):
        found(tmp_path, module)
    assert not made.exists()
    if how == "bare pickle":  # and it is a real one
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert made.is_dir()


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path, module: WGAN) -> None:
    write(tmp_path / "checkpoints" / "last.ckpt", build_model(configuration("model.latent_dim=3"), GREY_28), 5)
    with pytest.raises(UserError, match=r"last\.ckpt: not a checkpoint of this run"):
        found(tmp_path, module)


@pytest.mark.parametrize(
    "contents",
    [
        {"weights": torch.zeros(3)},
        [torch.zeros(3)],
        5,
        {"state_dict": 5, "optimizer_states": [], "loops": {}, "losses": {}, "iteration": 3},
    ],
    ids=str,
)
def test_something_else_is_refused(tmp_path: Path, module: WGAN, contents: object) -> None:
    (tmp_path / "checkpoints").mkdir()
    torch.save(contents, tmp_path / "checkpoints" / "last.ckpt")
    with pytest.raises(UserError, match=r"last\.ckpt: not a checkpoint of this run"):
        found(tmp_path, module)


@pytest.mark.parametrize("part", ["optimizer_states", "loops", "losses", "iteration"])
def test_a_part_of_a_checkpoint_is_refused(tmp_path: Path, module: WGAN, part: str) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    write(path, module, 5)
    contents = read_checkpoint(path)
    torch.save({name: value for name, value in contents.items() if name != part}, path)
    with pytest.raises(UserError, match=r"last\.ckpt: not a checkpoint of this run"):
        found(tmp_path, module)


def of_other_loops(contents: dict[str, Any]) -> None:
    del contents["loops"]["fit_loop"]


def of_odd_loops(contents: dict[str, Any]) -> None:
    contents["loops"]["fit_loop"]["epoch_progress"]["current"]["completed"] = "1"


def of_another_iteration(contents: dict[str, Any]) -> None:
    contents["iteration"] = 6


def of_infinity(contents: dict[str, Any]) -> None:
    contents["iteration"] = float("inf")


def of_another_shape(contents: dict[str, Any]) -> None:
    state = contents["optimizer_states"][0]["state"]
    state[0] = {"step": torch.tensor(1.0), "square_avg": torch.zeros(3)}


def of_part_of_an_optimizer(contents: dict[str, Any]) -> None:
    contents["optimizer_states"][1]["state"][0] = {"step": torch.tensor(1.0)}


def of_no_number(contents: dict[str, Any]) -> None:
    contents["state_dict"]["critic.7.bias"] = torch.tensor([torch.nan])


def of_a_text_as_rate(contents: dict[str, Any]) -> None:
    contents["optimizer_states"][0]["param_groups"][0]["lr"] = "high"


def of_odd_losses(contents: dict[str, Any]) -> None:
    contents["losses"]["g"] = torch.zeros(2)


def of_odd_callbacks(contents: dict[str, Any]) -> None:
    contents["callbacks"] = 5


def of_no_version(contents: dict[str, Any]) -> None:
    contents["pytorch-lightning_version"] = None


def of_an_odd_device(contents: dict[str, Any]) -> None:
    contents["begun_on"] = {"device": "oven", "threads": 1}


@pytest.mark.parametrize(
    "change",
    [
        *(of_other_loops, of_odd_loops, of_another_iteration, of_infinity, of_another_shape, of_part_of_an_optimizer),
        *(of_no_number, of_a_text_as_rate, of_odd_losses, of_odd_callbacks, of_no_version, of_an_odd_device),
    ],
)
def test_one_that_can_be_read_but_is_wrong_is_reported_and_an_earlier_one_taken(
    tmp_path: Path, module: WGAN, change: Callable[[dict[str, Any]], None], caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "checkpoints"
    write(folder / "epoch=001.ckpt", module, 5)
    write(folder / "last.ckpt", module, 5)
    contents = read_checkpoint(folder / "last.ckpt")
    change(contents)
    torch.save(contents, folder / "last.ckpt")
    assert found(tmp_path, module) == (folder / "epoch=001.ckpt", 5)
    line = f"{folder / 'last.ckpt'} is not a checkpoint of this run and left out"
    assert [record.getMessage() for record in caplog.records] == [line]
    assert all(parameter.isfinite().all() for parameter in module.parameters())
    (folder / "epoch=001.ckpt").unlink()
    with pytest.raises(UserError, match=r"last\.ckpt: not a checkpoint of this run; delete it"):
        found(tmp_path, module)


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path, module: WGAN) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    write(path, module, 5)
    with pytest.raises(UserError, match=r"last\.ckpt: is of a run with seed=0 \(this run has 1\); delete"):
        found(tmp_path, module, seed=1)
    assert found(tmp_path, module, **{"trainer.max_epochs": 20}) == (path, 5)


def test_a_checkpoint_of_an_older_version_is_told_of(
    tmp_path: Path, module: WGAN, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    write(path, module, 5)
    contents = read_checkpoint(path)
    del contents["configuration"]
    torch.save(contents, path)
    assert found(tmp_path, module) == (path, 5)
    line = f"{path}: tells no configuration, as those of older versions; taken for one of this run"
    assert [record.getMessage() for record in caplog.records] == [line]


@pytest.mark.parametrize("path", ["local://{}", "{}", "run/checkpoints/../../{}", "run/metrics.csv"])
def test_only_checkpoints_of_the_run_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "precious").mkdir()
    for name in ("precious/a.txt", "run/metrics.csv", "run/checkpoints/epoch=001.ckpt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    checkpoints = PlainCheckpoints(tmp_path / "run", VALUES)
    for victim in (tmp_path / "precious", tmp_path / "precious" / "a.txt", "precious"):
        checkpoints.remove_checkpoint(path.format(victim))
    assert (tmp_path / "precious" / "a.txt").exists()
    assert (tmp_path / "run" / "metrics.csv").exists()
    checkpoints.remove_checkpoint(tmp_path / "run" / "checkpoints" / "epoch=001.ckpt")
    assert not (tmp_path / "run" / "checkpoints" / "epoch=001.ckpt").exists()


def test_nothing_else_in_the_project_unpickles() -> None:
    sources = "".join(path.read_text() for path in (PROJECT / "src").rglob("*.py"))
    assert re.findall(r"torch\.load\(.*", sources) == ['torch.load(file, map_location="cpu", weights_only=True)']
    assert not re.findall(r"pickle\.loads?\(|Unpickler\(|allow_pickle|load_from_checkpoint|marshal|shelve", sources)
