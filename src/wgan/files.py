"""Files that are there whole or not at all."""

import os
import secrets
from pathlib import Path

UNFINISHED = ".unfinished"


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
