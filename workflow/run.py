"""Bring a run up to date: plan, say what is stale, and let Snakemake run it."""

import argparse
import ctypes
import errno
import fcntl
import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import joblib

from lib import provenance
from lib.base import ROOT, UserError, reports_dir, runs_dir, write_atomically
from lib.experiments.parameters import PATHS
from workflow import failures, plan
from workflow.profiles import parse_setting, parse_settings

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LEAST = 2**16  # bytes below which a disk counts as full
PATIENCE = 15  # seconds that the remains of a killed run get to end
GRACE = 5  # seconds that Snakemake gets to end by itself once its run is to stop
CACHE = ROOT / ".cache" / "home"  # for what programs of a run keep in a user's home
USERS_OWN = ("PYTHON", "SNAKEMAKE_", "JUPYTER", "IPYTHON", "MPL", "MATPLOTLIB")  # variables that a run does not heed


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser of what names a run and says how to make it."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("profile", nargs="?", default="quick", help="a file of notebooks/profiles, without .toml")
    made.add_argument("--data", default="", help="portraits, aisegment or folder")
    made.add_argument("--data-dir", default="", help="directory of the images")
    made.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="any parameter of the notebooks")
    made.add_argument("--settings", default="", help="the same in one text, quoted as in a shell (make's SET)")
    made.add_argument("--cores", type=int, default=0, help="0 = all")
    made.add_argument("--snakemake", default="", metavar="OPTIONS", help='e.g. "--executor slurm --jobs 8"')
    return made


def settings(arguments: argparse.Namespace) -> dict:
    """The parameters given on the command line, `run` always among them, with paths made absolute.

    What the options --data and --data-dir say goes before --set. UserError for a setting without "=".
    """
    given = dict(map(parse_setting, arguments.set)) | parse_settings(arguments.settings)
    given |= {"data": arguments.data} if arguments.data else {}
    given |= {"data_dir": arguments.data_dir} if arguments.data_dir else {}
    for name in PATHS:
        value = given.get(name)
        if isinstance(value, str) and value not in ("", "imagenet"):
            given[name] = os.path.abspath(os.path.expanduser(value))
    return {"run": usual_name(arguments.profile, given)} | given


def usual_name(profile: str, given: dict) -> str:
    """The name of a run to which nobody gave one: its profile, and its data unless they are the rendered portraits."""
    data = given.get("data", "portraits")
    return profile if data == "portraits" else f"{profile}-{data}"


