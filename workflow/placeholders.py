"""What the placeholders of the article's text mean: numbers, tables, figures and claims of one run, by name."""

import json
import re

import jinja2
import pandas as pd

from lib.base import ROOT, UserError, figures_dir, reports_dir
from lib.evaluation import stats
from lib.experiments import published
from lib.output import values
from workflow import claims
from workflow.pandoc import compact, pipe_table

MISSING = "not measured"


def render(text: str, run: str, kind: str) -> str:
    """The article's Markdown with every placeholder filled in; kind: "html" or "pdf".

    UserError that names the line of the text and what the run lacks.
    """
    # Pandoc's own attributes begin like Jinja's comments: {#refs}.
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                                     keep_trailing_newline=True, comment_start_string="<#", comment_end_string="#>")
    try:
        return environment.from_string(text).render(Placeholders(text, run, kind).names())
    except jinja2.TemplateError as error:
        line = f" line {error.lineno}" if isinstance(error, jinja2.TemplateSyntaxError) else ""
        raise UserError(f"reports/article/paper.md{line}: expected placeholders that workflow/placeholders.py "
                        f"knows, found: {error.message}; correct it.") from error


def run_record(run: str) -> dict:
    """reports/<run>/run.json; UserError when it is not there."""
    path = reports_dir(run) / "run.json"
    if not path.is_file():
        raise UserError(f"reports/{run}/run.json: expected from the step `collect`, found no file; run "
                        "`make paper`.")
    return json.loads(path.read_text())


