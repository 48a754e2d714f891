import re
import shlex
import sys
from pathlib import Path

import pytest
from conftest import PROJECT, SHELLS, command, configuration, paste, shell, tensorboard
from omegaconf import OmegaConf
from PIL import Image

README = (PROJECT / "README.md").read_text()
EXTENDING = (PROJECT / "docs" / "extending.md").read_text()
SWEEPS = (PROJECT / "docs" / "sweeps.md").read_text()


def commands(text: str) -> list[str]:
    """The lines of a page's blocks of shell, without comments."""
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = "".join(blocks).replace("\\\n", "").splitlines()
    return [line for line in lines if not line.startswith("# ")]


COMMANDS = commands(README)

# Of a training command; the rest is as written.
SHORT = "trainer=cpu trainer.max_epochs=1 trainer.limit_train_batches=1"
SHORT += " data.batch_size=4 callbacks.quality.n=10 callbacks.quality.final_n=10"
SHORT += " +model.generator.channels=8 +model.critic.channels=8"
# Of a sweep's; nobody looks at the images of its jobs.
SHORTEST = f"{SHORT} ~callbacks.quality ~callbacks.samples objective=wasserstein"

GRID = "python train.py -m sweep=grid model.clip_value=0.01,0.05"
TRAINED = {  # jobs that a command trains after those before it
    f"{GRID} optimizer.lr=5e-5,1e-4 model.n_critic=1,5": 8,
    f"{GRID} seed=0,1": 2,
    f"{GRID} seed=0,1 +parallel=local": 0,
    "python train.py -m sweep=search +search=clipping": 4,
}
# Of commands that would take minutes; the page on sweeps has the whole search.
SHORTER = {
    "python train.py -m sweep=search +search=clipping": " hydra.sweeper.n_trials=4",
    "python evaluate.py run=outputs/DATE/TIME seeds=5": " n=1024",
}


