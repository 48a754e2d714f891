import fcntl
import gc
import json
import math
import os
import pty
import re
import struct
import subprocess
import termios
import warnings
import weakref
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import BARE, PROJECT, SMALL, SMOKE, TINY, Run, configuration, contents, pasted, rows
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from omegaconf import OmegaConf
from PIL import Image
from processes import Process
from pytorch_lightning.accelerators import CUDAAccelerator
from pytorch_lightning.core.optimizer import LightningOptimizer
from safetensors.torch import load_file
from torch import Tensor

from wgan.callbacks.history import plot_losses
from wgan.model.networks import Generator
from wgan.model.sampling import sample_images
from wgan.model.wgan import WGAN
from wgan.run.training import train


def test_what_a_run_leaves(smoke_run: Run) -> None:
    folder = smoke_run.folder
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {name for name in files if not name.startswith("events.out.tfevents.")} == {
        *(".hydra/config.yaml", ".lock"),
        *(f"checkpoints/{name}.ckpt" for name in ("epoch=001", "epoch=002", "last")),
        *(f"samples/{name}.png" for name in ("epoch=001", "epoch=002")),
        *("train.log", "metrics.csv", "losses.png", "generator.safetensors", "result.json"),
        *("critic.csv", "quality.csv", "quality.png", "nearest.png", "progress.gif"),
    }
    assert len(list(folder.glob("events.out.tfevents.*"))) == 1
    assert not list(smoke_run.folder.parent.glob("outputs"))


def test_metrics_have_a_row_an_iteration(smoke_run: Run) -> None:
    found = rows(smoke_run.folder)
    assert list(found[0]) == ["iteration", "epoch", "c1", "c2", "g", "wasserstein"]
    assert [int(row["iteration"]) for row in found] == list(range(1, 11))
    assert [int(row["epoch"]) for row in found] == [1] * 5 + [2] * 5
    for row in found:
        c1, c2, g, wasserstein = (float(row[name]) for name in ("c1", "c2", "g", "wasserstein"))
        assert wasserstein == pytest.approx(-(c1 + c2), rel=1e-6)
        assert math.isfinite(g)


def test_losses_of_an_iteration_are_means_over_its_critic_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses: list[float] = []
    update = WGAN.update

    def spy(self: WGAN, optimizer: LightningOptimizer, loss: Tensor) -> None:
        losses.append(loss.item())
        update(self, optimizer, loss)

    monkeypatch.setattr(WGAN, "update", spy)
    train(configuration(*TINY, "model.n_critic=3", "trainer.limit_train_batches=1"), tmp_path)
    (row,) = rows(tmp_path)
    assert float(row["c1"]) == pytest.approx(sum(losses[0:6:2]) / 3, rel=1e-6)
    assert float(row["c2"]) == pytest.approx(sum(losses[1:6:2]) / 3, rel=1e-6)
    assert float(row["g"]) == pytest.approx(losses[6], rel=1e-6)


def test_result(smoke_run: Run) -> None:
    result = json.loads((smoke_run.folder / "result.json").read_text())
    last = rows(smoke_run.folder)[-1]
    assert {name: result[name] for name in ("c1", "c2", "g", "wasserstein")} == {
        name: float(last[name]) for name in ("c1", "c2", "g", "wasserstein")
    }
    assert (result["status"], result["iterations"], result["epochs"]) == ("finished", 10, 2)
    assert (result["max_epochs"], result["device"], result["threads"]) == (2, "cpu", torch.get_num_threads())
    assert 0 < result["seconds"] < 300
    assert result["versions"]["torch"] == torch.__version__.partition("+")[0]
    for package in ("wgan", "pytorch-lightning", "hydra-core"):
        assert result["versions"][package] == version(package)


def test_result_names_the_git_revision(smoke_run: Run) -> None:
    command = ["git", "rev-parse", "--verify", "--quiet", "HEAD"]
    head = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True).stdout.strip()
    revision = json.loads((smoke_run.folder / "result.json").read_text())["git_revision"]
    assert revision in ((head, f"{head}-dirty") if head else (None,))


def test_an_epoch_has_97_iterations(tmp_path: Path) -> None:
    few = ("~callbacks.samples", "~callbacks.critic_weights", "~callbacks.quality", "objective=wasserstein")
    train(configuration("trainer=cpu", "trainer.max_epochs=1", "model.n_critic=1", *few, *SMALL), tmp_path)
    assert [int(row["iteration"]) for row in rows(tmp_path)] == list(range(1, 98))


