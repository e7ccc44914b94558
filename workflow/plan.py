"""What each step of the paper depends on: parameters, and the fingerprints that decide whether it is stale."""

import difflib
import hashlib
import json
import tomllib
from pathlib import Path

from lib import provenance
from lib.base import ROOT, UserError, reports_dir, runs_dir
from lib.data.open import open_source
from lib.experiments import parameters

PROFILES = ROOT / "notebooks" / "profiles"
NEEDS = {"01_data": [], "02_unsupervised": [], "03_vgg16": [], "04_augmentation": ["03_vgg16"],
         "05_results": ["02_unsupervised", "03_vgg16", "04_augmentation"], "06_refinement": [],
         "07_benchmarks": ["03_vgg16", "06_refinement"]}
NOTEBOOKS = tuple(NEEDS)
COUNTS = ("images", "full_images")  # parameters that say how many images a notebook opens
SHIPPED = {"01_data": ("data/README.md", "data/check.csv", "data/sequences/manifest.csv")}  # read beside the source
PATHS = ("data_dir", "encoder_weights", "benchmark_dir")  # parameters that may name something on this machine


def read_profile(name: str) -> dict:
    """The tables of notebooks/profiles/<name>.toml; UserError that lists the known ones for another name."""
    known = sorted(path.stem for path in PROFILES.glob("*.toml"))
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        advice = f"did you mean {close[0]}?" if close else "choose one of them."
        raise UserError(f"profile: expected one of {', '.join(known)}, found {name!r}; {advice}")
    return tomllib.loads((PROFILES / f"{name}.toml").read_text())


def parse_setting(text: str) -> tuple[str, object]:
    """"name=value" -> (name, value), the value read as TOML where it is TOML, otherwise as a plain word."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"SET: expected name=value, found {text!r}; write for example SET=\"epochs=20\".")
    try:
        return name.strip(), tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()


def make_plan(profile_name: str, overrides: dict) -> dict[str, dict]:
    """For each notebook: what it needs, its parameters, and fingerprints of its code, its data and the lock.

    A notebook gets the parameters that it declares: from the profile, from the profile's table of its own
    name, from `overrides`. UserError for an unknown profile or parameter, a value out of range, missing files.
    """
    profile = read_profile(profile_name)
    shared = profile.get("parameters", {}) | overrides
    for table in (shared, *(profile.get(notebook, {}) for notebook in NOTEBOOKS)):
        for name, value in table.items():
            parameters.check_one(name, value)
    data = {name: open_source(shared.get("data", "portraits"), shared.get("data_dir", ""), shared[name],
                              shared["seed"]).fingerprint for name in COUNTS}
    weights = weights_fingerprint(shared.get("encoder_weights", ""))
    lock = hashlib.sha256((ROOT / "requirements.lock").read_bytes()).hexdigest()
    plan = {}
    for notebook in NOTEBOOKS:
        path = ROOT / "notebooks" / f"{notebook}.ipynb"
        values = profile.get("parameters", {}) | profile.get(notebook, {}) | overrides
        declared = provenance.declared_parameters(path)
        values = {name: values[name] for name in sorted(declared) if name in values}
        opened = [data[name] for name in COUNTS if name in values]
        if values.get("benchmark_dir"):
            opened.append(open_source("folder", values["benchmark_dir"]).fingerprint)
        opened += [hashlib.sha256((ROOT / file).read_bytes()).hexdigest() for file in SHIPPED.get(notebook, ())]
        step = {"needs": NEEDS[notebook], "parameters": values, "code": provenance.code_parts(path),
                "data": " ".join(opened), "weights": weights if "encoder_weights" in values else "", "lock": lock}
        plan[notebook] = step | {"fingerprint": _sha256(step)}
    return plan


def weights_fingerprint(encoder_weights: str) -> str:
    """Size and time of a weights file; "" where none is named. UserError when it is not there."""
    if encoder_weights in ("", "imagenet"):
        return ""
    try:
        status = Path(encoder_weights).stat()
    except OSError as error:
        raise UserError(f"encoder_weights: expected a safetensors file, found nothing at {encoder_weights}; "
                        'correct the path, or use "" or "imagenet".') from error
    return f"{status.st_size}-{status.st_mtime_ns}"


def stale_reasons(run: str, plan: dict[str, dict]) -> dict[str, list[str]]:
    """For each notebook what makes it stale, as short sentences; [] = up to date."""
    reasons: dict[str, list[str]] = {}
    for notebook, step in plan.items():
        record = record_path(run, notebook)
        own = ["not finished here yet"]
        if record.is_file():
            own = _differences(json.loads(record.read_text()), step)
        reasons[notebook] = own + [f"needs {need}" for need in step["needs"] if reasons[need]]
    return reasons


def forget_stale(run: str, plan: dict[str, dict]) -> None:
    """Remove the records of stale steps, so that they count as not done whatever Snakemake remembers."""
    for notebook, reasons in stale_reasons(run, plan).items():
        if reasons:
            record_path(run, notebook).unlink(missing_ok=True)


def is_complete(run: str) -> bool:
    """Whether run.json, the index and the article were written after the last step and the last edit of the text."""
    made = [reports_dir(run) / name for name in ("run.json", "index.html", "paper.html", "paper.pdf", "abstract.md")]
    made_from = [*article_sources(), *(record_path(run, notebook) for notebook in NOTEBOOKS)]
    return all(file.is_file() for file in made + made_from) and (
        min(file.stat().st_mtime_ns for file in made) >= max(file.stat().st_mtime_ns for file in made_from))


def article_sources() -> list[Path]:
    """The files that the article and the index are made from, but for the run's own."""
    folder = ROOT / "reports" / "article"
    modules = {*provenance.closure("workflow.article"), *provenance.closure("workflow.record")}
    texts = [ROOT / "reports" / "claims.yaml", *sorted(folder.glob("paper.*")), folder / "references.bib"]
    return texts + sorted(modules)


def record_path(run: str, notebook: str) -> Path:
    """What a finished step leaves: its part of the plan, outputs, time and memory. Never committed."""
    return runs_dir(run) / "steps" / f"{notebook}.json"


def _differences(old: dict, new: dict) -> list[str]:
    """What changed between the record of a step and its plan, and which of its outputs are gone."""
    if not set(new) <= set(old):
        return ["recorded by another version"]
    before, after = old["parameters"], new["parameters"]
    changed = [f"{name} {before.get(name)!r} -> {after.get(name)!r}" for name in sorted(before | after)
               if before.get(name) != after.get(name)]
    changed += [f"{file} changed" for file in sorted(old["code"] | new["code"])
                if old["code"].get(file) != new["code"].get(file)]
    changed += [f"{part} changed" for part in ("data", "weights", "lock") if old.get(part) != new[part]]
    return changed + [f"{file} is missing" for file in old.get("outputs", []) if not (ROOT / file).is_file()]


def _sha256(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
