import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import TINY, configuration, result, rows
from test_sweeps import job

from wgan.run.fingerprint import fingerprint
from wgan.sweeps.outcomes import read_sweep
from wgan.sweeps.pruning import find_median, read_finished
from wgan.sweeps.report import render_page

LONG = (*TINY, "trainer.max_epochs=4")
PRUNE = ("+prune=median", "callbacks.prune.jobs=2", "callbacks.prune.epochs=1")


def test_the_median_by_hand() -> None:
    others = [{1: 9.0, 2: 4.0}, {1: 8.0, 2: 6.0}, {1: 7.0}]
    assert find_median({1: 9.0, 2: 5.5}, 2, others, jobs=3) == 5.0
    assert find_median({1: 5.0, 2: 5.5}, 2, others, jobs=3) is None  # its best is not worse than the median
    assert find_median({1: 9.0, 2: 5.5}, 2, others, jobs=4) is None
    assert find_median({1: 9.0, 2: 9.0, 3: 9.0}, 3, others, jobs=3) is None  # nobody has been there


@pytest.mark.filterwarnings("ignore")  # of Optuna's, and what it imports
def test_it_decides_as_optuna_does() -> None:
    from optuna import create_study, create_trial
    from optuna.distributions import UniformDistribution
    from optuna.pruners import MedianPruner
    from optuna.trial import TrialState

    rng = random.Random(0)
    pruned = 0
    for _ in range(200):
        epochs, warmup, jobs = rng.randint(1, 4), rng.randint(0, 2), rng.randint(1, 4)
        others = [{epoch: rng.random() for epoch in range(1, rng.randint(1, 5) + 1)} for _ in range(rng.randint(1, 5))]
        own = {epoch: rng.random() for epoch in range(1, epochs + 1)}
        study = create_study(pruner=MedianPruner(n_startup_trials=jobs, n_warmup_steps=warmup))
        space = {"x": UniformDistribution(0, 1)}
        for values in others:
            steps = {epoch - 1: value for epoch, value in values.items()}
            study.add_trial(create_trial(params={"x": 0.5}, distributions=space, value=0.0, intermediate_values=steps))
        trial = create_trial(
            state=TrialState.PRUNED,
            params={"x": 0.5},
            distributions=space,
            intermediate_values={epoch - 1: value for epoch, value in own.items()},
        )
        expected = study.pruner.prune(study, trial)
        assert (epochs > warmup and find_median(own, epochs, others, jobs) is not None) == expected
        pruned += expected
    assert 20 < pruned < 180


def test_it_changes_no_fingerprint() -> None:
    assert fingerprint(configuration("+prune=median")) == fingerprint(configuration())


def improve(folder: Path) -> None:
    """Let a finished job have better figures than any real one."""
    path = folder / "quality.csv"
    header, *lines = path.read_text().splitlines()
    column = header.split(",").index("fid_mnist")
    cells = [line.split(",") for line in lines]
    path.write_text(
        "\n".join([header, *(",".join([*row[:column], "0.5", *row[column + 1 :]]) for row in cells)]) + "\n"
    )


def test_a_job_worse_than_the_median_is_pruned_and_stays_so(
    tmp_path: Path, run_main: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    sweep = tmp_path / "multirun" / "s"
    typed = ("train.py", "-m", *LONG, "sweep=s")
    assert run_main(*typed, "seed=0,1") == ""
    for seed in (0, 1):
        improve(job(sweep, *LONG, f"seed={seed}"))
    capfd.readouterr()

    assert run_main(*typed, "seed=0,1,2", *PRUNE) == ""
    printed = capfd.readouterr().out
    assert printed.count("Finished already") == 2
    pruned = job(sweep, *LONG, "seed=2")
    found = result(pruned)
    value = float(rows(pruned, "quality.csv")[1]["fid_mnist"])
    best = min(float(row["fid_mnist"]) for row in rows(pruned, "quality.csv"))
    reason = f"epoch 2: fid_mnist {value:.4g}, at best {best:.4g}, is worse than 0.5, the median of 2 finished jobs"
    assert f"#2 Pruned: {reason}" in printed
    assert (found["status"], found["reason"]) == ("pruned", reason)
    assert (found["epochs"], found["iterations"], found["objective"]) == (2, 6, value)
    assert found["fid_mnist"] == value
    others = {job(sweep, *LONG, f"seed={seed}").name: 0.5 for seed in (0, 1)}
    assert (found["median"], found["compared_with"]) == (0.5, others)
    assert {path.name for path in pruned.glob("checkpoints/*")} == {"epoch=001.ckpt", "epoch=002.ckpt", "last.ckpt"}
    assert json.loads((pruned / "job.json").read_text())["status"] == "pruned"

    jobs = read_sweep(sweep)
    assert [each.status for each in jobs.jobs] == ["finished", "finished", "pruned"]
    assert (jobs.jobs[-1].value, jobs.jobs[-1].error) == (value, reason)
    assert "2 finished, 1 pruned" in render_page(jobs)
    assert reason in render_page(jobs)

    assert run_main(*typed, "seed=0,1,2", *PRUNE) == ""
    assert "Pruned already, after 6 iterations" in capfd.readouterr().out
    assert run_main("train.py", f"resume={pruned}") == (
        f"error: resume={pruned}: the sweep has pruned this job; the sweep's command without +prune trains it to its "
        "end"
    )

    assert run_main(*typed, "seed=2", *PRUNE, "rerun=true") == ""
    assert f"Pruned: {reason}" in capfd.readouterr().out
    assert run_main(*typed, "seed=0,1,2") == ""
    printed = capfd.readouterr().out
    assert "Continuing after iteration 6" in printed
    assert "Trained 12 iterations" in printed
    assert result(pruned)["status"] == "finished"


def test_only_jobs_that_compare_count(tmp_path: Path, run_main: Callable[..., str]) -> None:
    sweep = tmp_path / "multirun" / "s"
    own = (*TINY, "trainer.max_epochs=1")
    for more in ((), ("data.digit=3",), ("callbacks.quality.n=11",), ("optimizer.lr=1e-4",), ("data.batch_size=6",)):
        assert run_main("train.py", "-m", *own, "sweep=s", *more) == ""
    compared = read_finished(job(sweep, *own), "-recall")
    folders = {job(sweep, *own, "optimizer.lr=1e-4"), job(sweep, *own, "data.batch_size=6")}
    assert set(compared) == folders
    for folder, values in compared.items():
        assert values == {1: -float(rows(folder, "quality.csv")[0]["recall"])}
    for folder, values in read_finished(job(sweep, *own), "g").items():
        assert values == {1: float(rows(folder)[-1]["g"])}


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (
            ("+prune=median", "callbacks.prune.jobs=0"),
            "callbacks.prune.jobs=0: must be a whole number, 1 or more",
        ),
        (("+prune=mean",), "prune=mean: no such choice; choose one of median"),
        (
            ("+prune=median", "callbacks.quality.every_n_epochs=0"),
            "callbacks.prune.objective=fid_mnist: is looked at after each epoch; set callbacks.quality."
            "every_n_epochs=1",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_is_told_before_any_work(
    run_main: Callable[..., str], typed: tuple[str, ...], line: str
) -> None:
    assert run_main("train.py", "-m", *TINY, *typed) == f"error: {line}"
