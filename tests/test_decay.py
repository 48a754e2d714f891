"""Learning rates that fall over the run."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import BARE, configuration
from test_resuming import assert_equal, state
from torch import Tensor

from wgan.model.wgan import WGAN
from wgan.run.training import train

TWO_EPOCHS = (*BARE, "trainer.max_epochs=2", "optimizer.decay=linear")


def go_on_after_the_first_epoch(run: Path, folder: Path, *overrides: str) -> dict[str, Any]:
    """The last checkpoint of a run that goes on in `folder` where the one in `run`, of two epochs, had its first."""
    shutil.copytree(run, folder)
    for name in ("result.json", "checkpoints/last.ckpt", "checkpoints/epoch=002.ckpt"):
        (folder / name).unlink()
    train(configuration(*overrides), folder, resume=True)
    return state(folder / "checkpoints" / "last.ckpt")


@pytest.mark.parametrize("optimizer", ["rmsprop", "adam"])
def test_learning_rates_fall_to_0_at_the_end_and_a_run_goes_on_to_the_same_bits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, optimizer: str
) -> None:
    update, rates = WGAN.update, set()

    def spy(self: WGAN, optimizer: Any, loss: Tensor) -> None:
        name = "critic" if optimizer.param_groups[0]["params"][0] is next(self.critic.parameters()) else "generator"
        rates.add((self.iteration, name, optimizer.param_groups[0]["lr"]))
        update(self, optimizer, loss)

    monkeypatch.setattr(WGAN, "update", spy)
    typed = (*TWO_EPOCHS, f"optimizer={optimizer}", "optimizer.lr=0.003", "optimizer.critic.lr=0.0006")
    train(configuration(*typed), tmp_path / "whole")
    wanted = [(i + 1, name, lr * (6 - i) / 6) for i in range(6) for name, lr in (("critic", 6e-4), ("generator", 3e-3))]
    assert [(i, name) for i, name, _ in sorted(rates)] == [(i, name) for i, name, _ in wanted]
    assert [rate for *_, rate in sorted(rates)] == pytest.approx([rate for *_, rate in wanted])

    parts = go_on_after_the_first_epoch(tmp_path / "whole", tmp_path / "parts", *typed)
    assert_equal(parts, state(tmp_path / "whole" / "checkpoints" / "last.ckpt"))


def test_the_default_has_one_learning_rate(tmp_path: Path) -> None:
    train(configuration(*BARE), tmp_path)
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    groups = [group for optimizer in checkpoint["optimizer_states"] for group in optimizer["param_groups"]]
    assert [group["lr"] for group in groups] == [5e-5, 5e-5]
    assert not any("initial_lr" in group for group in groups)
    assert checkpoint["lr_schedulers"] == []


def test_such_a_run_is_not_lengthened(
    tmp_path: Path, run_main: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    train(configuration(*TWO_EPOCHS), tmp_path / "run")
    line = run_main("train.py", "resume=run", "trainer.max_epochs=4")
    assert re.search(r"trainer.max_epochs=4 \(the run has 2\): optimizer.decay=linear .*; start another run$", line)
    assert run_main("train.py", "resume=run") == ""
    assert "lengthen" not in capsys.readouterr().out


def test_another_word_is_refused(run_main: Callable[..., str]) -> None:
    line = run_main("train.py", "optimizer.decay=cosine")
    assert line.endswith("optimizer.decay=cosine: must be one of none, linear")
