"""What a run was: reports/<run>/run.json gathers the records of its steps, reports/<run>/index.html links all results."""

import argparse
import html
import json
import os
from collections.abc import Callable
from pathlib import Path

from lib import provenance
from lib.base import ROOT, UserError, figures_dir, reports_dir, runs_dir, write_atomically
from workflow import failures, plan, steps, values
from workflow.anonymous import anonymous

COUNTS = {
    "images": "01_data.images",
    "left out": "01_data.left_out",
    "groups": "01_data.groups",
    "training images": "05_results.training_images",
    "test images": "05_results.test_images",
}
STYLE = "body{max-width:52em;margin:2em auto;padding:0 1em;font:16px/1.5 serif}img{max-width:100%}"


def finish(description: str | None, step: str, write: Callable[[str], list[Path]]) -> None:
    """The command line of a step after the notebooks: `--run NAME`. write: makes it and returns its files.

    With --planned, as Snakemake calls it, the step leaves its record.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--run", required=True, help="name of the run, as in reports/<run>")
    parser.add_argument("--planned", action="store_true", help="leave the record of runs/<run>/plan.json")
    arguments = parser.parse_args()
    run = arguments.run
    with failures.reported(run, step):
        if not arguments.planned:
            files = write(run)
        else:
            planned = json.loads((runs_dir(run) / "plan.json").read_bytes())
            for old in plan.old_records(run, step):
                old.unlink()
            files = gather(run, planned["records"]) if step == "article" else []
            files += write(run)
            content = planned["endings"][step] | {"files": [path.relative_to(ROOT).as_posix() for path in files]}
            write_atomically(ROOT / planned["records"][step], json.dumps(content, indent=1, sort_keys=True).encode())
    print(f"[{step}] {', '.join(path.relative_to(ROOT).as_posix() for path in files)}", flush=True)


def gather(run: str, records: dict[str, str]) -> list[Path]:
    """Write reports/<run>/run.json: the record of each notebook, counts, commit, packages and hardware; returns it in a list.

    records: step -> path of its record. UserError for a notebook whose record is not there or broken.
    """
    made = {notebook: plan.read_record(ROOT / records[notebook]) for notebook in steps.NOTEBOOKS}
    if missing := [records[notebook] for notebook, step in made.items() if not step]:
        raise UserError(f"{', '.join(missing)}: expected the record of a finished step, found none; run `make paper`.")
    known = values.load(reports_dir(run))
    counts = {name: known[value] for name, value in COUNTS.items() if value in known}
    content = {"run": run, "steps": made, "counts": counts, **provenance.environment()}
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    for step in made.values():
        text = anonymous(text, step["parameters"])
    write_atomically(reports_dir(run) / "run.json", text.encode())
    return [reports_dir(run) / "run.json"]


def read(folder: Path) -> dict:
    """run.json of a run, by its folder (reports/<run>); UserError when it is not there, or broken."""
    try:
        return json.loads((folder / "run.json").read_bytes())
    except (FileNotFoundError, ValueError) as error:
        found = "no file" if isinstance(error, FileNotFoundError) else "a broken one"
        raise UserError(
            f"reports/{folder.name}/run.json: expected the record of the run, found {found}; run `make paper`."
        ) from error


def write_index(run: str) -> Path:
    """Write reports/<run>/index.html: the answer of each notebook, and links to notebooks, figures and tables."""
    report = reports_dir(run)
    figures = os.path.relpath(figures_dir(run), report)
    rows = []
    for notebook in steps.NOTEBOOKS:
        answer = html.escape(values.read(run, notebook)["answer"]).replace("**", "")
        rows.append(f'<li><a href="{notebook}.html">{notebook}</a>: {answer}</li>')
    tables = "".join(
        f'<li><a href="tables/{path.name}">{path.stem}</a></li>' for path in sorted((report / "tables").glob("*.md"))
    )
    pictures = "".join(
        f'<figure><img src="{figures}/{path.name}" alt="{path.stem}"><figcaption>'
        f'<a href="{figures}/{path.stem}.pdf">{path.stem}</a></figcaption></figure>'
        for path in sorted(figures_dir(run).glob("*.png"))
    )
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Image matting: {run}</title><style>{STYLE}</style><h1>Image matting, run <em>{run}</em></h1>"
        f'<p><a href="paper.html">The article</a> (<a href="paper.pdf">PDF</a>)</p>'
        f"<ul>{''.join(rows)}</ul><h2>Tables</h2><ul>{tables}</ul><h2>Figures</h2>{pictures}"
        f'<p><a href="run.json">run.json</a>: how each number was made.</p></html>\n'
    )
    write_atomically(report / "index.html", page.encode())
    return report / "index.html"
