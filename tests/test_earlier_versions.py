"""Sweeps that an earlier version of the project trained: jobs are known by what they compute.

earlier/ has what a job left that the version of 2026-11-28 trained, when configurations named files.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import BARE, PROJECT

FOLDER = "seed=3-4134dcab"  # its fingerprint of that version
EARLIER = PROJECT / "tests" / "earlier"

TYPED = ("trainer=cpu", "trainer.max_epochs=1", "trainer.limit_train_batches=3", "data.batch_size=4", "seed=3")
TYPED = (*TYPED, "callbacks.quality.n=10", "callbacks.quality.final_n=12", "sweep=earlier")  # type: ignore[assignment]


@pytest.fixture
def job(tmp_path: Path) -> Path:
    folder = tmp_path / "multirun" / "earlier" / FOLDER
    (folder / ".hydra").mkdir(parents=True)
    shutil.copy(EARLIER / "config.yaml", folder / ".hydra")
    for name in ("job.json", "result.json"):
        shutil.copy(EARLIER / name, folder)
    (folder / "generator.safetensors").touch()
    return folder


def edit(job: Path, before: str, after: str) -> None:
    path = job / ".hydra" / "config.yaml"
    text, n = re.subn(before, after, path.read_text(), flags=re.MULTILINE)
    assert n
    path.write_text(text)


@pytest.mark.parametrize("more", [(), ("+callbacks.more._target_=pytorch_lightning.callbacks.ModelSummary",)], ids=str)
def test_it_is_not_trained_anew(
    job: Path, run_main: Callable[..., str], capfd: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    assert run_main("train.py", "-m", *TYPED, *more) == ""
    printed = capfd.readouterr().out
    assert "Finished already, fid_mnist 1311" in printed
    assert "Trained" not in printed
    assert [path.parent for path in job.parent.glob("*/result.json")] == [job]


@pytest.mark.parametrize(
    ("edits", "typed", "trained"),
    [
        ([(r"^  tf32: false\n", "")], (), 0),  # a new key with a default
        ([(r"^  tf32: false\n", "")], ("model.tf32=true",), 1),
        ([(r"_target_: wgan\.module\.WGAN", "_target_: wgan.some.place.WGAN")], (), 0),  # a class moved
        ([(r"_target_: wgan\.callbacks\.", "_target_: wgan.elsewhere.")], (), 0),
        ([], ("optimizer.lr=1e-4",), 1),
        ([], ("+callbacks.mine._target_=pytorch_lightning.callbacks.EarlyStopping", "+callbacks.mine.monitor=g"), 1),
        ([], ("callbacks.quality.n=11",), 0),
        ([], ("callbacks.quality.final_n=11",), 1),
    ],
    ids=str,
)
def test_what_decides_and_what_does_not(
    job: Path,
    run_main: Callable[..., str],
    capfd: pytest.CaptureFixture[str],
    edits: list[tuple[str, str]],
    typed: tuple[str, ...],
    trained: int,
) -> None:
    for before, after in edits:
        edit(job, before, after)
    assert run_main("train.py", "-m", *TYPED, *typed) == ""
    assert capfd.readouterr().out.count("Trained 3 iterations") == trained


def test_a_job_of_today_keeps_its_folder(
    tmp_path: Path, run_main: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    for more in ((), ("+callbacks.more._target_=pytorch_lightning.callbacks.ModelSummary",)):
        assert run_main("train.py", "-m", *BARE, "sweep=x", "seed=0", *more) == ""
    assert capfd.readouterr().out.count("Trained 3 iterations") == 1
    assert len(list(tmp_path.glob("multirun/x/*/result.json"))) == 1
