import csv
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT, Run, rows, used_cpu
from filelock import FileLock
from omegaconf import OmegaConf

from wgan.sweeps import outcomes, summary
from wgan.sweeps.plots import (
    average_bins,
    measure_importance,
    plot_curves,
    plot_heat_maps,
    plot_parallel,
    plot_scatters,
)
from wgan.sweeps.record import Record, read_record
from wgan.sweeps.report import render_page, update_report, write_report

# By clip_value, lr and seed; c and d differ in the seed alone.
JOBS: dict[str, tuple[float, float, int, float]] = {
    "a": (0.01, 5e-5, 0, 40.0),
    "b": (0.05, 5e-5, 0, 20.0),
    "c": (0.01, 1e-4, 0, 10.0),
    "d": (0.01, 1e-4, 1, 14.0),
}


def add_job(sweep: Path, smoke_run: Run, name: str, clip: float, lr: float, seed: int, value: float | None) -> Path:
    """A real run's folder under another name, with another configuration and result."""
    folder = shutil.copytree(smoke_run.folder, sweep / name)
    cfg = OmegaConf.load(folder / ".hydra" / "config.yaml")
    cfg.model.clip_value, cfg.optimizer.lr, cfg.seed = clip, lr, seed
    OmegaConf.save(cfg, folder / ".hydra" / "config.yaml")
    figures = json.loads((folder / "result.json").read_text()) | {"fid_mnist": value, "objective": value}
    (folder / "result.json").write_text(json.dumps(figures))
    # The seed 0 is the default, which nobody types.
    overrides = ["trainer=cpu", "experiment=smoke", f"model.clip_value={clip}", f"optimizer.lr={lr}"]
    overrides += [f"seed={seed}"] if seed else []
    choices: dict[str, str | None] = {"experiment": "smoke", "optimizer": "rmsprop", "model": "wgan"}
    Record("2026-01-01T00:00:00", "fid_mnist", overrides, choices, "finished").write(folder)
    return folder


@pytest.fixture
def sweep(tmp_path: Path, smoke_run: Run) -> Path:
    folder = tmp_path / "grid"
    folder.mkdir()
    for name, values in JOBS.items():
        add_job(folder, smoke_run, name, *values)
    return folder


def end(folder: Path, status: str, error: str = "") -> None:
    """Let a job's folder be that of one that did not finish."""
    (folder / "result.json").unlink()
    read = read_record(folder)
    assert read is not None
    read._replace(status=status, error=error).write(folder)


def test_jobs_stand_best_first_with_what_was_swept(sweep: Path) -> None:
    found = outcomes.read_sweep(sweep)
    assert [job.name for job in found.jobs] == ["c", "d", "b", "a"]
    assert [job.value for job in found.jobs] == [10, 14, 20, 40]
    assert sorted(found.swept) == ["model.clip_value", "optimizer.lr", "seed"]
    assert found.jobs[0].settings["seed"] == 0  # which was not typed
    assert found.jobs[0].settings["experiment"] == "smoke"


def test_seeds_of_a_setting_are_one(sweep: Path) -> None:
    (first, values), *others = outcomes.read_sweep(sweep).group_by_setting()
    assert first == {"model.clip_value": 0.01, "optimizer.lr": 1e-4}
    assert values == [10, 14]
    assert list(summary.measure_spread(values)) == pytest.approx([12, 8**0.5])
    assert [group[1] for group in others] == [[20], [40]]
    assert summary.measure_spread([20]) == (20, None)
    assert "12 ± 2.83" in render_page(outcomes.read_sweep(sweep))


def test_summary_has_a_row_a_job(sweep: Path) -> None:
    end(sweep / "a", "failed", 'OSError: a "line", <b>&')
    write_report(sweep)
    found = rows(sweep, "summary.csv")
    assert [row["folder"] for row in found] == ["c", "d", "b", "a"]
    assert [row["status"] for row in found] == ["finished"] * 3 + ["failed"]
    assert [row["objective"] for row in found] == ["10.0", "14.0", "20.0", ""]
    assert [row["model.clip_value"] for row in found] == ["0.01", "0.01", "0.05", "0.01"]
    assert found[0]["recall"] == str(json.loads((sweep / "c" / "result.json").read_text())["recall"])
    assert float(found[0]["seconds"]) > 0
    assert found[3]["error"] == 'OSError: a "line", <b>&'


