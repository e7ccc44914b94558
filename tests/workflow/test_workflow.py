"""The workflow from end to end, on a small copy: what is outdated runs, the rest does not, and a killed run goes on."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from helpers import SMALL_STEPS, small_notebook
from lib.base import UserError
from workflow import run as runner
from workflow.plan import make_plan
from workflow.steps import NOTEBOOKS


def records(copy) -> dict[str, int]:
    """Notebook -> when it was last done."""
    files = (copy.root / "runs/smoke/steps").glob("*.json")
    return {name: path.stat().st_mtime_ns for path in files if (name := path.name.split(".")[0]) in SMALL_STEPS}


def ran(copy, before) -> set[str]:
    return {name for name, when in records(copy).items() if before.get(name) != when}


def edit(path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def article(copy) -> str:
    """What the article's page says, without its tags."""
    return re.sub("<[^>]+>", "", (copy.root / "reports/smoke/paper.html").read_text())


def test_first_run_makes_everything_and_names_no_place_of_this_machine(built):
    copy, done = built
    report = copy.root / "reports/smoke"
    assert set(records(copy)) == set(SMALL_STEPS)
    assert (report / "05_results.html").is_file() and (report / "paper.pdf").read_bytes().startswith(b"%PDF")
    assert "[04_augmentation] done in" in done.stdout
    assert "rule" not in done.stdout + done.stderr  # nothing of Snakemake's own report
    steps = json.loads((report / "run.json").read_text())["steps"]
    assert set(steps) == set(SMALL_STEPS) and "figures/smoke/fig_05_results.pdf" in steps["05_results"]["files"]
    assert "Trained for 1 epochs" in article(copy) and "holds" in article(copy)
    assert 'href="05_results.html#cell-2">Made here' in (report / "paper.html").read_text()
    assert 'id="cell-2"' in (report / "05_results.html").read_text()
    for name in ("run.json", "paper.html", "05_results.ipynb", "values/05_results.json"):
        assert str(copy.root) not in (report / name).read_text(), name


def test_nothing_runs_again_whatever_the_times_of_the_files(finished):
    """Copied without times (cp -r), Snakemake once made four notebooks again that `make status` called up to date."""
    os.utime(next((finished.root / "runs/smoke/steps").glob("02_*.json")))
    shutil.rmtree(finished.root / ".snakemake")
    before = records(finished)
    done = finished.make()
    assert done.returncode == 0 and "stale" not in done.stdout and ran(finished, before) == set()


def test_prose_docstrings_and_tools_for_tests_make_nothing_stale(finished):
    edit(finished.root / "notebooks/04_augmentation.ipynb", "# Title", "# Corrected title")
    edit(
        finished.root / "lib/experiments/parameters.py",
        '"""Name -> default of every parameter."""',
        '"""Other words."""',
    )
    edit(finished.root / "workflow/locks/dev.lock", "ruff==", "ruff==1")
    assert "stale" not in finished.make("--status").stdout


def test_each_change_makes_stale_what_depends_on_it(finished):
    edit(
        finished.root / "lib/experiments/parameters.py",
        "for name, field in FIELDS.items()}",
        "for name, field in [*FIELDS.items()]}",
    )
    status = finished.make("--status", "--set", "epochs=7").stdout
    assert "02_unsupervised: stale (epochs 1 -> 7, lib/experiments/parameters.py changed)" in status
    edit(finished.root / "workflow/locks/paper.lock", "numpy==", "numpy==1")
    assert (
        "02_unsupervised: stale (lib/experiments/parameters.py changed, lock changed)"
        in finished.make("--status").stdout
    )


