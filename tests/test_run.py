"""The strict runner: what papermill lets pass ends here in one sentence."""

import io

import pytest

from conftest import notebook, small_notebook
from lib import run
from lib.errors import UserError


def execute(tmp_path, source: str, parameters: dict | None = None):
    path = tmp_path / "nb.ipynb"
    path.write_text(source)
    return run.execute(path, tmp_path / "out" / "nb.ipynb", parameters or {}, io.StringIO())


def test_unknown_parameter_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(UserError, match="found alhpa"):
        execute(tmp_path, small_notebook("nb", "open('ran', 'w')"), {"alhpa": 1})
    assert not (tmp_path / "out").exists()


def test_users_mistake_keeps_its_sentence_and_leaves_nothing(tmp_path):
    body = "from lib.errors import UserError\nraise UserError('size: expected 28, found 3; use 28.')"
    with pytest.raises(UserError, match=r"^size: expected 28, found 3; use 28\.$"):
        execute(tmp_path, notebook([("code", ["parameters"], "x = 1"), ("code", [], body)]))
    assert list((tmp_path / "out").iterdir()) == []


def test_notebook_that_exits_early_is_a_failure(tmp_path):
    source = notebook([("code", ["parameters"], "x = 1"), ("code", [], "import sys\nsys.exit(0)"), ("code", [], "y = 2")])
    with pytest.raises(UserError, match="cell-2 did not"):
        execute(tmp_path, source)


def test_printed_lines_carry_the_notebooks_name():
    out = io.StringIO()
    run.Prefixed(out, "03_vgg16").write("epoch 1\n\nepoch 2\n")
    assert out.getvalue() == "[03_vgg16] epoch 1\n[03_vgg16] epoch 2\n"


def test_executed_copy_holds_no_path_or_time_and_opens_with_the_answer(tmp_path):
    source = notebook([("markdown", [], "# T\n\n<!-- answer -->\n*by the run*"), ("code", ["parameters"], "x = 1"),
                       ("code", [], "print(x)")])
    first, second = (run.insert_answer(run.clean(execute(tmp_path, source, {"x": 5})), "5 it is.") for _ in range(2))
    assert first == second
    assert str(tmp_path) not in str(first)
    assert first.cells[0].source == "# T\n\n<!-- answer -->\n**Answer.** 5 it is."
    assert first.cells[-1].outputs[0].text == "5\n"