def test_status_of_a_job(sweep: Path) -> None:
    result = json.loads((sweep / "a" / "result.json").read_text())
    end(sweep / "a", "running")
    (sweep / "a" / "result.json").write_text(json.dumps(result | {"status": "diverged", "iteration": 3}))
    end(sweep / "b", "running")
    end(sweep / "c", "running")
    end(sweep / "d", "interrupted")
    with FileLock(sweep / "b" / ".lock"):
        found = {job.name: job for job in outcomes.read_sweep(sweep).jobs}
    assert {name: job.status for name, job in found.items()} == {
        **{"a": "diverged", "b": "running"},
        **{"c": "died", "d": "interrupted"},
    }
    assert found["c"].error == "ended without a word: killed, or out of memory?"
    assert found["a"].value == float("inf")


def test_jobs_that_have_not_begun_are_told(sweep: Path) -> None:
    launch = "2026-01-02T00:00:00"
    for name, status in {"a": "finished", "b": "failed", "c": "interrupted"}.items():
        read = read_record(sweep / name)
        assert read is not None
        read._replace(launch=launch, status=status, jobs=7).write(sweep / name)
    for name in ("b", "c"):
        (sweep / name / "result.json").unlink()
    found = outcomes.read_sweep(sweep)
    assert found.not_begun == 4
    assert "4 not begun" in render_page(found)
    assert "of 8 jobs" in render_page(found)  # with that of an earlier command
    begun = datetime.fromisoformat(launch).timestamp()
    os.utime(sweep / "a" / "result.json", (begun - 1, begun - 1))
    assert outcomes.read_sweep(sweep).describe_progress(launch, 7) == "2 of 7 jobs have ended"  # in no time
    os.utime(sweep / "a" / "result.json", (begun + 10, begun + 10))
    told = outcomes.read_sweep(sweep).describe_progress(launch, 7)
    left = timedelta(seconds=math.ceil((time.time() - begun) * 5))
    assert told in {f"2 of 7 jobs have ended, about {left - timedelta(seconds=s)} left" for s in range(60)}
    assert outcomes.read_sweep(sweep).describe_progress(launch, 2) == "2 of 2 jobs have ended"


def test_the_objective_is_that_of_the_last_command(sweep: Path) -> None:
    read = read_record(sweep / "a")
    assert read is not None
    read._replace(launch="2026-01-02T00:00:00", objective="-fid_mnist").write(sweep / "a")
    found = outcomes.read_sweep(sweep)
    assert found.objective == "-fid_mnist"
    assert [job.name for job in found.jobs] == ["a", "b", "d", "c"]


def test_heat_map_has_the_means_over_all_else(sweep: Path) -> None:
    (found,) = plot_heat_maps(outcomes.read_sweep(sweep))
    assert {found.row_key, found.column_key} == {"model.clip_value", "optimizer.lr"}
    cells = {(found.rows[cell.row], found.columns[cell.column]): cell for cell in found.cells}
    if found.row_key == "optimizer.lr":
        cells = {(column, row): cell for (row, column), cell in cells.items()}
    assert {place: cell.mean for place, cell in cells.items()} == {
        ("0.01", "5e-05"): 40.0,
        ("0.01", "0.0001"): 12.0,
        ("0.05", "5e-05"): 20.0,
    }
    assert [cells[place].shade for place in (("0.01", "0.0001"), ("0.05", "5e-05"), ("0.01", "5e-05"))] == [0, 0.5, 1]


def test_keys_of_a_search_are_scattered(sweep: Path, smoke_run: Run) -> None:
    assert plot_scatters(outcomes.read_sweep(sweep)) == []
    for number in range(9):
        add_job(sweep, smoke_run, f"x{number}", 0.001 * 2**number, 1e-4, 0, 100.0 - number)
    read = outcomes.read_sweep(sweep)
    (found,) = plot_scatters(read)
    assert found.key == "model.clip_value"
    assert plot_heat_maps(read) == []
    assert len(found.points) == 4 + 9
    places = {job.name: (x, y) for x, y, job in found.points}
    assert places["x0"] == (0, 0)  # the least clip and the largest objective
    assert places["x8"][0] == 480
    assert places["x4"][0] == pytest.approx(240)  # logarithmic
    assert places["c"][1] == 230  # the best
    assert render_page(read).count("<circle") == 13


