import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import PROJECT

PROGRAM = """
import wgan
from wgan.run.pasting import write_command
cfg = wgan.compose("experiment=best", "data.digit=3")
assert not wgan.HAS_CHECKOUT
print(cfg.model.lipschitz._target_, cfg.data.digit)
print(wgan.MNISTDigits(root="data", digit=3, batch_size=4, n_critic=1, seed=0).root)
print(write_command("generate.py", "run=x"))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (found,) = folder.glob("wgan-*.whl")
    return found


def test_it_has_the_package_and_the_configurations_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = {path for path in (PROJECT / "src" / "wgan").rglob("*") if path.is_file() and path.suffix != ".pyc"}
    configurations = {path for path in (PROJECT / "conf").rglob("*") if path.is_file()}
    expected = {str(path.relative_to(PROJECT / "src")) for path in sources}
    expected |= {f"wgan/{path.relative_to(PROJECT)}" for path in configurations}
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert {"wgan/py.typed", "wgan/__init__.pyi", "wgan/quality/classifier.safetensors"} <= names


def test_without_a_checkout_python_programs_work(wheel: Path, tmp_path: Path) -> None:
    installed, folder = tmp_path / "site", tmp_path / "elsewhere"
    zipfile.ZipFile(wheel).extractall(installed)
    folder.mkdir()
    environment = os.environ | {"PYTHONPATH": str(installed)}
    program = [sys.executable, "-W", "error", "-c", PROGRAM]
    process = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert process.returncode == 0, process.stderr
    method, root, command = process.stdout.splitlines()
    assert method == "wgan.GradientPenalty 3"
    assert root == str(folder / "data")
    assert command.endswith(" generate.py run=x  # in a checkout of the project")
