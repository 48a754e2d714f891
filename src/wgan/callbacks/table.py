"""Tables of a run: their rows live in its checkpoints, and their CSV files are written whole from them."""

import csv
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wgan.files import FLOAT32, read_regular, write_whole

WHOLE = ("iteration", "epoch", "samples")  # columns of whole numbers
LARGEST = 2**30  # bytes of the file of an earlier version
WHOLE_BELOW = 2.0**53  # a float64 has every whole number up to here

log = logging.getLogger(__name__)


class Table:
    """Rows of numbers, float64 (n, columns), of iterations of a run. The first column is the iteration."""

    def __init__(self, name: str, columns: Sequence[str]) -> None:
        self.name = name
        self.columns = list(columns)
        self.rows = torch.empty(0, len(columns), dtype=torch.float64)
        self.lines: list[str] = []  # each row is put into words once: there may be 100,000

    def append(self, rows: Tensor) -> None:
        """Add rows, (n, columns); NaN is an empty cell."""
        self.rows = torch.cat([self.rows, rows])
        self.lines += map(self._line, rows.tolist())

    def keep(self, wanted: Tensor) -> None:
        """Let the other rows go; `wanted` is a bool for each row, (n,)."""
        self.rows = self.rows[wanted]
        self.lines = [line for line, kept in zip(self.lines, wanted.tolist(), strict=True) if kept]

    def write(self, folder: Path) -> None:
        """Write the CSV file."""
        write_whole(folder / self.name, "".join([",".join(self.columns) + "\n", *self.lines]).encode())

    def save(self, checkpoint: dict[str, Any]) -> None:
        """Put the rows into a checkpoint."""
        checkpoint[self.name] = {"columns": self.columns, "rows": self.rows}

    def load(self, checkpoint: dict[str, Any], folder: Path) -> None:
        """Take the rows of a checkpoint, which may be a stranger's; those of an earlier version are in the file alone.

        A column that is not there is empty. Damaged rows are left out, and a warning tells of them.
        """
        if self.name in checkpoint:
            found = checkpoint[self.name]
        elif (folder / self.name).exists():
            found = _read_csv(folder / self.name)
        else:
            return
        try:
            rows = found["rows"]
            # A tensor that repeats its numbers can be far larger than its file.
            if rows.dtype != torch.float64 or rows.ndim != 2 or not rows.is_contiguous():
                raise ValueError("rows")
            by_name = dict(zip(found["columns"], rows.T, strict=True))
            empty = torch.full((len(rows),), torch.nan, dtype=torch.float64)
            rows = torch.stack([by_name.get(name, empty) for name in self.columns], dim=1)
            whole = torch.tensor([name in WHOLE for name in self.columns])
            good = (rows.isnan() & ~whole) | (rows.abs() <= FLOAT32)
            good &= ~whole | ((rows >= 1) & (rows <= WHOLE_BELOW) & (rows == rows.floor()))
            later = rows[:, 0] > checkpoint["iteration"]  # what a killed process wrote
            kept = good.all(dim=1) & ~later
            self.append(rows[kept])
            left_out = int((~kept & ~later).sum())
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError):
            log.warning("The earlier rows of %s are damaged and left out", folder / self.name)
            return
        if left_out:
            log.warning("%s: %d earlier rows are damaged and left out", folder / self.name, left_out)

    def _line(self, row: list[float]) -> str:
        cells = (f"{x:.0f}" if name in WHOLE else str(x) for name, x in zip(self.columns, row, strict=True))
        return ",".join("" if cell == "nan" else cell for cell in cells) + "\n"


def _read_csv(path: Path) -> dict[str, Any]:
    """The whole lines of a table, with 0 as the iteration of a line that is none of its header's."""
    lines = list(csv.reader(read_regular(path, LARGEST).decode(errors="replace").splitlines()))
    header = lines[0] if lines else ["iteration"]
    damaged = [0.0] * len(header)
    rows = []
    for line in lines[1:]:
        try:
            rows.append([float(cell or "nan") for cell in line] if len(line) == len(header) else damaged)
        except ValueError:
            rows.append(damaged)
    return {"columns": header, "rows": torch.tensor(rows, dtype=torch.float64).view(-1, len(header))}
