"""Take a published run over: `python -m workflow.adopt paper` counts the steps of reports/paper as done in this clone.

The reference run trains for hours. Who changes a sentence, a figure or one notebook of it need not wait for what they left
alone: a committed step whose code, parameters, data and lock are those of today, and whose files are as they were written,
is as good here as there. `make paper` then makes what is left. It says of each step whether it was taken over, or why not.
"""

import argparse
import copy
import os
from pathlib import Path

import nbformat

from lib.base import ROOT, reports_dir, write_atomically
from workflow import make, options, pages, plan, record, steps


def adopt(arguments: argparse.Namespace) -> int:
    """Write the records of all published steps that stand as they are. Returns the exit status, 0."""
    given = options.settings(arguments)
    run, planned = given["run"], plan.make_plan(arguments.profile, given)
    published = record.read(reports_dir(run)).get("steps", {})
    if again := [name for name in planned if _asks_for_a_local_file(run, name, planned[name], published)]:
        print(f"made here first, since they leave files that are never committed: {', '.join(again)}", flush=True)
        if status := _make(arguments, again):
            return status
    with make.alone(run):
        for name, step in planned.items():
            print(f"{name}: {_adopted(run, name, step, planned, published)}", flush=True)
    return 0


def _adopted(run: str, name: str, step: dict, planned: dict, published: dict) -> str:
    """Take one step over; what to say of it."""
    if record.read_step(run, name) is not None:
        return "has a record here already"
    if name not in published:
        return "left: not in the published run"
    if missing := [need for need in step["needs"] if record.read_step(run, need) is None]:
        return f"left: it needs {', '.join(missing)}"
    if reasons := _reasons(run, name, step, published[name]):
        return f"left: {', '.join(reasons)}"
    *files, _ = steps.outputs(name, run, step["parameters"])
    for file in files:  # Snakemake wants them newer than what they were made from
        os.utime(ROOT / file)
    record.write_sealed(record.step_path(run, name), published[name])
    return f"taken over from commit {published[name]['commit'][:7]}"


def _reasons(run: str, name: str, step: dict, kept: dict) -> list[str]:
    """Why a published step is not what would be made today; [] where it is."""
    if reasons := plan.differences(kept, step):
        return reasons
    _write_page(reports_dir(run) / f"{name}.ipynb")
    flaws = (
        plan.flaw(ROOT / file, kept["sha256"].get(file, ""))
        for file in steps.outputs(name, run, step["parameters"])[:-1]  # all but the record
    )
    return [reason for reason in flaws if reason]


def _write_page(notebook: Path) -> None:
    """The page of an executed notebook, which is never committed."""
    page = notebook.with_suffix(".html")
    if notebook.is_file() and not page.is_file():
        write_atomically(page, pages.page(nbformat.read(notebook, 4)).encode())


def _asks_for_a_local_file(run: str, name: str, step: dict, published: dict) -> bool:
    """Whether a step would be taken over if it did not leave a file in runs/, which is never committed and not there."""
    missing = [file for file in steps.shown(name, run) if file.startswith("runs/") and not (ROOT / file).is_file()]
    return bool(missing) and name in published and not plan.differences(published[name], step) and not step["needs"]


def _make(arguments: argparse.Namespace, notebooks: list[str]) -> int:
    some = copy.copy(arguments)
    some.notebooks = notebooks
    return make.bring_up_to_date(some)


def main() -> None:
    parser = options.parser(__doc__)
    make.leave_with(adopt, parser.parse_args())


if __name__ == "__main__":
    main()
