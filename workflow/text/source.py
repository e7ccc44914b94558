"""A text with placeholders and the run that fills them: what every placeholder's function gets first."""

import re
from functools import cached_property
from pathlib import Path

import pandas as pd

from lib.base import ROOT, UserError
from lib.experiments import study
from workflow import record, values

TABLES_BY_NAME = (
    "claims|slips|ours|steps|machine|parameters"  # tables that the text shows by a placeholder of their own
)


class Source:
    """One text and one run. Everything of the run is read when the text first asks for it."""

    def __init__(self, text: str, file: str, run: str, kind: str = "html", root: Path = ROOT):
        """file: the text's path, for messages; kind: "html", "page" (HTML whose numbers carry the names of their values) or "pdf"; root: where reports/ and figures/ lie."""
        self.text, self.file, self.run, self.kind, self.root = text, file, run, kind, root
        self.report, self.figures = root / "reports" / run, root / "figures" / run
        self.numbers = {"figure": in_order(text, "figure"), "table": in_order(text, "table")}

    @cached_property
    def values(self) -> dict[str, values.Leaf]:
        """The study's values and those of the run, by name."""
        return study.values() | values.load(self.report)

    @cached_property
    def record(self) -> dict:
        """run.json."""
        return record.read(self.report)

    @cached_property
    def cells(self) -> dict[str, tuple[str, str]]:
        """Figure or table of the run -> (notebook, id of the cell that wrote it)."""
        return values.cells(self.report)

    def line(self, name: str) -> str:
        """Where the text first asks for a name: "reports/article/paper.md line 12"."""
        found = (number for number, line in enumerate(self.text.splitlines(), 1) if name in line)
        return next((f"{self.file} line {number}" for number in found), self.file)

    def existing(self, path: Path, name: str) -> Path:
        """The path of a file; UserError with the line of the text that asks for it when it is not there."""
        if not path.is_file():
            raise UserError(
                f"{self.line(name)}: expected {path.relative_to(self.root)}, found no file; run "
                "`make paper`, or correct the name."
            )
        return path

    def csv(self, path: Path, name: str) -> pd.DataFrame:
        """A table's file; empty cells are NaN, and the word "None" is a word."""
        return pd.read_csv(self.existing(path, name), keep_default_na=False, na_values=[""])


def in_order(text: str, kind: str) -> dict[str, int]:
    """Name -> number of the figures or tables (kind "figure" or "table"), in the order in which the text shows them."""
    pattern = (
        rf"\b{kind}\(\s*[\"']([\w-]+)[\"']"
        if kind == "figure"
        else rf"\btable\(\s*[\"']([\w-]+)[\"']|\b((?:{TABLES_BY_NAME})_table)\("
    )
    names = []
    for match in re.finditer(pattern, text):
        name = next(group for group in match.groups() if group)
        names.append("tab_" + name.removesuffix("_table") if name.endswith("_table") else name)
    return {name: number for number, name in enumerate(dict.fromkeys(names), 1)}
