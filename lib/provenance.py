"""What results depend on: fingerprints of code and notebooks, the commit, and the machine."""

import ast
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path

from lib.base import ROOT

OURS = ("lib", "workflow")  # packages that are followed
SOURCES = ("lib", "notebooks", "workflow")  # what results depend on
PACKAGES = (
    "torch torchvision numpy pandas scikit-learn opencv-python-headless matplotlib papermill snakemake safetensors"
)


@functools.cache
def imported_modules(source: str, module: str = "") -> frozenset[str]:
    """Dotted names that source imports of OURS; `from lib.data import cache` gives lib.data and lib.data.cache.

    module: the source's own dotted name, which relative imports count from (a package's ends in ".__init__").
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            names |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
    return frozenset(name for name in names if name.split(".")[0] in OURS)


def notebook_code(path: Path) -> str:
    """The code cells of a notebook, joined by newlines, without magics and shell lines."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return "\n".join(line for line in code.splitlines() if not line.lstrip().startswith(("%", "!")))


def closure(target: str | Path) -> list[Path]:
    """Sorted source files of our own that a module ("lib.losses") or a notebook (its path) needs, directly or not."""
    waiting = set(imported_modules(notebook_code(Path(target)))) if _is_notebook(target) else {str(target)}
    files: set[Path] = set()
    while waiting:
        parts = waiting.pop().split(".")  # the last one may be a function: its module is above it
        places = [ROOT.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]
        read = {
            path for place in places for path in (place / "__init__.py", place.with_suffix(".py")) if path.is_file()
        }
        for file in read - files:
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            waiting |= imported_modules(file.read_text(encoding="utf-8"), module)
        files |= read
    return sorted(files)


def code_parts(target: str | Path) -> dict[str, str]:
    """The `meaning` of each part of the code of a module or a notebook: "cells", "lib/losses.py", ..."""
    parts = {file.relative_to(ROOT).as_posix(): meaning(file.read_text(encoding="utf-8")) for file in closure(target)}
    return parts | ({"cells": meaning(notebook_code(Path(target)))} if _is_notebook(target) else {})


def _is_notebook(target: str | Path) -> bool:
    return str(target).endswith(".ipynb")


def code_fingerprint(target: str | Path) -> str:
    """SHA-256 (hex) of a module's or a notebook's code and of all code of ours that it imports."""
    return hashlib.sha256(json.dumps(code_parts(target), sort_keys=True).encode()).hexdigest()


@functools.cache
def meaning(source: str) -> str:
    """SHA-256 (hex) of Python source by its syntax tree, without comments, docstrings and messages of errors.

    The tree is written here and not by ast.dump, whose output differs between versions of Python.
    """
    return hashlib.sha256(repr(_plain(_Wordless().visit(ast.parse(source)))).encode()).hexdigest()


class _Wordless(ast.NodeTransformer):
    """Takes the words out of a syntax tree."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.exc, ast.Call) and node.exc.args:  # the message comes last
            node.exc.args[-1] = ast.Constant("")
        return node


def _plain(node: object) -> object:
    """A syntax tree as nested tuples, without what is empty, positions and notes for type checkers."""
    if isinstance(node, ast.AST):
        fields = ((name, _plain(value)) for name, value in ast.iter_fields(node) if name not in ("ctx", "type_comment"))
        return type(node).__name__, *((name, value) for name, value in fields if value not in (None, ()))
    return tuple(map(_plain, node)) if isinstance(node, list) else repr(node) if node is not None else None


def commit() -> dict:
    """{"commit", "tree_clean"}: the commit that is checked out, and whether SOURCES have no further changes.

    Without git, and where ROOT is no repository of its own (a copy inside another one): commit "" and tree_clean None.
    """
    top = _output("git", "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != ROOT:
        return {"commit": "", "tree_clean": None}
    changes = _output("git", "status", "--porcelain", "--", *SOURCES)
    return {"commit": _output("git", "rev-parse", "HEAD") or "", "tree_clean": None if changes is None else not changes}


def environment() -> dict:
    """Commit, package versions, Python, system, cores, processor, memory and GPU."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    models = [line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")]
    return commit() | {
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES.split()},
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "processor": next(iter(models), platform.processor()),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        # The driver's own tool: loading PyTorch would take seconds.
        "gpu": ", ".join((_output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") or "none").split("\n")),
    }


def _output(*command: str) -> str | None:
    """What a command prints when run in ROOT; None where it fails."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
