import re
from pathlib import Path

import nbformat
import pytest
from conftest import PROJECT
from nbclient import NotebookClient

TOUR = PROJECT / "docs" / "tour.ipynb"


@pytest.mark.slow
def test_it_runs_in_a_real_kernel(tmp_path: Path) -> None:
    notebook = nbformat.read(TOUR, 4)
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert (tmp_path / "multirun" / "tour" / "report.html").exists()


def test_it_is_stored_with_its_outputs_and_without_a_machines_paths() -> None:
    notebook = nbformat.read(TOUR, 4)
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in codes] == list(range(1, len(codes) + 1))
    outputs = [output for cell in codes for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert not re.search(r"/(tmp|home|root|usr)/", TOUR.read_text())
    for link in re.findall(r"\]\(([^):]+)\)", TOUR.read_text()):
        assert (TOUR.parent / link).exists(), link
