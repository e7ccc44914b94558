"""Results hold no directories of this machine, and nothing else of theirs changes."""

import json

import nbformat
import pytest

from lib.base import ROOT
from lib.experiments.parameters import PATHS, defaults
from workflow.anonymous import anonymous

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
    assert anonymous(text, {"data_dir": data_dir}) == result
    as_json = json.dumps({"a": f"\n{text}", "b": f"\x1b[0;32m{text}"})
    assert json.loads(anonymous(as_json, {"data_dir": data_dir})) == {"a": f"\n{result}", "b": f"\x1b[0;32m{result}"}


@pytest.mark.parametrize("name", PATHS)
def test_whichever_parameter_names_a_place_it_is_not_written_down(name):
    given = {"data_dir": "/home/me", "run": "quick"} | {name: "/home/me/a b/x.png"}
    found = anonymous(json.dumps(given | {"text": "read /home/me/a b/x.png"}), given)
    assert "/home" not in found and json.loads(found)["text"] in ("read x.png", "read me/a b/x.png")


def test_every_parameter_that_is_a_word_of_the_readers_own_may_name_a_place():
    assert set(PATHS) == {name for name, default in defaults().items() if default == ""}


def test_the_repository_becomes_relative():
    text = f"{ROOT}/lib/base.py, {ROOT}, {ROOT}-2/x, file://{ROOT}/a"
    assert anonymous(text, {}) == f"lib/base.py, ., {ROOT}-2/x, file://a"


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
    found = nbformat.reads(anonymous(text, {"data_dir": data_dir}), 4)
    assert found.cells[0].source == cells[0].source and found.cells[1].source == f"print('{data_dir[1:]}')"
    assert found.cells[1].outputs[0].data == {"image/jpeg": PICTURE + "\n", "text/plain": f"{data_dir[1:]}/a.png"}
    page = f'<img src="data:image/png;base64,{PICTURE}"> of {data_dir}/a'
    assert anonymous(page, {"data_dir": data_dir}) == f'<img src="data:image/png;base64,{PICTURE}"> of {data_dir[1:]}/a'


def test_the_errors_behind_a_mean_stay_as_they_are():
    text = json.dumps({"samples": {"a": "AA/d/x"}, "parameters": {"data_dir": "/d"}}, indent=1)
    assert json.loads(anonymous(text, {"data_dir": "/d"})) == {
        "samples": {"a": "AA/d/x"},
        "parameters": {"data_dir": "d"},
    }
