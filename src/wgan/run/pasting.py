"""Commands to paste: they work from any folder, with any name of a folder, in bash and zsh."""

import shlex
import shutil
import sys
from pathlib import Path

from wgan import HAS_CHECKOUT, PROJECT


def write_command(program: str, *arguments: str) -> str:
    """A line such as "python train.py resume=outputs/x". Where there is no checkout it says that it needs one.

    Args:
        program: a script of the project's, as train.py, or a program that was installed with it, as tensorboard.
    """
    script = [_shorten(PROJECT / program)] if program.endswith(".py") else []
    line = " ".join(map(quote, [_find("python" if script else program), *script, *arguments]))
    return f"{line}  # in a checkout of the project" if script and not HAS_CHECKOUT else line


def quote(word: str) -> str:
    """A word that both shells take as it is. For =ls zsh would put the path of ls, but in quotes."""
    return f"'{word}'" if word.startswith("=") and shlex.quote(word) == word else shlex.quote(word)


def _find(program: str) -> str:
    """Its name where the shell finds the one of this environment; else its path."""
    here = Path(sys.executable).with_name(program)
    found = shutil.which(program)
    return program if found and Path(found).absolute() == here else _shorten(here)


def _shorten(path: Path) -> str:
    is_short = Path.cwd() == PROJECT and path.is_relative_to(PROJECT)
    return str(path.relative_to(PROJECT) if is_short else path)
