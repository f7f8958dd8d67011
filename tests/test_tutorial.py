"""The tutorial: every cell runs on this machine, in the package as it is, and what is stored is what the cells of today gave."""

import json
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

TUTORIAL = Path(__file__).resolve().parents[1] / "docs" / "tutorial.ipynb"


# Jupyter's own: a port that it does not encrypt, a socket that it leaves to the collector.
@pytest.mark.filterwarnings("ignore")
def test_the_tutorial_runs() -> None:
    notebook = nbformat.read(TUTORIAL, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(TUTORIAL.parent)}}
    )
    client.execute()  # raises for a cell that does
    outputs = ["".join(map(str, cell.outputs)) for cell in notebook.cells if cell.cell_type == "code"]
    assert all(outputs)
    everything = "\n".join(outputs)
    for wanted in ("(1, 1000, 32)", "acc += x[n", "peel_edges", "text/html", "+ kernel size", "image/png", "F(4,3)"):
        assert wanted in everything, wanted


def test_what_is_stored_has_outputs_and_no_paths() -> None:
    text = TUTORIAL.read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert all(cell["outputs"] for cell in cells)
    assert not any(output["output_type"] == "error" for cell in cells for output in cell["outputs"])
    assert "/home/" not in text
    assert "site-packages" not in text
    assert len(text) < 400_000
