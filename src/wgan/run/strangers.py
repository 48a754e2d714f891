"""Folders that may come from a stranger: no file in them leads elsewhere, hangs a reader or fills the memory."""

import os
from collections.abc import Iterator
from pathlib import Path

from wgan.errors import UserError

IN_PLACE = (".lock", ".log")  # how the names of files end that are written in place


def check_contents(folder: Path, named: str) -> None:
    """Look at all that a folder holds, before anything is written in it.

    Args:
        named: how the user named the folder, such as "resume=FOLDER"; the message begins with it.

    Raises:
        UserError: if there is a link that leads out of the folder, a pipe, a device or a socket; if a file that is
            written in place has another name elsewhere.
    """
    root = folder.resolve()
    for entry in _walk(folder):
        if entry.is_symlink():
            if not _leads_into(root, Path(entry)):
                raise UserError(f"{named}: {entry.path} leads out of the folder; remove this link")
        elif not (entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)):
            raise UserError(f"{named}: {entry.path} is not a regular file; remove it")
        elif entry.name.endswith(IN_PLACE) and entry.stat(follow_symlinks=False).st_nlink > 1 and entry.is_file():
            raise UserError(f"{named}: {entry.path} has another name, too (a hard link); put a copy in its place")


def _walk(folder: Path) -> Iterator[os.DirEntry[str]]:
    """All that is in a folder and below it; links are not followed."""
    folders = [str(folder)]
    while folders:
        try:
            entries = list(os.scandir(folders.pop()))
        except FileNotFoundError:  # another process removed it meanwhile
            continue
        yield from entries
        folders += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]


def _leads_into(root: Path, link: Path) -> bool:
    try:
        return link.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # a circle of links
        return False
