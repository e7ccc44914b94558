"""What runs again and what does not: on a copy of the repository with three quick notebooks."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from workflow_copy import COPIED, make_copy, make_paper, quick_notebook

UP_TO_DATE = [f"{name}: up to date" for name in (*COPIED, "pages", "article")]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A copy in which the whole paper has run once; its folder has a name that Snakemake could take for a placeholder."""
    root = make_copy(tmp_path_factory.mktemp("built") / "copy {a} é")
    done = make_paper(root)
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.fixture
def copy(built, tmp_path):
    """One's own copy of the finished run, without the times of its files."""
    return shutil.copytree(built, tmp_path / "copy", symlinks=True, copy_function=shutil.copy)


def status(root):
    """Step -> why it is stale; without those that are up to date."""
    done = make_paper(root, "--status")
    assert done.returncode == 0, done.stderr
    parts = (line.partition(": ") for line in done.stdout.splitlines())
    return {name: reason for name, _, reason in parts if reason != "up to date"}


def edit(root, name, old, new):
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def started(done):
    return {line.split("]")[0][1:] for line in done.stdout.splitlines() if line.endswith("started")}


def test_a_first_run_makes_everything_and_names_no_place(built):
    page = (built / "reports/smoke/paper.html").read_text(encoding="utf-8")
    assert "Trained for" in page and "<strong>holds</strong>" in page and str(built) not in page
    assert 'href="05_results.html#cell-2">Made here' in page
    assert (built / "reports/smoke/paper.pdf").read_bytes().startswith(b"%PDF")
    assert 'id="cell-2"' in (built / "reports/smoke/05_results.html").read_text(encoding="utf-8")
    record = json.loads((built / "reports/smoke/run.json").read_text(encoding="utf-8"))
    assert set(record["steps"]) == set(COPIED)
    assert "figures/smoke/fig_05_results.png" in record["steps"]["05_results"]["files"]
    values = json.loads((built / "reports/smoke/values/05_results.json").read_text(encoding="utf-8"))
    assert values["files"]["figures/smoke/fig_05_results.png"] == "cell-2"
    assert str(built) not in json.dumps([record, values])


def test_nothing_runs_again_whatever_the_times_of_the_files(copy):
    """Copied without times (cp -r), Snakemake once made four notebooks again that `make status` called up to date."""
    os.utime(next((copy / "runs/smoke/steps").glob("02_*.json")))
    shutil.rmtree(copy / ".snakemake")
    start = time.monotonic()
    done = make_paper(copy)
    assert done.returncode == 0 and done.stdout.splitlines()[:-1] == UP_TO_DATE
    assert time.monotonic() - start < 20  # 2 s on an idle machine


def test_what_means_nothing_makes_nothing_stale(copy):
    edit(copy, "notebooks/02_unsupervised.ipynb", "# Title", "# Corrected title")
    edit(copy, "lib/experiments/parameters.py", '"""Name -> default of every parameter."""', '"""Other words."""')
    lock = copy / "requirements.lock"
    if (copy / "workflow/locks/paper.lock").is_file():  # then the lock of tests and style is another one
        lock = copy / "workflow/locks/dev.lock"
        lock.write_text(lock.read_text() + "# other\n")
    assert status(copy) == {}


def test_each_change_makes_stale_what_depends_on_it(copy):
    first = "02_unsupervised"
    edit(copy, "notebooks/04_augmentation.ipynb", "p = parameters.check", "x = 1\\np = parameters.check")
    found = status(copy)
    assert found.pop("04_augmentation") == "stale (cells changed)"
    assert found["05_results"] == "stale (needs 04_augmentation)" and set(found) == {"05_results", "pages", "article"}
    edit(
        copy,
        "lib/experiments/parameters.py",
        "for name, field in FIELDS.items()}\n\n\ndef check",
        "for name, field in list(FIELDS.items())}\n\n\ndef check",
    )
    assert status(copy)[first].startswith("stale (lib/experiments/parameters.py changed")
    assert make_paper(copy, "--status", "--set", "epochs=7").stdout.startswith(f"{first}: stale (epochs 1 -> 7, lib")


