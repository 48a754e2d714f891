"""The same configuration and seed give the same bits, whatever happens besides."""

import hashlib
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import BARE, TINY, command, configuration, interpreter, rows

from wgan.model.wgan import WGAN
from wgan.run.training import train


def bits(folder: Path) -> dict[str, str]:
    """What a run computes, of all weights, images, losses and figures of quality."""
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    states = [state for optimizer in checkpoint["optimizer_states"] for state in optimizer["state"].values()]
    numbers = b"".join(
        tensor.numpy().tobytes() for named in (checkpoint["state_dict"], *states) for _, tensor in sorted(named.items())
    )
    return {
        "weights": hashlib.sha256(numbers).hexdigest(),
        "losses": "".join(",".join(row.values()) for row in rows(folder)),
        "quality": "".join(path.read_text() for path in sorted(folder.glob("quality.csv"))),
        "images": "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("samples/*"))),
    }


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("usual")
    train(configuration(*TINY, "trainer.max_epochs=2"), folder)
    return bits(folder)


@pytest.mark.slow
def test_in_one_process_and_in_others_forked_and_fresh(tmp_path: Path, usual: dict[str, str]) -> None:
    train(configuration(*TINY, "trainer.max_epochs=2"), tmp_path / "same")
    assert bits(tmp_path / "same") == usual
    for start in (command, interpreter):
        folder = tmp_path / start.__name__
        process = start("train.py", *TINY, "trainer.max_epochs=2", f"hydra.run.dir={folder}", cwd=tmp_path)
        assert (process.returncode, process.stderr) == (0, "")
        assert bits(folder) == usual
        assert (folder / "generator.safetensors").read_bytes() == (tmp_path / "same/generator.safetensors").read_bytes()


@pytest.mark.parametrize(
    "overrides",
    [
        ["~callbacks.samples", "~callbacks.critic_weights", "~callbacks.divergence", "~callbacks.progress"],
        ["~callbacks.quality", "objective=wasserstein"],
        ["callbacks.quality.every_n_epochs=2", "callbacks.quality.n=150", "callbacks.quality.seed=3"],
        ["callbacks.samples.seed=5", "trainer.log_every_n_steps=2"],
        ["+callbacks.checkpoints.every_n_epochs=2"],
        ["+callbacks.rate._target_=pytorch_lightning.callbacks.ModelSummary"],
    ],
    ids=str,
)
def test_whatever_is_logged_or_saved(tmp_path: Path, usual: dict[str, str], overrides: list[str]) -> None:
    train(configuration(*TINY, "trainer.max_epochs=2", *overrides), tmp_path)
    found = bits(tmp_path)
    assert (found["weights"], found["losses"]) == (usual["weights"], usual["losses"])
    if "callbacks.samples.seed=5" in overrides:
        assert found["images"] != usual["images"]


def test_whatever_others_do_with_the_global_random_state(
    tmp_path: Path, usual: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = WGAN.training_step

    def disturbed(self: WGAN, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> dict[str, torch.Tensor]:
        torch.rand(3), np.random.rand(), random.random()
        self.sample(7, seed=99)
        return step(self, batch, batch_idx)

    monkeypatch.setattr(WGAN, "training_step", disturbed)
    torch.manual_seed(12)
    np.random.seed(12)
    random.seed(12)
    train(configuration(*TINY, "trainer.max_epochs=2"), tmp_path)
    assert bits(tmp_path) == usual


def test_another_seed_gives_something_else(tmp_path: Path, usual: dict[str, str]) -> None:
    train(configuration(*TINY, "trainer.max_epochs=2", "seed=1"), tmp_path)
    found = bits(tmp_path)
    assert all(found[name] != usual[name] for name in usual)


def test_operations_are_deterministic_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []

    def note(module: WGAN) -> None:
        modes.append(torch.are_deterministic_algorithms_enabled())

    monkeypatch.setattr(WGAN, "on_train_start", note)
    train(configuration(*BARE), tmp_path / "default")
    train(configuration(*BARE, "trainer.deterministic=false"), tmp_path / "other")
    assert modes == [True, False]
