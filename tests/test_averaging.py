"""The generator's moving average."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import BARE, TINY, configuration, result, rows, samples_of
from pytorch_lightning import Trainer
from safetensors.torch import load_file
from test_decay import go_on_after_the_first_epoch
from test_resuming import assert_equal, state
from torch import Tensor, nn

from wgan.callbacks.history import History
from wgan.data.mnist import MNISTDigits
from wgan.model.labels import find_classes
from wgan.model.networks import Generator
from wgan.model.sampling import sample_images
from wgan.model.wgan import WGAN
from wgan.quality.figures import find_reference
from wgan.run.generator import load_generator
from wgan.run.training import train
from wgan.run.trust import load_trusted

AVERAGED = (*TINY, "trainer.max_epochs=2", "optimizer=adam", "optimizer.lr=1e-2", "model.ema_decay=0.75")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Tensor]]]:
    """A run, and the generator's state after each of its six iterations."""
    folder, states = tmp_path_factory.mktemp("averaged") / "run", []
    look = History.on_train_batch_end

    def keep(self: History, trainer: Trainer, module: WGAN, *rest: Any) -> None:
        states.append({name: tensor.clone() for name, tensor in module.generator.state_dict().items()})
        look(self, trainer, module, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(History, "on_train_batch_end", keep)
        train(configuration(*AVERAGED), folder)
    return folder, states


def of(prefix: str, folder: Path, checkpoint: str = "last") -> dict[str, Tensor]:
    """A network's state in a checkpoint."""
    found = torch.load(folder / "checkpoints" / f"{checkpoint}.ckpt", weights_only=True)["state_dict"]
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}


def test_the_average_is_that_of_the_weights_after_each_iteration(run: tuple[Path, list[dict[str, Tensor]]]) -> None:
    folder, states = run
    for epoch, seen in (("epoch=001", states[:3]), ("last", states)):
        average = of("averaged.module.", folder, epoch)
        assert average.keys() == states[0].keys()
        norms = [name for name in average if re.search("running|tracked", name)]
        for name in average.keys() - set(norms):
            wanted = seen[0][name].double()
            for each in seen[1:]:
                wanted = 0.75 * wanted + 0.25 * each[name]
            assert torch.allclose(average[name].double(), wanted, rtol=1e-5, atol=1e-6), name
        assert_equal(of("generator.", folder, epoch), seen[-1])
    assert not torch.allclose(average["0.weight"], states[-1]["0.weight"])


def test_the_norms_of_the_average_are_those_of_its_own_activations(run: tuple[Path, list[dict[str, Tensor]]]) -> None:
    generator = Generator(latent_dim=50, channels=8)
    generator.load_state_dict(of("averaged.module.", run[0]))
    before = nn.Sequential(*list(generator)[:4])
    activations = before(torch.randn(4096, 50, generator=torch.Generator().manual_seed(1)))
    norm = generator[4]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    spread = activations.var(dim=(0, 2, 3))
    assert torch.allclose(norm.running_var, spread, rtol=0.1)
    assert ((norm.running_mean - activations.mean(dim=(0, 2, 3))).abs() < 0.1 * spread.sqrt()).all()


def test_training_is_as_without_it(run: tuple[Path, list[dict[str, Tensor]]], tmp_path: Path) -> None:
    train(configuration(*AVERAGED, "model.ema_decay=null"), tmp_path)
    wanted, found = (state(folder / "checkpoints" / "last.ckpt") for folder in (tmp_path, run[0]))
    assert_equal(found["optimizer_states"], wanted["optimizer_states"])
    assert_equal({name: found["state_dict"][name] for name in wanted["state_dict"]}, wanted["state_dict"])
    assert {name.partition(".")[0] for name in wanted["state_dict"]} == {"generator", "critic"}


def test_a_run_goes_on_to_the_same_average(run: tuple[Path, list[dict[str, Tensor]]], tmp_path: Path) -> None:
    parts = go_on_after_the_first_epoch(run[0], tmp_path / "parts", *AVERAGED)
    assert_equal(parts, state(run[0] / "checkpoints" / "last.ckpt"))
    for name in ("quality.csv", "generator.safetensors", "samples/epoch=002.png"):
        assert (tmp_path / "parts" / name).read_bytes() == (run[0] / name).read_bytes()


def test_the_average_is_what_a_run_shows_and_leaves(run: tuple[Path, list[dict[str, Tensor]]]) -> None:
    folder = run[0]
    average = of("averaged.module.", folder)
    assert_equal(load_file(folder / "generator.safetensors"), average)
    generator = load_generator(folder, load_trusted(folder, None), "last")
    assert_equal(dict(generator.state_dict()), average)

    known = find_reference(MNISTDigits(root="data", digit=7, batch_size=64, n_critic=5, seed=0))
    images = samples_of(folder, 12).unsqueeze(1)
    assert known.measure(images)["fid_mnist"] == pytest.approx(result(folder)["fid_mnist"], rel=1e-4)
    generator.load_state_dict(of("generator.", folder))
    raw = known.measure(sample_images(generator, 12, 50, seed=0))["fid_mnist"]
    *_, last = rows(folder, "quality.csv")
    assert list(last)[-1] == "fid_mnist_raw"
    assert float(last["fid_mnist_raw"]) == pytest.approx(raw, rel=1e-4)
    assert float(last["fid_mnist"]) != pytest.approx(raw, rel=1e-2)


@pytest.mark.parametrize("value", ["1", "-0.1", "nan", "true", "often"])
def test_what_is_no_decay_is_refused(run_main: Callable[..., str], value: str) -> None:
    line = run_main("train.py", f"model.ema_decay={value}")
    assert line.endswith(": must be null, or a number in [0, 1), such as 0.99")


def test_the_average_of_a_conditional_generator_has_its_classes(tmp_path: Path) -> None:
    """Averaged, they would be rounded down: 3 * 0.9 + 3 * 0.1 is less than 3 in float32."""
    train(configuration(*BARE, "model.conditional=true", "data.digit=[3,8]", "model.ema_decay=0.9"), tmp_path)
    assert find_classes(load_generator(tmp_path, load_trusted(tmp_path, None))) == (3, 8)
