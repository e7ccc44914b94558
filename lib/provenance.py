"""What made a number: fingerprints of code, lock and data, the commit, the packages, the machine."""

import ast
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
from pathlib import Path

from lib.base import ROOT

PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "pandas",
    "scikit-learn",
    "opencv-python-headless",
    "matplotlib",
    "papermill",
    "snakemake",
    "nbconvert",
    "safetensors",
)
OURS = ("lib", "workflow")  # packages that are followed
# What a picture looks like in a notebook's JSON ("image/png": "iVBOR...") and in a web page (base64,iVBOR...).
PICTURE = re.compile(r'("image/(?!svg)[\w.+-]+":\s*(?:"[^"]*"|\[[^\]]*\])|base64,[A-Za-z0-9+/=\r\n]+)')
# A path begins behind no letter of another word, but for that of JSON's "\n" and of a terminal's colour (ESC[32m), and
# ends before none.
BEFORE_PATH = r"(?:(?<![\w.~+-])|(?<=\\[nrt])|(?<=\dm))"
BEHIND_PATH = r"(?![\w+-]|\.\w)"


@functools.cache
def imported_modules(source: str, module: str = "") -> frozenset[str]:
    """Dotted names that Python source imports of our own packages, at any depth of nesting.

    Every name that may be a module is named: `from lib.data import prepare` gives lib.data and lib.data.prepare.
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
    """The code cells of a notebook, magics and shell lines left out, joined by newlines."""
    cells = json.loads(path.read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return "\n".join(line for line in "\n".join(code).splitlines() if not line.lstrip().startswith(("%", "!")))


def closure(target: str | Path) -> list[Path]:
    """Sorted source files of our own that a module ("lib.losses") or a notebook (its path) needs, directly or not."""
    path = Path(target)
    waiting = set(imported_modules(notebook_code(path))) if path.suffix == ".ipynb" else {str(target)}
    found: set[Path] = set()
    while waiting:
        for file in _files(waiting.pop()) - found:
            found.add(file)
            waiting |= imported_modules(file.read_text(), ".".join(file.relative_to(ROOT).with_suffix("").parts))
    return sorted(found)


def _files(name: str) -> set[Path]:
    """The files that Python reads to import a dotted name: the module's, and the __init__.py of each package above it.

    A name that is no module, like that of a function, gives the module that it may be found in.
    """
    parts = name.split(".")
    places = [ROOT.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]
    inside = [place / "__init__.py" for place in places] + [place.with_suffix(".py") for place in places]
    return {file for file in inside if file.is_file()}


def code_parts(target: str | Path) -> dict[str, str]:
    """SHA-256 (hex) of each part of the code of a module or a notebook: "cells", "lib/losses.py" ...

    Meaning counts, not wording: comments, docstrings and the messages of errors are left out, and of a notebook its
    prose and outputs. A corrected sentence retrains nothing.
    """
    parts = {str(file.relative_to(ROOT)): meaning(file.read_text()) for file in closure(target)}
    if Path(target).suffix == ".ipynb":
        parts["cells"] = meaning(notebook_code(Path(target)))
    return parts


@functools.cache
def meaning(source: str) -> str:
    """SHA-256 (hex) of Python source by its syntax tree, without docstrings and messages of errors.

    The tree is written down here and not by ast.dump, whose output differs between versions of Python.
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


def code_fingerprint(target: str | Path) -> str:
    """SHA-256 (hex) of a module's or a notebook's code and of all code of ours that it imports."""
    return hashlib.sha256(json.dumps(code_parts(target), sort_keys=True).encode()).hexdigest()


def declared_parameters(notebook: Path) -> set[str]:
    """Names that the notebook's cell tagged `parameters` binds."""
    for cell in json.loads(notebook.read_text())["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            tree = ast.parse("".join(cell["source"]))
            return {node.targets[0].id for node in tree.body if isinstance(node, ast.Assign)}
    return set()


def commit() -> dict:
    """The commit that is checked out, and whether what results depend on has no further changes.

    Outside a checkout, or without git, nobody knows: commit "" and tree_clean None.
    """
    changes = _git("status", "--porcelain", "--", *SOURCES)
    return {"commit": _git("rev-parse", "HEAD") or "", "tree_clean": None if changes is None else not changes}


def environment() -> dict:
    """Commit, package versions, Python, processor, memory and GPU."""
    return {
        **commit(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpu": _gpu(),
    }


def anonymous(text: str, parameters: dict) -> str:
    """JSON text or a web page without the directories of this machine: paths in the repository become relative to it,
    those that parameters name keep their last part.

    Only whole paths are replaced (/d in "/d/x.png", not in "/data" or "a/d"), and none inside a picture's base64, which
    may spell a short path by chance.
    """
    named = [str(parameters.get(name, "")).rstrip("/") for name in ("data_dir", "encoder_weights", "benchmark_dir")]
    spelled = {form for path in named if os.path.isabs(path) for form in _spellings(path)}
    roots = _spellings(str(ROOT))
    longest_first = sorted(spelled | roots, key=len, reverse=True)
    pattern = re.compile(f"{BEFORE_PATH}({'|'.join(map(re.escape, longest_first))})(/|{BEHIND_PATH})")

    def shorter(found: re.Match) -> str:
        path, slash = found.groups()
        return os.path.basename(path) + slash if path in spelled else "" if slash else "."

    parts = PICTURE.split(text)  # every second part is a picture
    parts[::2] = [pattern.sub(shorter, part) for part in parts[::2]]
    return "".join(parts)


def _spellings(path: str) -> set[str]:
    """A path as it stands in text and in JSON, which may write letters as numbers and always writes quotes as \\"."""
    return {path, json.dumps(path)[1:-1], json.dumps(path, ensure_ascii=False)[1:-1]}


SOURCES = ("lib", "notebooks", "workflow")  # what a result depends on


def _git(*arguments: str) -> str | None:
    """Output of a git command in the repository; None without git or outside a checkout."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")


def _gpu() -> str:
    """Names of the GPUs, asked of the driver's own tool: loading PyTorch would take seconds."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return ", ".join(done.stdout.split("\n")).strip(", ") or "none"