def test_exported_generator_is_that_of_the_last_checkpoint(smoke_run: Run) -> None:
    exported = load_file(smoke_run.folder / "generator.safetensors")
    checkpoint = torch.load(smoke_run.folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert exported.keys() == Generator(latent_dim=50, channels=8).state_dict().keys()
    for name, tensor in exported.items():
        assert torch.equal(tensor, checkpoint[f"generator.{name}"])


def test_grids_show_the_same_latent_points_in_each_epoch(smoke_run: Run) -> None:
    for epoch in (1, 2):
        checkpoint = torch.load(smoke_run.folder / "checkpoints" / f"epoch={epoch:03d}.ckpt", weights_only=True)
        generator = Generator(latent_dim=50, channels=8)
        generator.load_state_dict(
            {k.removeprefix("generator."): v for k, v in checkpoint["state_dict"].items() if k.startswith("generator.")}
        )
        picture = np.asarray(Image.open(smoke_run.folder / "samples" / f"epoch={epoch:03d}.png"))
        assert picture.shape == (604, 604)
        for k in (0, 1, 10, 99):
            row, column = divmod(k, 10)
            cell = picture[60 * row + 4 : 60 * (row + 1) : 2, 60 * column + 4 : 60 * (column + 1) : 2]
            assert np.array_equal(cell, sample_images(generator, k + 1, 50, seed=0)[k, 0].numpy())


def test_the_run_describes_itself(smoke_run: Run) -> None:
    saved = OmegaConf.load(smoke_run.folder / ".hydra" / "config.yaml")
    assert saved == configuration(*SMOKE)


def test_console_without_a_terminal_has_a_line_an_epoch_and_no_warning(smoke_run: Run) -> None:
    assert smoke_run.process.stderr == ""
    lines = smoke_run.process.stdout.splitlines()
    number = r"-?\d+(\.\d+)?(e[-+]\d+)?"
    numbers = rf"{number} iterations/s, c1 {number}, c2 {number}, g {number}"
    for epoch, first in ((1, 0), (2, 2)):
        left = r", 0:0\d:\d\d left" if epoch == 1 else ""
        assert re.fullmatch(rf"Epoch {epoch}/2: iteration {5 * epoch}, {numbers}{left}", lines[first])
        assert re.fullmatch(rf"Epoch {epoch}/2: fid_mnist {number}, digit_share [01]\.\d+", lines[first + 1])
    figures = rf"fid_mnist {number} \({number}\), kid_mnist {number} \({number}\), precision .*"
    assert re.fullmatch(rf"Quality of 100 samples, the floor in brackets: {figures}", lines[4])
    assert lines[5].startswith("Trained 10 iterations in ")
    assert lines[6:] == [
        f"Run folder:  {smoke_run.folder}",
        f"Curves:      {pasted('tensorboard', '--logdir', str(smoke_run.folder.parent))}",
        f"More images: {pasted('generate.py', f'run={smoke_run.folder}', 'n=100', 'out=samples.png')}",
    ]
    log = (smoke_run.folder / "train.log").read_text().splitlines()
    assert [line.partition(" - ")[2] for line in log] == lines


def test_plot_of_losses_shows_three_curves_of_their_colours(tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.csv"
    metrics.write_text("iteration,epoch,c1,c2,g,wasserstein\n1,1,-5,2,3,3\n2,1,-6,3,8,3\n")
    plot_losses(metrics, tmp_path / "losses.png")
    picture = np.asarray(Image.open(tmp_path / "losses.png").convert("RGB")).reshape(-1, 3)
    for colour in ((31, 119, 180), (255, 127, 14), (44, 160, 44)):
        assert (np.abs(picture.astype(int) - colour).max(axis=1) < 8).sum() > 300


def test_console_on_a_terminal_has_a_bar_with_the_losses(tmp_path: Path) -> None:
    terminal, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("4H", 30, 120, 0, 0))  # rows, columns
    arguments = ("experiment=smoke", "trainer=cpu", "data.batch_size=4", f"hydra.run.dir={tmp_path}/run")
    process = Process("train.py", *arguments, cwd=tmp_path, terminal=side)
    os.close(side)
    printed = b""
    with suppress(OSError):  # the terminal's end, once the process has closed its side
        while chunk := os.read(terminal, 4096):
            printed += chunk
    os.close(terminal)
    assert process.wait() == 0
    bar = r"Epoch (\d)/2: +\d+%\|[^|]*\| (\d)/5 \[[^\]]*it/s, c1=[-\d.]+, c2=[-\d.]+, g=[-\d.]+\]"
    bars = re.findall(bar, printed.decode())
    assert ("1", "5") in bars
    assert ("2", "5") in bars
    assert "Epoch 1/2, measuring: 100%" in printed.decode()
    assert "Epoch 2/2: iteration 10, " in printed.decode()


def test_a_used_folder_is_refused_and_left_as_it_was(smoke_run: Run, run_main: Callable[..., str]) -> None:
    before = contents(smoke_run.folder)
    remedy = f"continue it with resume={smoke_run.folder}, name another folder, or delete this one"
    line = f"error: hydra.run.dir={smoke_run.folder}: holds a run already; {remedy}"
    assert run_main("train.py", *TINY, "seed=1", f"hydra.run.dir={smoke_run.folder}") == line
    assert contents(smoke_run.folder) == before


def test_no_warning_on_a_machine_with_a_gpu_or_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CUDAAccelerator, "is_available", staticmethod(lambda: True))
    monkeypatch.setattr(SLURMEnvironment, "_validate_srun_used", staticmethod(_warn_of_srun))
    train(configuration(*BARE), tmp_path)  # warnings are errors here


def _warn_of_srun() -> None:
    warnings.warn("The `srun` command is available on your system but is not used.", stacklevel=1)


def test_a_finished_run_leaves_no_model_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules: list[weakref.ref[WGAN]] = []
    original = WGAN.__init__

    def remembered(self: WGAN, **given: Any) -> None:
        modules.append(weakref.ref(self))
        original(self, **given)

    monkeypatch.setattr(WGAN, "__init__", remembered)
    for job in ("first", "second"):
        train(configuration(*TINY), tmp_path / job)
    gc.collect()
    assert [module() for module in modules] == [None, None]
