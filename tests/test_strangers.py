"""Folders of a stranger's: they run no code, write nowhere else and hang nothing."""

import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import BARE, PROJECT, TINY, Run, command, configuration, contents
from omegaconf import OmegaConf

CONFIGURATION = ".hydra/config.yaml"


class Payload:
    """Unpickled in the usual way, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def run(smoke_run: Run, tmp_path: Path) -> Path:
    """A copy of a finished run, as a stranger's, in the folder "run" of the current one."""
    return shutil.copytree(smoke_run.folder, tmp_path / "run")


@pytest.fixture(scope="module")
def trained_sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep of one job."""
    folder = tmp_path_factory.mktemp("sweep")
    process = command("train.py", "-m", *BARE, "sweep=theirs", "seed=3", cwd=folder)
    assert process.returncode == 0, process.stderr
    return folder / "multirun" / "theirs"


@pytest.fixture
def sweep(trained_sweep: Path, tmp_path: Path) -> Path:
    """A copy of a finished sweep, as a stranger's, under the name with which `SWEEP` goes on."""
    return shutil.copytree(trained_sweep, tmp_path / "multirun" / "theirs")


SWEEP = ("train.py", "-m", *BARE, "sweep=theirs", "seed=3")

# Commands that open the folder "run", with what names the folder in their messages.
OPENING = {"train.py": "resume", "generate.py": "run", "evaluate.py": "run"}


def open_run(run_main: Callable[..., str], script: str) -> str:
    return run_main(script, f"{OPENING[script]}=run")


def edit(path: Path, *edits: tuple[str, str]) -> None:
    text = path.read_text()
    for before, after in edits:
        assert before in text
        text = text.replace(before, after, 1)
    path.write_text(text)


@pytest.mark.parametrize("script", OPENING)
@pytest.mark.parametrize(
    "value",
    [
        "${optimizer.m.${oc.env:CUBLAS_WORKSPACE_CONFIG,a}}",
        "${oc.env:HOME}",
        "${oc.create:{_target_:os.mkdir}}",
        "${now:%H}",
        "${workers:1,cpu}",
        "${job_folder:}",
        "a ${seed}",
        "${.lr}",
    ],
)
def test_a_configuration_that_asks_its_surroundings_is_refused(
    run: Path, run_main: Callable[..., str], script: str, value: str
) -> None:
    (run / "result.json").unlink()
    edit(run / CONFIGURATION, ("lr: 5.0e-05", f'lr: "{value}"'))
    message = open_run(run_main, script)
    assert message.startswith("error: " + OPENING[script] + "=")
    assert message.endswith(
        f"{CONFIGURATION} has {value}, which is neither a value nor another key; write the value itself"
    )


def test_what_is_checked_is_what_is_built(run: Path, run_main: Callable[..., str], tmp_path: Path) -> None:
    """A target that is a callback of Lightning's when it is checked and runs a pickle when it is built."""
    (run / "result.json").unlink()
    with (run / "payload").open("wb") as file:
        pickle.dump(Payload(tmp_path / "made"), file)
    table = "m:\n    a: pytorch_lightning.callbacks.Timer\n    ':16:8': joblib.load\n"
    target = "${optimizer.m.${oc.env:CUBLAS_WORKSPACE_CONFIG,a}}"
    evil = f'evil:\n    _target_: "{target}"\n    filename: payload\n'
    edit(run / CONFIGURATION, ("optimizer:\n", f"optimizer:\n  {table}"), ("callbacks:\n", f"callbacks:\n  {evil}"))
    assert f"has {target}, which is neither a value" in open_run(run_main, "train.py")
    assert not (tmp_path / "made").exists()


def test_a_text_that_becomes_an_interpolation_is_refused(run_main: Callable[..., str], tmp_path: Path) -> None:
    message = run_main("train.py", *TINY, r"data.root='\${oc.env:HOME}'", "hydra.run.dir=run")
    assert message == "error: data.root=${oc.env:HOME}: must not be a text with ${ in it; write the value itself"
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_what_the_user_asks_of_the_surroundings_is_kept_as_a_value(
    run_main: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RATE", "1e-4")
    typed = "optimizer.lr='${oc.decode:${oc.env:RATE}}'"
    assert run_main("train.py", *BARE, typed, "hydra.run.dir=run") == ""
    monkeypatch.delenv("RATE")
    saved = OmegaConf.load(tmp_path / "run" / CONFIGURATION)
    assert saved.optimizer.lr == saved.optimizer.critic.lr == 1e-4
    assert run_main("train.py", "resume=run", "trainer.max_epochs=2") == ""


BOMB = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(8 * [f'*{before}'])}]\n"
    for before, name in zip("abcdefghij", "bcdefghijk", strict=True)
)
REFERENCES = "bomb:\n  l0: {a: 1, b: 2}\n" + "".join(
    f"  l{level}: {{" + ", ".join(f"k{k}: '${{callbacks.bomb.l{level - 1}}}'" for k in range(8)) + "}\n"
    for level in range(1, 12)
)


