import math
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import TINY, command, configuration, result

from wgan.quality.ranking import FIGURES, compute_objective, name_figure
from wgan.run.checks import check_training
from wgan.run.training import train


def test_a_minus_turns_a_figure_round() -> None:
    figures = {"fid_mnist": 12.5, "recall": 0.25}
    assert compute_objective("fid_mnist", figures) == 12.5
    assert compute_objective("-recall", figures) == -0.25
    assert name_figure("-recall") == name_figure("recall") == "recall"


@pytest.mark.parametrize("objective", ["fid_mnist", "-precision", "-digit_share", "wasserstein", "g"])
def test_train_returns_the_figure_of_the_end(tmp_path: Path, objective: str) -> None:
    value = train(configuration(*TINY, f"objective={objective}"), tmp_path)
    found = result(tmp_path)
    assert value == found["objective"] == compute_objective(objective, found)
    assert train(configuration(*TINY, f"objective={objective}"), tmp_path, resume=True) == value


def test_every_figure_can_be_the_objective(tmp_path: Path) -> None:
    train(configuration(*TINY), tmp_path)
    for name in (name for name in FIGURES if name != "class_accuracy"):  # which conditional runs have
        assert isinstance(result(tmp_path)[name], float)
        check_training(configuration(f"objective={name}"))
        check_training(configuration(f"objective=-{name}"))


@pytest.mark.parametrize("objective", ["fid", "fid_mnits", "--recall", "", "[recall]", "1", "fid_mnist_floor"])
def test_a_misspelt_one_is_refused_before_training(
    run_main: Callable[..., str], tmp_path: Path, objective: str
) -> None:
    message = run_main("train.py", *TINY, f"objective={objective}", "hydra.run.dir=run")
    assert message.startswith("error: objective=")
    assert message.endswith(f"must be one of {', '.join(FIGURES)}; with - before it, as in -recall, if more is better")
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_a_figure_that_nothing_measures_is_refused(run_main: Callable[..., str], tmp_path: Path) -> None:
    line = "error: objective=fid_mnist: needs callbacks.quality; keep it, or set objective=wasserstein"
    assert run_main("train.py", *TINY, "~callbacks.quality", "hydra.run.dir=run") == line
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_a_diverged_job_of_a_sweep_returns_infinity_and_the_others_go_on(tmp_path: Path) -> None:
    sweep = ("-m", *TINY, "optimizer.lr=1e20,1e-4", "hydra.sweep.dir=sweep")
    # A callback of Hydra's sees what a sweeper would: the value that the job returned.
    kept = "+hydra.callbacks.kept._target_=hydra.experimental.callbacks.PickleJobInfoCallback"
    process = command("train.py", *sweep, kept, "hydra.output_subdir=kept", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "iteration 1: c1 is nan, the run has diverged" in process.stdout
    diverged, finished = (min(tmp_path.glob(f"sweep/*lr={lr}*")) for lr in ("1e+20", "0.0001"))
    assert [result(job)["status"] for job in (diverged, finished)] == ["diverged", "finished"]
    assert "Traceback" not in process.stdout + process.stderr
    returned = [pickle.loads((job / "kept" / "job_return.pickle").read_bytes()) for job in (diverged, finished)]
    assert returned[0].return_value == math.inf
    assert returned[1].return_value == result(finished)["fid_mnist"]
