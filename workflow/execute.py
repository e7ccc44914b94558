"""Run one notebook the strict way: `python -m workflow.execute 03_vgg16 --run quick`.

Its parameters stand in runs/<run>/plan.json; papermill does the work. What it lets pass is refused here: unknown parameters,
a notebook that ended early, and files that it says it wrote and that are not there. Snakemake starts it; it ends when the
process that started it ends, or when another `make paper` takes the run over.
"""

import argparse
import json
import os
import resource
import sys
import threading
import time
from pathlib import Path

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from lib import provenance
from lib.base import ROOT, UserError, reports_dir, runs_dir, write_atomically
from workflow import failures, plan, values
from workflow.anonymous import anonymous

ANSWER = "<!-- answer -->"


class Console:
    """Where a step reports: each line with the notebook's name, so that parallel steps can be told apart."""

    def __init__(self, name: str, cells: int = 0, out=None):
        self.name, self.cells, self.out = name, cells, out or sys.stdout
        self.number, self.start = 0, time.monotonic()

    def write(self, text: str) -> None:
        self.out.write("".join(f"[{self.name}] {line}\n" for line in text.splitlines() if line.strip()))
        self.out.flush()

    def flush(self) -> None:
        self.out.flush()

    def cell(self, cell, cell_index: int, **_) -> None:
        """Say which code cell is starting; nbclient calls this."""
        self.number += 1
        name = "parameters of this run" if "injected-parameters" in cell.metadata.get("tags", []) else cell.id
        self.write(f"cell {self.number}/{self.cells} {name} ({time.monotonic() - self.start:.0f} s)")


def execute(source: Path, target: Path, parameters: dict, out=None) -> nbformat.NotebookNode:
    """Execute `source` with `parameters` and return the executed notebook; nothing is left at `target` on failure.

    Progress and what cells print goes to `out`, line by line. UserError for a parameter that the notebook doesn't
    declare, for a UserError of a cell (its own sentence) and for cells that never ran; what else a cell raises
    comes as papermill's PapermillExecutionError.
    """
    unknown = sorted(set(parameters) - plan.declared_parameters(source))
    if unknown:
        raise UserError(
            f"{source.name}: expected its own parameters, found {', '.join(unknown)}; see its cell tagged `parameters`."
        )
    code = [cell for cell in nbformat.read(source, 4).cells if cell.cell_type == "code" and cell.source.strip()]
    console = Console(source.stem, len(code) + bool(parameters), out)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}")
    try:
        notebook = _papermill(source, scratch, parameters, console)
    except RuntimeError:
        if console.number:
            raise
        # Kernels that start at once may choose the same port, and one then dies before its first cell.
        notebook = _papermill(source, scratch, parameters, console)
    except PapermillExecutionError as error:
        if error.ename == "UserError":
            raise UserError(error.evalue) from error
        raise
    finally:
        scratch.unlink(missing_ok=True)
    pending = [
        cell.id
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.source.strip() and cell.execution_count is None
    ]
    if pending:
        raise UserError(
            f"{source.name}: expected every cell to run, found that {', '.join(pending)} did not; "
            "look for an exit() in the cell before."
        )
    return notebook


def _papermill(source: Path, scratch: Path, parameters: dict, console: Console) -> nbformat.NotebookNode:
    return papermill.execute_notebook(
        literal(source),
        literal(scratch),
        parameters,
        kernel_name="python3",
        cwd=str(ROOT),
        progress_bar=False,
        start_timeout=300,
        autosave_cell_every=0,
        stdout_file=console,
        on_cell_execute=console.cell,
    )


def literal(path: Path) -> str:
    """A path as papermill wants it, which fills parameters into paths: a brace is doubled."""
    return str(path).replace("{", "{{").replace("}", "}}")


def sentence(error: BaseException, name: str) -> str:
    """What went wrong, for a reader; of a cell's error its number, kind and message."""
    if isinstance(error, DeadKernelError):
        return f"{name}: expected its kernel to live, found it dead; it may have run out of memory."
    if isinstance(error, PapermillExecutionError):
        if failures.NO_SPACE in str(error.evalue):
            return failures.no_space(name, error.evalue)
        return f"{name}, cell [{error.exec_count}]: {error.ename}: {error.evalue}"
    return failures.sentence(error, name)


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Remove what differs between two equal runs or names this machine: papermill's times, and directories."""
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
    """Execute notebooks/<name>.ipynb as planned; write the executed copy and, last, the step's record.

    What an earlier such step left goes first, so that no old result stands among new ones. UserError for a file that the
    notebook says it wrote and that is not there.
    """
    start = time.monotonic()
    content = json.loads((runs_dir(run_name) / "plan.json").read_bytes())
    step = content["steps"][name]
    for old in plan.old_records(run_name, name):
        for file in plan.read_record(old).get("files", []):
            (ROOT / file).unlink(missing_ok=True)
        old.unlink()
    target = reports_dir(run_name) / f"{name}.ipynb"
    notebook = clean(execute(ROOT / "notebooks" / f"{name}.ipynb", target, step["parameters"]))
    written = values.read(run_name, name)
    text = anonymous(nbformat.writes(insert_answer(notebook, written["answer"])), step["parameters"])
    write_atomically(target, text.encode())
    values_file = reports_dir(run_name) / "values" / f"{name}.json"
    write_atomically(values_file, anonymous(values_file.read_text(encoding="utf-8"), step["parameters"]).encode())
    files = sorted({*written["files"], *(path.relative_to(ROOT).as_posix() for path in (target, values_file))})
    if missing := [file for file in files if not (ROOT / file).is_file()]:
        raise UserError(f"{name}: expected it to write {', '.join(missing)}, found no such file; look at its cells.")
    took = time.monotonic() - start
    record = {
        **step,
        **provenance.commit(),
        "files": files,
        "wall_seconds": round(took, 1),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
        "finished": int(time.time()),
    }
    text = json.dumps(record, indent=1, sort_keys=True)
    write_atomically(plan.record_path(run_name, name, step), text.encode())
    print(f"[{name}] done in {took:.0f} s", flush=True)


def holder(run_name: str) -> str:
    """Which `make paper` holds the run, as workflow.run.alone wrote it down; "" where none does."""
    try:
        return (runs_dir(run_name) / ".lock").read_text(encoding="utf-8")
    except OSError:
        return ""


def end_with_run(run_name: str) -> None:
    """Leave when the process that started this one is gone, or another `make paper` has taken over the run: on a cluster
    the job of a killed one works on, and would write into the same files. The kernel notices and leaves, too."""
    parent, ours = os.getppid(), holder(run_name)

    def watch() -> None:
        while os.getppid() == parent and holder(run_name) == ours:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebook", help="name of the notebook without .ipynb")
    parser.add_argument("--run", required=True, help="name of the run, as in runs/<run>/plan.json")
    arguments = parser.parse_args()
    end_with_run(arguments.run)
    print(f"[{arguments.notebook}] started", flush=True)
    try:
        with failures.reported(arguments.run, arguments.notebook, sentence):
            run(arguments.notebook, arguments.run)
    except SystemExit as ended:  # the kernel's client must not keep this process alive, not even after Ctrl-C
        os._exit(ended.code)


if __name__ == "__main__":
    main()
