"""What trainer.precision, model.compile and model.tf32 change, and what they do not."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import BARE, TINY, configuration, rows, samples_of
from pytorch_lightning import Trainer
from pytorch_lightning.plugins import MixedPrecision
from torch import Tensor, nn
from torch._dynamo.utils import counters

from wgan.model.clipping import WeightClipping
from wgan.model.wgan import WGAN
from wgan.pictures import draw_grid, encode_png
from wgan.run.building import build_data, build_model
from wgan.run.training import train

PRECISIONS = ("32-true", "bf16-mixed")


def losses(folder: Path, *overrides: str) -> np.ndarray:
    """c1, c2, g of each iteration of a run."""
    train(configuration(*overrides), folder)
    return np.array([[float(row[name]) for name in ("c1", "c2", "g")] for row in rows(folder)])


def dtypes(found: object) -> set[torch.dtype]:
    """Of all tensors in nested dicts and lists."""
    if isinstance(found, Tensor):
        return {found.dtype}
    parts = found.values() if isinstance(found, dict) else found if isinstance(found, list | tuple) else ()
    return set().union(*map(dtypes, parts))


def test_bf16_keeps_weights_optimizer_states_losses_and_clip_in_fp32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = WeightClipping.project
    clipped: set[torch.dtype] = set()

    def spy(self: WeightClipping, critic: torch.nn.Module) -> None:
        clip(self, critic)
        clipped.update(weight.dtype for weight in self.weights(critic))

    monkeypatch.setattr(WeightClipping, "project", spy)
    train(configuration(*BARE, "trainer.precision=bf16-mixed"), tmp_path)
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert dtypes(checkpoint["state_dict"]) == {torch.float32, torch.int64}  # counts of batches
    assert dtypes(checkpoint["optimizer_states"]) == dtypes(checkpoint["losses"]) == clipped == {torch.float32}


def test_bf16_is_used_and_rounds(tmp_path: Path) -> None:
    exact, rounded = (losses(tmp_path / precision, *BARE, f"trainer.precision={precision}") for precision in PRECISIONS)
    assert np.allclose(exact[0], rounded[0], rtol=0.05, atol=0.05)  # by RMSprop's steps the difference then grows
    assert not np.allclose(exact, rounded, rtol=1e-5)


@pytest.mark.parametrize(("precision", "capability", "slow"), [(1, "AVX2", 1), (1, "AVX512", 0), (0, "AVX2", 0)])
def test_a_run_in_bf16_warns_where_it_is_slow(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    precision: int,
    capability: str,
    slow: bool,
) -> None:
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    train(configuration(*BARE, "trainer.limit_train_batches=1", f"trainer.precision={PRECISIONS[precision]}"), tmp_path)
    assert ("trainer.precision=bf16-mixed: is very slow on a processor without AVX-512" in caplog.text) == slow


@pytest.mark.filterwarnings("ignore:The `srun` command is available")  # where Slurm is installed
# Lightning's own, which a run of the project is rid of.
@pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec", "ignore:.*does not have many workers")
def test_16_mixed_scales_the_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the scaler of a GPU, on the CPU: float16 on a CPU is refused to users, but computes the same."""
    cfg = configuration(*TINY)
    data = build_data(cfg)
    module = build_model(cfg, data.image_shape)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    scaled: list[Tensor] = []
    scale = scaler.scale

    def spy(loss: Tensor) -> Tensor:
        scaled.append(loss)
        return scale(loss)

    monkeypatch.setattr(scaler, "scale", spy)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=1,
        limit_train_batches=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        plugins=[MixedPrecision("16-mixed", "cpu", scaler)],
    )
    trainer.fit(module, datamodule=data)
    assert len(scaled) == 2 * 11
    assert dtypes(scaled) == dtypes(module.state_dict()) - {torch.int64} == {torch.float32}
    assert (
        max(layer.weight.abs().max().item() for layer in module.critic.modules() if isinstance(layer, nn.Conv2d))
        <= 0.01
    )
    assert all(map(torch.isfinite, module.losses.values()))


@pytest.mark.parametrize("tf32", [True, False])
def test_tf32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tf32: bool) -> None:
    found = []
    step = WGAN.training_step

    def note(self: WGAN, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
        found.append((torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32))
        return step(self, batch, batch_idx)

    monkeypatch.setattr(WGAN, "training_step", note)
    train(configuration(*BARE, f"model.tf32={tf32}"), tmp_path)
    assert set(found) == {("high" if tf32 else "highest", tf32)}


@pytest.mark.slow
def test_compiled_networks_train_alike(tmp_path: Path) -> None:
    usual = losses(tmp_path / "usual", *TINY)
    torch._dynamo.reset()
    counters.clear()
    compiled = losses(tmp_path / "compiled", *TINY, "model.compile=true")
    assert counters["stats"]["unique_graphs"] >= 4  # generator for the critic and for itself; critic for either
    assert np.allclose(usual, compiled, rtol=0.01, atol=0.01)
    # What it leaves is that of any run, and shows the same images when it is read again.
    picture = (tmp_path / "compiled" / "samples" / "epoch=001.png").read_bytes()
    assert encode_png(draw_grid(samples_of(tmp_path / "compiled", 100).unsqueeze(1))) == picture


def test_compiling_without_a_compiler(run_main: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    line = "error: model.compile=True: needs a C++ compiler; install g++, or set model.compile=false"
    assert run_main("train.py", *TINY, "model.compile=true") == line
