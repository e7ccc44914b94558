"""What a run was: `python -m workflow.record --run quick` gathers the records of its steps.

reports/quick/run.json then holds them, with the machine and the packages, and reports/quick/index.html links all results.
"""

import argparse
import hashlib
import html
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lib import provenance
from lib.base import ROOT, UserError, figures_dir, file_digest, reports_dir, runs_dir, write_atomically
from lib.experiments.parameters import without_places
from workflow import failures, steps, values

COUNTS = {
    "images": "01_data.images",
    "left out": "01_data.left_out",
    "groups": "01_data.groups",
    "training images": "05_results.training_images",
    "test images": "05_results.test_images",
}
STYLE = "body{max-width:52em;margin:2em auto;padding:0 1em;font:16px/1.5 serif}img{max-width:100%}"


def step_path(run: str, notebook: str) -> Path:
    """What a finished step leaves: its part of the plan, time and memory. Never committed."""
    return ROOT / steps.record(run, notebook)


def fingerprint(content: dict) -> str:
    """SHA-256 in hex of JSON's types, by meaning."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_sealed(path: Path, content: dict) -> None:
    """Write a record as JSON, sealed by the sum of what it says."""
    text = json.dumps(content | {"seal": fingerprint(content)}, indent=1, sort_keys=True)
    write_atomically(path, text.encode())


def read_sealed(path: Path) -> dict | None:
    """A record; None where nothing is there or something else, like a file that was cut off or in which one byte has
    changed."""
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(content, dict) or content.pop("seal", "") != fingerprint(content):
        return None
    return content


def write_step(run: str, notebook: str, content: dict) -> None:
    """Write the record of a finished step, with the names of the networks that it leaves to others, for all to read."""
    patterns = steps.STEPS[notebook].trains
    networks = sorted({name for pattern in patterns for name in networks_there(run, pattern)})
    for folder in (runs_dir(run) / "train" / name for name in networks):
        with suppress(OSError):  # safetensors lets nobody but the owner read what it writes
            shutil.copymode(folder / "config.json", folder / "model.safetensors")
    write_sealed(step_path(run, notebook), {"networks": networks} | content)


def networks_there(run: str, pattern: str) -> list[str]:
    """Names of the folders of finished trainings that lie in runs/<run>/train."""
    found = (runs_dir(run) / "train").glob(f"{pattern}/model.sha256")
    return sorted(path.parent.name for path in found)


def read_step(run: str, notebook: str) -> dict | None:
    """What a finished step left, or None."""
    return read_sealed(step_path(run, notebook))


def ending_path(run: str, part: str) -> Path:
    """The sums of what was made when all notebooks were done. Never committed."""
    return runs_dir(run) / "ending" / f"{part}.json"


def ending(told: str, part: str, write: Callable[[str], None]) -> None:
    """The command of a part of steps.ENDING: `--run NAME`; told: its description, part: its name, write: what makes it.

    Leaves the sums of what it wrote, so that another byte in it is found out (workflow.plan.ending_reasons).
    """
    parser = argparse.ArgumentParser(description=told)
    parser.add_argument("--run", required=True, help="name of the run, as in reports/<run>")
    run = parser.parse_args().run
    with failures.told(run, part):
        write(run)
        outputs = steps.ENDING[part](run)
        write_sealed(ending_path(run, part), {file: file_digest(ROOT / file) for file in outputs})
    print(f"[{part}] {', '.join(outputs)}", flush=True)


def ending_sums(run: str) -> dict[str, str]:
    """file -> SHA-256 of what was made when all notebooks were done, as far as that is on record."""
    records = (read_sealed(ending_path(run, part)) or {} for part in steps.ENDING)
    return {file: digest for known in records for file, digest in known.items()}


def planned(run: str, notebook: str) -> dict:
    """The part of runs/<run>/plan.json that a notebook runs by; UserError where it is not as it was written."""
    path = runs_dir(run) / "plan.json"
    try:
        step = json.loads(path.read_bytes())[notebook]
        whole = step["fingerprint"] == fingerprint({name: part for name, part in step.items() if name != "fingerprint"})
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise UserError(
            f"runs/{run}/plan.json: expected the plan of {notebook} as it was written, found another or none; run `make "
            "paper`, which writes it."
        )
    return step


def gather(run: str) -> dict:
    """Parameters, fingerprints, wall time and memory of each step, counts, the commit, packages and hardware.

    UserError for a step whose record is not there or broken.
    """
    made = {notebook: read_step(run, notebook) for notebook in steps.NOTEBOOKS}
    if missing := [steps.record(run, notebook) for notebook, step in made.items() if step is None]:
        raise UserError(f"{', '.join(missing)}: expected the record of a finished step, found none; run `make paper`.")
    known = values.load(reports_dir(run))
    counts = {name: known[value] for name, value in COUNTS.items() if value in known}
    return {"run": run, "steps": made, "counts": counts, **provenance.environment()}


def read(folder: Path) -> dict:
    """What `gather` found, from a run's folder (reports/<run>); UserError when run.json is not there, or broken."""
    try:
        return json.loads((folder / "run.json").read_bytes())
    except (FileNotFoundError, ValueError) as error:
        found = "no file" if isinstance(error, FileNotFoundError) else "a broken one"
        raise UserError(
            f"reports/{folder.name}/run.json: expected the record of the run, found {found}; run `make paper`."
        ) from error


def write(run: str) -> None:
    """Write reports/<run>/index.html and run.json, without directories of this machine."""
    content = gather(run)
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    for step in content["steps"].values():
        text = without_places(text, step["parameters"])
    write_atomically(reports_dir(run) / "index.html", index_page(run).encode())
    write_atomically(reports_dir(run) / "run.json", text.encode())


def index_page(run: str) -> str:
    """HTML with the answer of each notebook, and links to notebooks, figures and tables."""
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
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Image matting: {run}</title><style>{STYLE}</style><h1>Image matting, run <em>{run}</em></h1>"
        f'<p><a href="paper.html">The article</a> (<a href="paper.pdf">PDF</a>)</p>'
        f"<ul>{''.join(rows)}</ul><h2>Tables</h2><ul>{tables}</ul><h2>Figures</h2>{pictures}"
        f'<p><a href="run.json">run.json</a>: how each number was made.</p></html>\n'
    )


def main() -> None:
    ending(__doc__, "record", write)


if __name__ == "__main__":
    main()