@pytest.mark.parametrize("script", OPENING)
@pytest.mark.parametrize(
    ("text", "line"),
    [
        (BOMB, "has an alias, *a, which no run writes; do not trust this folder"),
        ("a: " + 30 * "[" + 30 * "]", "has more than 20 levels, which no run writes; do not trust this folder"),
        ("a: " + 50_000 * "[", "has more than 20 levels, which no run writes; do not trust this folder"),
        ("callbacks:\n  " + REFERENCES.replace("\n", "\n  "), "is damaged; name another run"),
        ("seed: ${seed}", "is damaged; name another run"),
        ("seed: ${model}\nmodel: {a: '${model}'}", "is damaged; name another run"),
        ("seed: ${nothing}", "is damaged; name another run"),
        ("seed: " + 5000 * "9", "is damaged; name another run"),
    ],
    ids=["aliases", "levels", "brackets", "references", "circle", "circle of groups", "nothing", "digits"],
)
def test_a_configuration_that_would_hang_its_reader_is_refused(
    run: Path, run_main: Callable[..., str], script: str, text: str, line: str
) -> None:
    (run / CONFIGURATION).write_text(text)
    assert open_run(run_main, script).endswith(f": {CONFIGURATION} {line}")


@pytest.mark.parametrize("script", OPENING)
def test_a_file_that_is_too_large_is_not_read(run: Path, run_main: Callable[..., str], script: str) -> None:
    with (run / CONFIGURATION).open("ab") as file:
        file.truncate(40_000_000)
    line = f"{CONFIGURATION}: Larger than 100000 bytes; name a path that can be used"
    assert open_run(run_main, script).endswith(line)


FILES = (
    *(".lock", "train.log", "metrics.csv", "quality.csv", "result.json", "checkpoints/last.ckpt"),
    *("samples/epoch=001.png", "generator.safetensors"),
)


@pytest.mark.parametrize("name", FILES)
def test_a_pipe_in_a_run_is_refused(run: Path, run_main: Callable[..., str], name: str) -> None:
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    for script in ("train.py", "evaluate.py"):
        line = f"{run / name if script == 'train.py' else Path('run') / name} is not a regular file; remove it"
        assert open_run(run_main, script).endswith(f": {line}")


@pytest.mark.parametrize("name", [CONFIGURATION, "generator.safetensors"])
def test_no_reader_waits_for_a_pipe(run: Path, run_main: Callable[..., str], name: str) -> None:
    (run / name).unlink()
    os.mkfifo(run / name)
    line = f"error: run/{name}: Not a regular file; name a path that can be used"
    assert run_main("generate.py", "run=run") == line


