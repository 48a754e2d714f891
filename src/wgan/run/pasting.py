"""Commands to paste: they work from where the user is, with any folder, in bash and zsh."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from wgan import PROJECT


def write_command(program: str, *arguments: str) -> str:
    """A line such as "python train.py resume=outputs/x".

    Args:
        program: a script of the project's, as train.py, or a program that was installed with it, as tensorboard.
    """
    script = [_shorten(PROJECT / program)] if program.endswith(".py") else []
    return shlex.join([_find("python" if script else program), *script, *arguments])


def _find(program: str) -> str:
    """Its name where the shell finds the one of this environment; else its path."""
    here = Path(sys.executable).with_name(program)
    found = shutil.which(program)
    return program if found and Path(found).absolute() == here else _shorten(here)


def _shorten(path: Path) -> str:
    folder = Path.cwd()
    return os.path.relpath(path, folder) if path.is_relative_to(folder) else str(path)
