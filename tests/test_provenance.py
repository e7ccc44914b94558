"""Fingerprints change with what a result depends on, and with nothing else."""

import json
import os
import subprocess
import sys

import pytest

from helpers import notebook
from lib import provenance
from lib.base import ROOT


@pytest.mark.parametrize(
    ("source", "module", "named"),
    [
        ("import lib.a", "", {"lib.a"}),
        ("import lib.a.b as c", "", {"lib.a.b"}),
        ("from lib import a, b as c", "", {"lib", "lib.a", "lib.b"}),
        ("from lib.a import b", "", {"lib.a", "lib.a.b"}),
        ("from lib.a.b import (c,\n d)", "", {"lib.a.b", "lib.a.b.c", "lib.a.b.d"}),
        ("from . import a", "lib.data.x", {"lib.data", "lib.data.a"}),
        ("from .a import b", "lib.data.x", {"lib.data.a", "lib.data.a.b"}),
        ("from ..a import b", "lib.data.x", {"lib.a", "lib.a.b"}),
        ("from .a import b", "lib.data.__init__", {"lib.data.a", "lib.data.a.b"}),
        ("def f():\n    from lib import a", "", {"lib", "lib.a"}),
        ("import os, torch\nfrom library import a", "", set()),
    ],
)
def test_imports_are_found_in_every_form(source, module, named):
    assert provenance.imported_modules(source, module) == named


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A package of one module for each form of import; every form must lead to lib/deep/leaf.py."""
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    files = {
        "lib/__init__.py": "",
        "lib/deep/__init__.py": "",
        "lib/deep/leaf.py": "x = 1",
        "lib/other.py": "y = 1",
        "lib/absolute.py": "import lib.deep.leaf",
        "lib/named.py": "from lib.deep.leaf import x",
        "lib/package.py": "from lib.deep import leaf",
        "lib/inner.py": "def f():\n    from lib.deep import leaf",
        "lib/deep/sibling.py": "from . import leaf",
        "lib/deep/relative.py": "from .leaf import x",
        "lib/far/__init__.py": "",
        "lib/far/cousin.py": "from ..deep.leaf import x",
        "lib/wide/__init__.py": "from lib.deep import leaf",
        "lib/through.py": "from lib.wide import anything",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    "target",
    [
        "lib.absolute",
        "lib.named",
        "lib.package",
        "lib.inner",
        "lib.deep.sibling",
        "lib.deep.relative",
        "lib.far.cousin",
        "lib.through",
    ],
)
def test_a_change_is_seen_through_every_form_of_import(tree, target):
    before, unrelated = provenance.code_fingerprint(target), provenance.code_fingerprint("lib.other")
    (tree / "lib/deep/leaf.py").write_text("x = 2")
    assert provenance.code_fingerprint(target) != before
    assert provenance.code_fingerprint("lib.other") == unrelated


def test_a_package_that_gets_code_of_its_own_is_seen(tree):
    before = provenance.code_fingerprint("lib.named")
    (tree / "lib/deep/__init__.py").write_text("print('loaded')")
    assert provenance.code_fingerprint("lib.named") != before


PLAIN = 'def f(x):\n    if x:\n        raise UserError("x: expected none.")\n    return "words"\n'


@pytest.mark.parametrize(
    "other",
    [
        '"""A module."""\n\n' + PLAIN,
        PLAIN.replace("(x):", "(x):\n    # why"),
        PLAIN.replace("(x):", '(x):\n    """Says."""'),
        PLAIN.replace('"x: expected none."', 'f"{x}: expected nothing, " "found it."'),
        PLAIN.replace("    ", "  "),
        PLAIN.replace('"words"', "('words')"),
    ],
)
def test_comments_docstrings_layout_and_messages_mean_nothing(other):
    assert provenance.meaning(other) == provenance.meaning(PLAIN)


@pytest.mark.parametrize(
    "other",
    [
        PLAIN.replace("words", "other"),
        PLAIN.replace("if x", "if not x"),
        PLAIN.replace("UserError", "ValueError"),
        PLAIN.replace("return", "yield"),
        PLAIN.replace("f(x)", "f(x, y=1)"),
        PLAIN.replace('"words"', "1"),
        PLAIN.replace('"words"', "1.0"),
        PLAIN.replace('"words"', "True"),
    ],
)
def test_everything_else_means_something(other):
    assert provenance.meaning(other) != provenance.meaning(PLAIN)
    assert provenance.meaning(PLAIN.replace('"words"', "1")) != provenance.meaning(PLAIN.replace('"words"', "True"))


def test_a_training_depends_on_what_feeds_it_and_on_no_more():
    names = {file.relative_to(ROOT).as_posix() for file in provenance.closure("lib.training.thumbnail")}
    assert {"lib/models/vgg.py", "lib/losses.py", "lib/data/augment.py", "lib/data/trimap.py", "lib/base.py"} <= names
    assert not {name for name in names if name.startswith(("lib/report", "lib/experiments", "workflow"))}
    assert "lib/baselines.py" not in names


def test_notebook_fingerprint_ignores_prose_and_outputs(tmp_path):
    path = tmp_path / "a.ipynb"
    cells = [("markdown", [], "old prose"), ("code", [], "from lib import scores\nx = 1")]
    path.write_text(notebook(cells))
    before = provenance.code_fingerprint(path)
    assert "lib/scores.py" in provenance.code_parts(path)
    content = json.loads(path.read_text())
    content["cells"][0]["source"] = "new prose"
    content["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "1"}]
    path.write_text(json.dumps(content))
    assert provenance.code_fingerprint(path) == before
    content["cells"][1]["source"] = "from lib import scores\nx = 2"
    path.write_text(json.dumps(content))
    assert provenance.code_fingerprint(path) != before


def test_a_copy_inside_another_repository_has_no_commit(tmp_path, monkeypatch):
    """It recorded the commit of the repository around it as its own, and called it clean."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "paper" / "lib").mkdir(parents=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "thesis"], check=True)
    monkeypatch.setattr(provenance, "ROOT", tmp_path / "paper")
    assert provenance.commit() == {"commit": "", "tree_clean": None}
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert len(provenance.commit()["commit"]) == 40
    monkeypatch.setenv("PATH", "")  # no git at all
    assert provenance.commit() == {"commit": "", "tree_clean": None}


def test_fingerprints_do_not_depend_on_the_users_encoding(tmp_path):
    """An 8-bit locale gave other fingerprints of the same files, so every notebook counted as outdated."""
    code = "from lib import provenance; print(provenance.code_fingerprint('lib.data.trimap'))"
    environments = [
        os.environ | {"PYTHONUTF8": "1"},
        os.environ | {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"},
    ]
    said = {subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=given) for given in environments}
    assert len(said) == 1


def test_environment_names_commit_packages_and_machine():
    found = provenance.environment()
    assert len(found["commit"]) in (0, 40)
    assert set(found["packages"]) == set(provenance.PACKAGES.split())
    assert found["cores"] >= 1 and found["memory_bytes"] > 2**28
    assert str(ROOT) not in json.dumps(found)
