import json
import logging
import re
import time
from pathlib import Path

import pytest
import torch
from conftest import BARE, PROJECT, Run, configuration
from PIL import Image

import bench.__main__ as bench
from bench import figures, results, scaling, sweeps
from wgan.quality.ranking import FIGURES
from wgan.run.machine import has_bfloat16
from wgan.run.training import train


@pytest.fixture(autouse=True)
def logging_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.root.manager, "disable", 0)


@pytest.mark.slow
def test_the_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    short = {"ROUNDS": 2, "ITERATIONS": 2, "PROCESSES": 1, "REPEATS": 20, "EPOCHS": 3, "LENGTH": 2}
    for name, value in short.items():
        monkeypatch.setattr(bench, name, value)
    bench.main()
    table = dict(re.findall(r"^(\S.*?)  +([\d.]+) ", capsys.readouterr().out, re.MULTILINE))
    precisions = ["fp32", "bf16"] if has_bfloat16(torch.device("cpu")) else ["fp32"]
    ways = [f"iteration, {way}, {precision}" for precision in precisions for way in ("plain loop", "bare loop", "wgan")]
    assert [row for row in table if row.startswith("iteration, ")] == ways
    measured_by_difference = (
        "framework an iteration",
        "records at the end of an epoch",
        "quality at the end of an epoch",
    )
    assert all(float(value) > 0 for name, value in table.items() if name not in measured_by_difference)
    assert float(table["iteration, wgan, fp32"]) < float(table["iteration, plain loop, fp32"])
    assert float(table["limit of an iteration, fp32"]) < float(table["iteration, bare loop, fp32"])


@pytest.mark.slow
def test_the_picture_of_how_costs_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = {"ROUNDS": 1, "ITERATIONS": 3, "N_CRITIC": (1, 10), "BATCH_SIZE": (4, 64), "LENGTH": 3}
    for name, value in short.items():
        monkeypatch.setattr(scaling, name, value)
    scaling.main(str(tmp_path / "out.png"))
    slopes = dict(re.findall(r"^([\w.]+) +\S+ s \+ (\S+) s each", capsys.readouterr().out, re.MULTILINE))
    assert list(slopes) == ["model.n_critic", "data.batch_size", "iterations"]
    assert all(float(slope) > 0 for slope in slopes.values())
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size[0] > 1000


def test_figures_name_the_command_that_measures_them() -> None:
    text = (PROJECT / "docs" / "performance.md").read_text()
    for command in ("make bench", "python -m bench.scaling docs/scaling.png"):
        assert command in text


def test_the_tables_and_pictures_of_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for sweep, fids in (("default", (10, 14)), ("paper", (30,))):
        for job, fid in enumerate(fids):
            run = tmp_path / sweep / str(job)
            (run / "samples").mkdir(parents=True)
            for name, shade in (("epoch=001", 0), ("epoch=002", 100 + 100 * job)):
                Image.new("L", (64, 64), shade).save(run / "samples" / f"{name}.png")
            outcome: dict[str, object] = dict.fromkeys((*FIGURES, "spearman"), 0.5)
            (run / "result.json").write_text(json.dumps(outcome | {"fid_mnist": fid, "fid_mnist_floor": 1.52}))
            table = [f"97,10,{20 * fid},{0.25 + 0.5 * job},7", f"194,10,{2 * fid},0.9,8", f"194,12,{fid},0.8,8"]
            table = ["iteration,samples,fid_mnist,digit_share,wasserstein", *table, ""]
            (run / "quality.csv").write_text("\n".join(table))
    results.main(str(tmp_path), f"{tmp_path}/default", f"{tmp_path}/paper")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| method | seeds | `fid_mnist` | ")
    assert lines[2].startswith("| default | 2 | 12 ± 2.8 | 0.5 ± 0 |")
    assert lines[3].startswith("| paper | 1 | 30 | 0.5 |")
    assert lines[4].startswith("| floor | | 1.52 |  |")
    assert lines[8:] == ["| 97 | 240 | 0.5 | 7 | 600 | 0.25 | 7 |", "| 194 | 24 | 0.9 | 8 | 60 | 0.9 | 8 |"]
    with Image.open(tmp_path / "curves.png") as curves:
        assert curves.size == (800, 500)
    with Image.open(tmp_path / "grids.png") as grids:
        shades = grids.convert("L").histogram()
        assert shades[100] > 10_000 > shades[200]  # the last grid, of the first run


@pytest.mark.slow
def test_the_figures_of_known_images(
    smoke_run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(figures, "SIZES", (20, 30))
    monkeypatch.setattr(figures, "ALL", (0, 1))
    figures.main(str(smoke_run.folder))
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line]
    measured = {row[0]: dict(zip(figures.COLUMNS, row[1:], strict=True)) for row in rows}
    assert measured["noise"] == {**dict.fromkeys(figures.COLUMNS, "0"), "fid_mnist": measured["noise"]["fid_mnist"]}
    assert float(measured["real sevens, held out"]["coverage"]) > 0.9
    assert {"20 of the generator", "30 of the generator", "30 black, beside all digits"} <= measured.keys()


def test_how_long_a_job_takes_to_its_first_iteration(tmp_path: Path) -> None:
    start = time.time()
    train(configuration(*BARE), tmp_path)
    assert 0 < sweeps.overhead(tmp_path) < time.time() - start
