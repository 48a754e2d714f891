import json
import os
import pickle
import re
import shlex
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from conftest import BARE, TINY, command, configuration, contents, result, rows
from filelock import FileLock
from processes import Process

from wgan.run.fingerprint import fingerprint
from wgan.sweeps.record import read_record

LONG = (*TINY, "trainer.max_epochs=12")
BROKEN, OBJECTS = "checkpoints/last.ckpt", "holds pickled objects besides tensors and numbers"
JOBLIB = ("+parallel=local", "hydra.launcher.n_jobs=2")


def job(sweep: Path, *overrides: str) -> Path:
    """The folder of the job with these overrides, which must be there."""
    (folder,) = sweep.glob(f"*-{fingerprint(configuration(*overrides))}")
    return folder


def outcomes(sweep: Path) -> dict[str, dict[str, object]]:
    """What jobs leave, by folder, as far as it does not tell when and where they were done."""
    found: dict[str, dict[str, object]] = {}
    for folder in (path.parent for path in sweep.glob("*/job.json")):
        files = {
            name: data for name, data in contents(folder).items() if name.endswith((".csv", ".png", ".safetensors"))
        }
        figures = {name: value for name, value in result(folder).items() if name not in ("seconds", "git_revision")}
        assert len(files) > 6
        found[folder.name] = files | figures | {"checkpoints": {path.name for path in folder.glob("checkpoints/*")}}
    return found


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def start(*arguments: str, cwd: Path, environment: Mapping[str, str] = MappingProxyType({})) -> Process:
    """A sweep in a process of its own, which heads a group of processes, as one that is typed in a terminal."""
    env = {**os.environ, "JOBLIB_TEMP_FOLDER": str(cwd), **environment}  # else killed ones leave files in /dev/shm
    return Process("train.py", "-m", *arguments, cwd=cwd, env=env, merged=True, start_new_session=True)


def break_job(sweep: Path, *overrides: str) -> Path:
    """A folder for a job in which it will fail; removing checkpoints/last.ckpt mends it."""
    folder = sweep / f"broken-{fingerprint(configuration(*overrides))}"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / BROKEN).write_bytes(pickle.dumps(Path("no tensor")))
    return folder


