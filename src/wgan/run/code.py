"""What of the project's code decides what a run computes, and runs that other code computed."""

import ast
import hashlib
import logging
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from wgan import PROJECT

DECIDING = ("model", "data", "quality")  # folders of the package

log = logging.getLogger(__name__)


@cache
def hash_code() -> str:
    """Twelve hexadecimal digits that differ where the code that decides does; comments and docstrings do not count."""
    found = hashlib.sha256()
    package = Path(__file__).parents[1]
    for path in sorted(path for folder in DECIDING for path in (package / folder).glob("*.py")):
        found.update(f"{path.relative_to(package).as_posix()}\n{_without_comments(path.read_text('utf-8'))}\n".encode())
    return found.hexdigest()[:12]


@cache
def find_git_revision() -> str | None:
    """The project's commit, with "-dirty" where files differ from it; None outside a git checkout."""
    command = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603, no input of the user's
    except (OSError, subprocess.CalledProcessError):
        return None


def describe_code() -> dict[str, str | None]:
    """What a result or a checkpoint says of the code that computed it."""
    return {"git_revision": find_git_revision(), "code": hash_code()}


def describe_other_code(earlier: Mapping[str, Any]) -> str | None:
    """What to tell of a run that other code computed; None where the code is this one, or older runs do not say.

    Args:
        earlier: a run's result.json, or one of its checkpoints.
    """
    code = earlier.get("code")
    if code is None or code == hash_code():
        return None
    # They may be a stranger's.
    before = f"{str(code)[:60]!a}, git {str(earlier.get('git_revision'))[:60]!a}"
    return f"was computed by other code ({before}) than this ('{hash_code()}', git '{find_git_revision()}')"


def warn_of_other_code(path: Path, earlier: Mapping[str, Any]) -> None:
    """Say so, in one line, where other code computed what is in a file."""
    if words := describe_other_code(earlier):
        log.warning("%s: %s; figures and bits may differ", path, words)


def _without_comments(source: str) -> str:
    """The code alone, in one layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            node.body[0] = ast.Pass()
    return ast.unparse(tree)
