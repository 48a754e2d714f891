import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import PROJECT, SMALL, command, configuration, contents, pasted, result, rows
from PIL import Image
from processes import Process
from pytorch_lightning.callbacks import ModelCheckpoint, Timer
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.summary.writer.record_writer import RecordWriter
from test_tensorboard import events_of

from wgan.errors import UserError
from wgan.run import checkpoints, continuing
from wgan.run.training import train

EPOCHS = 3
ITERATIONS = 3  # of an epoch
LARGE = (  # the default networks
    "trainer=cpu",
    f"trainer.max_epochs={EPOCHS}",
    f"trainer.limit_train_batches={ITERATIONS}",
    "data.batch_size=4",
    "model.n_critic=2",
    "callbacks.quality.n=10",
    "callbacks.quality.final_n=12",
)
RUN = (*LARGE, *SMALL)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    train(configuration(*RUN), folder)
    return folder


@pytest.fixture
def finished(tmp_path: Path, uninterrupted: Path) -> Path:
    """A copy of a finished run, in the folder "run" of the current one."""
    (uninterrupted / "train.log").touch()
    return shutil.copytree(uninterrupted, tmp_path / "run")


def assert_same_run(folder: Path, uninterrupted: Path) -> None:
    """The same files, equal to the bit but for what tells the time and, in another folder, what names it."""
    found, wanted = contents(folder), contents(uninterrupted)
    names = {name for name in wanted if "tfevents" not in name and name != "train.log"}
    assert {name for name in found if "tfevents" not in name and name != "train.log"} == names
    assert "checkpoints/epoch=003.ckpt" in names
    named = {"losses.png", "quality.png", "nearest.png", "progress.gif"} if folder.name != uninterrupted.name else set()
    for name in names - named - {"result.json"}:
        if name.endswith(".ckpt"):
            assert_equal(state(folder / name), state(uninterrupted / name))
        else:
            assert found[name] == wanted[name], name
    figures, expected = (result(path) for path in (folder, uninterrupted))
    assert figures.pop("seconds") > 0
    assert {name: value for name, value in expected.items() if name != "seconds"} == figures
    assert [int(row["iteration"]) for row in rows(folder)] == list(range(1, EPOCHS * ITERATIONS + 1))
    events = events_of(folder)
    for tag, column in (("critic/loss_real", "c1"), ("generator/loss", "g")):
        assert [point.step for point in events.Scalars(tag)] == list(range(1, EPOCHS * ITERATIONS + 1))
        assert [point.value for point in events.Scalars(tag)] == [float(row[column]) for row in rows(folder)]
    for points in (*map(events.Scalars, ("lipschitz/clip_saturation", "quality/recall")), events.Images("samples")):
        assert [point.step for point in points] == [3, 6, 9]
    assert [point.step for point in events.Scalars("quality_final/recall")] == [9]


def state(path: Path) -> dict[str, Any]:
    checkpoint = torch.load(path, weights_only=True)
    return {name: checkpoint[name] for name in ("state_dict", "optimizer_states", "iteration", "losses", "loops")}


def assert_equal(found: Any, wanted: Any) -> None:
    if isinstance(wanted, torch.Tensor):
        assert torch.equal(found, wanted)
    elif isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            assert_equal(found[name], value)
    elif isinstance(wanted, list | tuple):
        for one, other in zip(found, wanted, strict=True):
            assert_equal(one, other)
    else:
        assert found == wanted


@pytest.mark.parametrize(
    ("name", "times", "done"),
    [
        ("config.yaml", 1, None),
        ("metrics.csv", 3, 3),
        ("last.ckpt", 2, 3),
        ("result.json", 1, 9),
        ("metrics.csv", 1, 0),
        ("epoch=001.png", 1, 0),
        ("epoch=001.ckpt", 1, 0),
        ("epoch=002.ckpt", 1, 3),
        ("quality.csv", 2, 3),
        ("quality.csv", 4, 9),
        ("quality.png", 1, 9),
        ("progress.gif", 1, 9),
        ("last.ckpt", 3, 6),
        ("generator.safetensors", 1, 9),
    ],
)
def test_killed_while_it_writes(
    tmp_path: Path,
    uninterrupted: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
    times: int,
    done: int | None,
) -> None:
    caplog.set_level("INFO", "wgan")
    folder = tmp_path / "run"
    run = (*RUN, f"hydra.run.dir={folder}")
    process = command("tests/killed_while_writing.py", name, str(times), *run, cwd=tmp_path)
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert not (folder / "result.json").exists()
    if done is None:
        with pytest.raises(UserError, match="not a run's folder"):
            train(configuration(*RUN), folder, resume=True)
        train(configuration(*RUN), folder)
    else:
        train(configuration(*RUN), folder, resume=True)
        said = [record.getMessage() for record in caplog.records if "Continuing" in record.getMessage()]
        assert [line.startswith(f"Continuing after iteration {done}, ") for line in said] == [True] * (done > 0)
    assert_same_run(folder, uninterrupted)


