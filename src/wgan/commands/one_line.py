"""The command line's errors, in one line each."""

import difflib
import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException

from wgan.commands.environment import prepare_environment
from wgan.errors import UserError
from wgan.run.checks import GROUPS, REFUSED

UNEXPECTED = re.compile(r"(?P<target>\w+)\.__init__\(\) got an unexpected keyword argument '(?P<key>\w+)'")
OUT_OF_MEMORY = ("can't allocate memory", "CUDA out of memory")


class PastHydra(BaseException):
    """Carries an error past Hydra, which would print a line of its own about it."""

    def __init__(self, error: Exception) -> None:
        self.error = error


@contextmanager
def errors_past_hydra() -> Iterator[None]:
    """Let errors of what Hydra calls reach `errors_in_one_line` without a word of Hydra's."""
    try:
        yield
    except Exception as error:
        raise PastHydra(error) from error


def errors_in_one_line(main: Callable[[], Any]) -> Callable[[], Any]:
    """Let an error that the user can mend end a Hydra `main` with one line, naming key, value and remedy, and exit 1.

    HYDRA_FULL_ERROR=1 shows the traceback instead, as with Hydra itself; so does an error of the program.
    """

    @wraps(main)
    def wrapper() -> Any:
        prepare_environment()
        full = os.environ.get("HYDRA_FULL_ERROR")
        os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing in its own way
        logging.raiseExceptions = False  # nor does a log on a full disk print a traceback
        numbers = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) != signal.SIG_IGN]
        handlers = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
        try:
            return main()
        except KeyboardInterrupt:
            if full == "1":
                raise
            sys.exit(130)
        except PastHydra as carrier:
            error = carrier.error
        except Exception as raised:
            error = raised
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            os.environ["HYDRA_FULL_ERROR"] = full or "0"
        if full != "1" and (line := explain_error(error, sys.argv[1:])):
            sys.exit(f"error: {escape_unprintable(line)}")
        raise error

    return wrapper


def escape_unprintable(text: str) -> str:
    """A line for a terminal: what would move its cursor, say, stands there as an escape sequence of Python's."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def explain_error(error: BaseException, arguments: list[str]) -> str | None:
    """One line for the user, or None for an error that is not the user's."""
    for cause in _causes(error):
        if isinstance(cause, UserError):
            return str(cause)
        if isinstance(cause, MissingMandatoryValue):
            return f"{cause.full_key}: must be given, as {cause.full_key}=..."
        if isinstance(cause, OverrideParseException) and "Ambiguous" not in str(cause):
            return f"{cause.override}: not understood; write key=value, and a list as 'key=[3,8]'"
        if isinstance(cause, MissingConfigException) and cause.options:
            key = str(cause.missing_cfg_file).rpartition("/")[0]
            return f"{_as_typed(key, arguments)}: no such choice; choose one of {', '.join(cause.options)}"
        if isinstance(cause, OSError) and cause.filename and error is cause:
            return f"{cause.filename}: {cause.strerror}; name a path that can be used"
        if isinstance(cause, MemoryError) or any(words in str(cause) for words in OUT_OF_MEMORY):
            return "data.batch_size, model.n_critic, model.latent_dim: too large for the memory; lower one of them"
        if isinstance(error, ConfigCompositionException) and isinstance(cause, ConfigAttributeError | ConfigKeyError):
            return _unknown_key(cause, arguments)
    if isinstance(error, InstantiationException):
        return _not_built(error, arguments)
    message = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
    if isinstance(error, ValueError) and message.startswith("Config group override"):  # model=3
        typed = next((each for each in arguments if each.partition("=")[0] in GROUPS), " ".join(arguments))
        return f"{typed}: must be one of the group's choices, which --help lists"
    hydras = isinstance(error, HydraException | OmegaConfBaseException) or _is_raised_by_hydra(error)
    return message if hydras else None


def _is_raised_by_hydra(error: BaseException) -> bool:
    """Whether it is about the command line itself, such as --resolve alone."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return bool(frames) and str(frames[-1][0].f_globals.get("__name__")).startswith("hydra.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _not_built(error: InstantiationException, arguments: list[str]) -> str:
    """What a class did not take: the argument whose name its complaint mentions, else the place of the class."""
    cause = error.__cause__ or error
    names = {argument.partition("=")[0].rpartition(".")[2]: argument.lstrip("+") for argument in arguments}
    if found := UNEXPECTED.search(str(cause)):
        key = found["key"]  # or one below it
        typed = next((each.lstrip("+") for each in arguments if key in each.partition("=")[0].split(".")), key)
        return f"{typed}: no such key; {found['target']} does not take it"
    place = str(error).rpartition("full_key: ")[2]
    typed = next((names[word] for word in re.findall(r"\w+", str(cause)) if word in names), place)
    return f"{typed}: refused ({' '.join(str(cause).split())}); --cfg job shows what is there by default"


def _unknown_key(error: OmegaConfBaseException, arguments: list[str]) -> str:
    key = str(error.full_key)
    typed = _as_typed(key, arguments)
    if key in REFUSED:
        return f"{typed}: {REFUSED[key]}"
    parent, _, name = key.rpartition(".")
    node = error.parent_node
    known = [str(k) for k in node or () if k != "hydra"]
    below = {k: OmegaConf.select(node, k, throw_on_missing=False) for k in known}
    deeper = [f"{k}.{name}" for k, child in below.items() if OmegaConf.is_dict(child) and name in child]
    prefix = f"{parent}." if parent else ""
    if close := deeper or [prefix + k for k in difflib.get_close_matches(name, known, n=1)]:
        return f"{typed}: no such key; did you mean {close[0]}?"
    return f"{typed}: no such key; " + (f"there are {', '.join(prefix + k for k in known)}" if known else "see --help")


def _as_typed(key: str, arguments: list[str]) -> str:
    """The argument that sets `key` or a key below it; else the key."""
    typed = [argument.lstrip("+~") for argument in arguments]
    exact = [argument for argument in typed if argument.partition("=")[0] == key]
    return next((argument for argument in (*exact, *typed) if argument.startswith((f"{key}=", f"{key}."))), key)
