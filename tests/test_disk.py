"""Training on a disk that is full, and in a folder where nothing may be written."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import command, configuration, contents, pasted, result
from processes import Process
from test_resuming import LARGE, assert_same_run

from wgan.run.training import train

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a file system")


def mount(*options: str) -> None:
    subprocess.run(["mount", *options], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 20 MB: room for the checkpoints of one epoch."""
    path = tmp_path / "disk"
    path.mkdir()
    mount("-t", "tmpfs", "-o", "size=20m", "tmpfs", str(path))
    yield path
    subprocess.run(["umount", str(path)], check=True)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    train(configuration(*LARGE), folder)
    return folder


@needs_root
def test_a_full_disk(disk: Path, uninterrupted: Path) -> None:
    process = command("train.py", *LARGE, f"hydra.run.dir={disk}/run", cwd=disk.parent)
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1] == (
        f"error: {disk}/run: No space left on device; what the run has saved is intact: mend this, "
        f"then continue with: {pasted('train.py', f'resume={disk}/run')}"
    )
    assert "Traceback" not in process.stderr
    saved = contents(disk / "run")
    names = {name for name in saved if name.endswith(".ckpt")}
    assert names == {"checkpoints/epoch=001.ckpt", "checkpoints/last.ckpt"}
    assert "result.json" not in saved
    mount("-o", "remount,size=200m", str(disk))
    process = command("train.py", f"resume={disk}/run", cwd=disk.parent)
    assert process.returncode == 0, process.stderr
    assert "Continuing after iteration 3, " in process.stdout
    assert_same_run(disk / "run", uninterrupted)


@needs_root
def test_a_disk_that_is_full_from_the_start(disk: Path) -> None:
    (disk / "ballast").write_bytes(bytes(20 * 2**20))
    process = command("train.py", *LARGE, f"hydra.run.dir={disk}/run", cwd=disk.parent)
    assert process.returncode == 1
    assert "No space left on device" in process.stderr.splitlines()[-1]
    assert "Traceback" not in process.stderr


@pytest.mark.slow
@needs_root
def test_a_folder_that_cannot_be_written(disk: Path, uninterrupted: Path) -> None:
    mount("-o", "remount,size=200m", str(disk))
    assert command("train.py", *LARGE, "trainer.max_epochs=1", f"hydra.run.dir={disk}/run", cwd=disk).returncode == 0
    saved = contents(disk / "run")
    mount("-o", "remount,ro", str(disk))
    for arguments in ([f"hydra.run.dir={disk}/new"], [f"resume={disk}/run", "trainer.max_epochs=3"]):
        process = command("train.py", *arguments, cwd=disk.parent)
        assert process.returncode == 1
        line = process.stderr.splitlines()[-1]
        assert line.startswith(f"error: {disk}/")
        assert line.endswith(": Read-only file system; name a path that can be used")
        assert "Traceback" not in process.stderr
    assert contents(disk / "run") == saved
    mount("-o", "remount,rw", str(disk))
    assert command("train.py", f"resume={disk}/run", "trainer.max_epochs=3", cwd=disk).returncode == 0
    assert_same_run(disk / "run", uninterrupted)


@pytest.mark.slow
def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    """As a quota: the checkpoint is the first file that is too large."""
    typed = ("train.py", *LARGE, f"hydra.run.dir={tmp_path}/run")
    process = Process(*typed, cwd=tmp_path, limits={"RLIMIT_FSIZE": 2**21})
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert err.splitlines()[-1].startswith(f"error: {tmp_path}/run: File too large; what the run has saved")
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("*.ckpt"))
    assert command("train.py", f"resume={tmp_path}/run", cwd=tmp_path).returncode == 0
    assert result(tmp_path / "run")["status"] == "finished"
