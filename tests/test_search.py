import os
import re
import shutil
import signal
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from conftest import BARE, PROJECT, SMALL, TINY, command, configuration
from omegaconf import OmegaConf
from test_sweeps import outcomes, start, until

from wgan.model.networks import GREY_28
from wgan.run.building import build_model
from wgan.run.checks import check_training

# Two random trials, then Optuna's own.
SEARCH = (*TINY, "+search=clipping", "hydra.sweeper.n_trials=5", "hydra.sweeper.sampler.n_startup_trials=2")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that nothing interrupted."""
    folder = tmp_path_factory.mktemp("search")
    process = command("train.py", "-m", *SEARCH, "sweep=s", cwd=folder)
    assert process.returncode == 0, process.stdout + process.stderr
    return folder / "multirun" / "s"


@pytest.mark.slow
def test_a_search_takes_its_values_from_the_ranges(whole: Path) -> None:
    trials = [OmegaConf.load(path) for path in whole.glob("*/.hydra/config.yaml")]
    assert len(trials) == 5
    assert len({trial.model.clip_value for trial in trials}) == 5
    assert all(0.001 <= trial.model.clip_value <= 0.1 for trial in trials)
    assert all(1e-5 <= trial.optimizer.lr <= 1e-3 for trial in trials)
    assert all(1 <= trial.model.n_critic <= 6 for trial in trials)  # Optuna takes the end of a range, too
    found = OmegaConf.load(whole / "optimization_results.yaml")
    assert found.best_value == min(each["objective"] for each in outcomes(whole).values())  # type: ignore[type-var]


@pytest.mark.slow
def test_killed_and_typed_again_a_search_ends_with_the_same_trials(whole: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "multirun" / "s"
    process = start(*SEARCH, "sweep=s", cwd=tmp_path)
    until(lambda: len(list(sweep.glob("*/result.json"))) == 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (sweep / "optimization_results.yaml").exists()
    again = command("train.py", "-m", *SEARCH, "sweep=s", cwd=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.count("Finished already") >= 3
    assert outcomes(sweep) == outcomes(whole)
    results = (folder / "optimization_results.yaml" for folder in (sweep, whole))
    assert len({path.read_text() for path in results}) == 1


def test_a_trial_that_fails_ends_no_search(tmp_path: Path) -> None:
    bare = (*BARE, "+search=clipping", "hydra.sweeper.n_trials=3", "sweep=s")
    first = command("train.py", "-m", *bare, cwd=tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stderr == ""
    assert not re.search(r"alembic|\x1b", first.stdout)
    sweep = tmp_path / "multirun" / "s"
    reached = sorted(sweep.glob("*/result.json"), key=lambda path: path.stat().st_mtime_ns)
    assert len(reached) == 3
    shutil.rmtree(reached[1].parent / "checkpoints")
    (reached[1].parent / "checkpoints").write_text("in the way")
    reached[1].unlink()
    reached[2].unlink()
    again = command("train.py", "-m", *bare, cwd=tmp_path)
    assert again.returncode == 1
    assert "error: 1 of 3 jobs failed" in again.stderr
    assert "Traceback" not in again.stderr
    assert reached[2].exists()
    assert (sweep / "optimization_results.yaml").exists()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("n_trials=0", "must be a whole number, 1 or more"),
        ("n_jobs=0", "must be a whole number, 1 or more"),
        ("storage=sqlite:///trials.db", "must not be set; the sweep's folder has all that goes on"),
        (
            "direction=up",
            "must be minimize, as in the table of the best jobs; where more is better, write objective=-NAME",
        ),
    ],
)
def test_settings_of_a_search_that_cannot_be_are_told(typed: str, words: str, run_main: Callable[..., str]) -> None:
    assert run_main("train.py", "-m", *SEARCH, f"hydra.sweeper.{typed}") == f"error: hydra.sweeper.{typed}: {words}"


def test_a_search_and_its_table_rank_the_same_way(run_main: Callable[..., str]) -> None:
    assert run_main("train.py", "-m", *SEARCH, "objective=nearest_distance", "hydra.sweeper.direction=maximize") == (
        "error: hydra.sweeper.direction=maximize: must be minimize, as in the table of the best jobs; where more is "
        "better, write objective=-NAME"
    )


def test_a_range_with_an_end_that_cannot_be_is_refused(tmp_path: Path, run_main: Callable[..., str]) -> None:
    line = "error: model.clip_value=-1.0: must be a number above 0, such as 0.01"
    assert run_main("train.py", "-m", *SEARCH, "model.clip_value=interval(-1,0.1)") == line
    assert not list(tmp_path.rglob("train.log"))


def test_each_job_of_the_grid_for_the_best_preset_can_be_built() -> None:
    params = OmegaConf.load(PROJECT / "conf" / "search" / "best.yaml").hydra.sweeper.params
    choices = [[f"{key}={value}" for value in values.split(",")] for key, values in params.items()]
    for job in product(*choices):
        cfg = configuration("+search=best", *SMALL, *job)
        check_training(cfg)
        assert build_model(cfg, GREY_28).averaged is not None