def leave_with(work: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> NoReturn:
    """Do the work and end the program with its exit status; a user's mistake and Ctrl-C end it with a sentence.

    Under make it ends with make: who kills that means the run, and must not find one at work that nobody sees.
    """
    if "MAKELEVEL" in os.environ:
        _end_with_parent()
    try:
        status = work(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("stopped; the next `make paper` goes on from the last finished step.", file=sys.stderr)
        status = 130
    except OSError as error:
        if error.errno == errno.ENOSPC:
            print(f"error: {failures.no_space('make', error)}", file=sys.stderr)
        elif error.filename:
            print(
                f"error: {error.filename}: expected to use it, found: {error.strerror}; correct that.", file=sys.stderr
            )
        else:
            raise
        status = 2
    sys.exit(status)


def bring_up_to_date(arguments: argparse.Namespace) -> int:
    """Make what is stale of the run that the arguments name; with --status only say what is. Returns the exit status.

    With a list `notebooks` in the arguments, these and no article are made; it names what they need as well.
    """
    refuse_dry_run(arguments.snakemake)
    given = settings(arguments)
    run, notebooks = given["run"], plan.make_plan(arguments.profile, given)
    only = getattr(arguments, "notebooks", None)
    endings = plan.make_endings(notebooks) if only is None else {}
    wanted = {name: notebooks[name] for name in (notebooks if only is None else only)} | endings
    stale = plan.stale_reasons(run, wanted)
    for name, reasons in stale.items():
        print(f"{name}: {'stale (' + ', '.join(reasons) + ')' if reasons else 'up to date'}", flush=True)
    if getattr(arguments, "status", False):
        return 0
    where = (reports_dir(run) / "paper.html").relative_to(ROOT)
    there = f"The paper is {where}, PDF: {where.with_suffix('.pdf')}; all pages: {where.with_name('index.html')}"
    if not any(stale.values()):  # Snakemake would say the same, some seconds later
        print(f"{there}." if only is None else "", end="\n" if only is None else "")
        return 0
    if not provenance.commit()["commit"]:
        print("commit: unknown, since this folder is no git repository of its own; the results name none.")
    start = time.monotonic()
    with alone(run):
        for name, reasons in stale.items():  # records of lost outputs; those of other keys count for nothing
            if reasons:
                plan.record_path(run, name, wanted[name]).unlink(missing_ok=True)
        failures.forget(run)
        content = {
            "steps": notebooks,
            "endings": endings,
            "records": {
                name: plan.record_path(run, name, step).relative_to(ROOT).as_posix()
                for name, step in (notebooks | endings).items()
            },
        }
        write_atomically(runs_dir(run) / "plan.json", json.dumps(content, indent=1, sort_keys=True).encode())
        targets = [plan.record_path(run, name, step) for name, step in wanted.items()]
        status, log = snakemake(run, arguments.cores or joblib.cpu_count(), arguments.snakemake, targets)
    if not status:
        print(f"{there} ({time.monotonic() - start:.0f} s)." if only is None else "", end="\n" if only is None else "")
        return 0
    if not all(plan.record_path(run, name, step).is_file() for name, step in notebooks.items()) and only is None:
        (reports_dir(run) / "run.json").unlink(missing_ok=True)  # it would describe other results than those there
    log_file = (runs_dir(run) / "snakemake.log").relative_to(ROOT)
    lines = [
        *(causes(run, wanted) or last_words(log)),
        f"error: run {run} is not complete; the whole story is in {log_file}.",
    ]
    print("\n".join(lines), file=sys.stderr)
    return 1


def refuse_dry_run(options: str) -> None:
    """UserError for Snakemake options that run nothing: the run would be called complete."""
    for option in shlex.split(options):
        if option in ("--dry-run", "--dryrun") or re.fullmatch("-[a-zA-Z]*n[a-zA-Z]*", option):
            raise UserError(f"SNAKEMAKE: expected options of a run, found {option}; `make status` says what would run.")


@contextmanager
def alone(run: str):
    """Hold runs/<run>/.lock, which the kernel frees even after kill -9; UserError while another holds it."""
    runs_dir(run).mkdir(parents=True, exist_ok=True)
    with open(runs_dir(run) / ".lock", "a+", encoding="utf-8") as lock:
        last = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > last:
                    lock.seek(0)
                    raise UserError(
                        f"run {run}: expected no other `make paper` of this run, found one at work "
                        f"({lock.read() or 'process unknown'}); wait for it to end, or end it: kill -INT that process."
                    ) from error
                time.sleep(0.2)
            except OSError as error:  # ENOSYS, ENOLCK, EOPNOTSUPP: some network file systems
                print(f"lock: this file system has none ({error.strerror}); don't start this run twice.", flush=True)
                break
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {platform.node()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        lock.flush()
        yield


def environment() -> dict[str, str]:
    """The environment of Snakemake and its steps: no settings or packages of the user's own, caches below .cache/home.

    Snakemake's SNAKEMAKE_* would change where steps run; only SNAKEMAKE="..." counts.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(USERS_OWN)}
    folders = {
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "jupyter/config",
        "JUPYTER_DATA_DIR": "jupyter/data",
        "JUPYTER_RUNTIME_DIR": "jupyter/runtime",
        "MPLCONFIGDIR": "matplotlib",
        "XDG_CACHE_HOME": "cache",
    }
    own = {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "PYTHONNOUSERSITE": "1"}
    return kept | own | {name: str(CACHE / folder) for name, folder in folders.items()}


def snakemake(run: str, cores: int, more: str = "", targets: Sequence[Path] = ()) -> tuple[int, str]:
    """Let Snakemake run what has no record. Returns its exit status and its log, which runs/<run>/snakemake.log gets, too."""
    # --nolock: `alone` does that, and Snakemake's own lock would outlive a kill -9. --drop-metadata: records have their key in
    # their name, so that Snakemake runs what is missing; what it remembers of earlier runs doesn't count.
    # gpu: one step at a time has the GPU; where there is none, no step waits for it.
    gpus = cores if provenance.environment()["gpu"] == "none" else 1
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile")]
    command += ["--directory", str(ROOT), "--cores", str(cores), "--config", f"run={run}", "--resources", f"gpu={gpus}"]
    command += ["--nolock", "--keep-going", "--rerun-incomplete", "--rerun-triggers", "input", "--drop-metadata"]
    command += ["--scheduler", "greedy", *shlex.split(more), "--"]  # "--" ends an option of several values
    command += [target.relative_to(ROOT).as_posix() for target in targets]
    given = environment()
    for name in ("IPYTHONDIR", "MPLCONFIGDIR"):
        Path(given[name]).mkdir(parents=True, exist_ok=True)
    if not any(
        Path(given["MPLCONFIGDIR"]).glob("fontlist*")
    ):  # else the first notebook says in its output that it makes one
        subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], env=given, capture_output=True)
    with open(runs_dir(run) / "snakemake.log", "ab+") as log:
        begin = log.seek(0, os.SEEK_END)
        process = subprocess.Popen(command, stderr=log, cwd=ROOT, preexec_fn=_end_with_parent, env=given)
        try:
            status = process.wait()
        except KeyboardInterrupt:
            # Ctrl-C at a terminal reaches Snakemake and the steps, too; `kill -INT` of this process alone does not. The steps
            # end with Snakemake, and lose no more than a kill -9 would lose them.
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise
        log.seek(begin)
        return status, log.read().decode(errors="replace")


def _end_with_parent() -> None:
    """Ask Linux to kill this process when its parent is killed, so that no half-dead run works on unseen."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def causes(run: str, steps: dict) -> list[str]:
    """One sentence for each step that failed, and for each notebook that did not run because of that; [] when no step began."""
    failed = {path.stem: path.read_text(encoding="utf-8") for path in (runs_dir(run) / "steps").glob("*.error")}
    if not failed:
        return []
    missing = {name for name, step in steps.items() if not plan.record_path(run, name, step).is_file()}
    sentences = []
    for name, step in steps.items():
        if name in failed:
            sentences.append(f"{name} failed: {failed.pop(name)}")
        elif name in missing and name not in ("pages", "article"):
            needs = " and ".join(need for need in step["needs"] if need in missing)
            sentences.append(f"{name} did not run" + (f", it needs {needs}." if needs else "."))
    return sentences


def last_words(log: str, lines: int = 5) -> list[str]:
    """The end of Snakemake's log, where no step said why it failed; of a full disk a sentence."""
    if failures.NO_SPACE in log or shutil.disk_usage(ROOT).free < LEAST:
        return [failures.no_space("Snakemake", failures.NO_SPACE)]
    return [
        "Snakemake ended before any step could say why; its last lines:",
        *[line for line in log.splitlines() if line.strip()][-lines:],
    ]
