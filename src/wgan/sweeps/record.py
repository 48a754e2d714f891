"""What a job's folder tells of the job, besides its run."""

import json
from pathlib import Path
from typing import NamedTuple

from wgan import runs
from wgan.files import write_whole

RECORD = "job.json"
STATUSES = ("running", "finished", "diverged", "failed", "interrupted")


class Record(NamedTuple):
    """How a job is going or went, and what it was asked for."""

    launch: str  # when the command was given that did this job last
    objective: str
    overrides: list[str]
    choices: dict[str, str | None]  # of the configuration's groups
    status: str = "running"  # one of STATUSES
    error: str = ""  # of a failed job, one line

    def write(self, folder: Path) -> None:
        write_whole(folder / RECORD, (json.dumps(self._asdict(), indent=2) + "\n").encode())


def read_record(folder: Path) -> Record | None:
    """What a job's folder tells; None of a folder that is no job's, or whose record is not what a job writes."""
    try:
        record = Record(**json.loads((folder / RECORD).read_text()))
    except (OSError, TypeError, ValueError):
        return None
    if not isinstance(record.overrides, list) or not isinstance(record.choices, dict):
        return None
    texts = (record.launch, record.objective, record.error, *record.overrides)
    return record if record.status in STATUSES and all(isinstance(text, str) for text in texts) else None


def mark_interrupted(folder: Path) -> None:
    """Put on record that a job was interrupted whose process could not any more."""
    record = read_record(folder)
    if record and record.status == "running" and not runs.is_held(folder):
        record._replace(status="interrupted").write(folder)