def test_only_what_changed_runs_again(finished):
    before = records(finished)
    edit(finished.root / "notebooks/04_augmentation.ipynb", "import json", "import json, os")
    status = finished.make("--status").stdout
    assert "04_augmentation: stale (cells changed)" in status and "02_unsupervised: up to date" in status
    assert "05_results: stale (needs 04_augmentation)" in status
    assert finished.make().returncode == 0 and ran(finished, before) == {"04_augmentation", "05_results"}

    before = records(finished)
    lost = finished.root / "figures/smoke/fig_05_results.png"
    lost.unlink()
    (finished.root / "reports/smoke/paper.pdf").write_bytes(b"")
    status = finished.make("--status").stdout
    assert "05_results: stale (figures/smoke/fig_05_results.png is missing)" in status
    assert "article: stale (reports/smoke/paper.pdf is empty, needs 05_results)" in status
    assert finished.make().returncode == 0 and ran(finished, before) == {"05_results"} and lost.is_file()


def test_a_clone_runs_everything_with_its_own_parameters(finished):
    """Committed reports are there, and nothing that says that they were made here. Nor is there a home that can be
    written, as for a service's account."""
    shutil.rmtree(finished.root / "runs")
    shutil.rmtree(finished.root / ".snakemake")
    assert "02_unsupervised: stale (not finished here yet)" in finished.make("--status").stdout
    home = finished.root / "home"
    home.write_text("a file: nothing can be made below it, not even by root")
    given = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")} | {"HOME": str(home)}
    done = finished.make("--set", "epochs=7", env=given)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (finished.root / "reports/smoke/tables/tab_05_results.csv").read_text() == "epochs\n7\n"
    assert "**Answer.** 7 epochs" in (finished.root / "reports/smoke/05_results.ipynb").read_text()
    assert "Trained for 7 epochs" in article(finished) and "refuted" in article(finished)
    assert "02_unsupervised: stale (epochs 7 -> 1)" in finished.make("--status").stdout


