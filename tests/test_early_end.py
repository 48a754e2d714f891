import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import BARE, TINY, configuration, contents, result, rows
from pytorch_lightning import Callback, Trainer

from wgan.model.wgan import WGAN
from wgan.run.checkpoints import read_checkpoint
from wgan.run.fingerprint import fingerprint
from wgan.run.training import train

STOP = "+callbacks.stop={{_target_:pytorch_lightning.callbacks.EarlyStopping,monitor:{},patience:1}}"
NEVER_BETTER = STOP.format("fid_mnist").replace("patience:1", "patience:1,min_delta:1e9")  # stops after two epochs


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped")
    train(configuration(*TINY, "trainer.max_epochs=5", NEVER_BETTER), folder)
    return folder


def test_a_figure_of_quality_stops_a_run(stopped: Path) -> None:
    found = result(stopped)
    assert (found["status"], found["epochs"], found["iterations"], found["max_epochs"]) == ("stopped", 2, 6, 5)
    assert found["reason"].startswith("Monitored metric fid_mnist did not improve in the last 1 records. Best score: ")
    assert [(row["epoch"], row["samples"]) for row in rows(stopped, "quality.csv")] == [
        *(("1", "10"), ("2", "10"), ("2", "12")),
    ]
    assert found["fid_mnist"] == float(rows(stopped, "quality.csv")[-1]["fid_mnist"])
    assert (stopped / "generator.safetensors").exists()


@pytest.mark.parametrize("figure", ["c1", "wasserstein"])
def test_losses_stop_a_run(tmp_path: Path, figure: str) -> None:
    stop = STOP.format(figure).replace("patience:1", "stopping_threshold:1e9")
    train(configuration(*BARE, "trainer.max_epochs=3", stop), tmp_path)
    assert (result(tmp_path)["status"], result(tmp_path)["iterations"]) == ("stopped", 3)


def test_one_that_stops_with_its_last_epoch_is_finished(tmp_path: Path) -> None:
    train(configuration(*TINY, "trainer.max_epochs=2", NEVER_BETTER), tmp_path)
    found = result(tmp_path)
    assert found["status"] == "finished"
    assert "reason" not in found


def test_killed_before_its_result_it_ends_as_if_it_was_not(stopped: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(stopped, tmp_path / stopped.name)  # pictures show the folder's name
    for name in ("result.json", "generator.safetensors", "nearest.png", "quality.png"):
        (folder / name).unlink()
    train(configuration(*TINY, "trainer.max_epochs=5", NEVER_BETTER), folder, resume=True)

    def files(of: Path) -> dict[str, bytes]:
        return {
            name: data
            for name, data in contents(of).items()
            if not name.endswith((".log", ".json", "last.ckpt")) and "events" not in name
        }

    assert files(folder) == files(stopped)
    checkpoint, uninterrupted = (read_checkpoint(of / "checkpoints" / "last.ckpt") for of in (folder, stopped))
    assert checkpoint["iteration"] == 6
    assert all(torch.equal(checkpoint["state_dict"][name], each) for name, each in uninterrupted["state_dict"].items())
    found = {name: value for name, value in result(folder).items() if name != "seconds"}
    assert found == {name: value for name, value in result(stopped).items() if name != "seconds"}


def test_it_is_done_and_cannot_be_lengthened(
    stopped: Path, run_main: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_main("train.py", f"resume={stopped}") == ""
    printed = capfd.readouterr().out
    assert f"Stopped already, after 6 iterations: {stopped}" in printed
    assert "lengthen" not in printed
    line = "error: trainer.max_epochs=9: the run was stopped after 6 iterations, and would be again; start another, "
    line += "without the callback that stopped it"
    assert run_main("train.py", f"resume={stopped}", "trainer.max_epochs=9") == line


def test_a_callback_of_ones_own_stops_a_run(tmp_path: Path) -> None:
    cfg = configuration(*BARE, "trainer.max_epochs=3", f"+callbacks.own._target_={__name__}.Ends")
    train(cfg, tmp_path)
    found = result(tmp_path)
    assert (found["status"], found["epochs"]) == ("stopped", 1)
    assert found["reason"] == "a callback set trainer.should_stop"


class Ends(Callback):
    def on_train_epoch_end(self, trainer: Trainer, module: WGAN) -> None:  # type: ignore[override]
        trainer.should_stop = True


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ([STOP.format("foo")], "callbacks.stop.monitor=foo: must be one of fid_mnist, kid_mnist, "),
        ([STOP.format("fid_mnist"), "~callbacks.quality", "objective=g"], "callbacks.stop.monitor=fid_mnist: needs "),
        ([STOP.format("class_accuracy")], "callbacks.stop.monitor=class_accuracy: is not measured of these images; "),
        (
            [STOP.format("recall"), "callbacks.quality.every_n_epochs=2"],
            "callbacks.stop.monitor=recall: is looked at after each epoch; set callbacks.quality.every_n_epochs=1",
        ),
    ],
    ids=str,
)
def test_a_figure_that_is_not_there_is_told_before_any_work(
    run_main: Callable[..., str], tmp_path: Path, typed: list[str], line: str
) -> None:
    assert run_main("train.py", *TINY, *typed).startswith(f"error: {line}")
    assert not list(tmp_path.rglob("*.ckpt"))


def test_how_many_images_are_measured_decides_if_their_figure_stops_the_run() -> None:
    def same(stop: str) -> bool:
        return fingerprint(configuration(stop)) == fingerprint(configuration(stop, "callbacks.quality.n=99"))

    assert not same(STOP.format("fid_mnist"))
    assert same(STOP.format("g"))


def test_a_sweep_takes_it_for_finished(
    tmp_path: Path, run_main: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    stop = STOP.format("g").replace("patience:1", "stopping_threshold:1e9")
    typed = ("train.py", "-m", *BARE, "trainer.max_epochs=3", stop, "sweep=s", "seed=0,1")
    assert run_main(*typed) == ""
    summary = rows(tmp_path / "multirun" / "s", "summary.csv")
    assert [row["status"] for row in summary] == ["stopped"] * 2
    assert all(row["error"].startswith("Stopping threshold reached: g = ") for row in summary)
    assert "The best of 2 jobs:\n   seed" in capfd.readouterr().out
    assert run_main(*typed) == ""
    assert capfd.readouterr().out.count("Stopped already, wasserstein ") == 2
