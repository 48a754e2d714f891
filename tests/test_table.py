from pathlib import Path
from typing import Any

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
