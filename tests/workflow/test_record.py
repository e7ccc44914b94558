"""What a run writes down about itself: the commit, no directories of this machine, and records that were cut off."""

import json

import nbformat
import pytest

from lib import provenance
from lib.base import ROOT, UserError
from lib.experiments.parameters import PATHS, defaults, without_places
from lib.output import values
from workflow import plan, record, values as kept
from workflow.steps import NOTEBOOKS


# --------------------------------------------------------------------------------------------------- commit
def test_without_git_nobody_knows_whether_the_tree_is_clean(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.commit() == {"commit": "", "tree_clean": None}
    monkeypatch.setenv("PATH", "")  # no git at all
    assert provenance.commit() == {"commit": "", "tree_clean": None}


# ---------------------------------------------------------------------------------------------------- paths
# A picture whose base64 spells /d, /9j and the like, as long pictures do by chance.
PICTURE = "/9j/4AAQ/d/x+/d=" * 20


@pytest.mark.parametrize(
    ("data_dir", "text", "result"),
    [
        ("/d", "read /d/x.png, /d, /data/d and a/d", "read d/x.png, d, /data/d and a/d"),
        ("/d", "/d.old /d-2 /d. ./d /d", "/d.old /d-2 d. ./d d"),
        ("/data/set", "(/data/set) file:///data/set/a.png", "(set) file://set/a.png"),
        ("/data/set/", "in /data/set/a", "in set/a"),
        ("/", "of / and /a", "of / and /a"),
        ("set", "in set/a", "in set/a"),
        ("/home/müller/a b", "/home/müller/a b/c", "a b/c"),
    ],
)
def test_whole_paths_are_replaced(data_dir, text, result):
    assert provenance.anonymous(text, {"data_dir": data_dir}) == result
    as_json = json.dumps({"a": f"\n{text}", "b": f"\x1b[0;32m{text}"})
    assert json.loads(provenance.anonymous(as_json, {"data_dir": data_dir})) == {
        "a": f"\n{result}",
        "b": f"\x1b[0;32m{result}",
    }


@pytest.mark.parametrize("name", PATHS)
def test_whichever_parameter_names_a_place_it_is_not_written_down(name):
    given = {"data_dir": "/home/me", "run": "quick"} | {name: "/home/me/a b/x.png"}
    found = without_places(json.dumps(given | {"text": "read /home/me/a b/x.png"}), given)
    assert "/home" not in found and json.loads(found)["text"] in ("read x.png", "read me/a b/x.png")


def test_every_parameter_that_is_a_word_of_the_readers_own_may_name_a_place():
    assert set(PATHS) == {name for name, default in defaults().items() if default == ""}


def test_values_name_no_place_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(values, "reports_dir", lambda run: tmp_path / run)
    values.write({"run": "r", "photo": "/home/me/x.png"}, "11_your_portrait", "/home/me/x.png was cut out.", {"a": 1})
    text = (tmp_path / "r/values/11_your_portrait.json").read_text()
    assert "/home" not in text and json.loads(text)["answer"] == "x.png was cut out."


def test_the_repository_becomes_relative():
    text = f"{ROOT}/lib/base.py, {ROOT}, {ROOT}-2/x, file://{ROOT}/a"
    assert provenance.anonymous(text, {}) == f"lib/base.py, ., {ROOT}-2/x, file://a"


@pytest.mark.parametrize("data_dir", ["/d", "/9j", "/4AAQ"])
def test_pictures_of_a_notebook_and_of_a_page_stay_as_they_are(data_dir):
    outputs = [
        nbformat.v4.new_output("display_data", {"image/jpeg": PICTURE + "\n", "text/plain": f"{data_dir}/a.png"})
    ]
    cells = [
        nbformat.v4.new_markdown_cell(f"![](data:image/jpeg;base64,{PICTURE})"),
        nbformat.v4.new_code_cell(f"print('{data_dir}')", outputs=outputs),
    ]
    text = nbformat.writes(nbformat.v4.new_notebook(cells=cells))
    found = nbformat.reads(provenance.anonymous(text, {"data_dir": data_dir}), 4)
    assert found.cells[0].source == cells[0].source and found.cells[1].source == f"print('{data_dir[1:]}')"
    assert found.cells[1].outputs[0].data == {"image/jpeg": PICTURE + "\n", "text/plain": f"{data_dir[1:]}/a.png"}
    page = f'<img src="data:image/png;base64,{PICTURE}"> of {data_dir}/a'
    assert (
        provenance.anonymous(page, {"data_dir": data_dir})
        == f'<img src="data:image/png;base64,{PICTURE}"> of {data_dir[1:]}/a'
    )


# -------------------------------------------------------------------------------------------------- records
@pytest.fixture
def steps_of(tmp_path, monkeypatch):
    """The folder of a run's step records, each as workflow.execute writes it but for its size."""
    monkeypatch.setattr(record, "ROOT", tmp_path)
    monkeypatch.setattr(record, "runs_dir", lambda run: tmp_path / "runs" / run)
    for name in NOTEBOOKS:
        record.write_step("r", name, {"parameters": {}, "wall_seconds": 1.0})
    return tmp_path / "runs" / "r" / "steps"


@pytest.mark.parametrize("content", ["", '{"parameters": {', "null", "[]", "\x00\x00"])
def test_a_record_that_was_cut_off_counts_as_none(steps_of, content):
    assert record.read_step("r", "01_data") == {"parameters": {}, "wall_seconds": 1.0, "networks": []}
    (steps_of / "01_data.json").write_text(content)
    assert record.read_step("r", "01_data") is None
    assert plan.stale_reasons("r", {"01_data": {"needs": [], "parameters": {}}}) == {
        "01_data": ["runs/r/steps/01_data.json is broken"]
    }
    with pytest.raises(
        UserError, match=r"^runs/r/steps/01_data\.json: expected the record of a finished step, found no"
    ):
        record.gather("r")


@pytest.mark.parametrize(
    "content", ["", '{"answer": "a", "co', "{}", "[]", '{"answer": "", "code": "", "parameters": {}, "values": 3}']
)
def test_values_that_were_cut_off_are_named(tmp_path, monkeypatch, content):
    monkeypatch.setattr(values, "reports_dir", lambda run: tmp_path)
    monkeypatch.setattr(kept, "reports_dir", lambda run: tmp_path)
    values.write({"run": "r"}, "03_x", "yes", {"a": 1})
    assert kept.read("r", "03_x")["answer"] == "yes"
    (tmp_path / "values" / "03_x.json").write_text(content)
    for read in (lambda: kept.read("r", "03_x"), lambda: kept.load(tmp_path), lambda: kept.parameters(tmp_path)):
        with pytest.raises(
            UserError, match=r"^03_x\.json in .*expected a values file of this version, found something"
        ):
            read()
