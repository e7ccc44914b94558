"""A figure in words, for who does not see it: its pictures by their titles, its charts by their axes and lines."""

import json
import re
from pathlib import Path

from PIL import Image

MOST_TITLES = 12


def alternative(png: Path, caption: str) -> str:
    """What a figure shows, from what its PNG says of itself; the caption's words where it says nothing."""
    panels = panels_of(png)
    pictures = [panel for panel in panels if panel["kind"] == "picture"]
    charts = [panel for panel in panels if panel["kind"] == "chart"]
    said = ([_pictures(pictures)] if pictures else []) + [_chart(panel) for panel in charts]
    return _plain(" ".join(said) or caption)


def panels_of(png: Path) -> list[dict]:
    """What a PNG says of itself (lib.report.save.describe); [] where it says nothing or is not there."""
    if not png.is_file():
        return []
    with Image.open(png) as image:
        return json.loads(getattr(image, "text", {}).get("Panels", "[]"))


def _pictures(panels: list[dict]) -> str:
    titles = list(dict.fromkeys(panel["title"] for panel in panels if panel["title"]))
    count = "One picture" if len(panels) == 1 else f"{len(panels)} pictures"
    rows = list(dict.fromkeys(panel["side"] for panel in panels if panel.get("side")))
    said = f"{count}: {', '.join(titles[:MOST_TITLES])}" if titles else count
    return f"{said}; in rows: {', '.join(rows[:MOST_TITLES])}." if rows else f"{said}."


def _chart(panel: dict) -> str:
    x, y = panel["labels"]
    axes = " against ".join(filter(None, (y, x)))
    lines = [words for line in panel["lines"] if (words := _line(line))]
    return "Chart" + "".join(
        (f", {panel['title']}" * bool(panel["title"]), f": {axes}" * bool(axes), ".", *(f" {line}." for line in lines))
    )


def _line(line: dict) -> str:
    """ "SGD from 0.39 at 30 to 0.28 at 60"; "" for a line of one point, or a mark."""
    points = [(x, y) for x, y in zip(line["x"], line["y"], strict=True) if x is not None and y is not None]
    if len(points) < 2:
        return ""
    (first, start), (last, end) = points[0], points[-1]
    return f"{line['label']} from {start:.3g} at {first:.4g} to {end:.3g} at {last:.4g}"


def _plain(text: str) -> str:
    """Without Markdown, and without what would end an attribute."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"[`*$\\{}]", "", text).replace('"', "”")
