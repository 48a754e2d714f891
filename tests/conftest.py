import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

PROJECT = Path(__file__).parents[1]

# The real thing, as small as it gets.
TINY = ("trainer=cpu", "trainer.max_epochs=1", "trainer.limit_train_batches=3", "data.batch_size=4")


def configuration(*overrides: str) -> DictConfig:
    """What `python train.py OVERRIDES` composes."""
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        return compose("train", list(overrides))


def command(*arguments: str | Path, cwd: Path, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """A real process of the project, such as command("train.py", "seed=1", cwd=...)."""
    script, *rest = map(str, arguments)
    return subprocess.run(
        [sys.executable, str(PROJECT / script), *rest], cwd=cwd, capture_output=True, text=True, timeout=timeout
    )


class Run(NamedTuple):
    folder: Path
    process: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of `experiment=smoke`, trained by a real process from a folder that is not the project's."""
    folder = tmp_path_factory.mktemp("smoke") / "run"
    process = command("train.py", "experiment=smoke", "trainer=cpu", f"hydra.run.dir={folder}", cwd=folder.parent)
    assert process.returncode == 0, process.stderr
    return Run(folder, process)


@pytest.fixture
def run_main(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """Calls an entry in this process, as if typed in an empty folder; returns the message it exits with, or ""."""
    import runpy

    def run(script: str, *arguments: str) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
        monkeypatch.setattr(sys, "argv", [str(PROJECT / script), *arguments])
        try:
            runpy.run_path(str(PROJECT / script), run_name="__main__")
        except SystemExit as end:
            return str(end.code)
        return ""

    return run
