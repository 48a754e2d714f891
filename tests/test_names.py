import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import BARE, SHELLS, Run, command, paste, result
from omegaconf import OmegaConf
from PIL import Image
from processes import Process

from wgan import PROJECT
from wgan.run.folder import make_new_folder
from wgan.run.pasting import write_command

ODD = 'it\'s "so" ~(1) größe $HOME [3,8] a=b,c! #x!!'


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_printed_lines_can_be_pasted_anywhere_whatever_the_folder(tmp_path: Path, shell: str) -> None:
    process = command("train.py", *BARE, f"hydra.run.dir={ODD}", cwd=tmp_path)
    assert (process.returncode, process.stderr) == (0, "")
    assert result(tmp_path / ODD)["iterations"] == 3
    images = re.search("More images: (.*)", process.stdout)
    assert images
    (tmp_path / "elsewhere").mkdir()
    pasted = paste(shell, images[1], tmp_path / "elsewhere")
    assert (pasted.returncode, pasted.stdout) == (0, "100 images of seed 0: samples.png\n"), pasted.stderr
    again = command("train.py", f"resume={ODD}", cwd=tmp_path)
    longer = re.search("To lengthen it: (.*)", again.stdout)
    assert longer
    pasted = paste(shell, longer[1], tmp_path / "elsewhere")
    assert pasted.returncode == 0, pasted.stderr
    assert result(tmp_path / ODD)["iterations"] == 6


@pytest.mark.parametrize(
    "name",
    [ODD, "a\\\\b\\", "null", "2024", "1e3", "~", "jürgen", "${x", "=ls", "==", "#x", "[a]*", "!!", "-x", "{a,b}"],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_takes_a_line_apart_as_it_was_put_together(name: str, shell: str) -> None:
    line = write_command("tensorboard", name).partition(" ")[2]
    assert paste(shell, f"printf '%s' {line}", PROJECT).stdout == name


def test_a_line_is_short_in_the_projects_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr(sys, "executable", str(PROJECT / ".venv" / "bin" / "python"))
    monkeypatch.setenv("PATH", "/usr/bin")
    assert write_command("train.py", "resume=x") == ".venv/bin/python train.py resume=x"
    monkeypatch.setenv("PATH", f"{PROJECT}/.venv/bin")
    assert write_command("train.py", "resume=x") == "python train.py resume=x"


@pytest.mark.parametrize("name", [ODD, "null", "2024", "1e3", "~", "jürgen/run", "a,b", "'a b'"])
def test_one_rule_for_names_in_all_commands(
    smoke_run: Run, tmp_path: Path, run_main: Callable[..., str], name: str
) -> None:
    plain = name.strip("'")
    shutil.copytree(smoke_run.folder, tmp_path / plain)
    out = f"'{plain}.png'" if name.startswith("'") else f"{name}.png"
    assert run_main("generate.py", f"run={name}", "n=1", f"out={out}") == ""
    with Image.open(tmp_path / f"{plain}.png") as picture:
        assert picture.size == (28, 28)
    assert run_main("evaluate.py", f"run={name}", "n=10") == ""
    assert (tmp_path / plain / "evaluation.json").exists()
    assert run_main("train.py", f"resume={name}") == ""
    assert "holds a run already" in run_main("train.py", *BARE, f"hydra.run.dir={name}")


def test_runs_of_one_second_have_folders_of_their_own(tmp_path: Path) -> None:
    started = [Process("train.py", *BARE, cwd=tmp_path) for _ in range(3)]
    assert [process.wait(timeout=300) for process in started] == [0, 0, 0]
    assert len(list(tmp_path.glob("outputs/*/*/result.json"))) == 3


def test_a_new_folder_has_a_name_that_none_has(tmp_path: Path) -> None:
    names = [make_new_folder(str(tmp_path / "a" / "b")) for _ in range(3)]
    assert names == [f"{tmp_path}/a/b", f"{tmp_path}/a/b-2", f"{tmp_path}/a/b-3"]


def test_a_value_that_asks_is_asked(
    run_main: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHERE", "here")
    assert run_main("train.py", *BARE, "hydra.run.dir=${oc.env:WHERE}/run") == ""
    assert OmegaConf.load(tmp_path / "here" / "run" / ".hydra" / "config.yaml")
