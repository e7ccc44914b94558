"""Gather a run's step records into reports/<run>/run.json, and link its results from reports/<run>/index.html."""

import argparse
import html
import json
import os

from lib import provenance
from lib.base import figures_dir, reports_dir, runs_dir, write_atomically
from lib.output import values

COUNTS = {"images": "01_data.images", "left out": "01_data.left_out", "groups": "01_data.groups",
          "training images": "05_results.training_images", "test images": "05_results.test_images"}


def run_record(run: str) -> dict:
    """Parameters, fingerprints, wall time and memory of each step, counts, the commit, packages and hardware."""
    steps = {path.stem: json.loads(path.read_text()) for path in sorted((runs_dir(run) / "steps").glob("*.json"))}
    known = values.load(reports_dir(run))
    counts = {name: known[value] for name, value in COUNTS.items() if value in known}
    return {"run": run, "steps": steps, "counts": counts, **provenance.environment()}


def index_page(run: str) -> str:
    """HTML with the answer of each notebook, and links to notebooks, figures and tables."""
    report = reports_dir(run)
    figures = os.path.relpath(figures_dir(run), report)
    rows = []
    for path in sorted((report / "values").glob("*.json")):
        answer = html.escape(json.loads(path.read_text())["answer"]).replace("**", "")
        rows.append(f'<li><a href="{path.stem}.html">{path.stem}</a>: {answer}</li>')
    tables = "".join(f'<li><a href="tables/{path.name}">{path.stem}</a></li>'
                     for path in sorted((report / "tables").glob("*.md")))
    pictures = "".join(f'<figure><img src="{figures}/{path.name}" alt="{path.stem}"><figcaption>'
                       f'<a href="{figures}/{path.stem}.pdf">{path.stem}</a></figcaption></figure>'
                       for path in sorted(figures_dir(run).glob("*.png")))
    style = "body{max-width:52em;margin:2em auto;padding:0 1em;font:16px/1.5 serif}img{max-width:100%}"
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>Image matting: {run}</title><style>{style}</style><h1>Image matting, run <em>{run}</em></h1>"
            f'<p><a href="paper.html">The article</a> (<a href="paper.pdf">PDF</a>)</p>'
            f'<ul>{"".join(rows)}</ul><h2>Tables</h2><ul>{tables}</ul><h2>Figures</h2>{pictures}'
            f'<p><a href="run.json">run.json</a>: how each number was made.</p></html>\n')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True)
    run = parser.parse_args().run
    write_atomically(reports_dir(run) / "index.html", index_page(run).encode())
    record = run_record(run)
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    for step in record["steps"].values():
        text = provenance.anonymous(text, step["parameters"])
    write_atomically(reports_dir(run) / "run.json", text.encode())


if __name__ == "__main__":
    main()
