"""Run one notebook the strict way: `python -m lib.run 03_vgg16 --run quick`, with the parameters of runs/<run>/plan.json.

papermill does the work. What it lets pass is refused here: unknown parameters, and a notebook that ended early.
"""

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

import nbformat
import papermill
from nbconvert import HTMLExporter
from papermill.exceptions import PapermillExecutionError

from lib.errors import UserError
from lib.paths import ROOT, reports_dir, runs_dir
from lib.report import write_atomically

ANSWER = "<!-- answer -->"


def known_parameters(source: Path) -> set[str]:
    """Names that the notebook's cell tagged `parameters` binds."""
    return set(papermill.inspect_notebook(str(source)))


def execute(source: Path, target: Path, parameters: dict, out=sys.stdout) -> nbformat.NotebookNode:
    """Execute `source` with `parameters` and return the executed notebook; nothing is left at `target` on failure.

    What cells print goes to `out` line by line, too. UserError for an unknown parameter, for a UserError inside
    (its own sentence), for any other exception (its kind and message) and for cells that never ran.
    """
    unknown = sorted(set(parameters) - known_parameters(source))
    if unknown:
        raise UserError(f"{source.name}: expected its own parameters, found {', '.join(unknown)}; "
                        "see its cell tagged `parameters`.")
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}")
    try:
        notebook = papermill.execute_notebook(str(source), str(scratch), parameters, kernel_name="python3",
                                              cwd=str(ROOT), progress_bar=False,
                                              stdout_file=Prefixed(out, source.stem))
    except PapermillExecutionError as error:
        if error.ename == "UserError":
            raise UserError(error.evalue) from error
        if "No space left on device" in error.evalue:
            raise UserError(f"{source.name}: expected free disk space, found none ({error.evalue}); free some, or "
                            "set MATTING_CACHE to a larger disk.") from error
        raise
    finally:
        scratch.unlink(missing_ok=True)
    pending = [cell.id for cell in notebook.cells
               if cell.cell_type == "code" and cell.metadata.papermill.status != "completed"]
    if pending:
        raise UserError(f"{source.name}: expected every cell to run, found that {', '.join(pending)} did not; "
                        "look for an exit() in the cell before.")
    return notebook


class Prefixed:
    """A text stream that puts the notebook's name before each line, so that parallel steps can be told apart."""

    def __init__(self, out, name: str):
        self.out, self.name = out, name

    def write(self, text: str) -> None:
        self.out.write("".join(f"[{self.name}] {line}\n" for line in text.splitlines() if line.strip()))

    def flush(self) -> None:
        self.out.flush()


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Remove what differs between two equal runs or names this machine: papermill's paths and times."""
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.id = "injected-parameters"
    return notebook


def insert_answer(notebook: nbformat.NotebookNode, answer: str) -> nbformat.NotebookNode:
    """Put the answer behind the marker of the first cell, in place of the note that stands there."""
    first = notebook.cells[0]
    if ANSWER in first.source:
        first.source = f"{first.source.split(ANSWER)[0]}{ANSWER}\n**Answer.** {answer}"
    return notebook


def run(name: str, run_name: str) -> None:
    """Execute notebooks/<name>.ipynb as planned; write the executed copy, its HTML and the step's record."""
    plan = json.loads((runs_dir(run_name) / "plan.json").read_text())[name]
    record = runs_dir(run_name) / "steps" / f"{name}.json"
    failure = record.with_suffix(".error")
    record.parent.mkdir(parents=True, exist_ok=True)
    failure.unlink(missing_ok=True)
    start = time.time()
    print(f"[{name}] started", flush=True)
    target = reports_dir(run_name) / f"{name}.ipynb"
    try:
        notebook = clean(execute(ROOT / "notebooks" / f"{name}.ipynb", target, plan["parameters"]))
        values = json.loads((reports_dir(run_name) / "values" / f"{name}.json").read_text())
        insert_answer(notebook, values["answer"])
        page, _ = HTMLExporter(template_name="lab", embed_images=True).from_notebook_node(notebook)
        write_atomically(target, nbformat.writes(notebook).encode())
        write_atomically(target.with_suffix(".html"), page.encode())
    except UserError as error:
        failure.write_text(str(error))
        raise
    except PapermillExecutionError as error:
        failure.write_text(f"cell {error.exec_count}: {error.ename}: {error.evalue}")
        raise
    took = time.time() - start
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    content = {**plan, "wall_seconds": round(took, 1), "peak_memory_bytes": memory, "finished": int(time.time())}
    write_atomically(record, json.dumps(content, indent=1, sort_keys=True).encode())
    print(f"[{name}] done in {took:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebook", help="name of the notebook without .ipynb")
    parser.add_argument("--run", required=True, help="name of the run, as in runs/<run>/plan.json")
    arguments = parser.parse_args()
    try:
        run(arguments.notebook, arguments.run)
    except UserError as error:
        print(f"[{arguments.notebook}] failed: {error}", flush=True)
        os._exit(2)  # papermill's kernel client may hold threads; nothing is left to clean up


if __name__ == "__main__":
    main()
