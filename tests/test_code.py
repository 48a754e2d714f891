import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import Run, result

from wgan.run.code import _without_comments, describe_other_code, hash_code

SOURCE = '''"""A file."""

class Clip:
    """A method."""

    def project(self, x: int) -> int:
        """Double it."""
        return 2 * x  # twice
'''


def test_what_counts_as_code() -> None:
    plain = _without_comments(SOURCE)
    assert _without_comments(SOURCE.replace("Double it.", "Make it twice as large.").replace("# twice", "")) == plain
    assert _without_comments(SOURCE.replace("2 * x", "(2*x)")) == plain
    assert _without_comments(SOURCE.replace("2 * x", "3 * x")) != plain
    assert _without_comments(SOURCE.replace("Clip", "Cut")) != plain


def test_a_run_records_its_code(smoke_run: Run) -> None:
    assert result(smoke_run.folder)["code"] == hash_code()
    checkpoint = torch.load(smoke_run.folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["code"] == hash_code()
    assert describe_other_code(result(smoke_run.folder)) is None
    assert describe_other_code({}) is None  # of earlier versions


@pytest.fixture
def other(smoke_run: Run, tmp_path: Path) -> Path:
    """A finished run of code that is not this."""
    run = shutil.copytree(smoke_run.folder, tmp_path / "run")
    found = result(run) | {"code": "0123456789ab", "git_revision": "abc\x1b[2J"}
    (run / "result.json").write_text(json.dumps(found))
    for path in (run / "checkpoints").glob("*.ckpt"):
        torch.save(torch.load(path, weights_only=True) | {"code": "0123456789ab", "git_revision": "abc"}, path)
    return run


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (("generate.py", "run=run", "n=1"), "result.json"),
        (("generate.py", "run=run", "n=1", "checkpoint=epoch=001"), "checkpoints/epoch=001.ckpt"),
        (("evaluate.py", "run=run", "n=10"), "result.json"),
        (("train.py", "resume=run"), "result.json"),
        (("train.py", "resume=run", "trainer.max_epochs=3"), "checkpoints/last.ckpt"),
    ],
)
def test_results_of_other_code_are_told(
    other: Path, run_main: Callable[..., str], capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], file: str
) -> None:
    assert run_main(*arguments) == ""
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "other code" in line)
    assert f"{file}: was computed by other code ('0123456789ab', git 'abc" in line
    assert f"than this ('{hash_code()}', git" in line
    assert line.isprintable()
