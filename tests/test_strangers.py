"""Folders of a stranger's: they run no code, write nowhere else and hang nothing."""

import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import BARE, PROJECT, TINY, Run, command, configuration, contents
from omegaconf import OmegaConf
from test_weights import Payload

CONFIGURATION = ".hydra/config.yaml"


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
CHAIN = (
    "optimizer:\n" + "".join(f"  a{k}: '${{optimizer.a{k + 1}}}'\n" for k in range(50)) + "  a50: 1\n"
    f"  k: [{', '.join(4000 * ['${optimizer.a0}'])}]\n"
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
        (CHAIN, "is damaged; name another run"),
        ("seed: " + 5000 * "9", "is damaged; name another run"),
    ],
    ids=["aliases", "levels", "brackets", "references", "circle", "circle of groups", "nothing", "chain", "digits"],
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


@pytest.mark.parametrize("name", ["${now:..}${oc.env:USER,x}", "${nothing}", "${hydra.job.num}"])
def test_a_jobs_folder_whose_name_hydra_would_resolve_is_left_alone(
    sweep: Path, run_main: Callable[..., str], tmp_path: Path, name: str
) -> None:
    (job,) = (path.parent for path in sweep.glob("*/result.json"))
    theirs = job.rename(sweep / f"{name}-{job.name.rpartition('-')[2]}")
    before, places = contents(theirs), set(tmp_path.rglob("*"))
    assert run_main(*SWEEP, "rerun=true") == ""
    assert contents(theirs) == before
    assert (job / "result.json").is_file()
    new = {path for path in set(tmp_path.rglob("*")) - places if not path.is_relative_to(job)}
    assert {path.relative_to(sweep).name for path in new} <= {".report.lock"}


@pytest.mark.parametrize("name", ["train.log", ".lock"])
def test_a_file_with_another_name_is_not_written_in_place(
    run: Path, victim: Path, run_main: Callable[..., str], name: str
) -> None:
    (run / name).unlink(missing_ok=True)
    (run / name).hardlink_to(victim / "precious.txt")
    line = f"error: resume={run}: {run / name} has another name, too (a hard link); put a copy in its place"
    assert open_run(run_main, "train.py") == line
    assert_untouched(victim)


def test_a_run_fetches_nothing_into_the_project(run: Path, run_main: Callable[..., str]) -> None:
    edit(run / CONFIGURATION, ("root: data", "root: src/evil"))
    line = "must be data or have MNIST unpacked: a run that goes on writes nothing there"
    assert open_run(run_main, "train.py") == f"error: data.root={PROJECT}/src/evil: {line}"
    assert not (PROJECT / "src" / "evil").exists()


def test_images_that_nobody_can_check_are_not_taken(run: Path, run_main: Callable[..., str], tmp_path: Path) -> None:
    raw = shutil.copytree(PROJECT / "data" / "MNIST" / "raw", tmp_path / "theirs" / "MNIST" / "raw")
    (raw.parent / "processed").mkdir()
    (run / "result.json").unlink()
    edit(run / CONFIGURATION, ("root: data", f"root: {tmp_path}/theirs"))
    line = f"error: data.root={tmp_path}/theirs: MNIST/processed has files of a kind that nobody can check; remove it"
    assert open_run(run_main, "train.py") == line


def test_what_comes_from_a_folder_moves_no_cursor(run: Path, run_main: Callable[..., str]) -> None:
    edit(run / CONFIGURATION, ("seed: 0", r'seed: "\e[31mred\nerror: größe"'))
    message = open_run(run_main, "generate.py")
    assert message.startswith(r"error: seed=\x1b[31mred\nerror: größe: must be a whole number")


@pytest.mark.parametrize(
    "arguments", [["evaluate.py", "run=run", "checkpoint=last", "n=20"], ["train.py", "resume=run"]]
)
def test_no_generator_is_taken_from_a_checkpoint_of_another_configuration(
    run: Path, run_main: Callable[..., str], arguments: list[str]
) -> None:
    path = run / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["configuration"]["seed"] = 99
    torch.save(checkpoint, path)
    (run / "generator.safetensors").unlink()
    assert "checkpoints/last.ckpt: is of a run with seed=99 (this run has 0); delete it" in run_main(*arguments)
    assert not (run / "generator.safetensors").exists()


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("  _target_: wgan.WGAN\n", "", "model._target_: must be given, the class to build"),
        ("callbacks:\n", "callbacks:\n  x: {a: 1}\n", "callbacks.x._target_: must be given, the class to build"),
        (
            "trainer:\n",
            "trainer:\n  _partial_: true\n",
            "trainer._partial_=True: must not be given; only what gets",
        ),
        (
            "callbacks:\n",
            "callbacks:\n  x: {_target_: pytorch_lightning.callbacks.BatchSizeFinder}\n",
            "callbacks.x._target_=pytorch_lightning.callbacks.BatchSizeFinder: trains to find a value; set",
        ),
    ],
    ids=["model", "callback", "partial", "finder"],
)
def test_what_cannot_be_built_is_told(
    run: Path, run_main: Callable[..., str], before: str, after: str, line: str
) -> None:
    (run / "result.json").unlink()
    edit(run / CONFIGURATION, (before, after))
    assert open_run(run_main, "train.py").startswith(f"error: {line}")


@pytest.mark.parametrize("name", ["report.html", "summary.csv", ".report.lock"])
def test_a_report_that_cannot_be_written_is_told_in_a_line(
    sweep: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from wgan.sweeps.report import main

    (sweep / name).unlink(missing_ok=True)
    (sweep / name).mkdir()
    monkeypatch.setattr(sys, "argv", ["report", str(sweep)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == f"error: {sweep / name}: Is a directory; name a path that can be used"


def test_odd_figures_and_names_of_jobs_end_no_report(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wgan.sweeps.report import main

    (job,) = (path.parent for path in sweep.glob("*/result.json"))
    edit(job / "result.json", ('"wasserstein":', f'"fid_mnist": 1{400 * "0"}, "wasserstein":'))
    (job / "metrics.csv").write_text("iteration,wasserstein\n-1e308,1e308\n1e308,-1e308\n")
    job.rename(os.fsdecode(os.fsencode(sweep) + b"/\xff\xfe\n-12345678"))
    monkeypatch.setattr(sys, "argv", ["report", str(sweep)])
    main()
    assert (sweep / "report.html").is_file()


def test_a_result_without_the_figure_that_is_asked_for(sweep: Path, run_main: Callable[..., str]) -> None:
    (path,) = sweep.glob("*/result.json")
    edit(path, ('"wasserstein":', '"nothing":'))
    assert "result.json: has no wasserstein; rerun=true trains the job anew" in run_main(*SWEEP)


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
    # The lock, which this process holds; train.log, opened to see if it can be.
    assert found == {"run/folder.py", "run/log.py"}


def test_the_configuration_of_tests_is_one_that_can_be_loaded(tmp_path: Path) -> None:
    from wgan.run.configuration import load_configuration, save_configuration

    for typed in ((), ("optimizer=adam",), ("experiment=paper",), ("data.digit=[3,8]",)):
        cfg = configuration(*typed)
        save_configuration(cfg, tmp_path)
        assert load_configuration(tmp_path, "run") == cfg