def test_typed_again_and_extended_a_sweep_trains_only_what_is_missing(
    tmp_path: Path, run_main: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    sweep = tmp_path / "multirun" / "clip"
    assert run_main("train.py", "-m", *TINY, "sweep=clip", "model.clip_value=0.01,0.05") == ""
    first = contents(sweep)
    folders = {path.parent for path in sweep.glob("*/result.json")}
    assert folders == {job(sweep, *TINY, f"model.clip_value={value}") for value in (0.01, 0.05)}
    assert all(re.search(r"^[\w=,.]*clip_value=0.0[15],[\w=,.]*-[0-9a-f]{8}$", folder.name) for folder in folders)
    capfd.readouterr()

    assert run_main("train.py", "-m", *TINY, "sweep=clip", "seed=0,1", "model.clip_value=0.05,0.01") == ""
    printed = capfd.readouterr().out
    assert printed.count("Finished already, fid_mnist") == 2
    assert printed.count("Trained 3 iterations") == 2
    assert len(list(sweep.glob("*/result.json"))) == 4
    for name, data in contents(sweep).items():
        untouched = not name.endswith(("job.json", "train.log", "multirun.yaml", "report.html", "summary.csv"))
        if untouched and (sweep / name).parent in folders:
            assert data == first[name], name

    records = [record for path in sweep.glob("*/job.json") if (record := read_record(path.parent))]
    assert {record.status for record in records} == {"finished"}
    assert len({record.launch for record in records}) == 1
    assert "clip" in printed.rpartition("Report: ")[2]


def test_another_objective_of_a_sweep_trains_nothing(
    tmp_path: Path, run_main: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_main("train.py", "-m", *TINY, "sweep=one", "seed=3") == ""
    assert run_main("train.py", "-m", *TINY, "sweep=one", "seed=3", "objective=-digit_share") == ""
    printed = capfd.readouterr().out
    figures = result(job(tmp_path / "multirun" / "one", *TINY, "seed=3"))
    assert f"Finished already, -digit_share {-figures['digit_share']:.4g}" in printed


def test_rerun_trains_anew(tmp_path: Path, run_main: Callable[..., str], capfd: pytest.CaptureFixture[str]) -> None:
    sweep = tmp_path / "multirun" / "again"
    arguments = ("train.py", "-m", *TINY, "sweep=again", "seed=0,1")
    assert run_main(*arguments) == ""
    before = outcomes(sweep)
    (job(sweep, *TINY, "seed=1") / "generator.safetensors").write_bytes(b"spoilt")
    capfd.readouterr()
    assert run_main(*arguments, "rerun=true") == ""
    printed = capfd.readouterr().out
    assert printed.count("Trained 3 iterations") == 2
    assert re.search(r"#0 1 of 2 jobs have ended, about 0:\d\d:\d\d left\n", printed)
    assert "#1 2 of 2 jobs have ended\n" in printed
    assert "Continuing" not in printed
    assert outcomes(sweep) == before


def test_what_other_code_computed_is_told_and_trained_anew_if_asked_for(
    tmp_path: Path, run_main: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ("train.py", "-m", *BARE, "sweep=some", "seed=0,1")
    assert run_main(*arguments) == ""
    assert "other code" not in capfd.readouterr().out
    changed = job(tmp_path / "multirun" / "some", *BARE, "seed=1") / "result.json"
    changed.write_text(json.dumps(json.loads(changed.read_text()) | {"code": "0123456789ab"}))
    assert run_main(*arguments) == ""
    printed = capfd.readouterr().out
    assert "Of 2 jobs, 1 were computed by other code than this; rerun=changed trains them anew" in printed
    assert "was computed by other code ('0123456789ab', git " in printed
    assert printed.count("Finished already") == 2
    assert run_main(*arguments, "rerun=changed") == ""
    printed = capfd.readouterr().out
    assert (printed.count("Finished already"), printed.count("Trained 3 iterations")) == (1, 1)
    assert "other code" not in printed
    assert json.loads(changed.read_text())["code"] != "0123456789ab"
    assert run_main(*arguments, "rerun=maybe") == "error: rerun=maybe: must be true, false or changed"


def test_a_job_that_fails_is_told_at_once_and_tried_again(
    tmp_path: Path, run_main: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    sweep = tmp_path / "multirun" / "some"
    broken = break_job(sweep, *BARE, "seed=1")
    arguments = ("train.py", "-m", *BARE, "sweep=some", "seed=0,1,2")
    message = run_main(*arguments)
    reason = f"{broken}/{BROKEN}: {OBJECTS}, which could run any program, and is therefore not opened; delete it to "
    reason += "continue from an earlier checkpoint"
    assert message.startswith("error: 1 of 3 jobs failed; their train.log tells how, and the same command tries them")
    assert message.endswith(f"\n  multirun/some/{broken.name}: {reason}")
    printed = capfd.readouterr().out
    assert printed.index(f"#1 Failed: {reason}") < printed.index("#2 Trained 3 iterations")
    assert f"Failed: {reason}" in (broken / "train.log").read_text()
    assert "failed" in (sweep / "summary.csv").read_text()
    record = read_record(broken)
    assert record is not None
    assert (record.status, record.error) == ("failed", reason)

    (broken / BROKEN).unlink()
    assert run_main(*arguments) == ""
    assert capfd.readouterr().out.count("Trained 3 iterations") == 1
    assert len(list(sweep.glob("*/result.json"))) == 3


@pytest.mark.parametrize("parallel", [False, True])
def test_with_fail_fast_the_first_failure_ends_the_sweep(tmp_path: Path, parallel: bool) -> None:
    sweep = tmp_path / "multirun" / "fast"
    length = "trainer.max_epochs=200" if parallel else "trainer.max_epochs=1"
    broken = break_job(sweep, *BARE, length, "seed=0")
    launcher = JOBLIB if parallel else ()
    arguments = (*BARE, length, "sweep=fast", "seed=0,1,2", "fail_fast=true", *launcher)
    process = command("train.py", "-m", *arguments, cwd=tmp_path)
    assert process.returncode == 1
    assert "error: 1 of " in process.stderr
    assert f"{broken.name}: {broken}/{BROKEN}: {OBJECTS}" in process.stderr
    assert not list(sweep.glob("*/result.json"))


def test_a_grid_with_a_value_that_cannot_be_is_refused_before_the_first_job(
    tmp_path: Path, run_main: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = ("train.py", "-m", *TINY, "sweep=bad", "seed=0,1")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    for bad, line in {
        "model.clip_value=0.01,-1": "error: model.clip_value=-1: must be a number above 0, such as 0.01",
        "data.batch_size=4,70000": "error: data.batch_size=70000: must be at most 6265, the number of images with data",
        "+optimizer.critic.foo=1,2": "error: optimizer.critic.foo=1,2: no such key; RMSprop does not take it",
        "optimizer.critic._target_=os.system,torch.optim.Adam": "error: optimizer.critic._target_=os.system: must be a",
        "optimizer=adam,adamw": "error: optimizer=adam,adamw: no such choice; choose one of adam, rmsprop",
        "rerun=true,false": "error: rerun=true,false: must have one value, for the whole sweep",
        "sweep=../bad": "error: sweep=../bad: must be a folder's name, of letters, digits and _.=+-",
        "trainer=cpu,gpu": "error: trainer.accelerator=gpu: PyTorch finds no GPU here; set trainer.acc",
        "hydra/sweeper=optuna": "error: hydra.sweeper.sampler.seed=null: must be a number, as 0; typed again",
        "+parallel=slurm": "error: +parallel=slurm: there is no sbatch here; run it where Slurm is",
        "+parallel=local hydra.launcher.batch_size=0": "error: hydra.launcher.batch_size=0: must be a whole number, 1",
        "experiment=glob(zzz*)": "error: experiment=glob(zzz*): stands for no value, so there is no job",
        'hydra.sweep.subdir="a/${hydra.job.num}"': "error: hydra.sweep.subdir=a/${hydra.job.num}: must not be set",
        'hydra.sweep.dir="multirun/s${seed}"': "error: hydra.sweep.dir=multirun/s${seed}: must be one folder for all",
    }.items():
        assert run_main(*typed, *(bad.split() if bad.startswith("+parallel") else [bad])).startswith(line), bad
    assert not list(tmp_path.rglob("job.json"))
    assert not list(tmp_path.rglob("train.log"))


def test_keys_of_sweeps_are_for_sweeps(run_main: Callable[..., str]) -> None:
    assert run_main("train.py", *TINY, "sweep=x") == "error: sweep=x: is for sweeps; add -m, or leave it out"


def test_a_run_that_was_lengthened_is_not_taken_for_the_job(tmp_path: Path, run_main: Callable[..., str]) -> None:
    sweep = tmp_path / "multirun" / "long"
    assert run_main("train.py", "-m", *BARE, "sweep=long", "seed=5") == ""
    folder = job(sweep, *BARE, "seed=5")
    assert run_main("train.py", f"resume={folder}", "trainer.max_epochs=2") == ""
    assert "holds a run that was changed; rerun=true trains" in run_main(
        "train.py", "-m", *BARE, "sweep=long", "seed=5"
    )


def test_what_is_swept_stands_first_in_the_names_of_jobs(tmp_path: Path, run_main: Callable[..., str]) -> None:
    assert (
        run_main("train.py", "-m", "data.digit=7", *BARE, "sweep=names", "model.clip_value=0.02,0.03", "seed=0") == ""
    )
    for value in ("0.02", "0.03"):
        folder = job(tmp_path / "multirun" / "names", *BARE, f"model.clip_value={value}")
        assert folder.name.startswith(f"clip_value={value},digit=7,batch_size=4,")


def test_an_interrupted_sweep_without_a_name_says_how_to_go_on(tmp_path: Path) -> None:
    process = start(*LONG, "seed=0,1", cwd=tmp_path)
    until(lambda: list(tmp_path.glob("multirun/*/*/*/checkpoints/epoch=001.ckpt")))
    process.send_signal(signal.SIGINT)
    printed = process.communicate(timeout=60)[0]
    (again,) = re.findall("^Interrupted; continue with: (.+)$", printed, re.MULTILINE)
    (sweep,) = {path.parents[1] for path in tmp_path.glob("multirun/*/*/*/job.json")}
    assert again.endswith(f" sweep={sweep.relative_to(tmp_path / 'multirun')}")
    there, _, rest = again.partition(" && ")
    assert shlex.split(there) == ["cd", str(tmp_path)]
    typed = shlex.split(rest)[2:]
    assert typed[:1] == ["-m"]
    assert command("train.py", *typed, "trainer.max_epochs=1", "fail_fast=true", cwd=tmp_path).returncode == 0
    assert {path.parents[1] for path in tmp_path.glob("multirun/*/*/*/result.json")} == {sweep}


def test_without_a_name_a_sweep_is_called_by_date_and_time(tmp_path: Path, run_main: Callable[..., str]) -> None:
    assert run_main("train.py", "-m", *BARE, "seed=1") == ""
    (found,) = tmp_path.glob("multirun/*/*/*/result.json")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d/\d\d-\d\d-\d\d", str(found.parents[1].relative_to(tmp_path / "multirun")))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """What a sweep of two jobs leaves, done by two workers."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    process = command("train.py", "-m", *LONG, "sweep=whole", "seed=0,1", *JOBLIB, cwd=folder)
    assert process.returncode == 0, process.stdout + process.stderr
    return outcomes(folder / "multirun" / "whole")


@pytest.mark.slow
def test_killed_and_typed_again_a_sweep_ends_as_one_that_was_not(
    tmp_path: Path, uninterrupted: dict[str, dict[str, object]]
) -> None:
    sweep = tmp_path / "multirun" / "killed"
    typed = (*LONG, "sweep=killed", "seed=0,1", *JOBLIB)
    process = start(*typed, cwd=tmp_path)
    until(lambda: list(sweep.glob("*/checkpoints/epoch=003.ckpt")))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not list(sweep.glob("*/result.json"))
    again = command("train.py", "-m", *typed, cwd=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Continuing after iteration" in again.stdout
    assert outcomes(sweep) == uninterrupted


@pytest.mark.slow
def test_a_worker_that_is_left_over_and_a_new_one_never_share_a_folder(
    tmp_path: Path, uninterrupted: dict[str, dict[str, object]]
) -> None:
    sweep = tmp_path / "multirun" / "left"
    typed = (*LONG, "sweep=left", "seed=0,1", *JOBLIB)
    process = start(*typed, cwd=tmp_path)
    until(lambda: len(list(sweep.glob("*/checkpoints/epoch=001.ckpt"))) == 2)
    process.kill()  # not its workers, which are slow from now on
    workers = [int(path.read_text().split()[1]) for path in sweep.glob("*/.lock")]
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    again = start(*typed, cwd=tmp_path)
    waiting = r"process \d+ on .* trains in it; waiting for its end"
    until(lambda: len(re.findall(waiting, "".join(path.read_text() for path in sweep.glob("*/train.log")))) == 2)
    assert not list(sweep.glob("*/result.json"))
    for worker in workers:
        os.kill(worker, signal.SIGCONT)
    printed = again.communicate(timeout=300)[0]
    process.communicate()
    assert again.returncode == 0, printed
    assert printed.count("Continuing after iteration") == 2  # the old workers ended as they woke up
    assert outcomes(sweep) == uninterrupted


def workers_of(launcher: int) -> list[int]:
    """The workers that a launcher started; they get another parent when it ends."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return [int(child) for child in children if b"popen_loky" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
@pytest.mark.parametrize("moment", ["import", "training"])
def test_workers_end_with_their_launcher(tmp_path: Path, number: signal.Signals, moment: str) -> None:
    sweep = tmp_path / "multirun" / "orphans"
    environment = {"CUDA_VISIBLE_DEVICES": "0,1", "TMPDIR": str(tmp_path)}  # pretended, to have leases
    typed = (*BARE[1:], "trainer.max_epochs=500", "sweep=orphans", "seed=0,1", *JOBLIB)
    process = start(*typed, cwd=tmp_path, environment=environment)
    if moment == "import":
        until(lambda: workers_of(process.pid))
    else:
        until(lambda: len(list(sweep.glob("*/checkpoints/epoch=001.ckpt"))) == 2)
        assert len(list(tmp_path.glob("wgan-gpus-*/*.lock"))) == 2
    left = workers_of(process.pid)
    process.send_signal(number)
    process.wait(timeout=60)
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in left), seconds=60)
    for path in tmp_path.glob("wgan-gpus-*/*.lock"):
        with FileLock(path, timeout=0):
            pass


@pytest.mark.parametrize("name", [".lock", "job.json", "train.log"])
def test_a_job_that_fails_before_its_record_is_written_counts(
    tmp_path: Path, run_main: Callable[..., str], capfd: pytest.CaptureFixture[str], name: str
) -> None:
    sweep = tmp_path / "multirun" / "some"
    broken = sweep / f"broken-{fingerprint(configuration(*BARE, 'seed=1'))}"
    (broken / name).mkdir(parents=True)
    arguments = ("train.py", "-m", *BARE, "sweep=some", "seed=0,1,2")
    message = run_main(*arguments)
    assert message.startswith("error: 1 of 3 jobs failed; their train.log tells how, and the same command tries them")
    assert f"\n  multirun/some/{broken.name}: {broken}/{name}: Is a directory" in message
    printed = capfd.readouterr().out
    assert printed.index("#1 Failed: ") < printed.index("#2 Trained 3 iterations")
    assert len(list(sweep.glob("*/result.json"))) == 2
    summary = {row["folder"]: row["status"] for row in rows(sweep, "summary.csv")}
    assert Counter(summary.values()) == {"finished": 2, "failed": 1}
    assert summary[broken.name] == "failed"

    (broken / name).rmdir()
    assert run_main(*arguments) == ""
    assert len(list(sweep.glob("*/result.json"))) == 3
    assert not list(sweep.glob(".*.job.json"))


def test_a_job_whose_failure_cannot_be_recorded_fails_the_sweep(
    tmp_path: Path, run_main: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("wgan.sweeps.record.write_whole", full)
    assert run_main("train.py", "-m", *BARE, "sweep=full", "seed=0").endswith(
        "job.json: No space left on device; name a path that can be used"
    )


def test_a_job_of_a_finished_sweep_gets_its_generator_back(tmp_path: Path, run_main: Callable[..., str]) -> None:
    assert run_main("train.py", "-m", *BARE, "sweep=one", "seed=3") == ""
    path = job(tmp_path / "multirun" / "one", *BARE, "seed=3") / "generator.safetensors"
    before = path.read_bytes()
    path.unlink()
    assert run_main("train.py", "-m", *BARE, "sweep=one", "seed=3") == ""
    assert path.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("parallel", [False, True])
def test_an_interrupted_sweep_ends_with_its_workers_and_goes_on(
    tmp_path: Path, uninterrupted: dict[str, dict[str, object]], parallel: bool
) -> None:
    sweep = tmp_path / "multirun" / "stopped"
    typed = (*LONG, "sweep=stopped", "seed=0,1")
    process = start(*typed, *(JOBLIB if parallel else ()), cwd=tmp_path)
    until(lambda: list(sweep.glob("*/checkpoints/epoch=003.ckpt")))
    process.send_signal(signal.SIGINT)
    printed = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert "Interrupted; continue with: " in printed
    assert "Traceback" not in printed
    holders = [int(path.read_text().split()[1]) for path in sweep.glob("*/.lock")]
    until(lambda: not any(Path(f"/proc/{holder}").exists() for holder in holders), seconds=10)
    assert not list(sweep.glob("*/result.json"))
    assert (sweep / "report.html").exists()

    again = command("train.py", "-m", *typed, *JOBLIB, cwd=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Continuing after iteration" in again.stdout
    if parallel:  # else with another number of threads
        assert outcomes(sweep) == uninterrupted


@pytest.mark.slow
def test_a_worker_that_dies_hard_ends_the_sweep_with_a_line(tmp_path: Path) -> None:
    sweep = tmp_path / "multirun" / "dead"
    process = start(*LONG, "sweep=dead", "seed=0,1", *JOBLIB, cwd=tmp_path)
    until(lambda: len(list(sweep.glob("*/checkpoints/epoch=001.ckpt"))) == 2)
    os.kill(int(next(sweep.glob("*/.lock")).read_text().split()[1]), signal.SIGKILL)
    printed = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert "error: 2 of 2 jobs failed" in printed
    assert printed.count("ended without a word") == 2
    assert "Traceback" not in printed


@pytest.mark.slow
def test_jobs_share_the_threads_and_lease_the_gpus(tmp_path: Path) -> None:
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "0,1", "TMPDIR": str(tmp_path)}
    environment.pop("OMP_NUM_THREADS", None)
    typed = (*[each for each in BARE if each != "trainer=cpu"], "sweep=gpus", "seed=0,1,2,3", "+parallel=local")
    # What jobs see, as Hydra's callbacks can keep it.
    kept = "+hydra.callbacks.kept._target_=environment_of_jobs.Kept"
    (tmp_path / "environment_of_jobs.py").write_text(
        "import json, os\n"
        "from pathlib import Path\n"
        "from hydra.experimental.callback import Callback\n"
        "class Kept(Callback):\n"
        "    def on_job_end(self, config, job_return, **kwargs):\n"
        "        names = ('CUDA_VISIBLE_DEVICES', 'OMP_NUM_THREADS')\n"
        "        seen = {name: os.environ[name] for name in names} | {'pid': os.getpid()}\n"
        "        (Path(config.hydra.runtime.output_dir) / 'seen.json').write_text(json.dumps(seen))\n"
    )
    environment["PYTHONPATH"] = str(tmp_path)
    process = Process("train.py", "-m", *typed, kept, cwd=tmp_path, env=environment, merged=True)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    seen = [json.loads(path.read_text()) for path in tmp_path.glob("multirun/gpus/*/seen.json")]
    assert len(seen) == 4
    leases = {(each["pid"], each["CUDA_VISIBLE_DEVICES"]) for each in seen}  # one for each worker's life
    assert sorted(gpu for _, gpu in leases) == ["0", "1"]
    assert {each["OMP_NUM_THREADS"] for each in seen} == {str(max(1, (os.cpu_count() or 1) // 2))}
