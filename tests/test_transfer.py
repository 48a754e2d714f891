from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import BARE, configuration, result, rows
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from wgan.callbacks.history import History
from wgan.errors import DivergenceError
from wgan.model.randomness import move_to_device
from wgan.model.wgan import WGAN
from wgan.run.training import train

WAITS = ("item", "cpu", "tolist", "numpy", "nonzero", "__bool__", "__float__", "__int__")


class Waits(TorchDispatchMode):
    """Counts what would make the host wait for a GPU, from the first iteration of an epoch to its end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: Counter[str] = Counter()
        for name in WAITS:
            monkeypatch.setattr(Tensor, name, self.counted(name, getattr(Tensor, name)))
        self.iterating = False
        step, end = WGAN.training_step, History.on_train_epoch_end

        def begun(module: WGAN, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
            self.iterating = True
            with self:
                return step(module, batch, batch_idx)

        def ended(*arguments: Any) -> None:
            self.iterating = False
            end(*arguments)

        monkeypatch.setattr(WGAN, "training_step", begun)
        monkeypatch.setattr(History, "on_train_epoch_end", ended)

    def counted(self, name: str, method: Any) -> Any:
        def spy(*arguments: Any, **options: Any) -> Any:
            self.found[name] += self.iterating
            return method(*arguments, **options)

        return spy

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.found[str(func)] += str(func) == "aten._local_scalar_dense.default"  # what PyTorch itself reads
        return func(*args, **(kwargs or {}))


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors say that they are on another device."""
    monkeypatch.setattr(Tensor, "is_cpu", False)


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("update", ["alternating", "joint"])
def test_no_iteration_waits_for_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool, update: str
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    waits = Waits(monkeypatch)
    train(configuration(*BARE, f"model.critic_update={update}", "trainer.max_epochs=2"), tmp_path)
    assert +waits.found == Counter()
    assert len(rows(tmp_path)) == 6


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("name", ["item", "cpu", "tolist", "__bool__", "__float__"])
def test_a_wait_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    update = WGAN.update_critic

    def waiting(self: WGAN, optimizer: Any, loss: Tensor) -> None:
        getattr(loss.detach(), name)()
        update(self, optimizer, loss)

    monkeypatch.setattr(WGAN, "update_critic", waiting)
    waits = Waits(monkeypatch)
    train(configuration(*BARE), tmp_path)
    assert waits.found[name] == 30


@pytest.mark.usefixtures("as_on_a_gpu")
def test_a_run_on_a_gpu_diverges_before_the_epoch_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = WGAN.training_step

    def spoilt(self: WGAN, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
        losses = step(self, batch, batch_idx)
        if self.iteration == 5:
            losses["g"].fill_(torch.nan)
        return losses

    monkeypatch.setattr(WGAN, "training_step", spoilt)
    with pytest.raises(DivergenceError, match="iteration 5: g is nan"):
        train(configuration(*BARE, "trainer.max_epochs=2"), tmp_path)
    found = result(tmp_path)
    assert (found["status"], found["iteration"], found["quantity"]) == ("diverged", 5, "g")
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["epoch=001.ckpt", "last.ckpt"]
    assert [int(row["iteration"]) for row in rows(tmp_path)] == [1, 2, 3, 4, 5, 6]


def test_copies_to_a_gpu_are_made_from_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []

    def pin_memory(self: Tensor) -> Tensor:
        done.append("pinned")
        return self

    def to(self: Tensor, device: torch.device, *, non_blocking: bool) -> Tensor:
        done.append((device.type, non_blocking))
        return self

    monkeypatch.setattr(Tensor, "pin_memory", pin_memory)
    monkeypatch.setattr(Tensor, "to", to)
    move_to_device(torch.zeros(2), torch.device("cuda"))
    move_to_device(torch.zeros(2), torch.device("cpu"))
    assert done == ["pinned", ("cuda", True), ("cpu", True)]
