"""Loggers beside TensorBoard, or in its place: real files and a real store, which are read again."""

import json
import os
import re
import struct
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import BARE, PROJECT, TINY, command, configuration, rows
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from omegaconf import OmegaConf
from pytorch_lightning import Trainer
from test_tensorboard import events_of

import wgan.run.machine
from wgan.callbacks.board import flush_boards
from wgan.callbacks.loggers import CSV, MLflow
from wgan.errors import UserError
from wgan.run.trust import check_targets

TWO_EPOCHS = (*TINY, "trainer.max_epochs=2", "~callbacks.quality", "objective=wasserstein", "hydra.run.dir=run")
WANDB = ("+logger=wandb", "logger.wandb.mode=offline")


def losses(folder: Path) -> list[Any]:
    """Iterations and c1."""
    return [(int(row["iteration"]), pytest.approx(float(row["c1"]))) for row in rows(folder)]


def records(path: Path) -> Iterator[bytes]:
    """Of a .wandb file: LevelDB's log format, in which a record may be in several pieces, after 7 bytes of header."""
    data, place, pieces = path.read_bytes(), 7, b""
    while place + 7 <= len(data):
        left = 32_768 - place % 32_768
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        pieces += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield pieces
            pieces = b""


def config_of(path: Path) -> dict[str, Any]:
    """The hyperparameters that an offline run of W&B would send."""
    from wandb.proto import wandb_internal_pb2

    found = (wandb_internal_pb2.Record.FromString(data) for data in records(path))  # type: ignore[attr-defined]
    sent = [each.config for each in found if each.WhichOneof("record_type") == "config"]
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for each in sent for item in each.update}


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows that an offline run of W&B would send."""
    from wandb.proto import wandb_internal_pb2

    found = []
    for data in records(path):
        record = wandb_internal_pb2.Record.FromString(data)  # type: ignore[attr-defined]
        if record.WhichOneof("record_type") == "history":
            items = ((item.key or "/".join(item.nested_key), item.value_json) for item in record.history.item)
            found.append({key: json.loads(value) for key, value in items})
    return found


def history(folder: Path) -> list[dict[str, Any]]:
    """The rows of all runs, in the order of time."""
    files = sorted(folder.glob("wandb/offline-run-*/*.wandb"), key=lambda path: path.stat().st_mtime)
    return [row for path in files for row in rows_of(path)]


@pytest.fixture(autouse=True)
def wandb_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))


def test_weights_and_biases_offline(tmp_path: Path) -> None:
    process = command("train.py", *TWO_EPOCHS, *WANDB, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    found = history(tmp_path)
    curve = [(row["trainer/global_step"], row["critic/loss_real"]) for row in found if "critic/loss_real" in row]
    assert curve == losses(tmp_path / "run")
    assert [row["trainer/global_step"] for row in found if "samples/filenames" in row] == [3, 6]
    assert len(list(tmp_path.glob("wandb/offline-run-*/files/media/images/samples_*.png"))) == 2
    assert len(events_of(tmp_path / "run").Scalars("critic/loss_real")) == 6
    (path,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert config_of(path)["model.clip_value"] == 0.01

    again = command("train.py", "resume=run", "trainer.max_epochs=3", "trust=[wandb]", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert len({path.stem for path in tmp_path.glob("wandb/*/*.wandb")}) == 1  # the same run goes on
    steps = [row["trainer/global_step"] for row in history(tmp_path) if "critic/loss_real" in row]
    assert steps == list(range(1, 10))


def test_jobs_of_a_sweep_are_runs_of_their_own(tmp_path: Path) -> None:
    process = command("train.py", "-m", *TWO_EPOCHS[:-1], *WANDB, "sweep=x", "seed=0,1", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    files = list(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    found = [[row["critic/loss_real"] for row in rows_of(path) if "critic/loss_real" in row] for path in files]
    wanted = [[c1 for _, c1 in losses(path.parent)] for path in tmp_path.glob("multirun/x/*/result.json")]
    assert len(found) == len(wanted) == 2
    assert all(curve in found for curve in wanted)


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}"


def test_mlflow_in_place_of_tensorboard(tmp_path: Path, store: str) -> None:
    process = command("train.py", *TWO_EPOCHS, "logger=mlflow", f"logger.mlflow.tracking_uri={store}", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert not list((tmp_path / "run").glob("events.*"))
    again = command("train.py", "resume=run", "trainer.max_epochs=3", cwd=tmp_path)
    assert again.returncode == 1
    assert (
        "logger.mlflow._target_=wgan.MLflow: sends what a run has to others; if you want that, add 'trust=[mlflow]'"
        in again.stderr
    )
    again = command("train.py", "resume=run", "trainer.max_epochs=3", "trust=[mlflow]", cwd=tmp_path)
    assert again.returncode == 0, again.stderr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of SQLAlchemy, about what MLflow does
        check_store(store, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "store"]


def check_store(store: str, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("wgan")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "run"
    assert run.data.params["model.clip_value"] == "0.01"
    curve = client.get_metric_history(run.info.run_id, "critic/loss_real")
    assert [(point.step, point.value) for point in curve] == losses(tmp_path / "run")
    assert len([each for each in client.list_artifacts(run.info.run_id, "images") if each.path.endswith(".png")]) == 3


def test_tables_beside_tensorboard(tmp_path: Path) -> None:
    process = command("train.py", *TWO_EPOCHS, "+logger=csv", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    again = command("train.py", "resume=run", "trainer.max_epochs=3", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    table = [row for row in rows(tmp_path / "run" / "csv") if row["critic/loss_real"]]
    assert [(int(row["step"]), float(row["critic/loss_real"])) for row in table] == losses(tmp_path / "run")
    assert "model.clip_value: 0.01" in (tmp_path / "run" / "csv" / "hparams.yaml").read_text()
    assert len(events_of(tmp_path / "run").Scalars("critic/loss_real")) == 9


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_package_that_is_missing_is_told_before_any_work(
    run_main: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(wgan.run.machine, "find_spec", lambda _: None)
    message = run_main("train.py", *TWO_EPOCHS, f"+logger={name}")
    assert message == f"error: logger.{name}: needs the package {name}; pip install '.[{name}]' installs it"
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_how_a_run_is_logged_decides_nothing() -> None:
    from wgan.run.fingerprint import fingerprint

    for logger in ("+logger=csv", "logger=mlflow", "logger=[]"):
        assert fingerprint(configuration(logger)) == fingerprint(configuration())


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_strangers_folder_sends_nothing(run_main: Callable[..., str], tmp_path: Path, name: str) -> None:
    path = tmp_path / "run" / ".hydra" / "config.yaml"
    path.parent.mkdir(parents=True)
    OmegaConf.save(configuration(*TINY, f"+logger={name}"), path)
    message = run_main("train.py", "resume=run")
    assert message.startswith(f"error: logger.{name}._target_=wgan.")
    assert message.endswith(f"sends what a run has to others; if you want that, add 'trust=[{name}]'")


def test_beside_tensorboard_or_in_its_place() -> None:
    for typed, names in {
        "+logger=mlflow": ["tensorboard", "mlflow"],
        "+logger=[wandb,csv]": ["tensorboard", "wandb", "csv"],
        "logger=mlflow": ["mlflow"],
        "logger=[csv,mlflow]": ["csv", "mlflow"],
        "logger=[]": [],
        "~logger.tensorboard": [],
    }.items():
        assert list(configuration(typed).logger) == names


def test_no_logger_at_all(run_main: Callable[..., str], tmp_path: Path) -> None:
    assert run_main("train.py", *BARE, "logger=[]", "hydra.run.dir=run") == ""
    assert (tmp_path / "run" / "result.json").exists()
    assert not list((tmp_path / "run").glob("events.*"))


@pytest.mark.parametrize("typed", ["+logger.x=5", "logger.tensorboard=null"])
def test_what_is_no_logger_is_told(run_main: Callable[..., str], tmp_path: Path, typed: str) -> None:
    key = typed.lstrip("+").partition("=")[0]
    message = run_main("train.py", *BARE, typed, "hydra.run.dir=run")
    assert message.startswith(f"error: {key}=")
    assert message.endswith(f": must be a logger's settings; '~{key}' removes it")


def test_a_table_goes_on_without_doubled_rows(tmp_path: Path) -> None:
    first = CSV(tmp_path, after=0)
    for step in (1, 2, 3):
        first.log_metrics({"g": step / 10}, step)
    first.log_metrics({"final/recall": 0.5}, 3)
    first.save()
    path = tmp_path / "csv" / "metrics.csv"
    path.write_text(path.read_text() + "0.1,0.1")  # of a process that was killed
    again = CSV(tmp_path, after=2)
    again.log_metrics({"g": 0.3}, 3)
    again.finalize("success")
    assert [(row["step"], row["g"]) for row in rows(path.parent)] == [("1", "0.1"), ("2", "0.2"), ("3", "0.3")]


def test_what_was_logged_is_on_the_disk_before_a_checkpoint_is(tmp_path: Path) -> None:
    logger = CSV(tmp_path, after=0)
    logger.log_metrics({"g": 0.5}, 1)
    flush_boards(Trainer(logger=logger, accelerator="cpu", plugins=[LightningEnvironment()]))
    assert [row["g"] for row in rows(tmp_path / "csv")] == ["0.5"]


def test_mlflow_lacks_a_run_that_goes_on(tmp_path: Path, store: str) -> None:
    (tmp_path / "mlflow_run_id").write_text("0" * 32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of SQLAlchemy, about what MLflow does
        logger = MLflow(tmp_path, after=0, experiment_name="wgan", tracking_uri=store)
        with pytest.raises(UserError, match=r"^logger.mlflow.tracking_uri=sqlite.*mlflow_run_id to begin another run"):
            logger.log_hyperparams({})


def test_weights_and_biases_without_a_key(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "NETRC": str(tmp_path / "netrc"), "PATH": os.environ["PATH"]}
    program = [sys.executable, str(PROJECT / "train.py"), *BARE, "+logger=wandb", "hydra.run.dir=run"]
    process = subprocess.run(
        program, cwd=tmp_path, env=environment | {"WANDB_DIR": str(tmp_path)}, capture_output=True, text=True
    )
    assert process.returncode == 1
    assert re.search(
        r"^error: logger\.wandb: No API key configured\..*mode=offline uploads nothing", process.stderr, re.M
    )


@pytest.mark.parametrize("name", ["WandbLogger", "MLFlowLogger"])
def test_a_strangers_folder_builds_none_of_lightnings(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for package in ("wandb", "mlflow"):
        monkeypatch.delitem(sys.modules, package, raising=False)
    cfg = configuration(*TINY, f"+logger.x._target_=pytorch_lightning.loggers.{name}")
    with pytest.raises(UserError, match=r"is not of wgan, and .*add 'trust=\[pytorch_lightning\]'"):
        check_targets(cfg, trust=())
    assert not {"wandb", "mlflow"} & sys.modules.keys()
