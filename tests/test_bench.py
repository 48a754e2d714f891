import logging
import re

import pytest
from conftest import PROJECT

import bench.__main__ as bench


@pytest.mark.slow
def test_the_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in (("ROUNDS", 2), ("ITERATIONS", 2), ("PROCESSES", 1)):
        monkeypatch.setattr(bench, name, value)
    monkeypatch.setattr(logging.root.manager, "disable", 0)  # and back again afterwards
    bench.main()
    table = dict(re.findall(r"^(\S.*?)  +([\d.]+) ", capsys.readouterr().out, re.MULTILINE))
    ways = [
        f"iteration, {way}, {precision}"
        for precision in ("fp32", "bf16")
        for way in ("plain loop", "bare loop", "wgan")
    ]
    assert list(table)[:6] == ways
    assert all(float(value) > 0 for name, value in table.items() if name != "framework an iteration")
    assert float(table["iteration, wgan, fp32"]) < float(table["iteration, plain loop, fp32"])
    assert float(table["limit of an iteration, fp32"]) < float(table["iteration, bare loop, fp32"])


def test_figures_name_the_command_that_measures_them() -> None:
    assert "make bench" in (PROJECT / "docs" / "performance.md").read_text()
