"""Names of folders and files, as they are typed: each character stands for itself, in all commands."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString

SWEEPING = {"-m", "--multirun"}


def with_names_quoted(*keys: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Let a Hydra `main` take as values of `keys` whatever a folder may be called.

    As with Hydra, ${...} gives its value, quotes around a value are no part of it, and in a sweep commas part values.
    """

    def quote(argument: str) -> str:
        key, _, value = argument.partition("=")
        several = "," in value and not SWEEPING.isdisjoint(sys.argv)
        if key.lstrip("+") not in keys or "${" in value or several or is_quoted(value):
            return argument
        return f"{key}={QuotedString(value, Quote.single).with_quotes()}"

    def decorator(main: Callable[[], Any]) -> Callable[[], Any]:
        @wraps(main)
        def wrapper() -> Any:
            sys.argv[1:] = map(quote, sys.argv[1:])
            return main()

        return wrapper

    return decorator


def is_quoted(value: str) -> bool:
    """Whether quotes stand around it."""
    return len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
