import re
import subprocess
import sys
from importlib.metadata import distributions

import pytest
from conftest import PROJECT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
CONSTRAINTS = [
    Requirement(line) for line in (PROJECT / "constraints.txt").read_text().splitlines() if not line.startswith("#")
]
PINS: dict[str, Requirement] = {
    canonicalize_name(each.name): each for each in CONSTRAINTS if each.marker is None or each.marker.evaluate()
}


def test_installed_packages_fit_together() -> None:
    process = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    assert (process.returncode, process.stdout) == (0, "No broken requirements found.\n")


def test_everything_installed_has_its_version_pinned() -> None:
    for distribution in distributions():
        name = canonicalize_name(distribution.name)
        if name not in ("wgan", "pip", "setuptools"):  # ourselves, and what a virtual environment begins with
            assert str(PINS[name].specifier) == f"=={distribution.version.partition('+')[0]}", name


@pytest.mark.parametrize("release", ["2.6.2", "2.6.3"])
def test_the_releases_of_lightning_that_carried_malware_are_excluded(release: str) -> None:
    requirements = {Requirement(each).name: Requirement(each) for each in PYPROJECT["project"]["dependencies"]}
    assert release not in requirements["pytorch-lightning"].specifier
    assert release not in PINS["pytorch-lightning"].specifier
    assert "2.6.6" in requirements["pytorch-lightning"].specifier
    assert "lightning" not in requirements


def test_every_dependency_says_what_it_is_for() -> None:
    text = (PROJECT / "pyproject.toml").read_text()
    for requirement in (*PYPROJECT["project"]["dependencies"], *PYPROJECT["project"]["optional-dependencies"]["dev"]):
        assert re.search(rf'"{re.escape(requirement)}", +# \w+', text), requirement


def test_the_security_linter_looks_at_the_sources() -> None:
    lint = PYPROJECT["tool"]["ruff"]["lint"]
    assert "S" in lint["select"]
    exempt = [
        rule
        for files, rules in lint["per-file-ignores"].items()
        if not files.startswith(("tests/", "bench/"))
        for rule in rules
    ]
    assert not [rule for rule in (*exempt, *lint["ignore"]) if re.fullmatch(r"S\d*", rule)]
