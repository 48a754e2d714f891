import logging
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import BARE, TINY, configuration, result, rows
from test_tensorboard import events_of

from wgan.callbacks.divergence import Divergence
from wgan.errors import DivergenceError
from wgan.model.wgan import WGAN
from wgan.run.training import train


def test_a_learning_rate_far_too_high(run_main: Callable[..., str], tmp_path: Path) -> None:
    message = run_main("train.py", *TINY, "optimizer.lr=1e20", "hydra.run.dir=run")
    assert message == (
        "error: iteration 1: c1 is nan, the run has diverged; lower optimizer.lr or model.clip_value, or set "
        "trainer.precision=32-true (the checkpoints of earlier epochs are kept)"
    )
    found = result(tmp_path / "run")
    assert (found["status"], found["iteration"], found["quantity"]) == ("diverged", 1, "c1")
    assert not list(tmp_path.rglob("*.ckpt"))
    assert not list(tmp_path.rglob("*.safetensors"))
    assert run_main("train.py", "resume=run") == (
        f"error: resume={tmp_path / 'run'}: the run diverged in iteration 1, and would again; "
        "start another, with a lower optimizer.lr, say"
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["c2", "g", "generator.9.weight", "critic.7.bias"])
def test_it_ends_at_that_iteration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: float) -> None:
    step = WGAN.training_step

    def spoilt(self: WGAN, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> dict[str, torch.Tensor]:
        losses = step(self, batch, batch_idx)
        if self.iteration == 5:
            place = losses[name] if name in losses else self.get_parameter(name).detach()
            place[(0,) * place.ndim] = value
        return losses

    monkeypatch.setattr(WGAN, "training_step", spoilt)
    with pytest.raises(DivergenceError, match=rf"iteration 5: {name} is {value}"):
        train(configuration(*BARE, "trainer.max_epochs=2"), tmp_path)
    found = result(tmp_path)
    assert (found["status"], found["iteration"], found["quantity"]) == ("diverged", 5, name)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["epoch=001.ckpt", "last.ckpt"]
    assert [int(row["iteration"]) for row in rows(tmp_path)] == [1, 2, 3, 4, 5]
    assert [point.step for point in events_of(tmp_path).Scalars("generator/loss")] == [1, 2, 3, 4, 5]


def test_a_run_that_runs_away_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train(configuration(*BARE, "callbacks.divergence.warn_above=0.5"), tmp_path)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert warnings[0].startswith("Iteration 1: c1 = ")
    assert "is beyond callbacks.divergence.warn_above = 0.5: the losses run away" in warnings[0]
    assert result(tmp_path)["status"] == "finished"


def test_a_healthy_run_is_not_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train(configuration(*TINY), tmp_path)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(("typed", "ran_away"), [((), False), (("callbacks.divergence.warn_above=0.5",), True)])
def test_the_result_tells_whether_the_losses_ran_away(tmp_path: Path, typed: tuple[str, ...], ran_away: bool) -> None:
    train(configuration(*BARE, *typed), tmp_path)
    assert result(tmp_path)["ran_away"] is ran_away
    train(configuration(*BARE, *typed, "trainer.max_epochs=2"), tmp_path, resume=True)
    assert result(tmp_path)["ran_away"] is ran_away


def test_that_losses_ran_away_is_known_after_a_resumption(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    callback = Divergence(warn_above=500)
    callback.warn_of_large(1, {"c1": -501.0})
    resumed = Divergence(warn_above=500)
    resumed.load_state_dict(callback.state_dict())
    assert resumed.ran_away
    resumed.warn_of_large(2, {"c1": -502.0})
    assert len(caplog.records) == 1


def test_vanished_losses_are_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    typed = ("experiment=paper", *BARE, "model.clip_value=1e-4", "trainer.max_epochs=2")
    train(configuration(*typed), tmp_path)
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert re.fullmatch(
        r"Iteration 3: the losses have vanished \(c1 \S+e-\d+, c2 \S+e-\d+, g \S+e-\d+, clip_saturation (0\.\d+|1)\): "
        r"the critic tells nothing apart, the images will not become good; raise model\.clip_value, if it clips",
        line,
    )
