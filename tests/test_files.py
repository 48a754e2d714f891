import os
from pathlib import Path

import pytest

from wgan.files import remove_unfinished, write_whole


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.bin"
    for data in (b"first", b"the second", b""):
        write_whole(path, data)
        assert path.read_bytes() == data
    assert list(path.parent.iterdir()) == [path]


def test_a_reader_finds_the_old_file_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.bin"
    write_whole(path, b"old")
    seen = []
    fsync = os.fsync

    def look_and_sync(descriptor: int) -> None:
        seen.append(path.read_bytes())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", look_and_sync)
    write_whole(path, b"new")
    assert seen == [b"old", b"new"]  # the bytes are on the disk before they get the name, then the name is


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.bin"
    write_whole(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]
    assert path.read_bytes() == b"old"


def test_no_link_is_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    for name in (".a.bin.unfinished", "a.bin"):
        (tmp_path / name).symlink_to(victim)
    write_whole(tmp_path / "a.bin", b"new")
    assert victim.read_bytes() == b"precious"
    assert (tmp_path / "a.bin").read_bytes() == b"new"
    assert not (tmp_path / "a.bin").is_symlink()


def test_a_file_can_be_read_by_whom_the_user_lets(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "a.bin", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a.bin").stat().st_mode & 0o777 == 0o640


def test_an_error_names_the_file_that_was_to_be_written(tmp_path: Path) -> None:
    (tmp_path / "a.bin").mkdir()
    with pytest.raises(IsADirectoryError) as raised:
        write_whole(tmp_path / "a.bin", b"new")
    assert str(raised.value) == f"[Errno 21] Is a directory: '{tmp_path}/a.bin'"


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / ".folder.unfinished").mkdir()  # no process leaves this
    for name in (".a.unfinished", "below/.b.ckpt.unfinished", "below/b.ckpt", "below/.hidden"):
        (tmp_path / name).touch()
    remove_unfinished(tmp_path)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        ".folder.unfinished",
        "below",
        "below/.hidden",
        "below/b.ckpt",
    ]