def test_curves_fill_the_plot_and_are_logarithmic_over_a_wide_span() -> None:
    straight = plot_curves({"a": [(0, 0), (10, 5)], "b": [(5, 10)]})
    assert straight is not None
    assert straight.lines == {"a": "0.0,230.0 480.0,115.0", "b": "240.0,0.0"}
    assert [text for _, text in straight.y_ticks] == ["0", "2", "4", "6", "8", "10"]
    assert [place for place, _ in straight.y_ticks] == pytest.approx([230, 184, 138, 92, 46, 0])
    wide = plot_curves({"a": [(0, 1), (1, 10), (2, 100), (3, float("nan"))]})
    assert wide is not None
    assert wide.lines == {"a": "0.0,230.0 240.0,115.0 480.0,0.0"}
    assert {text: place for place, text in wide.y_ticks}["10"] == 115
    assert plot_curves({"a": [(1, 1)], "b": []}) is None


def test_bins_are_means_of_neighbours() -> None:
    points = [(float(x), float(x % 2)) for x in range(1000)]
    assert average_bins(points, most=100)[:2] == [(4.5, 0.5), (14.5, 0.5)]
    assert len(average_bins(points, most=100)) == 100
    assert average_bins(points[:3]) == points[:3]


class Page(HTMLParser):
    """What a page loads, and the text of its cells and captions."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        self.tags.append(tag)
        self.loads += [
            value for name, value in attrs if name in ("src", "srcset") or (tag == "link" and name == "href")
        ]

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_has_all_and_loads_nothing(sweep: Path) -> None:
    end(sweep / "a", "failed", "OSError: <script>alert(1)</script> & more")
    text = write_report(sweep) and (sweep / "report.html").read_text()
    found = Page(str(text))
    assert all(load.startswith("data:image/png;base64,") for load in found.loads)
    assert len(found.loads) == 4
    assert not re.search(r"https?://|@import|url\(", str(text))
    assert found.tags.count("script") == 1
    assert "OSError: <script>alert(1)</script> & more" in found.words
    assert found.tags.count("polyline") == 10  # two plots, each with four jobs and the mean of two seeds
    assert found.tags.count("rect") == 2
    for heading in ("Failed", "Settings", "Jobs", "Curves", "Samples", "3 finished, 1 failed of 4 jobs"):
        assert heading in " ".join(found.words.split())


def test_a_job_is_shown_in_all_places_alike(sweep: Path) -> None:
    text = render_page(outcomes.read_sweep(sweep))  # c, d, b, a are numbered 0 to 3
    for tag, places in {"tr": 1, "polyline": 2, "figure": 1}.items():
        assert [len(re.findall(f'<{tag} data-jobs="{number}"', text)) for number in range(4)] == [places] * 4
    assert sorted(re.findall('<rect data-jobs="([^"]+)"', text)) == ["0 1", "2", "3"]
    assert len(re.findall('<a href="c/"><img', text)) == 1
    assert '<button title="share of the real images that are covered: more is better">recall<' in text


def test_the_command_can_be_copied(sweep: Path) -> None:
    assert "python train.py" not in render_page(outcomes.read_sweep(sweep))
    overrides = {"hydra": ["hydra.mode=MULTIRUN"], "task": ["seed=0,1", "sweep=<b>", "+a='b c'"]}
    OmegaConf.save({"hydra": {"overrides": overrides}}, sweep / "multirun.yaml")
    found = Page(render_page(outcomes.read_sweep(sweep))).words
    assert """python train.py -m seed=0,1 'sweep=<b>' '+a='"'"'b c'"'"''""" in found
    merges = "".join(f"a{level}: &a{level}\n  <<: [*a{level - 1}, *a{level - 1}]\n" for level in range(1, 31))
    doubled = f"a0: &a0 {{x: 1}}\n{merges}"  # 2^30 merges, minutes if they were made
    for damage in ("hydra: [", "[" * 5000, "!!python/object/apply:os.system [ls]", "5", doubled):
        (sweep / "multirun.yaml").write_text(damage)
        assert "python train.py" not in render_page(outcomes.read_sweep(sweep))


def test_importance_is_the_rank_correlation(sweep: Path, smoke_run: Run) -> None:
    (first, *others) = measure_importance(outcomes.read_sweep(sweep))
    assert (first[0], first[2]) == ("optimizer.lr", "larger is better")
    assert first[1] == pytest.approx(0.894427)  # ranks 1 2 3 4 of 2 2 1 1
    assert {key for key, _, _ in others} == {"model.clip_value", "seed"}
    assert "<h2>How much hangs on each key</h2>" in render_page(outcomes.read_sweep(sweep))
    end(sweep / "a", "failed", "no")
    assert measure_importance(outcomes.read_sweep(sweep)) == []  # of three jobs


def test_importance_of_words(sweep: Path) -> None:
    for name, method in {"a": "x", "b": "x", "c": "y", "d": "y"}.items():
        read = read_record(sweep / name)
        assert read is not None
        read._replace(overrides=[*read.overrides, f"+method={method}"]).write(sweep / name)
    found = {key: (strength, better) for key, strength, better in measure_importance(outcomes.read_sweep(sweep))}
    assert found["method"][0] == pytest.approx(0.894427)  # of two groups as the correlation
    assert found["method"][1] == "y is best"


def test_three_keys_are_shown_side_by_side(sweep: Path) -> None:
    assert plot_parallel(outcomes.read_sweep(sweep)) is None  # two keys and the seed
    for name, critic in {"a": 1, "b": 5, "c": 1, "d": 5}.items():
        cfg = OmegaConf.load(sweep / name / ".hydra" / "config.yaml")
        cfg.model.n_critic = critic
        OmegaConf.save(cfg, sweep / name / ".hydra" / "config.yaml")
        read = read_record(sweep / name)
        assert read is not None
        read._replace(overrides=[*read.overrides, f"model.n_critic={critic}"]).write(sweep / name)
    found = plot_parallel(outcomes.read_sweep(sweep))
    assert found is not None
    xs = [(key, x) for x, key, _ in found.axes]
    assert [x for _, x in xs] == [0, 350, 700, 1050]
    assert xs[-1][0] == "fid_mnist"
    assert sorted(key for key, _ in xs[:3]) == ["model.clip_value", "model.n_critic", "optimizer.lr"]
    lines = {job.name: line for line, job in found.lines}
    assert set(lines) == set(JOBS)
    assert lines["c"].endswith(" 1050.0,230.0")  # the best, below
    assert lines["a"].endswith(" 1050.0,0.0")
    assert found.axes[-1][2][0][1] == "10"


@pytest.mark.parametrize("damage", ["metrics.csv", "quality.csv", "result.json", ".hydra/config.yaml", "job.json"])
def test_a_damaged_file_of_a_job_leaves_the_report_of_the_others(sweep: Path, damage: str) -> None:
    (sweep / "b" / damage).write_bytes(b'\xff{"half": ')
    write_report(sweep)
    found = [row["folder"] for row in rows(sweep, "summary.csv")]
    assert [name for name in found if name != "b"] == ["c", "d", "a"]
    assert ("b" in found) == (damage != "job.json")


def test_a_sweep_of_which_nothing_has_finished_has_a_page(sweep: Path) -> None:
    for name in JOBS:
        end(sweep / name, "failed", "no")
        shutil.rmtree(sweep / name / "samples")
        (sweep / name / "metrics.csv").unlink()
        (sweep / name / "quality.csv").unlink()
    write_report(sweep)
    assert "4 failed of 4 jobs" in " ".join(Page((sweep / "report.html").read_text()).words.split())
    assert summary.tabulate_best(outcomes.read_sweep(sweep)) == "No job has finished."


def test_the_best_jobs_as_a_table(sweep: Path) -> None:
    lines = summary.tabulate_best(outcomes.read_sweep(sweep), n=2).splitlines()
    assert [line.split()[:4] for line in lines[1:]] == [["1", "0.01", "0.0001", "0"], ["2", "0.01", "0.0001", "1"]]
    assert lines[0].split() == ["clip_value", "lr", "seed", "fid_mnist", "digit_share", "folder"]
    assert [line.split()[-1] for line in lines[1:]] == ["c", "d"]


def test_a_report_that_cannot_be_written_ends_no_job(sweep: Path, caplog: pytest.LogCaptureFixture) -> None:
    (sweep / "summary.csv").mkdir()
    update_report(sweep)
    assert "the summary could not be written (IsADirectoryError" in caplog.text


def test_pages_become_rarer_with_the_number_of_jobs(sweep: Path) -> None:
    report = sweep / "report.html"
    update_report(sweep)
    first = report.stat().st_mtime_ns
    update_report(sweep)
    assert report.stat().st_mtime_ns == first  # four jobs and some files: less than a second ago
    update_report(sweep, at_once=True)
    assert report.stat().st_mtime_ns > first
    now = time.time()
    os.utime(report, (now - 2, now - 2))
    update_report(sweep)
    assert report.stat().st_mtime > now - 1
    for number in range(300):
        (sweep / f"job{number}").mkdir()
    os.utime(report, (now - 25, now - 25))
    update_report(sweep)
    assert report.stat().st_mtime < now - 20
    os.utime(report, (now - 35, now - 35))
    update_report(sweep)
    assert report.stat().st_mtime > now - 1


def test_the_cost_of_a_job_does_not_grow_with_their_number(tmp_path: Path, smoke_run: Run) -> None:
    sweep = tmp_path / "grid"
    sweep.mkdir()
    add_job(sweep, smoke_run, "first", 0.01, 5e-5, 0, 10.0)
    for number in range(1000):
        Record("2026-01-01T00:00:00", "fid_mnist", [f"seed={number}"], {}, "failed", "no").write(sweep / f"x{number}")
    write_one = used_cpu(lambda: update_report(sweep, at_once=True))

    def update_after_each() -> None:
        for _ in range(20):
            update_report(sweep)

    assert used_cpu(update_after_each) < 3 * write_one  # 20 times, if each job wrote it
    assert len(rows(sweep, "summary.csv")) == 1001


def test_seeds_of_a_setting_have_one_colour_and_a_mean_curve(sweep: Path) -> None:
    text = render_page(outcomes.read_sweep(sweep))
    (svg,) = re.findall(r'<svg class="curves"[^>]*fid_mnist.*?</svg>', text, re.DOTALL)
    lines = re.findall(r"<polyline[^>]*stroke: hsl\(([\d.]+)[^>]*><title>(.*?)</title>", svg, re.DOTALL)
    found = {" ".join(title.split()): hue for hue, title in lines}
    names = {(clip, lr, seed): f"clip_value {clip}, lr {lr}, seed {seed}" for clip, lr, seed, _ in JOBS.values()}
    first, second = found[names[0.01, 1e-4, 0]], found[names[0.01, 1e-4, 1]]
    assert first == second == found["mean of clip_value 0.01, lr 0.0001"]
    assert len(found) == len(JOBS) + 1
    assert len(set(found.values())) == 3
    assert "given 2026-01-01 at 00:00; all jobs have trainer=cpu experiment=smoke." in " ".join(text.split())


def test_ticks_of_iterations_are_whole() -> None:
    plot = plot_curves({"a": [(2.0, 1.0), (4.0, 2.0)]})
    assert plot is not None
    assert [text for _, text in plot.x_ticks] == ["2", "3", "4"]


def test_a_job_that_ran_away_is_told_and_ranked_behind_the_others(sweep: Path) -> None:
    result = sweep / "c" / "result.json"
    result.write_text(json.dumps(json.loads(result.read_text()) | {"ran_away": True}))
    read = outcomes.read_sweep(sweep)
    assert [job.name for job in read.jobs] == ["d", "b", "a", "c"]
    assert read.count_statuses() == {"finished": 3, "ran away": 1}
    assert read.jobs[3].value == 10.0
    assert summary.tabulate_best(read, n=1).splitlines()[1].split()[-1] == "d"
    assert "1 ran away" in render_page(read)


def test_jobs_with_other_images_are_ranked_apart(sweep: Path) -> None:
    for name, digit in {"c": "[3,8]", "d": "[3,8]"}.items():
        cfg = OmegaConf.load(sweep / name / ".hydra" / "config.yaml")
        cfg.data.digit = [3, 8]
        OmegaConf.save(cfg, sweep / name / ".hydra" / "config.yaml")
        record = read_record(sweep / name)
        assert record is not None
        record._replace(overrides=[*record.overrides, f"data.digit={digit}"]).write(sweep / name)
    tables = summary.tabulate_best(outcomes.read_sweep(sweep)).split("\n\n")
    assert [[line.split()[-1] for line in table.splitlines()[1:]] for table in tables] == [["c", "d"], ["b", "a"]]
    text = render_page(outcomes.read_sweep(sweep))
    assert [" ".join(line.split()) for line in re.findall(r"<p>(Best of digit .*?):", text)] == [
        "Best of digit [3, 8]",
        "Best of digit 7",
    ]


def test_by_hand(sweep: Path) -> None:
    def report(*arguments: Path | str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "wgan.sweeps.report", *map(str, arguments)]
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60)

    done = report(sweep)
    assert done.returncode == 0, done.stderr
    assert f"Report: {sweep}/report.html" in done.stdout
    assert (sweep / "report.html").exists()
    none = report(sweep / "a")
    assert (none.returncode, none.stderr) == (
        1,
        f"error: {sweep / 'a'}: no sweep; name a folder such as multirun/NAME\n",
    )
    assert report().returncode == 2


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")
def test_a_sweep_of_another_user_is_shown_as_far_as_one_may(sweep: Path) -> None:
    table = summary.tabulate_best(outcomes.read_sweep(sweep))
    for path in (sweep, *sweep.rglob("*")):
        os.chown(path, 65534, 65534)
    lost = "-dac_override,-dac_read_search,-fowner"  # what lets root write everywhere
    command = ["setpriv", f"--inh-caps={lost}", f"--bounding-set={lost}", sys.executable, "-m", "wgan.sweeps.report"]
    done = subprocess.run([*command, sweep], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, f"{table}\n")
    assert done.stderr == f"error: {sweep}/.report.lock: Permission denied; name a path that can be used\n"


def test_a_report_takes_little_time_and_no_pytorch(sweep: Path, smoke_run: Run, imports: float) -> None:
    for number in range(36):
        add_job(sweep, smoke_run, f"x{number}", 0.001 * number, 1e-4, number, 50.0 + number)
    write_report(sweep)
    assert used_cpu(lambda: write_report(sweep)) < imports  # 40 jobs
    with (sweep / "summary.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 40
    program = "import sys, wgan.sweeps.report, wgan.sweeps.launch; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_data_sets_with_other_figures_are_ranked_by_their_own_and_not_with_each_other(sweep: Path) -> None:
    for name, data in {"a": "mnist", "b": "mnist", "c": "fashion_mnist", "d": "fashion_mnist"}.items():
        record = read_record(sweep / name)
        assert record is not None
        objective = {"mnist": "fid_mnist", "fashion_mnist": "nearest_distance"}[data]
        changes = {"overrides": [*record.overrides, f"data={data}"], "choices": record.choices | {"data": data}}
        record._replace(objective=objective, **changes).write(sweep / name)  # type: ignore[arg-type]
        result = json.loads((sweep / name / "result.json").read_text())
        if data == "fashion_mnist":
            result = {key: value for key, value in result.items() if not key.startswith("fid_mnist")}
            result["nearest_distance"] = {"c": 9.0, "d": 8.0}[name]
        (sweep / name / "result.json").write_text(json.dumps(result))
    read = outcomes.read_sweep(sweep)
    assert [(job.name, job.value) for job in read.jobs] == [("d", 8), ("c", 9), ("b", 20), ("a", 40)]
    tables = summary.tabulate_best(read).split("\n\n")
    heads = [table.split() for table in (each.splitlines()[0] for each in tables)]
    assert ["nearest_distance" in head for head in heads] == [True, False]
    assert [[line.split()[-1] for line in table.splitlines()[1:]] for table in tables] == [["d", "c"], ["b", "a"]]
    page = render_page(read)
    assert "objective: <b>nearest_distance or fid_mnist</b>" in page
    bests = [" ".join(line.split()) for line in re.findall(r"<p>(Best of data .*?):", page)]
    assert bests == ["Best of data fashion_mnist", "Best of data mnist"]
    assert len(re.findall(r'<tr [^>]*class="best"', page)) == 2
    assert {"fid_mnist over iterations", "nearest_distance over iterations"} <= set(
        re.findall(r"<figcaption>(\w+ over iterations)", page)
    )
