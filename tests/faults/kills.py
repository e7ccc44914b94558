"""Kill a run at random moments and let it go on: `python tests/faults/kills.py --kills 40`.

Four signals; of make, of Snakemake, of a kernel, of the whole group. After every fourth kill the run is resumed until it is done,
and its tables, values, figures and weights are compared, byte by byte, with those of a run that nobody disturbed. Each finished
round of four is kept in kills.json, where a later call goes on.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from helpers import notebook
from lib.base import ROOT

SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")
TARGETS = ("make", "Snakemake", "a kernel", "the whole group")
COMMANDS = {"Snakemake": ("-m snakemake", "/snakemake "), "a kernel": ("ipykernel_launcher",)}  # in their command lines
ROUND = 4  # kills, then the run may end
GRACE = 20  # seconds that what is left of a killed run has to end by itself
LIMIT = 600  # seconds for a run, on a busy machine
DATA = """import numpy as np
import pandas as pd

from lib.data.open import open_source
from lib.data.prepare import prepare
from lib.data.splits import random_split
from lib.experiments import parameters
from lib.output import notebook, values

p = parameters.check(globals())
prepared = prepare(open_source(data, data_dir, images, seed), size)
train_index, test_index = random_split(len(prepared), seed, test_fraction)
"""
CLUSTER = """from lib import baselines

image, alpha, trimap = (np.asarray(layer[test_index]) for layer in (prepared.image, prepared.alpha, prepared.trimap))
alphas = baselines.all_alphas(image, alpha, trimap, 2, seed)
table = pd.DataFrame({"method": list(alphas), "mean": [float(found.mean()) for found in alphas.values()]})
notebook.write_table(table, run, "tab_means", "Means of alpha.")
values.write(p.given, "02_unsupervised", "Clustered.", dict(zip(table.method, table["mean"])))
"""
TRAIN = """from lib.experiments import thumbnail

history = thumbnail.run_variants(prepared, (train_index, test_index), ["adam"], p)
notebook.write_table(history.drop(columns=["seconds", "images_per_second"]), run, "tab_history", "Losses.")
scored = thumbnail.score(prepared, test_index, ["adam"], p)
notebook.write_table(scored, run, "tab_scores", "Scores.")
values.write(p.given, "03_vgg16", "Trained.", {"error": float(scored.value.mean()), "epochs": epochs})
"""
GATHER = """import pandas as pd

from lib.base import reports_dir
from lib.output import notebook, values

