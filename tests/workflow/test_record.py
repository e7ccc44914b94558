"""What a run records: values and records that were cut off are named."""

import pytest

from lib import base
from lib.base import UserError
from lib.report import save
from workflow import plan, record, values

STEP = {"key": "k", "needs": {}, "parameters": {}, "code": {}, "data": "", "weights": "", "lock": ""}


@pytest.fixture
def root(tmp_path, monkeypatch):
    for module in (base, plan, record):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "runs/r/steps").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("content", ["", '{"parameters": {', "null", "[]", "\x00\x00"])
def test_a_record_that_was_cut_off_counts_as_none(root, content):
    (root / "runs/r/steps/01_data.k.json").write_text('{"files": []}')
    assert plan.stale_reasons("r", {"01_data": STEP}) == {"01_data": []}
    (root / "runs/r/steps/01_data.k.json").write_text(content)
    assert plan.stale_reasons("r", {"01_data": STEP}) == {"01_data": ["runs/r/steps/01_data.k.json is broken"]}
    with pytest.raises(UserError, match=r"^runs/r/steps/.*: expected the record of a finished step, found no"):
        record.gather("r", {name: f"runs/r/steps/{name}.k.json" for name in record.steps.NOTEBOOKS})


@pytest.mark.parametrize(
    "content", ["", '{"answer": "a", "co', "{}", "[]", '{"answer": "", "code": "", "parameters": {}, "values": 3}']
)
def test_values_that_were_cut_off_are_named(root, content):
    save.write_values({"run": "r"}, "03_x", "yes", {"a": 1})
    assert values.read("r", "03_x")["answer"] == "yes"
    (root / "reports/r/values/03_x.json").write_text(content)
    folder = root / "reports" / "r"
    for read in (lambda: values.read("r", "03_x"), lambda: values.load(folder), lambda: values.parameters(folder)):
        with pytest.raises(
            UserError, match=r"^03_x\.json in .*expected a values file of this version, found something"
        ):
            read()