def start(folder: Path) -> Process:
    """The real command, from the moment when it has its folder."""
    process = Process("train.py", *RUN, "data.batch_size=32", f"hydra.run.dir={folder}", cwd=folder.parent)
    until_begun(folder, process)
    return process


def until_begun(folder: Path, process: "Process | subprocess.Popen[str]") -> None:
    while not (folder / ".hydra" / "config.yaml").exists():
        assert process.poll() is None
        time.sleep(0.02)


@pytest.fixture(scope="module")
def uninterrupted_command(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A run by the real command, and its seconds from the moment when it has its folder."""
    folder = tmp_path_factory.mktemp("command") / "run"
    process = start(folder)
    begin = time.monotonic()
    process.communicate()
    return folder, time.monotonic() - begin


@pytest.mark.slow
@pytest.mark.parametrize("part", range(3))
def test_killed_at_a_random_moment(tmp_path: Path, uninterrupted_command: tuple[Path, float], part: int) -> None:
    wanted, seconds = uninterrupted_command
    moment = (part + random.random()) / 3 * seconds  # one in each third
    process = start(tmp_path / "run")
    time.sleep(moment)
    process.kill()
    process.communicate()
    resumed = command("train.py", "resume=run", cwd=tmp_path)
    assert resumed.returncode == 0, (moment, resumed.stderr)
    assert resumed.stderr == ""
    assert_same_run(tmp_path / "run", wanted)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_with_a_line_that_says_how_to_resume(
    tmp_path: Path, uninterrupted_command: tuple[Path, float], number: signal.Signals
) -> None:
    folder = tmp_path / "run"
    process = start(folder)
    while not (folder / "checkpoints" / "last.ckpt").exists():
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == ""
    assert out.splitlines()[-1] == f"Interrupted; continue with: {pasted('train.py', f'resume={folder}')}"
    assert not list(folder.rglob("*.unfinished"))
    if number == signal.SIGTERM:
        assert command("train.py", out.split()[-1], cwd=tmp_path).returncode == 0
        assert_same_run(folder, uninterrupted_command[0])


def test_interrupted_before_it_trains(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, PROJECT / "train.py", *RUN, f"hydra.run.dir={folder}"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until_begun(folder, process)  # PyTorch is still being imported
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert out == f"Interrupted; continue with: {pasted('train.py', f'resume={folder}')}\n"


def test_a_run_can_be_lengthened(tmp_path: Path, uninterrupted: Path, run_main: Callable[..., str]) -> None:
    train(configuration(*RUN, "trainer.max_epochs=1"), tmp_path / "run")
    assert run_main("train.py", "resume=run", f"trainer.max_epochs={EPOCHS}") == ""
    assert_same_run(tmp_path / "run", uninterrupted)


def test_a_finished_run_says_so_and_stays_as_it_is(
    finished: Path, run_main: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(finished)
    assert run_main("train.py", "resume=run") == ""
    out = capsys.readouterr().out.splitlines()
    assert out == [
        f"Finished already, after 9 iterations: {finished}",
        f"To lengthen it: {pasted('train.py', f'resume={finished}', 'trainer.max_epochs=6')}",
    ]
    after = contents(finished)
    assert after.pop("train.log").decode().count("\n") == 2
    assert after == {name: data for name, data in before.items() if name != "train.log"}


def test_a_finished_run_answers_without_pytorch(finished: Path) -> None:
    code = "import sys, runpy; sys.modules['torch'] = None; runpy.run_path(sys.argv[0], run_name='__main__')"
    program = f"import sys; sys.argv[:] = [{str(PROJECT / 'train.py')!r}, 'resume=run']; {code}"
    process = subprocess.run([sys.executable, "-c", program], cwd=finished.parent, capture_output=True, text=True)
    assert process.stdout.startswith("Finished already"), process.stderr


def test_train_returns_the_same_when_there_is_nothing_to_do(finished: Path) -> None:
    objective = train(configuration(*RUN), finished, resume=True)
    assert objective == result(finished)["fid_mnist"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["optimizer.lr=0.001"], "optimizer.lr=0.001 (the run has 5e-05)"),
        (["model.n_critic=3", "seed=1"], "seed=1 (the run has 0), model.n_critic=3 (the run has 2)"),
        (["trainer.max_epochs=2"], "trainer.max_epochs=2 (the run has 3)"),
        (["data.digit=[3,8]"], "data.digit=[3, 8] (the run has 7)"),
        (["~callbacks.samples"], "callbacks.samples._target_=None (the run has wgan.Samples)"),
        (["+trainer.benchmark=true"], "trainer.benchmark=True (the run has None)"),
    ],
    ids=str,
)
def test_any_other_change_is_refused_with_both_values(
    finished: Path, run_main: Callable[..., str], arguments: list[str], line: str
) -> None:
    before = contents(finished)
    message = run_main("train.py", "resume=run", *arguments)
    assert message.startswith(f"error: {line}")
    assert message.endswith(": resume= can raise trainer.max_epochs, nothing else; for other values start another run")
    assert contents(finished) == before


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ("optimizer=adam", "optimizer=adam: resume= has the run's own configuration"),
        ("experiment=paper", "experiment=paper: resume= has the run's own configuration"),
        ("hydra.output_subdir=.hydra", "hydra.output_subdir=.hydra: resume= has the run's own configuration"),
        ("hydra.run.dir=elsewhere", "hydra.run.dir=elsewhere: resume= has the run's own configuration"),
        ("hydra.mode=MULTIRUN", "hydra.mode=MULTIRUN: resume= has the run's own configuration"),
        ("--multi", "resume=run: continues one run; leave out --multi"),
    ],
)
def test_what_resume_does_not_go_with(finished: Path, run_main: Callable[..., str], argument: str, line: str) -> None:
    before = contents(finished)
    assert run_main("train.py", "resume=run", argument).startswith(f"error: {line}")
    assert contents(finished) == before
    assert [path.name for path in finished.parent.iterdir()] == ["run"]


@pytest.mark.parametrize("name", ["a\\b", "a b", 'it\'s "so"', "a=b,c", "$HOME", "50%", "größe", "[3,8]", "null"])
def test_any_name_of_a_folder(finished: Path, run_main: Callable[..., str], name: str) -> None:
    finished.rename(finished.parent / name)
    assert run_main("train.py", f"resume={name}") == ""
    assert [path.name for path in finished.parent.iterdir()] == [name]


def test_a_name_that_hydra_cannot_take(finished: Path, run_main: Callable[..., str]) -> None:
    finished.rename(finished.parent / "a${seed}")
    line = "error: resume=a${seed}: must name the folder of a run, such as outputs/DATE/TIME"
    assert run_main("train.py", "resume=a${seed}") == line


def test_a_strangers_run_does_not_fetch_its_data_to_another_folder(
    finished: Path, run_main: Callable[..., str]
) -> None:
    path = finished / ".hydra" / "config.yaml"
    elsewhere = finished.parent / "elsewhere"
    path.write_text(path.read_text().replace("root: data", f"root: {elsewhere}"))
    remedy = "must be data or have MNIST unpacked: a run that goes on writes nothing there"
    line = f"error: data.root={elsewhere}: {remedy}"
    assert run_main("train.py", "resume=run", "trainer.max_epochs=4") == line
    assert not elsewhere.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "{",
        '{"status": "diverged"}',
        '{"status": "finished"}',
        '{"status": "diverged", "iteration": "1"}',
    ]
    + [
        f'{{"status": "finished", "iterations": {iterations}, "max_epochs": 3, "objective": {objective}}}'
        for iterations, objective in (('"9"', "1"), ("9", '"abc"'), ("9", "null"), ("9", "1" + 400 * "0"), ("9", "NaN"))
    ]
    + [500_000 * "["],
    ids=lambda text: text[-40:],
)
def test_a_damaged_result(finished: Path, run_main: Callable[..., str], text: str) -> None:
    (finished / "result.json").write_text(text)
    line = f"error: {finished / 'result.json'}: damaged; delete it to go on from the run's last checkpoint"
    assert run_main("train.py", "resume=run") == line


def test_a_value_that_cannot_be_in_the_runs_configuration(finished: Path, run_main: Callable[..., str]) -> None:
    path = finished / ".hydra" / "config.yaml"
    path.write_text(path.read_text().replace("max_epochs: 3", "max_epochs: three"))
    line = "error: trainer.max_epochs=three: must be a whole number, 1 or more"
    assert run_main("train.py", "resume=run", "trainer.max_epochs=4") == line


def change(finished: Path, **parts: Any) -> None:
    """Let the run have other parts in its last checkpoint, and go on from there; None removes one."""
    path = finished / "checkpoints" / "last.ckpt"
    contents = torch.load(path, weights_only=True) | parts
    torch.save({name: part for name, part in contents.items() if part is not None}, path)
    (finished / "result.json").unlink()


OF_AN_EARLIER_VERSION: dict[str, Any] = {"metrics.csv": None, "quality.csv": None}  # its checkpoints have no rows


@pytest.mark.parametrize("text", [b"", b"nothing\n", b"iteration,epoch\n1,x\n", b"\xff\xfe\0,\n", None])
def test_tables_are_written_from_the_checkpoint(finished: Path, uninterrupted: Path, text: bytes | None) -> None:
    for name in ("metrics.csv", "quality.csv"):
        if text is None:
            (finished / name).unlink()
        else:
            (finished / name).write_bytes(text)
    (finished / "result.json").unlink()
    train(configuration(*RUN), finished, resume=True)
    assert_same_run(finished, uninterrupted)


def test_a_run_of_a_version_whose_checkpoints_have_no_rows(finished: Path, uninterrupted: Path) -> None:
    shutil.copy(finished / "checkpoints" / "epoch=002.ckpt", finished / "checkpoints" / "last.ckpt")
    (finished / "checkpoints" / "epoch=003.ckpt").unlink()
    change(finished, **OF_AN_EARLIER_VERSION)
    with (finished / "metrics.csv").open("a") as file:
        file.write("10,4,1,")  # of a process that was killed
    train(configuration(*RUN), finished, resume=True)
    assert_same_run(finished, uninterrupted)


def test_a_column_that_an_earlier_version_had_not_is_empty(finished: Path, uninterrupted: Path) -> None:
    quality = torch.load(finished / "checkpoints" / "last.ckpt", weights_only=True)["quality.csv"]
    place = quality["columns"].index("recall")
    kept = [number for number in range(len(quality["columns"])) if number != place]
    fewer = {"columns": [quality["columns"][number] for number in kept], "rows": quality["rows"][:, kept].contiguous()}
    change(finished, **{"quality.csv": fewer})
    train(configuration(*RUN, "trainer.max_epochs=4"), finished, resume=True)
    found, wanted = rows(finished, "quality.csv"), rows(uninterrupted, "quality.csv")
    assert found[:3] == [row | {"recall": ""} for row in wanted[:3]]
    assert [0 <= float(row["recall"]) <= 1 for row in found[3:]] == [True, True]  # of the new epoch, and of the end


@pytest.mark.parametrize("name", ["metrics.csv", "quality.csv"])  # test_table.py has what else is odd
def test_an_odd_table_of_a_checkpoint(finished: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    change(finished, **{name: {"columns": ["iteration"], "rows": torch.zeros(1, 1).double().expand(10**12, 1)}})
    train(configuration(*RUN, "trainer.max_epochs=4"), finished, resume=True)
    told = f"The earlier rows of {finished / name} are damaged and left out"
    assert told in [record.getMessage() for record in caplog.records]
    assert [row["iteration"] for row in rows(finished, name)][-1] == "12"


def test_an_odd_row_of_a_checkpoint(finished: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = torch.load(finished / "checkpoints" / "last.ckpt", weights_only=True)["metrics.csv"]
    table["rows"][3, 0] = float("nan")
    change(finished, **{"metrics.csv": table})
    train(configuration(*RUN), finished, resume=True)
    told = f"{finished / 'metrics.csv'}: 1 earlier rows are damaged and left out"
    assert told in [record.getMessage() for record in caplog.records]
    assert [int(each["iteration"]) for each in rows(finished)] == [1, 2, 3, 5, 6, 7, 8, 9]


def test_a_strangers_checkpoint_deletes_nothing(finished: Path) -> None:
    victim = finished.parent / "victim"
    (victim / "sub").mkdir(parents=True)
    path = finished / "checkpoints" / "last.ckpt"
    for last in (f"local://{victim}", f"{finished}/checkpoints/../../victim"):
        checkpoint = torch.load(path, weights_only=True)
        (name,) = (name for name in checkpoint["callbacks"] if name.startswith("ModelCheckpoint"))
        checkpoint["callbacks"][name].pop("dirpath", None)
        checkpoint["callbacks"][name]["last_model_path"] = last
        torch.save(checkpoint, path)
        epochs = result(finished)["max_epochs"]
        train(configuration(*RUN, f"trainer.max_epochs={epochs + 1}"), finished, resume=True)
        assert (victim / "sub").is_dir()


def test_a_run_of_an_older_version_is_told_of(finished: Path, run_main: Callable[..., str]) -> None:
    path = finished / ".hydra" / "config.yaml"
    path.write_text(path.read_text().replace("objective: fid_mnist\n", ""))
    line = f"resume={finished}: .hydra/config.yaml has no objective, as those of older versions; start another run"
    assert run_main("train.py", "resume=run") == f"error: {line}"


def test_pictures_that_were_deleted_are_not_missed(finished: Path) -> None:
    shutil.rmtree(finished / "samples")
    for name in ("progress.gif", "result.json"):
        (finished / name).unlink()
    train(configuration(*RUN), finished, resume=True)
    assert result(finished)["status"] == "finished"
    assert not (finished / "progress.gif").exists()


def test_damaged_rows_of_an_earlier_versions_metrics_are_left_out(
    finished: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = finished / "metrics.csv"
    lines = path.read_text().splitlines()
    lines[4] = "4,2,x,1,1,1"
    path.write_text("\n".join(lines) + "\n")
    change(finished, **OF_AN_EARLIER_VERSION)
    train(configuration(*RUN), finished, resume=True)
    assert result(finished)["status"] == "finished"
    told = f"{path}: 1 earlier rows are damaged and left out"
    assert told in [record.getMessage() for record in caplog.records]
    assert [int(each["iteration"]) for each in rows(finished)] == [1, 2, 3, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("text", ["", "iteration,epoch,c1,c2,g,wasserstein\n", "nothing\n", "a\n1\n", "\udcff,\0\n1,2"])
def test_an_earlier_versions_tables_without_a_row(finished: Path, text: str) -> None:
    for name in OF_AN_EARLIER_VERSION:
        (finished / name).write_bytes(text.encode(errors="surrogateescape"))
    change(finished, **OF_AN_EARLIER_VERSION)
    train(configuration(*RUN), finished, resume=True)
    assert result(finished)["status"] == "finished"
    assert rows(finished) == []


def test_pictures_that_are_no_grids_are_left_out(
    finished: Path, uninterrupted: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grid = finished / "samples" / "epoch=001.png"
    bad = {
        "epoch=abc.png": grid.read_bytes(),
        "epoch=010.png": b"",
        "epoch=011.png": grid.read_bytes()[:300],
        "epoch=012.png": b"no picture",
    }
    for name, data in bad.items():
        (finished / "samples" / name).write_bytes(data)
    for name, picture in (("epoch=013.png", Image.new("L", (28, 28))), ("epoch=014.png", Image.new("RGB", (280, 280)))):
        picture.save(finished / "samples" / name)
    (finished / "result.json").unlink()
    train(configuration(*RUN), finished, resume=True)
    assert result(finished)["status"] == "finished"
    told = [record.getMessage() for record in caplog.records if "is no grid of samples" in record.getMessage()]
    assert [Path(line.split()[0]).name for line in told] == [f"epoch=0{number}.png" for number in range(10, 15)]
    assert (finished / "progress.gif").read_bytes() == (uninterrupted / "progress.gif").read_bytes()


def test_grids_of_an_earlier_version_are_in_the_animation(finished: Path, uninterrupted: Path) -> None:
    path = finished / "samples" / "epoch=001.png"
    with Image.open(path) as grid:
        cells = np.asarray(grid)[4:, 4:].reshape(10, 60, 10, 60)
    Image.fromarray(cells[:, :56:2, :, :56:2].reshape(280, 280)).save(path)
    (finished / "result.json").unlink()
    train(configuration(*RUN), finished, resume=True)
    assert (finished / "progress.gif").read_bytes() == (uninterrupted / "progress.gif").read_bytes()


@pytest.mark.parametrize("length", [2**34, 2**40, 2**62])
def test_an_event_that_says_it_is_longer_than_there_is(
    finished: Path, caplog: pytest.LogCaptureFixture, length: int
) -> None:
    (path,) = finished.glob("events.out.tfevents.*")
    header = struct.pack("<Q", length)
    with path.open("ab") as file:
        file.write(header + struct.pack("<I", masked_crc32c(header)) + b"and no more")
    (finished / "events.out.tfevents.1.folder").mkdir()
    (finished / "result.json").unlink()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (16 * 2**30, before[1]))  # no machine is to fill its memory for this
    try:
        train(configuration(*RUN), finished, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert result(finished)["status"] == "finished"
    (finished / "events.out.tfevents.1.folder").rmdir()
    assert [point.step for point in events_of(finished).Scalars("generator/loss")] == list(range(1, 10))


@pytest.mark.parametrize("iteration", [0, -5, "9", 9.0, float("inf")])
def test_a_checkpoint_with_an_odd_iteration_is_left_out(
    finished: Path, uninterrupted: Path, caplog: pytest.LogCaptureFixture, iteration: object
) -> None:
    caplog.set_level("INFO", "wgan")
    change(finished, iteration=iteration)
    train(configuration(*RUN), finished, resume=True)
    told = [record.getMessage() for record in caplog.records]
    assert f"{finished}/checkpoints/last.ckpt is not a checkpoint of this run and left out" in told
    assert f"Continuing after iteration 9, from {finished}/checkpoints/epoch=003.ckpt" in told


KEPT = {"best_k_models": {"a": torch.tensor(1.0), "b": torch.tensor(torch.inf)}, "kth_best_model_path": "b"}


@pytest.mark.parametrize(
    ("changed", "good"),
    [
        (KEPT, True),
        ({"best_model_score": torch.tensor(1.0), "current_score": None}, True),
        (KEPT | {"kth_best_model_path": "c"}, False),
        (KEPT | {"kth_best_model_path": None}, False),
        ({"best_k_models": [1]}, False),
        ({"best_k_models": {1: torch.tensor(1.0)}}, False),
        ({"best_k_models": {"a": None}}, False),
        ({"best_k_models": {"a": torch.zeros(2)}}, False),
        ({"kth_value": None}, False),
        ({"kth_value": torch.zeros(2)}, False),
        ({"last_model_path": -1}, False),
        ({"best_model_path": ["x"]}, False),
    ],
    ids=str,
)
def test_a_state_of_the_callback_that_keeps_checkpoints(changed: dict[str, Any], good: bool) -> None:
    callback = ModelCheckpoint(dirpath="kept", monitor="g", save_top_k=2)
    with nullcontext() if good else pytest.raises((AttributeError, ValueError)):
        continuing.check_callback(callback, callback.state_dict() | changed)


@pytest.mark.parametrize("seconds", [None, float("inf"), float("nan"), "x", 10**400, [1], torch.zeros(2), True])
def test_a_state_of_the_callback_that_takes_the_time(seconds: object) -> None:
    continuing.check_callback(Timer(), {"time_elapsed": {"train": 5}})
    continuing.check_callback(Timer(), {"time_elapsed": {"train": 5.5}})
    with pytest.raises(ValueError, match="Timer"):
        continuing.check_callback(Timer(), {"time_elapsed": {"train": seconds}})


@pytest.mark.parametrize(("name", "state"), [("ModelCheckpoint", {"odd": 1}), ("Timer", {"time_elapsed": 5})])
def test_a_checkpoint_with_an_odd_state_of_a_callback_is_left_out(
    finished: Path, caplog: pytest.LogCaptureFixture, name: str, state: dict[str, Any]
) -> None:
    states = torch.load(finished / "checkpoints" / "last.ckpt", weights_only=True)["callbacks"]
    (key,) = (each for each in states if each.startswith(name))
    change(finished, callbacks=states | {key: state})
    train(configuration(*RUN), finished, resume=True)
    told = [record.getMessage() for record in caplog.records]
    assert f"{finished}/checkpoints/last.ckpt is not a checkpoint of this run and left out" in told
    assert result(finished)["status"] == "finished"


@pytest.mark.parametrize(
    "keep",
    [
        ("callbacks.checkpoints.save_top_k=0",),
        ("callbacks.checkpoints.save_top_k=1", "+callbacks.checkpoints.monitor=g", "+callbacks.checkpoints.mode=max"),
        ("callbacks.checkpoints.save_last=false", "+callbacks.checkpoints.every_n_epochs=2"),
        ("~callbacks.checkpoints",),
    ],
    ids=str,
)
def test_a_killed_run_loses_an_epoch_at_most_whatever_it_keeps(tmp_path: Path, keep: tuple[str, ...]) -> None:
    typed = (*RUN, *keep, f"hydra.run.dir={tmp_path}/run")
    killed = command("tests/killed_while_writing.py", "epoch=003.png", "1", *typed, cwd=tmp_path)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = command("train.py", "resume=run", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert f"Continuing after iteration 6, from {tmp_path}/run/checkpoints/last.ckpt" in resumed.stdout


def test_a_run_that_starts_again_says_so(tmp_path: Path) -> None:
    typed = (*RUN, f"hydra.run.dir={tmp_path}/run")
    command("tests/killed_while_writing.py", "epoch=001.png", "1", *typed, cwd=tmp_path)
    resumed = command("train.py", "resume=run", cwd=tmp_path)
    assert f"There is no checkpoint in {tmp_path}/run: starting at iteration 1" in resumed.stdout


def test_another_number_of_threads_is_told_of(finished: Path, caplog: pytest.LogCaptureFixture) -> None:
    threads = torch.get_num_threads()
    begun_on = {"device": "cpu", "threads": threads + 1}
    change(finished, begun_on=begun_on)
    train(configuration(*RUN, "trainer.max_epochs=4"), finished, resume=True)
    assert (
        f"The run was begun with device cpu and {threads + 1} threads and goes on with device cpu and {threads} threads"
        ": its bits will not be those of an uninterrupted run"
    ) in [record.getMessage() for record in caplog.records]
    assert (result(finished)["threads"], result(finished)["begun_on"]) == (threads, begun_on)


def test_a_checkpoint_is_read_once(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    original = checkpoints.read_checkpoint

    def spy(path: Path) -> dict[str, Any]:
        read.append(path)
        return original(path)

    for place in (checkpoints, continuing):
        monkeypatch.setattr(place, "read_checkpoint", spy)
    train(configuration(*RUN, "trainer.max_epochs=4"), finished, resume=True)
    assert read == [finished / "checkpoints" / "last.ckpt"]


def test_damaged_events_are_left_out(finished: Path, uninterrupted: Path, caplog: pytest.LogCaptureFixture) -> None:
    (path,) = finished.glob("events.out.tfevents.*")
    writer = RecordWriter(path.open("ab"))
    writer.write(b"\xff\xff no event")
    writer.close()
    (finished / "result.json").unlink()
    train(configuration(*RUN), finished, resume=True)
    assert "An event of TensorBoard's is damaged and left out" in [record.getMessage() for record in caplog.records]
    assert_same_run(finished, uninterrupted)


def test_a_generator_that_is_gone_is_made_again(
    finished: Path, uninterrupted: Path, run_main: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = finished / "generator.safetensors"
    path.unlink()
    line = f"error: run=run: its {path.name} is gone; make it again with: {pasted('train.py', f'resume={finished}')}"
    assert run_main("generate.py", "run=run") == line
    os.truncate(finished / "checkpoints" / "last.ckpt", 1000)
    assert run_main("train.py", "resume=run") == ""
    printed = capsys.readouterr().out
    assert f"{path} was gone; made again from {finished}/checkpoints/epoch=003.ckpt" in printed
    assert "Finished already, after 9 iterations" in printed
    assert path.read_bytes() == (uninterrupted / path.name).read_bytes()


def test_a_generator_that_is_gone_for_good(finished: Path, run_main: Callable[..., str]) -> None:
    (finished / "generator.safetensors").unlink()
    for name in ("last", "epoch=003"):
        (finished / "checkpoints" / f"{name}.ckpt").unlink()
    assert run_main("train.py", "resume=run") == (
        f"error: {finished}/generator.safetensors: is gone, and no checkpoint is of iteration 9, the last; delete "
        f"{finished}/result.json to go on from the checkpoints that there are"
    )


def test_a_checkpoint_of_another_seed_is_refused(finished: Path, tmp_path: Path, run_main: Callable[..., str]) -> None:
    train(configuration(*RUN, "seed=1", "trainer.max_epochs=1"), tmp_path / "other")
    (finished / "result.json").unlink()
    shutil.copy(tmp_path / "other" / "checkpoints" / "last.ckpt", finished / "checkpoints")
    assert run_main("train.py", "resume=run") == (
        f"error: {finished}/checkpoints/last.ckpt: is of a run with seed=1 (this run has 0); delete it to continue "
        "from another"
    )


def test_a_checkpoint_names_the_largest_seed(tmp_path: Path, run_main: Callable[..., str]) -> None:
    typed = (*RUN, "trainer.max_epochs=1", f"seed={2**64 - 1}", "optimizer=adam")
    train(configuration(*typed), tmp_path / "run")
    assert run_main("train.py", "resume=run", "trainer.max_epochs=2") == ""


def test_a_log_that_cannot_be_written(finished: Path, run_main: Callable[..., str]) -> None:
    (finished / "train.log").unlink()
    (finished / "train.log").mkdir()
    line = f"error: {finished}/train.log: Is a directory; name a path that can be used"
    assert run_main("train.py", "resume=run") == line


def test_a_value_that_the_run_has_is_no_change(finished: Path, run_main: Callable[..., str]) -> None:
    assert run_main("train.py", "resume=run", "optimizer.lr=5e-5", "model.n_critic=2") == ""


def test_cfg_job_shows_the_configuration_of_the_run(
    finished: Path, run_main: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main("train.py", "resume=run", "--cfg", "job") == ""
    saved = (finished / ".hydra" / "config.yaml").read_text()
    assert capsys.readouterr().out.strip() == f"{saved}trust: []"


def test_a_damaged_last_checkpoint_costs_an_epoch_at_most(
    tmp_path: Path, uninterrupted: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "run, moved = elsewhere's"
    shutil.copytree(uninterrupted, folder)
    (folder / "result.json").unlink()
    os.truncate(folder / "checkpoints" / "last.ckpt", 1000)
    os.truncate(folder / "checkpoints" / "epoch=003.ckpt", 0)
    assert command("train.py", f"resume={folder}", cwd=tmp_path).returncode == 0
    log = (folder / "train.log").read_text()
    for name in ("last.ckpt", "epoch=003.ckpt"):
        assert f"{name} is damaged and left out" in log
    assert f"Continuing after iteration 6, from {folder}/checkpoints/epoch=002.ckpt" in log
    assert_same_run(folder, uninterrupted)


def test_two_processes_cannot_train_in_one_folder(tmp_path: Path) -> None:
    process = start(tmp_path / "run")
    process.send_signal(signal.SIGSTOP)  # it is not to end meanwhile
    for arguments in (["resume=run"], ["hydra.run.dir=run"]):
        second = command("train.py", *arguments, cwd=tmp_path)
        assert second.returncode == 1
        holder = f"process {process.pid} on {os.uname().nodename} trains in it"
        line = f"error: {tmp_path / 'run'}: {holder}; wait for its end, or name another folder"
        assert second.stderr.splitlines()[-1] == line
    process.kill()
    process.communicate()
    assert command("train.py", "resume=run", cwd=tmp_path).returncode == 0  # the lock went with the process


def test_without_history_and_samples_a_run_resumes_too(tmp_path: Path) -> None:
    few = ("~callbacks.history", "~callbacks.samples", "~callbacks.critic_weights")
    objectives = [
        train(configuration(*RUN, *few), tmp_path / "whole"),
        train(configuration(*RUN, *few, "trainer.max_epochs=1"), tmp_path / "run"),
        train(configuration(*RUN, *few), tmp_path / "run", resume=True),
    ]
    assert objectives[0] == objectives[2] != objectives[1]


def test_grids_are_those_of_a_shorter_run(tmp_path: Path, uninterrupted: Path) -> None:
    train(configuration(*RUN, "trainer.max_epochs=1"), tmp_path)
    name = "samples/epoch=001.png"
    assert (tmp_path / name).read_bytes() == (uninterrupted / name).read_bytes()
    assert rows(tmp_path) == rows(uninterrupted)[:ITERATIONS]
