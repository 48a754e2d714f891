"""How a figure of a job went, read from its tables."""

import csv
from collections import Counter
from contextlib import suppress
from pathlib import Path

from wgan.files import FLOAT32, read_regular

LARGEST_TABLE = 2**27  # bytes: some million iterations; of more there is no curve

Curve = list[tuple[float, float]]


def read_curve(path: Path, name: str, over: str = "iteration") -> Curve:
    """The columns `over` and `name` of a table, of evaluations of the most common size.

    Rows that are damaged, or half written, are left out; there are none where the table cannot be read.
    """
    try:
        text = read_regular(path, LARGEST_TABLE).decode(errors="replace")
        rows = list(csv.DictReader(text.replace("\0", "").splitlines()))
    except (OSError, csv.Error):
        return []
    read = []
    for row in rows:
        with suppress(KeyError, TypeError, ValueError):
            read.append((float(row[over]), float(row[name]), row.get("samples")))
    sizes = Counter(samples for _, _, samples in read)
    usual = max(sizes, key=sizes.__getitem__, default=None)
    return [(x, y) for x, y, samples in read if samples == usual and abs(x) <= FLOAT32 and abs(y) <= FLOAT32]
