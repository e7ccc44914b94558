"""Fingerprints change with what a result depends on, and with nothing else."""

import json

from conftest import notebook
from lib import provenance
from lib.paths import ROOT


def test_imports_are_found_in_every_form():
    source = "import lib.a\nimport os\nfrom lib import b, c as d\nfrom lib.e import f\ndef g():\n    import lib.h\n"
    assert provenance.imported_modules(source) == {"lib.a", "lib.b", "lib.c", "lib.e", "lib.h"}


def test_closure_follows_imports_but_takes_no_more():
    names = {path.stem for path in provenance.closure("lib.train")}
    assert {"train", "model", "loss", "augment", "trimap", "errors"} <= names
    assert not {"cluster", "plot_training", "report"} & names


def test_notebook_fingerprint_ignores_prose_and_outputs(tmp_path):
    path = tmp_path / "a.ipynb"
    cells = [("markdown", [], "old prose"), ("code", [], "from lib import stats\nx = 1")]
    path.write_text(notebook(cells))
    before = provenance.code_fingerprint(path)
    content = json.loads(path.read_text())
    content["cells"][0]["source"] = "new prose"
    content["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "1"}]
    path.write_text(json.dumps(content))
    assert provenance.code_fingerprint(path) == before
    content["cells"][1]["source"] = "from lib import stats\nx = 2"
    path.write_text(json.dumps(content))
    assert provenance.code_fingerprint(path) != before


def test_environment_names_commit_packages_and_machine():
    found = provenance.environment()
    assert len(found["commit"]) in (0, 40)
    assert set(found["packages"]) == set(provenance.PACKAGES)
    assert found["cores"] >= 1 and found["memory_bytes"] > 2**28
    assert str(ROOT) not in json.dumps(found)
