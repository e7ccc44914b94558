"""The scripts and what they read, put into the article's page: nothing is loaded, and without scripts the page is as it was."""

import json
import re
from pathlib import Path

from lib.base import ROOT
from workflow.page import HERE, SCRIPTS, STYLES, arguments, numbers, pictures
from workflow.text.source import Source

# The page forbids itself every connection.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

# A drawing with words in it, by its alternative text (workflow.text.alternative); pictures are of any size.
CHART = re.compile(r'(<img[^>]*? alt="(?:Chart|The network|The steps)[^>]*>)')


def answering(page: str, source: Source) -> str:
    """The page (HTML) with the data of its numbers, claims, figures and of all cells, and the scripts, at its end."""
    data = {
        "run": source.run,
        **numbers.collect(source, numbers.quoted(page)),
        "arguments": arguments.collect(source),
        "figures": pictures.collect(source),
        "cells": cells(),
    }
    style = "".join((HERE / name).read_text(encoding="utf-8") for name in STYLES)
    script = "\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    head = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n<style>\n{style}</style>\n</head>'
    tail = f'<script type="application/json" id="run-data">{_json(data)}</script>\n<script>\n"use strict";\n{script}</script>\n</body>'
    page = page.replace("</head>", head, 1)
    before, end, after = page.rpartition("</body>")
    return before + tail + after if end else page + tail


def cells(folder: Path = ROOT / "notebooks") -> list[list[str]]:
    """[notebook, id, text] of every cell of the paper that has text."""
    return [
        [path.stem, cell["id"], text]
        for path in sorted(folder.glob("[0-9]*.ipynb"))
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if (text := "".join(cell["source"]).strip())
    ]


def landmark(page: str) -> str:
    """The page with its content inside <main>, which who listens to a page can jump to; and each chart in a box of its own,
    which scrolls on a phone, where the chart's words would else be too small to read."""
    page = CHART.sub(r'<div class="chart" tabindex="0" role="group" aria-label="Drawing">\1</div>', page)
    return re.sub(r"<body>(.*)</body>", r"<body>\n<main>\1</main>\n</body>", page, count=1, flags=re.S)


def _json(data: dict) -> str:
    """JSON that cannot end the script element which holds it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")
