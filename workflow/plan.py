"""What each step of the paper depends on: parameters, code, data and lock, and whether it is done.

A step that is done leaves a record, runs/<run>/steps/<step>.<key>.json. The key is a hash of all that the step and the steps
before it depend on. So a record of this name is a step that is up to date, whatever the times of its files are, and Snakemake
runs what has none. Records are never committed: in a fresh clone the committed results don't count as made here.
"""

import ast
import hashlib
import json
from pathlib import Path

from lib import provenance
from lib.base import ROOT, UserError, reports_dir, runs_dir
from lib.data.sources import open_folder, open_source
from lib.experiments import parameters
from workflow import profiles
from workflow.steps import NOTEBOOKS, STEPS

RUNNER = "workflow/execute.py"  # the code that executes a notebook
LOCK = "workflow/locks/paper.lock"  # of the packages that results depend on
COUNTS = ("images", "full_images")  # parameters that say how many images a notebook opens
FOLDERS = ("benchmark_dir", "masks_dir")  # parameters that name further folders of pictures
PARTS = ("needs", "data", "weights", "lock")  # of a step, in addition to parameters and code


def make_plan(profile_name: str, overrides: dict) -> dict[str, dict]:
    """For each notebook: needs, parameters, code, data, weights, lock, its own fingerprint, and the key of its record.

    A notebook gets the parameters that it declares: the defaults, or else from the profile, from the profile's table of
    its own name, from `overrides`. UserError for an unknown profile or parameter, a value out of range, missing files.
    """
    profile = profiles.read(profile_name)
    common = parameters.defaults() | profile.get("parameters", {})
    shared = common | overrides
    for table in (shared, *(profile.get(notebook, {}) for notebook in NOTEBOOKS)):
        for name, value in table.items():
            parameters.check_one(name, value)
    check_name(shared.get("run", ""))
    sources = {name: open_source(shared["data"], shared["data_dir"], shared[name], shared["seed"]) for name in COUNTS}
    check_pairs(sources["images"].counts, shared["bad_limit"])
    data = {name: source.fingerprint for name, source in sources.items()}
    data |= {name: open_folder(shared[name], parameter=name).fingerprint for name in FOLDERS if shared[name]}
    data |= {"photo": _stamp("photo", shared["photo"], "a picture", 'use ""')} if shared["photo"] else {}
    weights = weights_fingerprint(shared["encoder_weights"])
    lock = hashlib.sha256((ROOT / LOCK).read_bytes()).hexdigest()
    runner = {RUNNER: provenance.meaning((ROOT / RUNNER).read_text(encoding="utf-8"))}
    plan: dict[str, dict] = {}
    for notebook in NOTEBOOKS:
        path = ROOT / "notebooks" / f"{notebook}.ipynb"
        known = common | profile.get(notebook, {}) | overrides
        given = {name: known[name] for name in sorted(declared_parameters(path)) if name in known}
        reads = [hashlib.sha256((ROOT / file).read_bytes()).hexdigest() for file in STEPS[notebook].reads]
        own = {
            "parameters": given,
            "code": provenance.code_parts(path) | runner,
            "data": " ".join([*(stamp for name, stamp in data.items() if given.get(name, "") != ""), *reads]),
            "weights": weights if "encoder_weights" in given else "",
            "lock": lock,
        }
        needs = {need: plan[need]["key"] for need in STEPS[notebook].needs}
        plan[notebook] = own | {"needs": needs, "fingerprint": digest(own), "key": digest(own | {"needs": needs})[:16]}
    return plan


