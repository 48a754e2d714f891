"""train.log: what a run printed."""

import logging
import stat
from contextlib import suppress
from pathlib import Path

LOG = "train.log"


class RunLog(logging.FileHandler):
    """Hydra's file of a run's lines, opened at the first of them.

    Where it cannot be opened, or is no regular file but a link, say, the console alone has the lines: a run that cannot
    have its log is told by `check_log`, and the other jobs of a sweep go on.
    """

    def __init__(self, filename: str, mode: str = "a", encoding: str | None = None) -> None:
        super().__init__(filename, mode, encoding, delay=True)

    def emit(self, record: logging.LogRecord) -> None:
        if self.stream is None and not _is_regular_or_new(Path(self.baseFilename)):
            return
        with suppress(OSError):
            super().emit(record)


def check_log(folder: Path) -> None:
    """Raises OSError if the train.log that a folder holds cannot be written."""
    path = folder / LOG
    if path.exists():
        path.open("ab").close()


def _is_regular_or_new(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return True
    except OSError:
        return False
