"""The executed notebooks of a run as web pages: `python -m workflow.pages --run quick`.

Pandoc makes each page: formulas as MathML, pictures inside, every cell an element with the cell's id, to which the article
links. A page loads nothing from the network.
"""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pypandoc

from lib.base import ROOT, UserError, reports_dir, write_atomically
from workflow import record
from workflow.steps import NOTEBOOKS

STYLE = ROOT / "reports" / "article" / "notebook.css"
FILTER = ROOT / "workflow" / "pages.lua"
NAVIGATION = '<p class="way"><a href="paper.html">The article</a> · <a href="index.html">All pages</a></p>'


def page(notebook: Path) -> str:
    """The HTML of an executed notebook (.ipynb). UserError where pandoc cannot set it."""
    content = json.loads(notebook.read_bytes())
    for output in (output for cell in content["cells"] for output in cell.get("outputs", [])):
        if len(output.get("data", {})) > 1:
            output["data"].pop("text/plain", None)  # the words for those who see no table and no picture
    options = (
        f"--from=ipynb+raw_html --to=html5 --ipynb-output=all --standalone --embed-resources --fail-if-warnings --mathml --toc --toc-depth=2 \
        --wrap=none --metadata=pagetitle:{notebook.stem} --metadata=lang:en --metadata=document-css:false"
    )
    command = [pypandoc.get_pandoc_path(), *options.split(), f"--css={STYLE}", f"--lua-filter={FILTER}"]
    done = subprocess.run(command, input=json.dumps(content), capture_output=True, encoding="utf-8")
    if done.returncode:
        raise UserError(f"{notebook.name}: expected a notebook that pandoc can set, found: {done.stderr.strip()}")
    return done.stdout.replace("<body>", f"<body>\n{NAVIGATION}", 1)


def write(run: str) -> list[Path]:
    """Write reports/<run>/<notebook>.html for each executed notebook; returns the files."""
    files = [path for name in NOTEBOOKS if (path := reports_dir(run) / f"{name}.ipynb").is_file()]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, html in zip(files, pool.map(page, files), strict=True):
            write_atomically(file.with_suffix(".html"), html.encode())
    return [file.with_suffix(".html") for file in files]


if __name__ == "__main__":
    record.finish(__doc__, "pages", write)
