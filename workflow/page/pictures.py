"""Which pictures of a figure can be laid over each other, by what its PNG says of itself."""

from workflow.text.alternative import panels_of
from workflow.text.source import Source

MOST = 40  # pictures of one figure that a reader may choose among
ALIKE = 0.01  # of a picture's side: so much may boxes differ that count as equal


def collect(source: Source) -> dict[str, list[dict]]:
    """Figure of the text -> its pictures, each with name and box, where they can be compared."""
    panels = {name: panels_of(source.figures / f"{name}.png") for name in source.numbers["figure"]}
    return {name: pictures for name in panels if (pictures := comparable(panels[name]))}


def comparable(panels: list[dict]) -> list[dict]:
    """The pictures of a figure, named, if there are at least two and all are of one size; else none."""
    pictures = [panel for panel in panels if panel["kind"] == "picture"]
    if not 2 <= len(pictures) <= MOST or any(_differ(panel["box"], pictures[0]["box"]) for panel in pictures):
        return []
    names = [_name(panel, pictures) for panel in pictures]
    return [
        {"name": name if names.count(name) == 1 else f"{name} ({number})", "box": panel["box"]}
        for number, (name, panel) in enumerate(zip(names, pictures, strict=True), 1)
    ]


def _differ(box: list[float], other: list[float]) -> bool:
    return any(abs(a - b) > ALIKE * b for a, b in zip(box[2:], other[2:], strict=True))


def _name(panel: dict, pictures: list[dict]) -> str:
    """Its title, or that of the picture above it in its column; its row's name before it."""
    left, top = panel["box"][:2]
    column = [other for other in pictures if abs(other["box"][0] - left) < ALIKE and other["box"][1] < top]
    row = [other for other in pictures if abs(other["box"][1] - top) < ALIKE]
    title = panel["title"] or next((other["title"] for other in column if other["title"]), "picture")
    side = next((other["side"] for other in row if other["side"]), "")
    return " ".join(f"{side}: {title}".removeprefix(": ").split())