def test_an_edited_cell_and_a_lost_output_run_again_and_nothing_else(copy):
    edit(copy, "notebooks/04_augmentation.ipynb", "p = parameters.check", "x = 1\\np = parameters.check")
    done = make_paper(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert started(done) == {"04_augmentation", "05_results"} and status(copy) == {}

    (copy / "figures/smoke/fig_05_results.pdf").unlink()
    (copy / "reports/smoke/paper.pdf").write_bytes(b"")
    found = status(copy)
    assert found["05_results"] == "stale (figures/smoke/fig_05_results.pdf is missing)"
    assert found["article"] == "stale (reports/smoke/paper.pdf is empty, needs 05_results)"
    done = make_paper(copy)
    assert done.returncode == 0 and started(done) == {"05_results"}
    assert (copy / "figures/smoke/fig_05_results.pdf").is_file() and status(copy) == {}


def test_a_fresh_clone_makes_what_others_published_and_the_article_needs_no_run(copy):
    shutil.rmtree(copy / "runs")
    for page in (copy / "reports/smoke").glob("*.html"):
        page.unlink()
    assert status(copy)["02_unsupervised"] == "stale (not finished here yet)"
    command = [sys.executable, "-m", "workflow.article", "--run", "smoke"]
    done = subprocess.run(command, cwd=copy, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (copy / "reports/smoke/paper.html").is_file() and not list((copy / "runs").rglob("*.json"))


def test_a_failure_stops_what_needs_it_and_a_kill_loses_no_finished_step(copy):
    path = copy / "notebooks/04_augmentation.ipynb"
    working = path.read_text(encoding="utf-8")
    path.write_text(quick_notebook(path.stem, "from lib.base import UserError\nraise UserError('lr: too high.')"))
    done = make_paper(copy)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "04_augmentation failed: lr: too high.",
        "05_results did not run, it needs 04_augmentation.",
        "error: run smoke is not complete; the whole story is in runs/smoke/snakemake.log.",
    ]
    assert not (copy / "reports/smoke/run.json").exists()
    assert not (copy / "figures/smoke/fig_04_augmentation.png").exists()  # no old result among new ones

    marker = copy / "started"
    path.write_text(
        quick_notebook(
            path.stem,
            f"import os, pathlib, time\npathlib.Path({str(marker)!r}).write_text(str(os.getpid()))\ntime.sleep(300)",
        )
    )
    # Only the first process is killed, the worst case: Snakemake, the step and its kernel have to notice.
    process = subprocess.Popen([sys.executable, "-m", "workflow", "smoke"], cwd=copy, stdout=-3, stderr=-3)
    wait_for(lambda: marker.is_file() and marker.read_text())
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not is_alive(int(marker.read_text())))
    path.write_text(working, encoding="utf-8")
    done = make_paper(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert started(done) == {"04_augmentation", "05_results"}


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


def test_the_users_jupyter_ipython_and_python_do_not_reach_the_run(copy, tmp_path):
    """A kernel of another environment, a startup file, a matplotlibrc and an older NumPy in PYTHONPATH."""
    kernel = tmp_path / "jupyter/kernels/python3/kernel.json"
    startup = tmp_path / "home/.ipython/profile_default/startup/00.py"
    settings = tmp_path / "mpl/matplotlibrc"
    numpy = tmp_path / "old/numpy/__init__.py"
    for file, text in {
        kernel: json.dumps({"argv": ["/bin/false"], "display_name": "Python 3", "language": "python"}),
        startup: "answer = 42",
        settings: "figure.facecolor: red",
        numpy: "__version__ = '1.17.0'",
    }.items():
        file.parent.mkdir(parents=True)
        file.write_text(text)
    users = {"JUPYTER_PATH": kernel.parents[2], "HOME": tmp_path / "home", "MPLCONFIGDIR": settings.parent}
    users |= {
        "PYTHONPATH": numpy.parents[1],
        "MPLBACKEND": "agg",
        "PYTHONSAFEPATH": "1",
        "JUPYTER_PREFER_ENV_PATH": "0",
    }
    command = [
        "make",
        "-o",
        ".venv/ready",
        f"BIN={os.path.dirname(sys.executable)}",
        "paper",
        "PROFILE=smoke",
        "SET=epochs=2",
    ]
    shutil.copy(os.path.join(os.path.dirname(__file__), "../../Makefile"), copy)
    before = (copy / "figures/smoke/fig_05_results.png").read_bytes()
    done = subprocess.run(
        command,
        cwd=copy,
        env=os.environ | {name: str(value) for name, value in users.items()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (copy / "figures/smoke/fig_05_results.png").read_bytes() == before
    assert "Trained for" in (copy / "reports/smoke/paper.html").read_text(encoding="utf-8")


def test_the_notebooks_of_a_claim_run_and_no_article(copy):
    """What workflow.verify makes of one claim: its notebooks, and no article."""
    edit(copy, "notebooks/02_unsupervised.ipynb", "p = parameters.check", "x = 1\\np = parameters.check")
    page = (copy / "reports/smoke/paper.html").stat().st_mtime_ns
    code = (
        "import sys\nfrom workflow import run\narguments = run.parser('').parse_args(['smoke'])\n"
        "arguments.notebooks = ['02_unsupervised']\nsys.exit(run.bring_up_to_date(arguments))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert started(done) == {"02_unsupervised"} and "article" not in done.stdout
    assert (copy / "reports/smoke/paper.html").stat().st_mtime_ns == page