def test_the_users_jupyter_ipython_and_python_do_not_reach_the_run(finished, tmp_path):
    """A kernel of another environment, a startup file, a matplotlibrc and an older NumPy in PYTHONPATH."""
    kernel = tmp_path / "jupyter/kernels/python3/kernel.json"
    startup = tmp_path / "home/.ipython/profile_default/startup/00.py"
    settings, numpy = tmp_path / "mpl/matplotlibrc", tmp_path / "old/numpy/__init__.py"
    for file, text in {
        kernel: json.dumps({"argv": ["/bin/false"], "display_name": "Python 3", "language": "python"}),
        startup: "answer = 42",
        settings: "figure.facecolor: red",
        numpy: "__version__ = '1.17.0'",
    }.items():
        file.parent.mkdir(parents=True)
        file.write_text(text)
    users = {"JUPYTER_PATH": kernel.parents[2], "HOME": tmp_path / "home", "MPLCONFIGDIR": settings.parent}
    users |= {"PYTHONPATH": numpy.parents[1], "MPLBACKEND": "agg", "PYTHONSAFEPATH": 1, "JUPYTER_PREFER_ENV_PATH": 0}
    picture = finished.root / "figures/smoke/fig_05_results.png"
    before = picture.read_bytes()
    shutil.copy(runner.ROOT / "Makefile", finished.root)
    command = [
        "make",
        "-o",
        ".venv/ready",
        f"BIN={os.path.dirname(sys.executable)}",
        "paper",
        "PROFILE=smoke",
        "SET=epochs=2",
    ]
    given = os.environ | {name: str(value) for name, value in users.items()}
    done = subprocess.run(command, cwd=finished.root, env=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert picture.read_bytes() == before and "Trained for 2 epochs" in article(finished)


def test_an_edited_text_builds_the_article_alone(finished):
    edit(finished.root / "reports/article/paper.md", "Trained for", "It trained for")
    os.utime(next((finished.root / "runs/smoke/steps").glob("02_*.json")))  # Snakemake runs what is older
    before = records(finished)
    assert finished.make().returncode == 0
    assert ran(finished, before) == set() and "It trained for 1 epochs" in article(finished)

    edit(finished.root / "reports/article/paper.md", "05_results.epochs", "05_results.other")
    failed = finished.make()
    assert failed.returncode == 1
    assert failed.stderr.startswith("article failed: ") and "05_results.other" in failed.stderr.splitlines()[0]


def test_article_is_built_from_what_is_committed(finished):
    """`make article`, in a clone: no notebook runs."""
    shutil.rmtree(finished.root / "runs")
    for name in ("paper.html", "paper.pdf"):
        (finished.root / "reports/smoke" / name).unlink()
    done = finished.run("--run", "smoke", module="workflow.article")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Trained for 1 epochs" in article(finished) and not records(finished)
    assert (finished.root / "reports/smoke/paper.pdf").read_bytes().startswith(b"%PDF")


def test_verifying_one_claim_runs_its_notebooks_alone(finished):
    before = records(finished)
    assert finished.run("smoke", "--publish", module="workflow.verify").returncode == 0
    for name in ("02_unsupervised", "05_results"):
        edit(finished.root / f"notebooks/{name}.ipynb", "import json", "import json, os")
    done = finished.run("smoke", "--claim", "short", module="workflow.verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "holds: It is short." in done.stdout and ran(finished, before) == {"02_unsupervised"}


def test_a_failure_stops_what_needs_it_and_a_kill_loses_no_finished_step(finished):
    path = finished.root / "notebooks/04_augmentation.ipynb"
    working = path.read_text()
    path.write_text(
        small_notebook("04_augmentation", "from lib.base import UserError\nraise UserError('lr: too high.')")
    )
    done = finished.make()
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "04_augmentation failed: lr: too high.",
        "05_results did not run, it needs 04_augmentation.",
        "error: run smoke is not complete; the whole story is in runs/smoke/snakemake.log.",
    ]
    assert not (finished.root / "reports/smoke/run.json").exists()
    assert not (finished.root / "figures/smoke/fig_04_augmentation.png").exists()  # no old result among new ones

    before, started = records(finished), finished.root / "started"
    waits = f"import os, time\nPath({str(started)!r}).write_text(str(os.getpid()))\ntime.sleep(300)"
    path.write_text(small_notebook("04_augmentation", waits))
    # Only the first process is killed, the worst case: Snakemake, the step and its kernel have to notice.
    process = subprocess.Popen(
        [sys.executable, "-m", "workflow", "smoke"],
        cwd=finished.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: started.is_file() and started.read_text())
    process.kill()
    process.wait()
    wait_for(lambda: not is_alive(int(started.read_text())))
    path.write_text(working)
    done = finished.make()
    assert done.returncode == 0, done.stdout + done.stderr
    assert ran(finished, before) == {"04_augmentation", "05_results"}


def test_a_run_ends_when_it_alone_is_interrupted(finished):
    """`kill -INT` of the process that the sentence on a second run names once did nothing before it was sent twice."""
    started = finished.root / "started"
    waits = f"import os, time\nPath({str(started)!r}).write_text(str(os.getpid()))\ntime.sleep(300)"
    (finished.root / "notebooks/05_results.ipynb").write_text(small_notebook("05_results", waits))
    process = subprocess.Popen(
        [sys.executable, "-m", "workflow", "smoke"],
        cwd=finished.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where tests run in the background
    )
    wait_for(lambda: started.is_file() and started.read_text())
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and said.endswith("goes on from the last finished step.\n")
    wait_for(lambda: not is_alive(int(started.read_text())))


def wait_for(condition, limit: float = 120):
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in subprocess.run(["ps", "-o", "stat=", str(pid)], capture_output=True, text=True).stdout


def test_an_output_that_is_not_there_is_a_failure(fresh):
    body = "from lib.base import figures_dir\n(figures_dir(run) / 'fig_02_unsupervised.png').unlink()\nfrom lib.report import save\nsave"
    edit(
        fresh.root / "notebooks/02_unsupervised.ipynb",
        "from lib.report import save\\nsave.write_values",
        body.replace("\n", "\\n") + ".write_values",
    )
    done = fresh.make("--cores", "1")
    assert done.returncode == 1
    assert (
        "02_unsupervised failed: 02_unsupervised: expected it to write figures/smoke/fig_02_unsupervised.png, "
        "found no such file" in done.stderr
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["smoke", "--set", "epoch=3"],
            "epoch: expected a known parameter, found an unknown one; did you mean epochs?",
        ),
        (["smoke", "--data", "folder", "--data-dir", "/nowhere"], "/nowhere"),
        (["quikc"], "did you mean quick?"),
    ],
)
def test_mistakes_end_in_one_sentence_before_anything_starts(fresh, arguments, said):
    done = fresh.run(*arguments)
    assert done.returncode == 2 and said in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == "" and not (fresh.root / "runs").exists()


