"""What the page knows of each number that the text quotes: its spread, where it was made, and the errors that it is the mean of."""

import re

from workflow import values
from workflow.text.source import Source

MARK = re.compile(r'<span class="number"\s+data-value="([^"]+)">')


def quoted(page: str) -> list[str]:
    """Names of the values that a page quotes, in their order, once each."""
    return list(dict.fromkeys(MARK.findall(page)))


def collect(source: Source, names: list[str]) -> dict:
    """{"numbers": name -> leaf with notebook and sample, "samples": [text], "notebooks": name -> cell and commit}.

    sample: which of the samples a number is the mean of; numbers that are no mean have none. Numbers with the same errors share
    them.
    """
    known = values.samples(source.report)
    texts = list(dict.fromkeys(known[name] for name in names if name in known))
    place = {text: number for number, text in enumerate(texts)}
    numbers = {}
    for name in names:
        numbers[name] = dict(_leaf(source.values[name]))
        if name in known:
            numbers[name]["sample"] = place[known[name]]
    return {"numbers": numbers, "samples": texts, "notebooks": _notebooks(source)}


def _leaf(leaf: values.Leaf) -> dict:
    return leaf if isinstance(leaf, dict) else {"value": leaf}


def _notebooks(source: Source) -> dict[str, dict]:
    """Notebook -> the cell that writes its values, and the commit that it ran at."""
    return {
        notebook: {"cell": source.cells.get(notebook, ("", ""))[1], "commit": commit}
        for notebook, commit in values.commits(source.report).items()
    }
