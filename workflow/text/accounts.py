"""Placeholders for what the article tells of its run: claims, steps, machine, parameters. Each makes its own table."""

import json
from datetime import UTC, datetime

import pandas as pd
import yaml

from lib.base import ROOT
from workflow import claim_tables
from workflow.text.cells import pipe_table
from workflow.text.source import Source


def _cited() -> dict:
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def authors(source: Source) -> str:
    """`authors`: who wrote this, as CITATION.cff has it."""
    parts = ("given-names", "family-names", "name")
    return ", ".join(" ".join(one[part] for part in parts if one.get(part)) for one in _cited()["authors"])


def made_when(source: Source) -> str:
    """`made_when`: the day on which the last notebook of the run was done, the repository where CITATION.cff names one, and
    the commit."""
    finished = max(step["finished"] for step in source.record["steps"].values())
    day, commit = f"{datetime.fromtimestamp(finished, UTC):%d %B %Y}".lstrip("0"), source.record["commit"]
    where = f"{_cited()['repository-code']}, " if _cited().get("repository-code") else ""
    version = f"commit {commit[:10]} of the repository that makes it" if commit else "outside of version control"
    return f"{day}; {where}{version}"


def claims_table(source: Source) -> str:
    """`claims_table`: the study's claims, as workflow.claims judges them on this run."""
    return _of_kind(source, "study", "tab_claims")


def slips_table(source: Source) -> str:
    """`slips_table`: the slips of the study's pen."""
    return _of_kind(source, "slip", "tab_slips")


def ours_table(source: Source) -> str:
    """`ours_table`: our own claims, judged as the study's."""
    return _of_kind(source, "ours", "tab_ours")


def steps_table(source: Source) -> str:
    """`steps_table`: wall time, peak memory and commit of each step."""
    trees = {True: "clean", False: "with changes", None: "unknown"}  # None: there was no git
    rows = [
        {
            "notebook": name,
            "wall time (s)": f"{step['wall_seconds']:.0f}",
            "peak memory (MiB)": f"{step['peak_memory_bytes'] / 2**20:.0f}",
            "commit": step["commit"][:10] or "unknown",
            "tree": trees[step["tree_clean"]],
            "data": step["data"][:12],
        }
        for name, step in source.record["steps"].items()
    ]
    return _numbered(source, pd.DataFrame(rows), "tab_steps", "What each step took, and what it ran.")


def machine_table(source: Source) -> str:
    """`machine_table`: counts of images, machine and packages, one row each."""
    record = source.record
    rows = {
        **record["counts"],
        "processor": record["processor"],
        "cores": record["cores"],
        "GPU": record["gpu"],
        "memory": f"{record['memory_bytes'] / 2**30:.0f} GiB",
        "system": record["system"],
        "Python": record["python"],
        **record["packages"],
    }
    frame = pd.DataFrame([{"what": what, "found": str(found)} for what, found in rows.items()])
    return _numbered(source, frame, "tab_machine", "Images, machine and versions.")


def parameters_table(source: Source) -> str:
    """`parameters_table`: every parameter and the notebooks that it went into."""
    used: dict[tuple[str, str], list[str]] = {}
    for name, step in source.record["steps"].items():
        for parameter, value in step["parameters"].items():
            used.setdefault((parameter, f"`{json.dumps(value)}`"), []).append(name[:2])
    frame = pd.DataFrame(
        [
            {"parameter": parameter, "value": value, "notebooks": ", ".join(names)}
            for (parameter, value), names in sorted(used.items())
        ]
    )
    return _numbered(source, frame, "tab_parameters", "Parameters of the run.")


def _of_kind(source: Source, kind: str, name: str) -> str:
    shown = claim_tables.of_kind(claim_tables.judged(source.report), kind)
    return _numbered(source, shown, name, claim_tables.CAPTIONS[kind])


def _numbered(source: Source, frame: pd.DataFrame, name: str, caption: str) -> str:
    return pipe_table(frame, name, f"**Table {source.numbers['table'].get(name, '')}.** {caption}")
