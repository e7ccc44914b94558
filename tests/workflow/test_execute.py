"""The strict runner: what papermill lets pass ends here in one sentence."""

import errno
import io
import re

import pytest
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from helpers import notebook, small_notebook
from lib.base import UserError
from workflow import execute as runner


def execute(tmp_path, source: str, parameters: dict | None = None):
    path = tmp_path / "nb.ipynb"
    path.write_text(source)
    return runner.execute(path, tmp_path / "out" / "nb.ipynb", parameters or {}, io.StringIO())


def test_unknown_parameter_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(UserError, match="found alhpa"):
        execute(tmp_path, small_notebook("nb", "open('ran', 'w')"), {"alhpa": 1})
    assert not (tmp_path / "out").exists()


def test_users_mistake_keeps_its_sentence_and_leaves_nothing(tmp_path):
    body = "from lib.base import UserError\nraise UserError('size: expected 28, found 3; use 28.')"
    with pytest.raises(UserError, match=r"^size: expected 28, found 3; use 28\.$"):
        execute(tmp_path, notebook([("code", ["parameters"], "x = 1"), ("code", [], body)]))
    assert list((tmp_path / "out").iterdir()) == []


def test_notebook_that_exits_early_is_a_failure(tmp_path):
    source = notebook(
        [("code", ["parameters"], "x = 1"), ("code", [], "import sys\nsys.exit(0)"), ("code", [], "y = 2")]
    )
    with pytest.raises(UserError, match="cell-2 did not"):
        execute(tmp_path, source)


def test_lines_carry_the_notebooks_name_and_the_cells_number(tmp_path):
    out, path = io.StringIO(), tmp_path / "nb.ipynb"
    path.write_text(
        notebook(
            [("code", ["parameters"], "x = 1"), ("markdown", [], "why"), ("code", [], "print('epoch 1\\n\\nepoch 2')")]
        )
    )
    runner.execute(path, tmp_path / "out.ipynb", {"x": 3}, out)
    lines = [re.sub(r"\(\d+ s\)", "(0 s)", line) for line in out.getvalue().splitlines()]
    assert lines == [
        "[nb] cell 1/3 cell-0 (0 s)",
        "[nb] cell 2/3 parameters of this run (0 s)",
        "[nb] cell 3/3 cell-2 (0 s)",
        "[nb] epoch 1",
        "[nb] epoch 2",
    ]


def test_a_folder_with_braces_is_a_folder(tmp_path):
    folder = tmp_path / "a {b} {epochs}"
    folder.mkdir()
    done = execute(
        folder, notebook([("code", ["parameters"], "epochs = 1"), ("code", [], "print(epochs)")]), {"epochs": 3}
    )
    assert done.cells[-1].outputs[0].text == "3\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x.npy"), "expected free disk space.*MATTING_CACHE"),
        (DeadKernelError("Kernel died"), "expected its kernel to live"),
        (UserError("own words."), "^own words.$"),
        (PapermillExecutionError(3, 4, "s", "OSError", "[Errno 28] No space left on device", []), "free disk space"),
        (PapermillExecutionError(3, 4, "s", "KeyError", "'x'", []), r"^03, cell \[4\]: KeyError: 'x'$"),
        (ValueError("odd"), "^03: ValueError: odd$"),
    ],
)
def test_every_failure_is_one_sentence(error, said):
    assert re.search(said, runner.sentence(error, "03"))


def test_executed_copy_holds_no_path_or_time_and_opens_with_the_answer(tmp_path):
    source = notebook(
        [
            ("markdown", [], "# T\n\n<!-- answer -->\n*by the run*"),
            ("code", ["parameters"], "x = 1"),
            ("code", [], "print(x)"),
        ]
    )
    first, second = (
        runner.insert_answer(runner.clean(execute(tmp_path, source, {"x": 5})), "5 it is.") for _ in range(2)
    )
    assert first == second
    assert str(tmp_path) not in str(first)
    assert first.cells[0].source == "# T\n\n<!-- answer -->\n**Answer.** 5 it is."
    assert first.cells[-1].outputs[0].text == "5\n"