def test_a_file_system_without_locks_is_no_second_run(root, monkeypatch, capsys):
    """Of ENOSYS it said, and for ever, that another run is at work."""

    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(runner.fcntl, "flock", flock)
    with runner.alone("mine"):
        pass
    assert "lock: this file system has none (Function not implemented)" in capsys.readouterr().out


def test_a_second_run_of_the_same_name_is_refused_and_the_first_is_named(root, monkeypatch):
    monkeypatch.setattr(runner, "PATIENCE", 0)
    for _ in range(2):  # of the first, only the name stays
        with (
            runner.alone("mine"),
            pytest.raises(UserError, match=rf"run mine: expected no other .*process {os.getpid()} on .*, since 2"),
            runner.alone("mine"),
        ):
            pass


@pytest.mark.parametrize(("gpu", "at_once"), [("none", "gpu=4"), ("A GPU", "gpu=1")])
def test_one_step_at_a_time_has_the_gpu(root, monkeypatch, gpu, at_once):
    """Snakemake is asked for one unit of `gpu` where there is one, and the steps that train take one."""
    asked = []

    class Process:
        def __init__(self, command, **_):
            asked.extend(command)

        def wait(self):
            return 0

    (root / "runs/r").mkdir(parents=True)
    (root / "matplotlib").mkdir()
    (root / "matplotlib/fontlist.json").touch()
    monkeypatch.setattr(runner, "CACHE", root)
    monkeypatch.setattr(runner.provenance, "environment", lambda: {"gpu": gpu})
    monkeypatch.setattr(runner.subprocess, "Popen", Process)
    runner.snakemake("r", 4)
    assert asked[asked.index("--resources") + 1] == at_once
    assert "resources: gpu=int(steps.STEPS[notebook].gpu)" in (runner.ROOT / "workflow/Snakefile").read_text()


@pytest.mark.parametrize(("pictures", "alphas"), [(8, 4), (4, 8)])
def test_half_a_set_is_refused_before_anything_runs(tmp_path, pictures, alphas):
    """As a download that broke off leaves it; it used to be trained on."""
    for folder, number, mode in (("image", pictures, "RGB"), ("alpha", alphas, "L")):
        (tmp_path / folder).mkdir()
        for name in range(number):
            Image.new(mode, (32, 32), 200).save(tmp_path / folder / f"{name}.png")
    given = {"data": "folder", "data_dir": str(tmp_path), "images": 0}
    with pytest.raises(
        UserError, match=r"bad_limit: expected at most the share 0.01 of pictures without .*, found 4 of 8;"
    ):
        make_plan("smoke", given)
    assert make_plan("smoke", given | {"bad_limit": 0.5})


def outdated(before: dict, after: dict) -> set[str]:
    return {name for name in NOTEBOOKS if before[name]["fingerprint"] != after[name]["fingerprint"]}


def test_a_photograph_that_was_changed_makes_its_notebook_stale(tmp_path):
    photo, found = tmp_path / "photo.jpg", []
    for content in (b"one", b"another"):
        photo.write_bytes(content)
        found.append(make_plan("smoke", {"photo": str(photo)}))
    assert outdated(*found) == {"11_your_portrait"}


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        ({"clusters": 3}, {"02_unsupervised"}),
        ({"recipe_lr": 0.1}, {"03_vgg16", "04_augmentation"}),
        ({"full_lr": 0.1}, {"06_refinement"}),
        ({"seed": 1}, set(NOTEBOOKS) - {"14_sweeps", "15_other_people"}),  # they draw nothing of their own
    ],
)
def test_a_parameter_changes_what_declares_it_and_nothing_else(change, touched):
    assert outdated(make_plan("smoke", {}), make_plan("smoke", change)) == touched
