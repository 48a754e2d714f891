"""What a job's folder tells of the job, besides its run."""

import json
from pathlib import Path
from typing import NamedTuple

from wgan.files import read_regular, write_whole
from wgan.run import folder as runs

RECORD = "job.json"
STATUSES = ("running", *runs.ENDED, "failed", "interrupted")


class Record(NamedTuple):
    """How a job is going or went, and what it was asked for."""

    launch: str  # when the command was given that did this job last
    objective: str
    overrides: list[str]
    choices: dict[str, str | None]  # of the configuration's groups
    status: str = "running"  # one of STATUSES
    error: str = ""  # of a failed job, one line
    jobs: int = 0  # of that command; 0 of a record that an earlier version wrote

    def write(self, folder: Path) -> None:
        write_whole(folder / RECORD, self._as_json())
        _beside(folder).unlink(missing_ok=True)

    def write_beside(self, folder: Path) -> None:
        """For a job that fails because nothing can be written in its folder."""
        write_whole(_beside(folder), self._as_json())

    def _as_json(self) -> bytes:
        return (json.dumps(self._asdict(), indent=2) + "\n").encode()


def find_jobs(sweep: Path) -> list[Path]:
    """The folders of a sweep's jobs, of those that have a record."""
    inside = {path.parent for path in sweep.glob(f"*/{RECORD}")}
    beside = {sweep / path.name[1:].removesuffix(f".{RECORD}") for path in sweep.glob(f".*.{RECORD}")}
    return sorted(inside | beside)


def find_record(folder: Path) -> Path:
    """The file of a job's record: in its folder, or beside it where the job could not write there."""
    beside = _beside(folder)
    return beside if beside.exists() else folder / RECORD


def read_record(folder: Path) -> Record | None:
    """What a job's folder tells; None of a folder that is no job's, or whose record is not what a job writes."""
    try:
        record = Record(**json.loads(read_regular(find_record(folder))))
    except (OSError, RecursionError, TypeError, ValueError):
        return None
    if not isinstance(record.overrides, list) or not isinstance(record.choices, dict):
        return None
    texts = (record.launch, record.objective, record.error, *record.overrides)
    if not isinstance(record.jobs, int) or not all(isinstance(text, str) for text in texts):
        return None
    return record if record.status in STATUSES else None


def mark_interrupted(folder: Path) -> None:
    """Put on record that a job was interrupted whose process could not any more."""
    record = read_record(folder)
    if record and record.status == "running" and not runs.is_held(folder):
        record._replace(status="interrupted").write(folder)


def _beside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.{RECORD}")
