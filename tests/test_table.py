from pathlib import Path
from typing import Any

import pytest
import torch

from wgan.callbacks.table import Table


def table(*columns: str, rows: list[list[float]]) -> Table:
    made = Table("t.csv", columns)
    made.append(torch.tensor(rows, dtype=torch.float64))
    return made


def test_the_file_has_a_line_a_row(tmp_path: Path) -> None:
    made = table("iteration", "samples", "fid", rows=[[1, 10, 0.1], [2, 10, float("nan")], [2, 12, 1e-7]])
    made.write(tmp_path)
    assert (tmp_path / "t.csv").read_text() == "iteration,samples,fid\n1,10,0.1\n2,10,\n2,12,1e-07\n"
    made.keep(torch.tensor([True, False, True]))
    made.write(tmp_path)
    assert (tmp_path / "t.csv").read_text() == "iteration,samples,fid\n1,10,0.1\n2,12,1e-07\n"


def test_rows_go_through_a_checkpoint_by_the_names_of_their_columns(tmp_path: Path) -> None:
    checkpoint: dict[str, Any] = {"iteration": 2}
    table("iteration", "old", "fid", rows=[[1, 5, 0.1], [2, 6, 0.2], [3, 7, 0.3]]).save(checkpoint)
    torch.save(checkpoint, tmp_path / "c")
    read = torch.load(tmp_path / "c", weights_only=True)
    later = Table("t.csv", ("iteration", "fid", "new"))
    later.load(read, tmp_path)
    later.write(tmp_path)
    assert (tmp_path / "t.csv").read_text() == "iteration,fid,new\n1,0.1,\n2,0.2,\n"  # the third came after it


def test_a_checkpoint_grows_by_the_numbers_alone(tmp_path: Path) -> None:
    checkpoint: dict[str, Any] = {}
    made = Table("t.csv", ("iteration", "c1"))
    made.append(torch.ones(100_000, 2, dtype=torch.float64))
    made.save(checkpoint)
    torch.save(checkpoint, tmp_path / "c")
    assert (tmp_path / "c").stat().st_size < 100_000 * 2 * 8 + 4096


FIVE = [[float(number), 1.0, 0.5, -0.5, float("nan"), 0.0] for number in range(1, 6)]
COLUMNS = ("iteration", "epoch", "c1", "c2", "g", "wasserstein")


@pytest.mark.parametrize(
    "odd",
    [
        *(
            5,
            {},
            {"columns": 5, "rows": torch.zeros(1, 2)},
            {"columns": ["iteration"], "rows": torch.zeros(3, dtype=torch.float64)},
        ),
        *({"columns": ["iteration", "epoch"], "rows": torch.zeros(1, 1)}, {"columns": [], "rows": [[1.0]]}),
        {"columns": ["iteration"], "rows": torch.zeros(1, 1, dtype=torch.float64).expand(10**12, 1)},
        {"columns": ["iteration"], "rows": torch.zeros(2, 1, dtype=torch.complex64)},
    ],
    ids=lambda odd: str(getattr(odd, "shape", odd))[:40],
)
def test_odd_tables_of_a_checkpoint_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture, odd: object) -> None:
    torch.save({"iteration": 5, "t.csv": odd}, tmp_path / "c")
    read = Table("t.csv", COLUMNS)
    read.load(torch.load(tmp_path / "c", weights_only=True), tmp_path)
    assert caplog.messages == [f"The earlier rows of {tmp_path / 't.csv'} are damaged and left out"]
    assert (len(read.rows), read.lines) == (0, [])


@pytest.mark.parametrize(
    ("place", "value"), [(0, 4.5), (0, -1.0), (0, float("nan")), (1, 1e300), (2, float("inf")), (5, 1e308)]
)
def test_odd_rows_of_a_checkpoint_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, place: int, value: float
) -> None:
    checkpoint: dict[str, Any] = {"iteration": 5}
    made = table(*COLUMNS, rows=FIVE)
    made.rows[3, place] = value
    made.save(checkpoint)
    read = Table("t.csv", COLUMNS)
    read.load(checkpoint, tmp_path)
    assert caplog.messages == [f"{tmp_path / 't.csv'}: 1 earlier rows are damaged and left out"]
    assert read.rows[:, 0].tolist() == [1, 2, 3, 5]
    assert len(read.lines) == 4


@pytest.mark.parametrize(
    "row",
    [
        *("4,2,x,1,1,1", "4,2,1,1,1", "4,2,1,1,1,1,1", "4", ",,,,,", "a,b,c,d,e,f"),
        *("4,2,1,inf,1,1", "4,2,1,1,1,1e308", "4.5,2,1,1,1,1", "nan,1,1,1,1,1"),
    ],
)
def test_damaged_rows_of_a_file_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture, row: str) -> None:
    table(*COLUMNS, rows=FIVE).write(tmp_path)
    lines = (tmp_path / "t.csv").read_text().splitlines()
    lines[4] = row
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    read = Table("t.csv", COLUMNS)
    read.load({"iteration": 5}, tmp_path)
    assert caplog.messages == [f"{tmp_path / 't.csv'}: 1 earlier rows are damaged and left out"]
    assert read.rows[:, 0].tolist() == [1, 2, 3, 5]
