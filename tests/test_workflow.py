"""The workflow on a small copy of the repository: what is stale runs, what is not does not, and failures are told."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from conftest import small_notebook


def records(root):
    return {path.stem: path.stat().st_mtime_ns for path in (root / "runs/smoke/steps").glob("*.json")}


def ran(root, before):
    return {name for name, when in records(root).items() if before.get(name) != when}


def test_stale_steps_run_and_others_do_not(make_paper):
    root = make_paper.root
    done = make_paper()
    assert done.returncode == 0, done.stdout + done.stderr
    assert (root / "figures/smoke/fig01_example.png").read_text() == "1"
    assert (root / "reports/smoke/03_vgg16.html").is_file()
    provenance = json.loads((root / "reports/smoke/run.json").read_text())
    assert set(provenance["steps"]) == {"01_data", "02_unsupervised", "03_vgg16", "04_augmentation", "05_results"}
    assert str(root) not in json.dumps(provenance)

    before, start = records(root), time.time()
    again = make_paper()
    assert again.returncode == 0 and ran(root, before) == set()
    print(f"nothing to do: {time.time() - start:.1f} s")

    path = root / "notebooks/02_unsupervised.ipynb"  # a changed cell: itself and what needs it
    path.write_text(path.read_text().replace("import json", "import json  # changed"))
    assert "02_unsupervised: stale (code)" in make_paper("--status").stdout
    assert make_paper().returncode == 0
    assert ran(root, before) == {"02_unsupervised", "05_results"}

    before = records(root)
    (root / "figures/smoke/fig03_loss_curves.png").unlink()  # a lost figure: its step and what needs it
    assert make_paper().returncode == 0
    assert ran(root, before) == {"03_vgg16", "04_augmentation", "05_results"}

    shutil.rmtree(root / "runs")  # as in a fresh clone: committed reports do not count as done; and a parameter
    shutil.rmtree(root / ".snakemake")
    assert make_paper("--set", "epochs=7").returncode == 0
    assert (root / "figures/smoke/fig01_example.png").read_text() == "7"
    assert "**Answer.** 7 epochs" in (root / "reports/smoke/05_results.ipynb").read_text()


def test_one_failure_stops_only_what_needs_it(make_paper):
    root = make_paper.root
    path = root / "notebooks/03_vgg16.ipynb"
    working = path.read_text()
    path.write_text(small_notebook("03_vgg16", "from lib.errors import UserError\nraise UserError('lr: too high.')"))
    done = make_paper()
    assert done.returncode != 0
    assert "03_vgg16 failed: lr: too high." in done.stderr and "Traceback" not in done.stdout + done.stderr
    assert set(records(root)) == {"01_data", "02_unsupervised"}
    assert not (root / "reports/smoke/run.json").exists()
    before = records(root)
    path.write_text(working)
    assert make_paper().returncode == 0
    assert ran(root, before) == {"03_vgg16", "04_augmentation", "05_results"}


def test_killed_run_goes_on_from_the_last_finished_step(make_paper):
    root = make_paper.root
    path = root / "notebooks/03_vgg16.ipynb"
    working = path.read_text()
    path.write_text(small_notebook("03_vgg16", "import time\ntime.sleep(60)"))
    process = subprocess.Popen([sys.executable, "-m", "lib.paper", "smoke"], cwd=root, start_new_session=True,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert any(line == "[03_vgg16] started\n" for line in process.stdout)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert set(records(root)) == {"01_data", "02_unsupervised"}
    before = records(root)
    path.write_text(working)
    done = make_paper()
    assert done.returncode == 0, done.stdout + done.stderr
    assert ran(root, before) == {"03_vgg16", "04_augmentation", "05_results"}


@pytest.mark.parametrize(("arguments", "said"), [
    (["--set", "epoch=3"], "epoch: expected a known parameter, found an unknown one; did you mean epochs?"),
    (["--set", "epochs=0"], "epochs: expected 1 to"),
    (["--data", "aisegment"], "data_dir: expected"),
    (["--data", "folder", "--data-dir", "/nowhere"], "/nowhere")])
def test_mistakes_end_before_anything_starts(make_paper, arguments, said):
    done = make_paper(*arguments)
    assert done.returncode == 2
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert not (make_paper.root / "runs" / "smoke").exists()


def test_unknown_profile(make_paper):
    done = subprocess.run([sys.executable, "-m", "lib.paper", "quikc"], cwd=make_paper.root, capture_output=True, text=True)
    assert done.returncode == 2 and "did you mean quick?" in done.stderr
