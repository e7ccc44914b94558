"""What each step of the paper depends on: parameters, and the fingerprints that decide whether it is stale."""

import fnmatch
import hashlib
import json
from pathlib import Path

from lib import provenance
from lib.base import ROOT, UserError, file_digest, reports_dir, runs_dir
from lib.data.folder import Folder
from lib.data.open import open_source
from lib.experiments import parameters, profiles
from lib.seals import is_sealed
from workflow import steps, values
from workflow.page import files as page_files  # not .build, which imports Pandas and Matplotlib
from workflow.record import ending_sums, fingerprint, networks_there, read_step, step_path
from workflow.steps import NOTEBOOKS, STEPS

RUNNERS = (
    "workflow/execute.py",
    "workflow/pages.py",
    "workflow/formulas.py",
)  # what executes a notebook and makes its page
COUNTS = ("images", "full_images")  # parameters that say how many images a notebook opens
FOLDERS = ("benchmark_dir", "masks_dir")  # parameters that name further folders of pictures


def make_plan(profile_name: str, overrides: dict) -> dict[str, dict]:
    """For each notebook: what it needs, its parameters, and fingerprints of its code, its data and the lock.

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
    data = {name: source.fingerprint for name, source in sources.items()}
    check_pairs(sources["images"].counts, shared["bad_limit"])
    weights = weights_fingerprint(shared["encoder_weights"])
    further = {name: Folder(shared[name], parameter=name).fingerprint for name in FOLDERS if shared[name]}
    further |= {"photo": _stamp("photo", shared["photo"], "a picture", 'use ""')} if shared["photo"] else {}
    lock = hashlib.sha256((ROOT / "workflow" / "locks" / "paper.lock").read_bytes()).hexdigest()
    runners = {file: provenance.meaning((ROOT / file).read_text()) for file in RUNNERS}
    plan = {}
    for notebook in NOTEBOOKS:
        path = ROOT / "notebooks" / f"{notebook}.ipynb"
        known = common | profile.get(notebook, {}) | overrides
        given = {name: known[name] for name in sorted(provenance.declared_parameters(path)) if name in known}
        opened = [data[name] for name in COUNTS if name in given]
        opened += [found for name, found in further.items() if given.get(name)]
        opened += [hashlib.sha256((ROOT / file).read_bytes()).hexdigest() for file in STEPS[notebook].reads]
        step = {
            "needs": list(STEPS[notebook].needs),
            "parameters": given,
            "code": provenance.code_parts(path) | runners,
            "data": " ".join(opened),
            "weights": weights if "encoder_weights" in given else "",
            "lock": lock,
        }
        plan[notebook] = step | {"fingerprint": fingerprint(step)}
    return plan


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
    """UserError where too many pictures lack their alpha, or alphas their picture: half a set, as a broken download leaves
    it, would be trained on without a word but a count. What cannot be decoded is judged by lib.data.prepare."""
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


def stale_reasons(run: str, plan: dict[str, dict]) -> dict[str, list[str]]:
    """For each notebook what makes it stale, as short sentences; [] = up to date.

    A finished notebook whose networks are gone or altered is stale as soon as another one is that opens them.
    """
    own = {notebook: _own_reasons(run, notebook, step) for notebook, step in plan.items()}
    while True:
        reasons: dict[str, list[str]] = {}
        for notebook, step in plan.items():
            reasons[notebook] = own[notebook] + [f"needs {need}" for need in step["needs"] if reasons[need]]
        lost = {notebook: _lost_networks(run, notebook, reasons) for notebook in plan if not reasons[notebook]}
        if not any(lost.values()):
            return reasons
        own |= lost


def _own_reasons(run: str, notebook: str, step: dict) -> list[str]:
    """What makes a notebook stale whatever becomes of the others."""
    if not step_path(run, notebook).is_file():
        return ["not finished here yet"]
    if (record := read_step(run, notebook)) is None:
        return [f"{steps.record(run, notebook)} is broken"]
    return differences(record, step) + _lost(run, notebook, step, record.get("sha256", {}))


def _lost_networks(run: str, notebook: str, reasons: dict[str, list[str]]) -> list[str]:
    """Which networks of a notebook that is up to date are gone or altered and will be opened by a stale one. Records that
    were taken over from a run published before networks stood in them know no names: there something has to lie."""
    opened = {pattern for user, stale in reasons.items() if stale for pattern in steps.STEPS[user].opens}
    kept = (read_step(run, notebook) or {}).get("networks")
    found = []
    for pattern in (one for one in steps.STEPS[notebook].trains if one in opened):
        names = fnmatch.filter(kept, pattern) if kept is not None else networks_there(run, pattern) or [pattern]
        files = [runs_dir(run) / "train" / name / "model.safetensors" for name in names]
        for file in (file for file in files if not is_sealed(file)):
            flawed = "is not as it was written" if file.is_file() else "is missing"
            found.append(f"{file.relative_to(ROOT).as_posix()} {flawed}")
    return found


def ending_reasons(run: str, stale: dict[str, list[str]]) -> list[str]:
    """What makes run.json, the index or the article stale, as short sentences; [] = up to date.

    stale: what `stale_reasons` said. They must be newer than the last step and than the last edit of the text.
    """
    if waits := [f"needs {notebook}" for notebook, reasons in stale.items() if reasons]:
        return waits
    if lost := _ending_flaws(run):
        return list(lost.values())
    files = [ROOT / file for file in steps.ending_outputs(run)]
    newest = max(map(_time, (*article_sources(), *(step_path(run, notebook) for notebook in stale))))
    return ["its sources are newer"] if min(map(_time, files)) < newest else []


def forget_stale(run: str, plan: dict[str, dict]) -> None:
    """Remove the records of stale steps, so that they count as not done whatever Snakemake remembers or takes for
    whole; for a stale article, run.json and what is broken of the article."""
    stale = stale_reasons(run, plan)
    for notebook in (notebook for notebook, reasons in stale.items() if reasons):
        step_path(run, notebook).unlink(missing_ok=True)
    broken = list(_ending_flaws(run))
    if ending_reasons(run, stale) and not any(stale.values()):
        broken.append(steps.record_outputs(run)[0])
    for file in broken:
        (ROOT / file).unlink(missing_ok=True)


def _ending_flaws(run: str) -> dict[str, str]:
    """What is wrong with files that are made when all notebooks are done: file -> reason."""
    sums = ending_sums(run)
    return {file: reason for file in steps.ending_outputs(run) if (reason := flaw(ROOT / file, sums.get(file, "")))}


def article_sources() -> list[Path]:
    """The files that the article and the index are made from, but for the run's own."""
    folder = ROOT / "reports" / "article"
    endings = ("workflow.article", "workflow.record")
    modules = {file for module in endings for file in provenance.closure(module)}
    texts = [ROOT / "CITATION.cff", ROOT / "reports" / "claims.yaml"]
    texts += [*sorted(folder.glob("paper.*")), folder / "references.bib"]
    return texts + page_files() + sorted(modules)