class Placeholders:
    """The functions that the text calls. Each returns Markdown, or raises a UserError that names what is missing."""

    def __init__(self, text: str, run: str, kind: str):
        self.text, self.run, self.kind = text, run, kind
        self.report, self.figures = reports_dir(run), figures_dir(run)
        self.values = published.values() | values.load(self.report)
        self.record = run_record(run)
        self.numbers = {"figure": _in_order(text, "figure"), "table": _in_order(text, "table")}

    def names(self) -> dict:
        """Name in the text -> function or value."""
        return {"run": self.run, "p": values.parameters(self.report), "n": self.n, "ci": self.ci, "pct": self.pct,
                "text": self.word, "says": self.says, "fact": self.fact, "fact_sd": self.fact_sd, "ref": self.ref,
                "figure": self.figure, "table": self.table,
                "claims_table": self.claims_table, "claims_count": self.claims_count, "appendix": self.appendix,
                "steps_table": self.steps_table, "machine_table": self.machine_table,
                "parameters_table": self.parameters_table}

    # ------------------------------------------------------------------------------------------- numbers

    def leaf(self, name: str) -> values.Leaf:
        """The value of a name; UserError with the line of the text that asks for it."""
        if name not in self.values:
            notebook = name.split(".")[0]
            raise UserError(f"{self._line(name)}: expected the value {name}, found none in "
                            f"reports/{self.run}/values/{notebook}.json; let notebook {notebook} record it, "
                            "or correct the name.")
        return self.values[name]

    def n(self, name: str, spec: str = ".3f") -> str:
        """A number, formatted; the words "not measured" where it is null."""
        value = values.number(self.leaf(name))
        return MISSING if value is None else format(value, spec).replace("-", "\N{MINUS SIGN}")

    def pct(self, name: str, digits: int = 0) -> str:
        """A share in per cent."""
        return self.n(name, f".{digits}%").replace("%", "\N{NO-BREAK SPACE}%")

    def fact(self, name: str) -> float:
        """The bare number, for conditions and arithmetic in the text."""
        value = values.number(self.leaf(name))
        return float("nan") if value is None else value

    def fact_sd(self, name: str) -> float:
        """The bare standard deviation over seeds of a value; NaN where it has none."""
        leaf = self.leaf(name)
        return (leaf.get("sd") if isinstance(leaf, dict) else None) or float("nan")

    def word(self, name: str) -> str:
        """A value that is text."""
        return str(self.leaf(name))

    def ci(self, name: str, digits: int = 3, sign: bool = False) -> str:
        """A number with its 95 % interval: "0.172 (0.157 to 0.185)"."""
        leaf = self.leaf(name)
        low, high = (leaf.get(part) if isinstance(leaf, dict) else None for part in ("low", "high"))
        spec = f"{'+' if sign else ''}.{digits}f"
        if low is None or high is None:
            return self.n(name, spec)
        numbers = (format(x, spec).replace("-", "\N{MINUS SIGN}") for x in (leaf["value"], low, high))
        return "{} ({} to {})".format(*numbers)

    def says(self, name: str, below: str, above: str, neither: str = "no difference is shown") -> str:
        """Words for a difference with its interval: `below` zero, `above` zero, or that neither is shown."""
        leaf = self.leaf(name)
        if not isinstance(leaf, dict) or leaf.get("low") is None:
            return neither
        said = stats.verdict(leaf["low"], leaf["high"], "below", "above")
        return {"below": below, "above": above}.get(said, neither)

    # -------------------------------------------------------------------------------- figures and tables

    def ref(self, name: str) -> str:
        """A link to a figure or table: "Figure 3"."""
        for kind, numbers in self.numbers.items():
            if name in numbers:
                return f"[{kind.title()}\N{NO-BREAK SPACE}{numbers[name]}](#{name})"
        raise UserError(f"{self._line(name)}: expected a figure or table that the article shows, found {name!r}; "
                        "correct the name.")

    def figure(self, name: str, caption: str) -> str:
        """A figure of the run with a number, its caption, and a link to the cell that made it."""
        path = self.figures / f"{name}.{'pdf' if self.kind == 'pdf' else 'png'}"
        if not path.is_file():
            raise UserError(f"{self._line(name)}: expected figures/{self.run}/{path.name}, found no file; run "
                            "`make paper`, or correct the name.")
        caption = f"**Figure {self.numbers['figure'][name]}.** {_one_line(caption)} {self._origin(name)}"
        where = path.as_posix() if self.kind == "html" else "/" + path.relative_to(ROOT).as_posix()
        return f"![{caption}]({where}){{#{name}}}\n"

    def table(self, name: str, caption: str = "", columns: list[str] | None = None, rows: list[str] | None = None,
              digits: int = 3) -> str:
        """A table of the run: chosen columns (of the compacted table), rows by their first cell, and a caption."""
        frame = compact(self._csv(name), digits)
        for wanted, known, what in ((columns, list(frame.columns), "columns"), (rows, list(frame.iloc[:, 0]), "rows")):
            if wanted and (unknown := [item for item in wanted if item not in known]):
                raise UserError(f"{self._line(name)}: expected {what} of {name} ({', '.join(known)}), found "
                                f"{', '.join(unknown)}; correct the text.")
        if rows:
            frame = frame.set_index(frame.columns[0], drop=False).loc[rows]
        frame = frame[columns] if columns else frame
        caption = f"**Table {self.numbers['table'][name]}.** {_one_line(caption or self._caption(name))} "
        return pipe_table(frame, name, caption + self._origin(name))

    def _csv(self, name: str) -> pd.DataFrame:
        path = self.report / "tables" / f"{name}.csv"
        if not path.is_file():
            raise UserError(f"{self._line(name)}: expected reports/{self.run}/tables/{name}.csv, found no file; run "
                            "`make paper`, or correct the name.")
        return pd.read_csv(path, keep_default_na=False, na_values=[""])

    def _caption(self, name: str) -> str:
        """The caption that the notebook gave: the last line of the table's Markdown, without its own number."""
        last = (self.report / "tables" / f"{name}.md").read_text().strip().splitlines()[-1].strip("*")
        return re.sub(r"^Table \d+\. ", "", last)

    def _origin(self, name: str) -> str:
        """A link to the executed notebook's cell that wrote a figure or table; "" for what no notebook writes."""
        for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
            for cell in json.loads(path.read_text())["cells"]:
                if cell["cell_type"] == "code" and f'"{name}"' in "".join(cell["source"]):
                    return f"[Made here.]({path.stem}.html#cell-id={cell['id']})"
        return ""

    def _line(self, name: str) -> str:
        """Where the article's text first asks for a name."""
        for number, line in enumerate(self.text.splitlines(), 1):
            if name in line:
                return f"reports/article/paper.md line {number}"
        return "reports/article/paper.md"

    # ------------------------------------------------------------------------------ claims and provenance

    def claims_table(self) -> str:
        """The table of claims, as workflow.claims judges them on this run."""
        frame = claims.judged(self.run)
        shown = frame[claims.SHOWN].copy()
        shown["outcome"] = [f"**{outcome}**" for outcome in shown.outcome]
        return self._own_table(shown, "tab_claims", "Claims of the study and of this paper, judged on run "
                               f"`{self.run}` by the rules of `reports/claims.yaml`.")

    def _own_table(self, frame: pd.DataFrame, name: str, caption: str) -> str:
        """A table that the article itself makes, with its number."""
        return pipe_table(frame, name, f"**Table {self.numbers['table'].get(name, '')}.** {caption}")

    def claims_count(self, outcome: str, source: str = "") -> int:
        """How many claims have this outcome; source "study" counts the study's only, "ours" ours."""
        frame = claims.judged(self.run)
        if source:
            frame = frame[(frame.source == "this paper") == (source == "ours")]
        return int((frame.outcome == outcome).sum())

    def steps_table(self) -> str:
        """Wall time, peak memory and commit of each step."""
        rows = [{"notebook": name, "wall time (s)": f"{step['wall_seconds']:.0f}",
                 "peak memory (MiB)": f"{step['peak_memory_bytes'] / 2**20:.0f}", "commit": step["commit"][:10],
                 "tree": "clean" if step["tree_clean"] else "with changes", "data": step["data"][:12]}
                for name, step in self.record["steps"].items()]
        return self._own_table(pd.DataFrame(rows), "tab_steps", "What each step took, and what it ran.")

    def machine_table(self) -> str:
        """Counts of images, machine and packages, one row each."""
        record = self.record
        rows = {**record["counts"], "processor": record["processor"], "cores": record["cores"], "GPU": record["gpu"],
                "memory": f"{record['memory_bytes'] / 2**30:.0f} GiB", "system": record["system"],
                "Python": record["python"], **record["packages"]}
        frame = pd.DataFrame([{"what": what, "found": str(found)} for what, found in rows.items()])
        return self._own_table(frame, "tab_machine", "Images, machine and versions.")

    def parameters_table(self) -> str:
        """Every parameter and the notebooks that it went into."""
        used: dict[tuple[str, str], list[str]] = {}
        for name, step in self.record["steps"].items():
            for parameter, value in step["parameters"].items():
                used.setdefault((parameter, f"`{json.dumps(value)}`"), []).append(name[:2])
        frame = pd.DataFrame([{"parameter": parameter, "value": value, "notebooks": ", ".join(names)}
                              for (parameter, value), names in sorted(used.items())])
        return self._own_table(frame, "tab_parameters", "Parameters of the run.")

    def appendix(self) -> str:
        """Every table of the run that the text does not show, with its caption."""
        names = sorted(path.stem for path in (self.report / "tables").glob("*.csv"))
        left = [name for name in names if name not in self.numbers["table"] and name != "tab_claims"]
        return "\n\n".join(
            pipe_table(compact(self._csv(name), 3), name,
                   f"**Table A{number}** (`{name}`)**.** {self._caption(name)} {self._origin(name)}")
            for number, name in enumerate(left, 1))


def _in_order(text: str, kind: str) -> dict[str, int]:
    """Name -> number of the figures or tables, in the order in which the text shows them."""
    pattern = (rf"\b{kind}\(\s*[\"']([\w-]+)[\"']" if kind == "figure"
               else r"\btable\(\s*[\"']([\w-]+)[\"']|\b((?:claims|steps|machine|parameters)_table)\(")
    names = []
    for match in re.finditer(pattern, text):
        name = next(group for group in match.groups() if group)
        names.append("tab_" + name.removesuffix("_table") if name.endswith("_table") else name)
    return {name: number for number, name in enumerate(dict.fromkeys(names), 1)}


def _one_line(text: str) -> str:
    return " ".join(text.split())
