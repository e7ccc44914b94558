"""What made a number: fingerprints of code, lock and data, the commit, the packages, the machine."""

import ast
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path

from lib.paths import ROOT

PACKAGES = ("torch", "torchvision", "numpy", "pandas", "scikit-learn", "opencv-python-headless", "matplotlib",
            "papermill", "snakemake", "nbconvert", "safetensors")


def imported_modules(source: str) -> set[str]:
    """Names of the `lib` modules that Python source imports, at any depth of nesting ("lib.train" ...)."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.split(".")[0] == "lib"}
        elif isinstance(node, ast.ImportFrom) and node.module == "lib":
            names |= {f"lib.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lib."):
            names.add(node.module)
    return names


def notebook_code(path: Path) -> str:
    """The code cells of a notebook, magics and shell lines left out, joined by newlines."""
    cells = json.loads(path.read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return "\n".join(line for line in "\n".join(code).splitlines() if not line.lstrip().startswith(("%", "!")))


def closure(target: str | Path) -> list[Path]:
    """Sorted source files of every `lib` module that a module ("lib.train") or a notebook (its path) needs."""
    path = Path(target)
    if path.suffix == ".ipynb":
        waiting = imported_modules(notebook_code(path))
    else:
        waiting = {str(target)}
    found = set()
    while waiting:
        file = ROOT / (waiting.pop().replace(".", "/") + ".py")
        if file.is_file() and file not in found:
            found.add(file)
            waiting |= imported_modules(file.read_text())
    return sorted(found)


def code_parts(target: str | Path) -> dict[str, str]:
    """SHA-256 (hex) of each part of the code of a module or a notebook: "cells", "lib/train.py" ...

    Of a notebook the code cells count, not its prose or outputs: a corrected sentence retrains nothing.
    """
    parts = {str(file.relative_to(ROOT)): hashlib.sha256(file.read_bytes()).hexdigest() for file in closure(target)}
    if Path(target).suffix == ".ipynb":
        parts["cells"] = hashlib.sha256(notebook_code(Path(target)).encode()).hexdigest()
    return parts


def code_fingerprint(target: str | Path) -> str:
    """SHA-256 (hex) of a module's or a notebook's code and of all `lib` code that it imports."""
    return hashlib.sha256(json.dumps(code_parts(target), sort_keys=True).encode()).hexdigest()


def declared_parameters(notebook: Path) -> set[str]:
    """Names that the notebook's cell tagged `parameters` binds."""
    for cell in json.loads(notebook.read_text())["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            tree = ast.parse("".join(cell["source"]))
            return {node.targets[0].id for node in tree.body if isinstance(node, ast.Assign)}
    return set()


def commit() -> dict:
    """The commit that is checked out, and whether what results depend on has no further changes."""
    return {"commit": _git("rev-parse", "HEAD"), "tree_clean": not _git("status", "--porcelain", "--", *SOURCES)}


def environment() -> dict:
    """Commit, package versions, Python, processor, memory and GPU."""
    return {**commit(), "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
            "python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count(),
            "processor": _processor(), "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "gpu": _gpu()}


def anonymous(text: str, parameters: dict) -> str:
    """JSON text without the directories of this machine: paths in the repository become relative to it, those that
    parameters name keep their last part."""
    for name in ("data_dir", "encoder_weights", "benchmark_dir"):
        path = parameters.get(name, "")
        if os.path.isabs(path):
            text = text.replace(path, os.path.basename(path))
    return text.replace(f"{ROOT}/", "").replace(str(ROOT), ".")


SOURCES = ("lib", "notebooks", "Snakefile", "requirements.lock")  # what a result depends on


def _git(*arguments: str) -> str:
    """Output of a git command in the repository; "" outside a checkout."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
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
        done = subprocess.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True,
                              text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return ", ".join(done.stdout.split("\n")).strip(", ") or "none"