def test_a_checkpoint_that_unpacks_to_more_than_it_is(run: Path, run_main: Callable[..., str]) -> None:
    import zipfile

    with zipfile.ZipFile(run / "checkpoints" / "last.ckpt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50_000_000))
    message = run_main("evaluate.py", "run=run", "checkpoint=last", "n=20")
    assert message == "error: run=run: last.ckpt or .hydra/config.yaml is damaged; name another run"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """What is the user's, and none of a stranger's business."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "precious.txt").write_text("precious")
    return folder


def assert_untouched(victim: Path) -> None:
    assert contents(victim) == {"precious.txt": b"precious"}


@pytest.mark.parametrize("name", [".evaluation.json.unfinished", "evaluation.json"])
def test_evaluating_writes_nowhere_else(run: Path, victim: Path, run_main: Callable[..., str], name: str) -> None:
    (run / name).symlink_to(victim / "precious.txt")
    line = f"error: run=run: run/{name} leads out of the folder; remove this link"
    assert run_main("evaluate.py", "run=run", "n=20") == line
    assert_untouched(victim)


def test_generating_writes_nowhere_else(run: Path, victim: Path, run_main: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / ".samples.png.unfinished").symlink_to(victim / "precious.txt")
    assert run_main("generate.py", "run=run", "n=4") == ""
    assert_untouched(victim)
    assert (tmp_path / "samples.png").is_file()


@pytest.mark.parametrize("name", [".report.html.unfinished", ".summary.csv.unfinished", "report.html", ".report.lock"])
def test_summing_up_writes_nowhere_else(
    sweep: Path, victim: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from wgan.sweeps.report import main

    (sweep / name).unlink(missing_ok=True)
    (sweep / name).symlink_to(victim / "precious.txt")
    monkeypatch.setattr(sys, "argv", ["report", str(sweep)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == f"error: {sweep}: {sweep / name} leads out of the folder; remove this link"
    assert_untouched(victim)


@pytest.mark.parametrize("name", ["train.log", "samples", "checkpoints", ".lock", "job.json", "metrics.csv", ".hydra"])
def test_a_sweep_writes_through_no_link_of_a_job(
    sweep: Path, victim: Path, run_main: Callable[..., str], name: str
) -> None:
    (job,) = (path.parent for path in sweep.glob("*/result.json"))
    (job / "result.json").unlink()
    path = job / name
    is_folder = path.is_dir()
    shutil.rmtree(path) if is_folder else path.unlink(missing_ok=True)
    path.symlink_to(victim if is_folder else victim / "precious.txt")
    shown = path.relative_to(sweep.parents[1])
    assert run_main(*SWEEP) == f"error: sweep=theirs: {shown} leads out of the folder; remove this link"
    assert_untouched(victim)


@pytest.mark.parametrize("name", ["multirun.yaml", "report.html", ".summary.csv.unfinished"])
def test_a_sweep_writes_through_no_link_of_its_own(
    sweep: Path, victim: Path, run_main: Callable[..., str], name: str
) -> None:
    (sweep / name).unlink(missing_ok=True)
    (sweep / name).symlink_to(victim / "precious.txt")
    line = f"error: sweep=theirs: multirun/theirs/{name} leads out of the folder; remove this link"
    assert run_main(*SWEEP) == line
    assert_untouched(victim)


def test_a_jobs_folder_that_is_a_link_loses_nothing(sweep: Path, run_main: Callable[..., str], tmp_path: Path) -> None:
    (job,) = (path.parent for path in sweep.glob("*/result.json"))
    job.rename(tmp_path / "victim")
    job.symlink_to(tmp_path / "victim")
    before = contents(tmp_path / "victim")
    message = run_main(*SWEEP, "rerun=true")
    assert message == f"error: sweep=theirs: multirun/theirs/{job.name} leads out of the folder; remove this link"
    assert contents(tmp_path / "victim") == before


def test_a_link_that_comes_after_the_check_is_not_written_through(
    run_main: Callable[..., str], victim: Path, tmp_path: Path
) -> None:
    """A run of its own, not resumed: Hydra opens its log before anything else looks at the folder."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "train.log").symlink_to(victim / "precious.txt")
    message = run_main("train.py", *TINY, "hydra.run.dir=run")
    assert message == (f"error: {tmp_path}/run: {tmp_path}/run/train.log leads out of the folder; remove this link")
    assert_untouched(victim)


def test_a_sweeps_configuration_is_not_trusted_either(sweep: Path, run_main: Callable[..., str]) -> None:
    (job,) = (path.parent for path in sweep.glob("*/result.json"))
    edit(job / CONFIGURATION, ("lr: 5.0e-05", "lr: ${oc.env:HOME}"))
    message = run_main(*SWEEP)
    assert message.startswith("error: 1 of 1 jobs failed")
    assert "has ${oc.env:HOME}, which is neither a value nor another key" in message


def test_a_link_within_a_run_is_as_good_as_a_file(run: Path, run_main: Callable[..., str]) -> None:
    (run / "checkpoints" / "last.ckpt").unlink()
    (run / "checkpoints" / "last.ckpt").symlink_to("epoch=002.ckpt")
    assert run_main("train.py", "resume=run", "trainer.max_epochs=3") == ""


def test_a_circle_of_links_is_refused(run: Path, run_main: Callable[..., str]) -> None:
    (run / "a").symlink_to("b")
    (run / "b").symlink_to("a")
    assert "leads out of the folder; remove this link" in open_run(run_main, "train.py")


@pytest.mark.parametrize(
    "option",
    [["-cn", "train"], ["--config-name", "train"], ["--config-name=train"], ["--config-n=train"], ["-cp", "conf"],
     ["--config-dir", "conf"], ["--experimental-rerun", "x"], ["--run"], ["-r"]],
)  # fmt: skip
def test_resume_takes_no_other_configuration(run: Path, run_main: Callable[..., str], option: list[str]) -> None:
    before = contents(run)
    assert run_main("train.py", "resume=run", *option) == f"error: resume=run: continues one run; leave out {option[0]}"
    assert contents(run) == before


def test_nothing_of_the_projects_follows_a_name_that_can_be_known() -> None:
    """Files are opened to be written in files.py alone, but for those that are appended to or never a stranger's."""
    writing = ("write_text(", "write_bytes(", '.open("w', '.open("a')
    found = {
        str(path.relative_to(PROJECT / "src" / "wgan"))
        for path in (PROJECT / "src").rglob("*.py")
        if any(way in path.read_text() for way in writing)
    }
    # The lock, which this process holds; metrics.csv, which write_whole made; train.log, opened to see if it can be.
    assert found == {"runs.py", "callbacks/history.py", "log.py"}


def test_the_configuration_of_tests_is_one_that_can_be_loaded(tmp_path: Path) -> None:
    from wgan.configuration import load_configuration, save_configuration

    for typed in ((), ("optimizer=adam",), ("experiment=paper",), ("data.digit=[3,8]",)):
        cfg = configuration(*typed)
        save_configuration(cfg, tmp_path)
        assert load_configuration(tmp_path, "run") == cfg