means, scores = (pd.read_csv(reports_dir(run) / f"tables/{name}.csv") for name in ("tab_means", "tab_scores"))
both = pd.DataFrame({"means": [means["mean"].mean()], "error": [scores.value.mean()]})
notebook.write_table(both, run, "tab_both", "Both.")
values.write({"run": run}, "05_results", "Gathered.", {"error": float(both.error[0])})
"""
GIVEN = {
    "run": "smoke",
    "data": "portraits",
    "data_dir": "",
    "images": 24,
    "size": 28,
    "seed": 0,
    "test_fraction": 0.25,
}
TRAINED = {"seeds": 1, "epochs": 4, "batch_size": 8, "device": "cpu", "threads": 1}
NOTEBOOKS = {  # real data and a real training, small: notebook -> its parameters, and its cells
    "02_unsupervised": (GIVEN, [DATA, CLUSTER]),
    "03_vgg16": (GIVEN | TRAINED, [DATA, TRAIN]),
    "05_results": ({"run": "smoke"}, [GATHER]),
}
STEPS = """
STEPS = {
    "02_unsupervised": Step(tables=("tab_means",)),
    "03_vgg16": Step(tables=("tab_history", "tab_scores"), all_threads=True, gpu=True),
    "05_results": Step(needs=("02_unsupervised", "03_vgg16"), tables=("tab_both",)),
}
NOTEBOOKS = tuple(STEPS)
"""
PAPER = (
    "---\ntitle: Small\nsubtitle: one\n---\n\n# Abstract\n\nError: {{ n('05_results.error', '.3f') }} [@xu2017].\n\n"
    "# Claims\n\n{{ claims_table() }}\n"
)


def copy_of_the_paper(root: Path) -> Path:
    """A copy with three small notebooks that prepare, cluster, train and score in earnest."""
    for name in ("lib", "workflow", "notebooks/profiles", "reports/article"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("requirements.lock", "requirements-validator.lock", "pyproject.toml", "Makefile", "CITATION.cff"):
        shutil.copy2(ROOT / name, root / name)
    (root / "data").symlink_to(ROOT / "data")
    (root / ".venv/bin").mkdir(parents=True)
    (root / ".venv/bin/python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (root / ".venv/bin/python").chmod(0o755)
    (root / ".venv/ready").touch()
    with open(root / "workflow/steps.py", "a") as table:
        table.write(STEPS)
    profile = root / "notebooks/profiles/smoke.toml"
    profile.write_text(profile.read_text().replace("\nepochs = 1\n", f"\nepochs = {TRAINED['epochs']}\n"))
    for name, (given, cells) in NOTEBOOKS.items():
        parameters = "\n".join(f"{key} = {value!r}" for key, value in given.items())
        title = "# Title\n\n<!-- answer -->\n*Written by the run.*"
        first = [("markdown", [], title), ("code", ["parameters"], parameters)]
        (root / f"notebooks/{name}.ipynb").write_text(notebook([*first, *(("code", [], cell) for cell in cells)]))
    (root / "reports/article/paper.md").write_text(PAPER)
    (root / "reports/article/checklist.md").write_text("Error: {{ n('05_results.error', '.3f') }}.\n")
    (root / "reports/claims.yaml").write_text(
        "- {id: short, kind: study, section: '1', claim: It is short., rests_on: [03_vgg16.epochs],\n"
        "   holds_if: {value: 03_vgg16.epochs, below: 9}, tolerance: exact}\n"
    )
    return root


def start(root: Path) -> subprocess.Popen:
    """`make paper PROFILE=smoke` in a group of its own, that hears Ctrl-C wherever it was started."""
    with open(root / "said", "ab") as said:
        return subprocess.Popen(
            ["make", "paper", "PROFILE=smoke", "CORES=2"],
            cwd=root,
            stdout=said,
            stderr=said,
            start_new_session=True,
            preexec_fn=_hear_signals,
            env={name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))},
        )


def _hear_signals() -> None:
    for name in (signal.SIGINT, signal.SIGHUP):  # what a shell starts in the background ignores them
        signal.signal(name, signal.SIG_DFL)


def at_work(root: Path) -> dict[int, str]:
    """The processes in the copy: those whose working folder it is. Process -> command line."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(folder / "cwd")).is_relative_to(root):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if command:  # else it has ended, and nobody has asked for its status yet
                    found[int(folder.name)] = command
        except OSError:  # ended while we looked, or not ours
            continue
    return found


def find(root: Path, make: subprocess.Popen, target: str) -> int | None:
    """The process of a target; None while there is none."""
    if target in ("make", "the whole group"):
        return make.pid
    marks = COMMANDS[target]
    return next((pid for pid, command in at_work(root).items() if any(mark in command for mark in marks)), None)


def kill(root: Path, target: str, name: str, after: float) -> dict | None:
    """Start the run and kill it `after` seconds, or as soon as the target is there; None when it was done before that."""
    make, begin = start(root), time.monotonic()
    while make.poll() is None and time.monotonic() - begin < after:
        time.sleep(0.05)
    while make.poll() is None and (pid := find(root, make, target)) is None:
        time.sleep(0.05)
    if make.poll() is not None:
        return None
    moment = time.monotonic() - begin
    try:
        (os.killpg if target == "the whole group" else os.kill)(pid, getattr(signal, name))
    except ProcessLookupError:  # ended in this very moment
        make.wait(LIMIT)
        return None
    done = sorted(path.stem for path in (root / "runs/smoke/steps").glob("*.json"))
    make.wait(LIMIT)
    end = time.monotonic() + GRACE
    while (left := at_work(root)) and time.monotonic() < end:
        time.sleep(0.2)
    for orphan in left:
        os.kill(orphan, signal.SIGKILL)
    what = {"target": target, "signal": name, "seconds": round(moment, 1), "done": done}
    return what | {"orphans": [command[:120] for command in left.values()]}