def make_endings(plan: dict[str, dict]) -> dict[str, dict]:
    """The steps after the notebooks, "pages" and "article", as `make_plan` gives those of notebooks."""
    folder = ROOT / "reports" / "article"
    texts = [
        ROOT / "CITATION.cff",
        ROOT / "reports" / "claims.yaml",
        *sorted((ROOT / "workflow" / "page").glob("*.*s")),
    ]
    texts += [file for file in sorted(folder.iterdir()) if file.is_file() and file.stem != "readme"]
    endings = {}
    for name, files in (("pages", [folder / "notebook.css", ROOT / "workflow" / "pages.lua"]), ("article", texts)):
        sums = {file.relative_to(ROOT).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
        step = {
            "parameters": {},
            "code": provenance.code_parts(f"workflow.{name}") | sums,
            "needs": {notebook: step["key"] for notebook, step in plan.items()},
        }
        endings[name] = step | dict.fromkeys(("data", "weights", "lock"), "") | {"key": digest(step)[:16]}
    return endings


def digest(content: dict) -> str:
    """SHA-256 in hex of JSON types, by meaning."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def declared_parameters(notebook: Path) -> set[str]:
    """Names that the notebook's cell tagged `parameters` binds."""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            tree = ast.parse("".join(cell["source"]))
            return {node.targets[0].id for node in tree.body if isinstance(node, ast.Assign)}
    return set()


def record_path(run: str, name: str, step: dict) -> Path:
    """The record that a step leaves when it is done."""
    return runs_dir(run) / "steps" / f"{name}.{step['key']}.json"


def old_records(run: str, name: str) -> list[Path]:
    """All records of a step, of whatever key."""
    return sorted((runs_dir(run) / "steps").glob(f"{name}.*.json"))


def read_record(path: Path) -> dict:
    """A record; {} where it is broken."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and isinstance(content.get("files"), list) else {}


def stale_reasons(run: str, plan: dict[str, dict]) -> dict[str, list[str]]:
    """For each step what makes it stale, as short sentences; [] = up to date."""
    reasons: dict[str, list[str]] = {}
    for name, step in plan.items():
        path, old = record_path(run, name, step), old_records(run, name)
        needs = [f"needs {need}" for need in step["needs"] if reasons.get(need)]
        if path in old:
            reasons[name] = lost_outputs(path) + needs
        elif old:
            reasons[name] = differences(read_record(old[-1]), step) + needs or ["what it needs changed"]
        else:
            reasons[name] = ["not finished here yet", *needs]
    return reasons


def lost_outputs(path: Path) -> list[str]:
    """What is wrong with the outputs of a step, by its record: files that are missing, empty, or no JSON."""
    record = read_record(path)
    if not record:
        return [f"{path.relative_to(ROOT).as_posix()} is broken"]
    flaws = {name: _flaw(ROOT / name) for name in record["files"]}
    return [f"{name} is {flaw}" for name, flaw in flaws.items() if flaw]


def _flaw(file: Path) -> str:
    """A loss of power leaves empty files and broken ones."""
    if not file.is_file():
        return "missing"
    if not file.stat().st_size:
        return "empty"
    if file.suffix in (".json", ".ipynb"):
        try:
            json.loads(file.read_bytes())
        except ValueError:
            return "broken"
    return ""


def differences(old: dict, new: dict) -> list[str]:
    """What changed between the record of a step and its plan, but for the steps that it needs."""
    if not {"parameters", "code", *PARTS} <= old.keys():
        return ["recorded by another version"]
    before, after = old["parameters"], new["parameters"]
    changed = [
        f"{name} {before.get(name)!r} -> {after.get(name)!r}"
        for name in sorted(before | after)
        if before.get(name) != after.get(name)
    ]
    changed += [
        f"{part} changed"
        for part in sorted(old["code"] | new["code"])
        if old["code"].get(part) != new["code"].get(part)
    ]
    return changed + [f"{part} changed" for part in PARTS[1:] if old[part] != new[part]]


def check_name(run: str) -> None:
    """UserError for the name of a folder of reports/ that holds other results than a run's, as the sweeps."""
    folder = reports_dir(run)
    if (
        run
        and any(folder.glob("*.csv"))
        and not any((folder / kept).exists() for kept in ("values", "run.json", "splits.csv"))
    ):
        raise UserError(
            f"run: expected a name of its own, found {run!r}, under which reports/ keeps other results; choose another."
        )


def check_pairs(counts: dict[str, int], bad_limit: float) -> None:
    """UserError where too many pictures lack their alpha, or alphas their picture, as a broken download leaves them.

    What cannot be decoded is judged by lib.data.cache.
    """
    lost = sum(number for reason, number in counts.items() if " without " in reason or reason == "broken link")
    total = counts.get("pairs", 0) + lost
    if lost > bad_limit * total:
        raise UserError(
            f"bad_limit: expected at most the share {bad_limit:g} of pictures without their alpha, or alphas without their "
            f"picture, found {lost} of {total}; complete the set or raise bad_limit."
        )


def weights_fingerprint(encoder_weights: str) -> str:
    """Size and time of a weights file; "" where none is named. UserError when it is not there."""
    if encoder_weights in ("", "imagenet"):
        return ""
    return _stamp("encoder_weights", encoder_weights, "a safetensors file", 'use "" or "imagenet"')


def _stamp(name: str, path: str, what: str, otherwise: str) -> str:
    """Size and time of the file that a parameter names; UserError when it is not there."""
    try:
        status = Path(path).stat()
    except OSError as error:
        raise UserError(
            f"{name}: expected {what}, found nothing at {path}; correct the path, or {otherwise}."
        ) from error
    return f"{status.st_size}-{status.st_mtime_ns}"