def typed(line: str, cwd: Path) -> str:
    """As `shell`; but entries are forked, of which other tests start each by the interpreter, too."""
    program, *arguments = shlex.split(line)
    if program != "python" or arguments[0] == "-m":
        return shell(line, cwd)
    process = command(*arguments, cwd=cwd, timeout=600)
    assert process.returncode == 0, f"{line}\n{process.stdout}\n{process.stderr}"
    assert "Warning" not in process.stderr
    return process.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The project as seen from a folder of its own, for what its commands leave; its .venv is up to date."""
    for path in PROJECT.iterdir():
        if path.name not in (".git", ".venv", "outputs", "multirun"):
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.name != "installed":
            (tmp_path / ".venv" / path.name).symlink_to(path)
    (tmp_path / ".venv" / "installed").touch()
    return tmp_path


def test_the_first_two_commands_are_the_ones_that_do_everything() -> None:
    assert COMMANDS[:2] == ["make train", "make test"]


@pytest.mark.slow
def test_every_command_works(checkout: Path) -> None:
    for line in COMMANDS:
        if line == "make train":
            assert "Trained 1 iterations" in shell(f'make train ARGS="{SHORT}"', checkout)
        elif line == "make test":
            assert "test_readme.py" in shell('make test ARGS="--collect-only -q tests/test_readme.py"', checkout)
        elif line == ". .venv/bin/activate":
            assert shell(f"{line}; command -v python", checkout).strip() == f"{sys.prefix}/bin/python"
        elif line == "python train.py --help":
            assert "optimizer: adam, rmsprop" in typed(line, checkout)
        elif "resume=" in line:
            run = min(checkout.glob("outputs/*/*/result.json")).parent
            longer = line.replace("outputs/DATE/TIME", str(run.relative_to(checkout))).replace("=20", "=2")
            told = "Trained 2 iterations" if "max_epochs" in line else "Finished already"
            assert told in typed(longer, checkout)
        elif line.startswith("python train.py "):
            short = SHORTEST if line in TRAINED else SHORT
            jobs = TRAINED.get(line, 1)
            assert typed(f"{line} {short}{SHORTER.get(line, '')}", checkout).count("Trained 1 iterations") == jobs
        elif line.startswith("tensorboard "):
            folder = line.split()[-1]
            events = checkout.glob(f"{folder}/**/events.*")
            runs = {str(path.parent.relative_to(checkout / folder)) for path in events}
            assert runs
            with tensorboard(folder, checkout, runs):
                pass
        elif "EarlyStopping" in line:
            assert "Run folder:" in typed(f"{line} {SHORT}", checkout)
        elif line == "python -m wgan.sweeps.report multirun/grid":
            assert "Report: multirun/grid/report.html" in shell(line, checkout)
        elif line.startswith("python generate.py "):
            run = min(checkout.glob("outputs/*/*/result.json")).parent
            typed(line.replace("outputs/DATE/TIME", str(run.relative_to(checkout))), checkout)
            with Image.open(checkout / line.rpartition("out=")[2]) as picture:
                assert picture.size == (604, 604)
        elif line.startswith("python evaluate.py "):
            run = min(checkout.glob("outputs/*/*/result.json")).parent
            shorter = line + SHORTER.get(line, "")
            table = typed(shorter.replace("outputs/DATE/TIME", str(run.relative_to(checkout))), checkout)
            assert ("±" in table) == ("seeds=5" in line)
            epochs = len(list((run / "checkpoints").glob("epoch=*.ckpt")))
            assert len(table.splitlines()) == (epochs + 2 if "checkpoint=all" in line else 9)
        else:
            pytest.fail(f"no test for the README's command: {line}")


@pytest.mark.slow
def test_every_command_of_the_page_on_sweeps_works(checkout: Path, cluster: None) -> None:
    def results() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in checkout.glob("multirun/*/*/result.json")}

    trained = []  # jobs that each command trained
    for line in commands(SWEEPS):
        before = results()
        if line.startswith("python train.py -m "):
            node = " hydra.launcher.gpus_per_node=0 hydra.launcher.cpus_per_task=1 hydra.launcher.mem_gb=2"
            typed(f"{line} {SHORTEST}{node if 'slurm' in line else ''}", checkout)
            trained.append(sum(before.get(path) != time for path, time in results().items()))
        elif "EarlyStopping" in line:
            assert "Run folder:" in typed(f"{line} {SHORT}", checkout)
        elif line == "python -m wgan.sweeps.report multirun/grid":
            assert "Report: multirun/grid/report.html" in shell(line, checkout)
        elif line == "tensorboard --logdir multirun/grid":
            runs = {path.parent.name for path in checkout.glob("multirun/grid/*/events.*")}
            assert len(runs) == 18
            with tensorboard("multirun/grid", checkout, runs):
                pass
        else:
            pytest.fail(f"no test for the command: {line}")
    assert trained == [8, 8, 1, 0, 8, 0, 0, 0, 2, 20, 8]


@pytest.mark.slow
def test_every_command_of_the_page_on_extending_works(checkout: Path) -> None:
    for line in commands(EXTENDING):
        if "experiment=own_method" in line:
            short = "trainer=cpu trainer.max_epochs=1 trainer.limit_train_batches=1 callbacks.quality.n=10"
            assert "Trained 1 iterations" in typed(f"{line} {short}", checkout)
        else:
            run = next(checkout.glob("outputs/*/*/result.json")).parent.relative_to(checkout)
            told = typed(line.replace("outputs/DATE/TIME", str(run)), checkout)
            assert ("Finished already" if "resume=" in line else "100 images of seed 0") in told


@pytest.mark.parametrize("name", SHELLS)
@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in sorted(PROJECT.glob("docs/*.md")))])
def test_a_shell_understands_the_commands_of_a_page_pasted_as_they_are(page: str, name: str, tmp_path: Path) -> None:
    typed = commands((PROJECT / page).read_text().replace(' "$@"', ""))  # what was set before
    words = [word for line in typed for word in shlex.split(line)]
    lines = [f"printf '%s\\n' {line}" for line in typed]
    assert paste(name, "\n".join(lines), tmp_path).stdout.splitlines() == words


def test_the_table_of_hyperparameters_tells_the_defaults() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| `([^`]+)` \|", README, re.MULTILINE)
    assert len(rows) >= 14
    groups = {"data": "mnist", "optimizer": "rmsprop", "trainer": "auto"}
    for key, default in rows:
        if key in groups:
            assert default == groups[key]
            assert configuration(f"{key}={default}") == configuration()
        else:
            assert OmegaConf.select(configuration(), key) == OmegaConf.create([default])[0] or (
                OmegaConf.select(configuration(), key) == OmegaConf.create(f"value: {default}").value
            )


def test_files_named_in_the_readme_exist() -> None:
    for name in re.findall(r"`((?:src/wgan/|conf/|docs/)[\w./]*|[a-z_]+\.py)`|\]\((\w[\w./]*)\)", README):
        path = name[0] or name[1]
        assert (PROJECT / path).exists() or (PROJECT / "src" / "wgan" / path).exists(), path


@pytest.mark.parametrize(
    "name",
    [f"docs/{name}.md" for name in ("conditional", "data", "extending", "performance", "python", "results", "sweeps")]
    + ["README.md", "data/README.md"],
)
def test_links_lead_somewhere(name: str) -> None:
    for link in re.findall(r"\]\((?!https:|#)([^)#]+)", (PROJECT / name).read_text()):
        assert ((PROJECT / name).parent / link).exists(), link


def test_make_help_has_a_line_for_each_target() -> None:
    lines = shell("make help", PROJECT).splitlines()
    targets = "help install train sweep tensorboard test bench classifier lint format clean"
    assert [line.split()[0] for line in lines] == targets.split()
    assert all(len(line.split()) > 2 for line in lines)


def test_installing_twice_installs_nothing(checkout: Path) -> None:
    assert shell("make install", checkout) == "make: Nothing to be done for 'install'.\n"
    (checkout / "constraints.txt").unlink()
    (checkout / "constraints.txt").write_text("")  # newer than what is installed
    assert "pip install" in shell("make --just-print install", checkout)
