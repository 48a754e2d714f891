"""The files of a run: written whole, or not at all; read if they are regular files, of some size at most."""

import errno
import os
import secrets
import stat
from pathlib import Path
from typing import BinaryIO

METRICS = "metrics.csv"
QUALITY = "quality.csv"
CRITIC = "critic.csv"
CLASSES = "classes.csv"

FLOAT32 = 3.5e38  # no number of these tables is larger

UNFINISHED = ".unfinished"

LARGEST = 2**24  # bytes of a file, unless its reader says otherwise; a run's tables and pictures are far smaller


def write_whole(path: Path, data: bytes) -> None:
    """Write a file of which no reader, and no crash, ever sees a part.

    The bytes go to the disk under another name in the same folder, which is created if need be, and then get theirs.
    Nobody can know the other name before, and put a link there.

    Raises:
        OSError: if there is no space or no permission; what had the name before is intact.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}{UNFINISHED}")
    try:
        with unfinished.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException as error:
        unfinished.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename:
            raise OSError(error.errno, error.strerror, str(path)) from error  # the name that the user knows
        raise
    if os.name == "posix":  # a new name, too, reaches the disk only when its folder does
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_unfinished(folder: Path) -> None:
    """Remove what a killed process left in the folder or below."""
    for path in folder.rglob(f".*{UNFINISHED}"):
        if path.is_symlink() or not path.is_dir():
            path.unlink()


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read its bytes.

    Raises:
        OSError: if it cannot be opened, or is not a regular file: a pipe would make its reader wait for ever.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, largest: int = LARGEST) -> bytes:
    """The bytes of a regular file.

    Raises:
        OSError: as `open_regular`; if the file has more than `largest` bytes.
    """
    with open_regular(path) as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise OSError(errno.EFBIG, f"Larger than {largest} bytes", str(path))
    return data