def differences(old: dict, new: dict) -> list[str]:
    """What changed between the record of a step and its plan."""
    if not set(new) <= set(old):
        return ["recorded by another version"]
    before, after = old["parameters"], new["parameters"]
    changed = [
        f"{name} {before.get(name)!r} -> {after.get(name)!r}"
        for name in sorted(before | after)
        if before.get(name) != after.get(name)
    ]
    changed += [
        f"{file} changed"
        for file in sorted(old["code"] | new["code"])
        if old["code"].get(file) != new["code"].get(file)
    ]
    return changed + [f"{part} changed" for part in ("needs", "data", "weights", "lock") if old.get(part) != new[part]]


def _lost(run: str, notebook: str, step: dict, sums: dict[str, str]) -> list[str]:
    """Which outputs of a finished step are gone or altered since. sums: their SHA-256 when it was finished."""
    files = steps.outputs(notebook, run, step["parameters"])
    lost = [reason for file in files if (reason := flaw(ROOT / file, sums.get(file, "")))]
    if not lost:
        try:
            values.read(run, notebook)
        except UserError:  # JSON, but not what a notebook writes
            lost = [f"reports/{run}/values/{notebook}.json is broken"]
    return lost


def flaw(file: Path, digest: str = "") -> str:
    """What is wrong with an output as a file, in words; "" when nothing is. A loss of power leaves empty files, a bad disk
    other bytes than were written. digest: the SHA-256 that it had, where that is known."""
    name = file.relative_to(ROOT).as_posix()
    if not file.is_file():
        return f"{name} is missing"
    if not file.stat().st_size:
        return f"{name} is empty"
    if file.suffix in (".json", ".ipynb"):
        try:
            json.loads(file.read_bytes())
        except ValueError:
            return f"{name} is broken"
    return f"{name} is not as it was written" if digest and file_digest(file) != digest else ""


def _time(file: Path) -> int:
    return file.stat().st_mtime_ns
