import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import BARE, PROJECT, SMOKE, Run, configuration, result, rows, samples_of
from test_report import JOBS, add_job
from torch import nn

import wgan

PAGE = (PROJECT / "docs" / "python.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_what_the_page_tells_works(tmp_path: Path, smoke_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    grid = tmp_path / "multirun" / "grid"
    grid.mkdir(parents=True)
    for name, values in JOBS.items():
        add_job(grid, smoke_run, name, *values)
    known: dict[str, Any] = {}
    for block in BLOCKS:
        assert len(list(filter(None, block.splitlines()))) == 3
        exec(block.replace("outputs/DATE/TIME", str(smoke_run.folder)), known)
    assert known["value"] == result(tmp_path / "outputs" / "threes")["objective"]
    assert torch.equal(known["images"].squeeze(1), samples_of(smoke_run.folder, 100))
    assert known["best"].folder.name == "c"
    assert known["figures"] == known["run"].reference.measure(known["images"])
    assert known["floor"]["fid_mnist"] == result(smoke_run.folder)["fid_mnist_floor"]
    assert known["network"](torch.zeros(2, 128, 14, 14)).shape == (2, 1, 28, 28)


def test_the_tables_of_a_run(smoke_run: Run) -> None:
    run = wgan.open_run(smoke_run.folder)
    assert run.configuration.data.digit == 7
    assert run.result == result(smoke_run.folder)
    assert run.losses.dtype.names == ("iteration", "epoch", "c1", "c2", "g", "wasserstein")
    assert run.losses["c1"].tolist() == [float(row["c1"]) for row in rows(smoke_run.folder)]
    assert run.quality["samples"].tolist() == [
        100,
        100,
    ]  # as many at the end, whose row takes the place of the last epoch
    assert not run.generator.training
    assert np.isfinite(run.quality["fid_mnist"]).all()


def test_a_run_that_has_not_ended_can_be_opened(tmp_path: Path) -> None:
    wgan.train(configuration(*BARE), tmp_path)
    for name in ("result.json", "generator.safetensors"):
        (tmp_path / name).unlink()
    run = wgan.open_run(str(tmp_path))
    assert (run.result, len(run.losses)) == ({}, 3)
    with pytest.raises(wgan.UserError, match=r"quality.csv: is missing or damaged"):
        _ = run.quality
    with pytest.raises(wgan.UserError, match=r"this run has no generator.safetensors, for it has not finished"):
        run.sample(1)


def test_a_strangers_run_needs_trust(tmp_path: Path) -> None:
    wgan.train(configuration(*BARE, "model.generator._target_=test_python.make_generator"), tmp_path)
    with pytest.raises(wgan.UserError, match=r"add 'trust=\[test_python\]'"):
        wgan.open_run(tmp_path)
    assert wgan.open_run(tmp_path, trust=["test_python"]).sample(2).shape == (2, 1, 28, 28)
    with pytest.raises(wgan.UserError, match=r"not a run's folder"):
        wgan.open_run(tmp_path / "nowhere")


def make_generator(latent_dim: int, channels: int) -> nn.Module:
    layers: nn.Module = wgan.Generator(latent_dim=latent_dim, channels=channels)
    return layers


def test_compose_is_what_the_command_line_composes() -> None:
    assert wgan.compose(*SMOKE) == configuration(*SMOKE)
    for typed, line in {
        "model.n_critc=5": "model.n_critc=5: no such key; did you mean model.n_critic?",
        "optimizer=adm": "optimizer=adm: no such choice; choose one of adam, rmsprop",
        "sweep=x": "sweep=x: is for sweeps; add -m, or leave it out",
        "+optimizer.momentum=1": "optimizer.momentum=1: nothing reads it; set optimizer.critic.momentum and",
        "seed=[": "seed=[: not understood; write key=value",
    }.items():
        with pytest.raises(wgan.UserError, match=f"^{re.escape(line)}"):
            wgan.compose(typed)


def test_a_sweep_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(wgan.UserError, match=r"no sweep; name a folder such as multirun/NAME"):
        wgan.open_sweep(tmp_path)


def test_public_names_have_docstrings_and_types() -> None:
    assert (PROJECT / "src" / "wgan" / "py.typed").exists()
    for name in wgan.__all__:
        found = getattr(wgan, name)
        assert inspect.getdoc(found), name
        assert found.__module__.startswith("wgan."), name
    for name in re.findall(r"wgan\.(\w+)", "".join(BLOCKS)):
        assert name in wgan.__all__
