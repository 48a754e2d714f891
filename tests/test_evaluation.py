import json
import math
import shutil
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Run, contents, interpreter, result, rows

from wgan.quality.ranking import FIGURES_OF_IMAGES


@pytest.fixture
def run(smoke_run: Run, tmp_path: Path) -> Path:
    """A copy of a finished run, in the folder "run" of the current one."""
    return shutil.copytree(smoke_run.folder, tmp_path / "run")


def evaluation(run: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((run / "evaluation.json").read_text())
    return read


def test_the_figures_are_those_of_training(run: Path) -> None:
    before = contents(run)
    process = interpreter("evaluate.py", "run=run", "n=100", cwd=run.parent)
    assert (process.returncode, process.stderr) == (0, "")
    found = evaluation(run)
    assert (found["checkpoint"], found["n"], found["seeds"]) == ("final", 100, [0])
    assert found["figures"] == pytest.approx({name: result(run)[name] for name in FIGURES_OF_IMAGES}, rel=1e-4)
    assert found["floor"] == pytest.approx({name: result(run)[f"{name}_floor"] for name in FIGURES_OF_IMAGES}, rel=1e-4)
    assert "versions" in found
    lines = process.stdout.splitlines()
    assert lines[0].split() == ["100", "samples", "floor"]
    assert [line.split()[0] for line in lines[1:]] == list(FIGURES_OF_IMAGES)
    for name, line in zip(FIGURES_OF_IMAGES, lines[1:], strict=True):
        _, value, floor = line.split()
        assert float(value) == pytest.approx(found["figures"][name], rel=1e-3)
        assert float(floor) == pytest.approx(found["floor"][name], rel=1e-3)
    after = contents(run)
    del after["evaluation.json"]
    assert after == before
    assert [path.name for path in run.parent.iterdir()] == ["run"]


def test_the_folder_alone_suffices(smoke_run: Run, tmp_path: Path, run_main: Callable[..., str]) -> None:
    shutil.copytree(smoke_run.folder / ".hydra", tmp_path / "run" / ".hydra")
    shutil.copy(smoke_run.folder / "generator.safetensors", tmp_path / "run")
    assert run_main("evaluate.py", "run=run", "n=100") == ""
    assert evaluation(tmp_path / "run")["figures"]["fid_mnist"] == pytest.approx(result(smoke_run.folder)["fid_mnist"])


def test_an_earlier_checkpoint(run: Path, run_main: Callable[..., str]) -> None:
    (run / "generator.safetensors").unlink()  # as of a run that goes on
    assert run_main("evaluate.py", "run=run", "checkpoint=epoch=001", "n=100") == ""
    first = {name: float(rows(run, "quality.csv")[0][name]) for name in FIGURES_OF_IMAGES}
    assert evaluation(run)["figures"] == pytest.approx(first, rel=1e-4)
    assert run_main("evaluate.py", "run=run", "checkpoint=last", "n=100") == ""
    assert evaluation(run)["figures"]["fid_mnist"] == pytest.approx(result(run)["fid_mnist"])


def test_all_epochs_at_once(run: Path, run_main: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    single = {}
    for name in ("epoch=001", "epoch=002"):
        assert run_main("evaluate.py", "run=run", f"checkpoint={name}", "n=20", "seeds=2") == ""
        single[name] = evaluation(run)
    capsys.readouterr()
    assert run_main("evaluate.py", "run=run", "checkpoint=all", "n=20", "seeds=2") == ""
    found = evaluation(run)
    assert found["figures"] == {name: each["figures"] for name, each in single.items()}
    assert found["standard_errors"] == {name: each["standard_errors"] for name, each in single.items()}
    head, *lines, floor = capsys.readouterr().out.splitlines()
    assert head.split() == ["20", "samples", *FIGURES_OF_IMAGES]
    assert floor.split() == ["floor", *(f"{value:.4g}" for value in found["floor"].values())]
    for line, (name, figures) in zip(lines, found["figures"].items(), strict=True):
        assert line.split()[:2] == [name, f"{figures['fid_mnist']:.4g}"]
    shutil.rmtree(run / "checkpoints")
    line = "error: checkpoint=all: run has no checkpoints of epochs; set checkpoint=final"
    assert run_main("evaluate.py", "run=run", "checkpoint=all") == line


def test_figures_are_told_though_they_cannot_be_written(
    run: Path, run_main: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "evaluation.json" / "x").mkdir(parents=True)
    line = "error: run/evaluation.json: Is a directory; name a path that can be used"
    assert run_main("evaluate.py", "run=run", "n=10") == line
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(FIGURES_OF_IMAGES)


def test_standard_errors_of_several_seeds(
    run: Path, run_main: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    singles = []
    for seed in (3, 4, 5):
        assert run_main("evaluate.py", "run=run", "n=50", f"seed={seed}") == ""
        singles.append(evaluation(run)["figures"])
    capsys.readouterr()
    assert run_main("evaluate.py", "run=run", "n=50", "seed=3", "seeds=3") == ""
    found = evaluation(run)
    assert found["seeds"] == [3, 4, 5]
    for name in FIGURES_OF_IMAGES:
        values = [single[name] for single in singles]
        assert found["figures"][name] == pytest.approx(statistics.fmean(values))
        assert found["standard_errors"][name] == pytest.approx(statistics.stdev(values) / math.sqrt(3))
    lines = capsys.readouterr().out.splitlines()
    assert all(line.split()[2] == "±" and len(line.split()) == 5 for line in lines[1:])
    assert len({line.index("±") for line in lines[1:]}) == 1


def test_as_many_samples_as_training_images_and_the_seed_of_the_run(
    run: Path, run_main: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []

    def sample(generator: object, n: int, latent_dim: int, seed: int) -> object:
        asked.append((n, seed))
        return original(generator, 20, latent_dim, seed)

    from wgan.model.sampling import sample_images

    original: Callable[..., object] = sample_images
    monkeypatch.setattr("wgan.commands.evaluation.sample_images", sample)
    path = run / ".hydra" / "config.yaml"
    path.write_text(path.read_text().replace("seed: 0\n", "seed: 11\n", 1))
    assert run_main("evaluate.py", "run=run") == ""
    assert asked == [(6265, 11)]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run=nowhere"], "run=nowhere: must be the folder of a run"),
        (["run=."], "run=.: not a run's folder; name one that train.py made, such as outputs/DATE/TIME"),
        ([], "run: must be given, as run=..."),
        (["n=9"], "n=9: must be auto, or a whole number from 10 to 1000000"),
        (["n=all"], "n=all: must be auto, or a whole number from 10 to 1000000"),
        (["n=100000000000"], "n=100000000000: must be auto, or a whole number from 10 to 1000000"),
        (["seed=-1"], "seed=-1: must be auto, or a whole number from 0 to 18446744073709551615"),
        (["seeds=0"], "seeds=0: must be a whole number from 1 to 1000"),
        (["checkpoint=epoch=009"],
         "checkpoint=epoch=009: the run has no such checkpoint; there are epoch=001, epoch=002, last"),
        (["checkpoint=../run"],
         "checkpoint=../run: must be all, final, last, or the name of a checkpoint, such as epoch=005"),
        (["checkpont=last"], "checkpont=last: no such key; did you mean checkpoint?"),
    ],
)  # fmt: skip
def test_bad_input(run_main: Callable[..., str], smoke_run: Run, arguments: list[str], line: str) -> None:
    run = [] if not arguments or arguments[0].startswith("run=") else [f"run={smoke_run.folder}"]
    assert run_main("evaluate.py", *run, *arguments) == f"error: {line}"
    assert not (smoke_run.folder / "evaluation.json").exists()


@pytest.mark.parametrize("name", ["generator.safetensors", "checkpoints/epoch=001.ckpt"])
def test_damaged_weights(run: Path, run_main: Callable[..., str], name: str) -> None:
    (run / name).write_bytes((run / name).read_bytes()[:1000])
    checkpoint = "epoch=001" if "epoch" in name else "final"
    line = f"run=run: {Path(name).name} or .hydra/config.yaml is damaged; name another run"
    assert run_main("evaluate.py", "run=run", f"checkpoint={checkpoint}", "n=10") == f"error: {line}"


def test_help_answers_without_pytorch(run_main: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("evaluate.py", "--help") == "0"
    out = capsys.readouterr().out
    assert "checkpoint: final  # the generator at the end of the run" in out
    assert "seeds: 1" in out
    assert "hydra" not in out
