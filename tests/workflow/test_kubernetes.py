"""The paper in a pod: the manifest by the API's own schema, what it asks for, and its volume under two pods in a row.

No cluster is at hand. A pod is, for what matters here, a fresh copy of the image with folders of the volume mounted into it, always
at the same place, that gets SIGTERM when it has to go; Linux can do that without one.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from helpers import touching_notebook
from lib.base import ROOT
from workflow import steps

CLAIM, JOB = yaml.safe_load_all((ROOT / "workflow/kubernetes.yaml").read_text())
POD = JOB["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]
OPTIONS = dict(option.split("=", 1) for option in CONTAINER["command"][2:])
MOUNTS = {mount["subPath"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"] if mount["name"] == "work"}
NAMESPACES = ["unshare", "--mount", "--propagation", "private"]
CAN_MOUNT = os.geteuid() == 0 and bool(shutil.which("unshare")) and not subprocess.call([*NAMESPACES, "true"])


@pytest.mark.parametrize("document", [CLAIM, JOB], ids=lambda document: document["kind"])
def test_the_api_knows_every_field(document):
    schemas = pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate")
    schemas.validate(document, schemas.latest_version(), strict=True)


def test_what_is_mounted_is_claimed():
    volumes = {volume["name"]: volume for volume in POD["volumes"]}
    assert volumes["work"]["persistentVolumeClaim"]["claimName"] == CLAIM["metadata"]["name"]
    assert {mount["name"] for mount in CONTAINER["volumeMounts"]} == set(volumes)
    assert len({mount["mountPath"] for mount in CONTAINER["volumeMounts"]}) == len(CONTAINER["volumeMounts"])


def test_the_command_is_the_papers_and_takes_the_cores_of_the_limit():
    assert CONTAINER["command"][:2] == ["make", "paper"]
    assert (ROOT / f"notebooks/profiles/{OPTIONS['PROFILE']}.toml").is_file()
    cores = CONTAINER["resources"]["limits"]["cpu"]
    assert OPTIONS["CORES"] == cores and OPTIONS["SET"] == f"threads={cores}"
    told = subprocess.run(
        ["make", "--dry-run", "--assume-old=.venv/ready", *CONTAINER["command"][1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))},
    )
    assert f"-m workflow '{OPTIONS['PROFILE']}' --cores '{cores}'" in told.stdout, told.stdout + told.stderr


def test_the_image_is_where_the_pod_works():
    image = (ROOT / ".devcontainer/Dockerfile").read_text()
    assert re.search(r"^WORKDIR (.+)$", image, re.MULTILINE)[1] == CONTAINER["workingDir"]


def placed(run: str) -> dict[str, Path]:
    """Folder on the volume -> where it lies in the paper, for that run instead of the manifest's."""
    inside = {name: Path(path).relative_to(CONTAINER["workingDir"]) for name, path in MOUNTS.items()}
    return {name: path.with_name(run) if path.name == OPTIONS["PROFILE"] else path for name, path in inside.items()}


def test_all_that_a_run_writes_lies_on_the_volume(template, built):
    places = placed("smoke").values()
    old = {path.relative_to(template) for path in template.rglob("*")}
    files = (path.relative_to(built[0]) for path in built[0].rglob("*") if path.is_file())
    new = [path for path in files if path not in old and "__pycache__" not in path.parts]
    assert new and not [path for path in new if not any(path.is_relative_to(place) for place in places)]


@pytest.mark.skipif(not CAN_MOUNT, reason="mounting folders takes root and a kernel that lets it")
def test_an_evicted_pod_is_followed_by_one_that_goes_on(template, tmp_path):
    volume, paper, began = tmp_path / "volume", tmp_path / "paper", tmp_path / "began"
    paper.mkdir()

    def pod(number: int) -> subprocess.Popen:
        image = shutil.copytree(template, tmp_path / f"image{number}")
        once = f"began = Path({str(began)!r})\nif not began.exists():\n    began.touch()\n    import time\n    time.sleep(500)"
        source = touching_notebook("04_augmentation", steps.shown("04_augmentation", "RUN"), once)
        (image / "notebooks/04_augmentation.ipynb").write_text(source)
        os.utime(image / "notebooks/04_augmentation.ipynb", (0, 0))  # as old in one image as in the other
        mounts = [f"mount --bind {shlex.quote(str(image))} {shlex.quote(str(paper))}"]
        for name, place in placed("smoke").items():
            (volume / name).mkdir(parents=True, exist_ok=True)
            target = shlex.quote(str(paper / place))
            mounts.append(f"mkdir -p {target} && mount --bind {shlex.quote(str(volume / name))} {target}")
        only = shlex.quote("-- runs/smoke/steps/04_augmentation.json")  # and what it needs
        run = f"cd {shlex.quote(str(paper))} && exec {shlex.quote(sys.executable)} -m workflow smoke --snakemake {only}"
        with open(tmp_path / f"log{number}", "wb") as log:
            command = [*NAMESPACES, "sh", "-ec", " && ".join([*mounts, run])]
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    first = pod(1)
    try:
        end = time.monotonic() + 300
        while first.poll() is None and not began.exists() and time.monotonic() < end:
            time.sleep(0.1)
        records = [volume / f"runs/steps/{name}.json" for name in steps.STEPS["04_augmentation"].needs]
        done = {path: path.stat().st_mtime_ns for path in records}
        first.send_signal(signal.SIGTERM)
        assert first.wait(30) != 0
    finally:
        if first.poll() is None:
            os.killpg(first.pid, signal.SIGKILL)
    assert began.exists() and done, (tmp_path / "log1").read_text()
    assert not (volume / "runs/steps/04_augmentation.json").exists()

    second = pod(2)
    assert second.wait(300) == 0, (tmp_path / "log2").read_text()
    assert (volume / "runs/steps/04_augmentation.json").is_file()
    assert done == {path: path.stat().st_mtime_ns for path in done}, "what was finished was kept"
    assert not (paper / "reports").exists(), "nothing was mounted here outside the pods"