def resume(root: Path, attempts: int = 2) -> int | None:
    """Run until done; how many calls of make that took, None when it never ends well. After a kernel's death the first may
    report the failure that it finds."""
    for attempt in range(1, attempts + 1):
        if start(root).wait(LIMIT) == 0:
            return attempt
    return None


def results(root: Path) -> dict[str, str]:
    """Every table, value, figure and finished training of the run -> SHA-256. Values name the commit, of which a copy has
    none, and no time."""
    places = ("reports/smoke/tables", "reports/smoke/values", "figures/smoke", "runs/smoke/train")
    files = [file for place in places for file in sorted((root / place).rglob("*")) if file.is_file()]
    kept = [file for file in files if file.suffix in (".csv", ".md", ".tex", ".json", ".png", ".pdf", ".safetensors")]
    return {
        file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in kept
        if file.name != "history.csv" and file.stem != "fig_workflow"  # they say how many seconds a step took
    }


def undisturbed(root: Path) -> tuple[dict[str, str], float]:
    """The results of a run that nobody kills, and how long it took."""
    begin = time.monotonic()
    status = start(root).wait(LIMIT)
    if status:
        raise SystemExit(f"a run that nobody kills ended with {status}:\n{(root / 'said').read_text()[-2000:]}")
    return results(root), time.monotonic() - begin


def one_round(root: Path, plan: list[tuple[str, str]], draw: random.Random, duration: float, wanted: dict) -> dict:
    """Kill by plan (target, signal), then resume; what happened, and whether the results are those wanted."""
    kills = []
    for target, name in plan:
        done = kill(root, target, name, draw.uniform(0, duration))
        if done is None:  # the run was over: what it left is compared below, and a kill needs another one
            shutil.rmtree(root / "runs/smoke", ignore_errors=True)
            done = kill(root, target, name, draw.uniform(0, duration / 3))
        kills += [done] if done else []
    calls, found = resume(root), results(root)
    differ = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    return {"kills": kills, "calls_to_resume": calls, "differ": differ}


def plan_of(kills: int, seed: int) -> list[tuple[str, str]]:
    """(target, signal) for each kill: every pair equally often, in an order drawn by the seed."""
    pairs = [(target, name) for target in TARGETS for name in SIGNALS]
    drawn = random.Random(seed)
    order = []
    while len(order) < kills:
        order += drawn.sample(pairs, len(pairs))
    return order[:kills]


def summary(rounds: list[dict]) -> dict:
    """The counts of all rounds."""
    kills = [each for done in rounds for each in done["kills"]]
    same = [done for done in rounds if done["calls_to_resume"] and not done["differ"]]
    return {
        "kills": len(kills),
        "resumed_with_the_same_results": sum(len(done["kills"]) for done in same),
        "orphans": sum(len(each["orphans"]) for each in kills),
    }


def rounds_of(kills: int, seed: int, folder: Path, keep: Path | None = None) -> list[dict]:
    """Kill that many times in rounds; `keep`: a JSON file of finished rounds, to go on from and to add to."""
    rounds = json.loads(keep.read_text()) if keep and keep.is_file() else []
    order = plan_of(kills, seed)[len(rounds) * ROUND :]
    if not order:
        return rounds
    wanted, duration = undisturbed(copy_of_the_paper(folder / "undisturbed"))
    for begin in range(0, len(order), ROUND):
        root, number = folder / f"round{len(rounds)}", len(rounds)
        copy_of_the_paper(root)
        plan = order[begin : begin + ROUND]
        rounds.append(one_round(root, plan, random.Random(f"{seed} {number}"), duration, wanted))
        if keep:
            part = keep.with_suffix(".part")
            part.write_text(json.dumps(rounds, indent=1) + "\n")
            os.replace(part, keep)
        if not rounds[-1]["differ"]:
            shutil.rmtree(root)
        print(json.dumps(rounds[-1]), flush=True)
    return rounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=ROOT / "reports/bench/kills.json", help="finished rounds")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rounds = rounds_of(given.kills, given.seed, Path(folder).resolve(), given.keep)
    print(json.dumps(summary(rounds), indent=1))


if __name__ == "__main__":
    main()
