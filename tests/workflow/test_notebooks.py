"""The source notebooks keep the paper's rules: short cells, no outputs, one vocabulary, the quick profile as default."""

import ast
import itertools
import json
import re
import subprocess

import pytest

from lib.base import ROOT, UserError
from lib.experiments.parameters import NOT_RUNS, check_one, defaults
from workflow import profiles
from workflow.plan import check_name
from workflow.steps import NOTEBOOKS

CELLS = {name: json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())["cells"] for name in NOTEBOOKS}
every_notebook = pytest.mark.parametrize("name", NOTEBOOKS)
# The seven that take a reader who knows PyTorch and no matting into the field.
teaching_notebook = pytest.mark.parametrize("name", [name for name in NOTEBOOKS if name < "08"])


def source(cell):
    return "".join(cell["source"])


def code(name):
    return [cell for cell in CELLS[name] if cell["cell_type"] == "code"]


@every_notebook
def test_kernel_and_format(name):
    notebook = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[a-z0-9-]+", one) for one in ids)


@every_notebook
def test_opens_with_title_question_and_room_for_the_answer(name):
    first = source(CELLS[name][0])
    assert first.startswith(f"# {name[:2]} · ") and "?" in first and "<!-- answer -->" in first


@every_notebook
def test_cells_are_short_and_only_checked_ones_keep_outputs(name):
    for cell in code(name):
        tags = cell["metadata"].get("tags", [])
        if "parameters" not in tags:
            assert len(source(cell).splitlines()) <= 15, cell["id"]
        if "nbval-check-output" not in tags:
            assert cell["outputs"] == [] and cell["execution_count"] is None, cell["id"]
        assert not {"raises-exception", "skip-execution", "nbval-skip"} & set(tags), cell["id"]


@every_notebook
def test_run_by_hand_it_overwrites_no_published_run(name):
    parameters = next(cell for cell in code(name) if "parameters" in cell["metadata"].get("tags", []))
    assert 'run = "by-hand"' in source(parameters)
    published = (ROOT / ".gitignore").read_text().splitlines()  # whoever ran one by hand has reports/by-hand
    assert "by-hand" not in {path.stem for path in profiles.PROFILES.glob("*.toml")} | set(NOT_RUNS)
    assert "!/reports/by-hand/" not in published and "/reports/*" in published


def test_no_run_takes_the_name_of_a_folder_of_other_results():
    """What git holds in reports/ are runs, results that the plan itself protects, or folders that no run may be called."""
    tracked = subprocess.run(["git", "ls-files", "reports"], cwd=ROOT, capture_output=True, text=True, check=True)
    folders = {path.split("/")[1] for path in tracked.stdout.splitlines() if path.count("/") > 1}
    runs = {name for name in folders if (ROOT / "reports" / name / "run.json").is_file()}
    for name in folders - runs - set(NOT_RUNS):
        with pytest.raises(UserError, match="run: expected a name of its own"):
            check_name(name)


@every_notebook
def test_defaults_are_those_of_the_quick_profile(name):
    parameters = next(cell for cell in code(name) if "parameters" in cell["metadata"].get("tags", []))
    tree = ast.parse(source(parameters))
    found = {node.targets[0].id: ast.literal_eval(node.value) for node in tree.body}
    quick = defaults() | profiles.read("quick").get("parameters", {})
    assert quick.pop("threads") == 1 and found.pop("threads", 0) == 0  # how a run goes, not what it finds
    assert found == {key: quick[key] for key in found}
    for key, value in found.items():
        assert check_one(key, value) == value


@every_notebook
def test_prose_types_no_result(name):
    """Four decimals are a measurement; the study's own losses may be quoted (Table 2)."""
    for cell in CELLS[name]:
        if cell["cell_type"] == "markdown":
            numbers = set(re.findall(r"\b0\.\d{3,}\b", source(cell)))
            assert numbers <= {"0.169581", "0.301838", "0.146492", "0.296174"}, cell["id"]


@every_notebook
def test_every_code_cell_has_its_reason_before_it(name):
    for before, cell in itertools.pairwise(CELLS[name][3:]):  # behind title, parameters and imports
        assert "markdown" in (before["cell_type"], cell["cell_type"]), cell["id"]


@teaching_notebook
def test_the_idea_stands_beside_the_experiment(name):
    assert any("$$" in source(cell) for cell in CELLS[name] if cell["cell_type"] == "markdown")


@teaching_notebook
def test_prose_is_written_by_hand(name):
    """What is said with numbers is one f-string: no sentence put together from others, and no verdict chosen by code."""
    for cell in code(name):
        for node in ast.walk(ast.parse(source(cell))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "notebook.say":
                assert all(isinstance(argument, ast.Constant | ast.JoinedStr) for argument in node.args), cell["id"]
            if isinstance(node, ast.FormattedValue):
                parts = set(map(type, ast.walk(node.value)))
                assert not parts & {ast.JoinedStr, ast.IfExp, ast.ListComp, ast.GeneratorExp}, cell["id"]
        assert "direction(" not in source(cell), cell["id"]


@every_notebook
def test_parameters_are_checked_right_after_the_imports(name):
    imports = "\n".join(map(source, code(name)[1:4]))
    assert "parameters.check(globals())" in imports and "import" in imports
    assert not re.search(
        r"filterwarnings|sys\.path|!pip|%",
        "\n".join(map(source, code(name)))
        .replace("%}", "")
        .replace(" % ", "")
        .replace(".0%", "")
        .replace(".1%", "")
        .replace("95 %", ""),
    ), name
