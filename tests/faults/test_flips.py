"""One byte of what a run keeps is another one: it is found out, named, and made again or refused."""

import json
import random
import shutil

import pytest
import torch

from helpers import shipped
from lib.base import ROOT, UserError, file_sha256, write_checksum
from lib.cutout.network import Network
from lib.models import store
from workflow import plan, record, steps

PLACES = (0.0, 0.1, 0.5, 0.9, 1.0)  # shares of a file's length


def flip(path, share: float, bit: int = 3) -> None:
    content = bytearray(path.read_bytes())
    content[round(share * (len(content) - 1))] ^= 1 << bit
    path.write_bytes(content)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run r whose one step has left its files and its record."""
    monkeypatch.setattr(record, "ROOT", tmp_path)
    monkeypatch.setattr(plan, "ROOT", tmp_path)
    for module in (plan, record):
        monkeypatch.setattr(module, "runs_dir", lambda name: tmp_path / "runs" / name)
    monkeypatch.setattr(plan.values, "read", lambda run, notebook: {})
    return tmp_path, {"02_unsupervised": finished(tmp_path, "02_unsupervised")}


def finished(root, notebook: str, needs: tuple[str, ...] = ()) -> dict:
    """The plan of a notebook of run r that has left its files and its record."""
    step = {"needs": list(needs), "parameters": {"data": "portraits", "lr": 0.1}}
    step |= {"code": {}, "data": "", "weights": "", "lock": "a"}
    step |= {"fingerprint": record.fingerprint(step)}
    *outputs, _ = steps.outputs(notebook, "r", step["parameters"])
    for file in outputs:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(json.dumps({"a": "1111 " * 20}))
    sums = {file: file_sha256(root / file) for file in outputs}
    record.write_step("r", notebook, step | {"wall_seconds": 12.5, "outputs": outputs, "sha256": sums})
    return step


def test_a_whole_run_is_up_to_date(run):
    assert plan.stale_reasons("r", run[1]) == {"02_unsupervised": []}


@pytest.mark.parametrize("bit", range(8))
@pytest.mark.parametrize("share", PLACES)
def test_a_step_record_is_made_again(run, share, bit):
    root, planned = run
    flip(root / "runs/r/steps/02_unsupervised.json", share, bit)
    assert plan.stale_reasons("r", planned) == {"02_unsupervised": ["runs/r/steps/02_unsupervised.json is broken"]}


@pytest.mark.parametrize(
    "file",
    [
        "reports/r/values/02_unsupervised.json",
        "reports/r/tables/tab_unsupervised.csv",
        "figures/r/fig_unsupervised_examples.png",
    ],
)
def test_values_tables_and_figures_are_made_again(run, file):
    root, planned = run
    flip(root / file, 0.5, 0)  # a 1 becomes a 0: still JSON, still a number
    assert plan.stale_reasons("r", planned) == {"02_unsupervised": [f"{file} is not as it was written"]}


@pytest.fixture
def trained(run):
    """Two networks of 03, which 13 opens; its folder and the plan of the three notebooks."""
    root, planned = run
    for name in ("sgd-seed0", "adam-seed0"):
        folder = root / "runs/r/train" / name
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(bytes(100))
        write_checksum(folder / "model.safetensors")
        (folder / "model.safetensors").chmod(0o600)  # as safetensors leaves it
        (folder / "config.json").write_text("{}")
    (root / "runs/r/train/sgd-seed1").mkdir()  # of a run with more seeds, killed
    planned |= {"03_vgg16": finished(root, "03_vgg16")}
    planned |= {"13_what_is_hard": finished(root, "13_what_is_hard", ("03_vgg16",))}
    assert record.read_step("r", "03_vgg16")["networks"] == ["adam-seed0", "sgd-seed0"]
    for folder in (root / "runs/r/train").glob("*0"):
        assert len({(folder / name).stat().st_mode for name in ("config.json", "model.safetensors")}) == 1
    return root / "runs/r/train", planned


@pytest.mark.parametrize(
    "harm", [lambda file: flip(file, 0.7), lambda file: file.unlink(), lambda file: file.write_bytes(b"")]
)
def test_a_network_is_trained_again_as_soon_as_another_notebook_opens_it(trained, harm):
    """Else that notebook would fail on every call, and the one that trains would count as done."""
    folder, planned = trained
    file = folder / "sgd-seed0/model.safetensors"
    harm(file)
    assert not any(plan.stale_reasons("r", planned).values()), "nobody opens it"
    edited = planned | {"13_what_is_hard": planned["13_what_is_hard"] | {"lock": "b"}}
    assert plan.stale_reasons("r", edited) == {
        "02_unsupervised": [],
        "03_vgg16": [
            f"runs/r/train/sgd-seed0/model.safetensors is {'not as it was written' if file.exists() else 'missing'}"
        ],
        "13_what_is_hard": ["lock changed", "needs 03_vgg16"],
    }


def test_a_network_that_no_stale_notebook_opens_may_be_gone(trained):
    folder, planned = trained
    shutil.rmtree(folder / "adam-seed0")
    edited = planned | {"13_what_is_hard": planned["13_what_is_hard"] | {"lock": "b"}}
    assert plan.stale_reasons("r", edited)["03_vgg16"] == []


def test_of_a_run_that_was_taken_over_some_network_has_to_be_there(trained):
    """Records of runs that were published before do not name networks."""
    folder, planned = trained
    kept = record.read_step("r", "03_vgg16")
    del kept["networks"]
    record.write_sealed(record.step_path("r", "03_vgg16"), kept)
    edited = planned | {"13_what_is_hard": planned["13_what_is_hard"] | {"lock": "b"}}
    assert plan.stale_reasons("r", edited)["03_vgg16"] == []
    shutil.rmtree(folder)
    assert plan.stale_reasons("r", edited)["03_vgg16"] == ["runs/r/train/sgd-seed*/model.safetensors is missing"]


def test_what_a_notebook_opens_is_trained_by_one_that_it_needs():
    for name, step in steps.STEPS.items():
        trains = {pattern for need in step.needs for pattern in steps.STEPS[need].trains}
        assert set(step.opens) <= trains, name


@pytest.fixture
def ended(run, monkeypatch):
    """The run with all that is made when its notebooks are done, as it was written."""
    monkeypatch.setattr(plan, "article_sources", list)
    root, planned = run
    for part, outputs in steps.ENDING.items():
        for file in outputs("r"):
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text(json.dumps({"a": "1111 " * 20}))
        record.write_sealed(record.ending_path("r", part), {file: file_sha256(root / file) for file in outputs("r")})
    return root, planned


@pytest.mark.parametrize("file", steps.ending_outputs("r"))
def test_the_record_the_article_and_the_crate_are_made_again(ended, file):
    root, planned = ended
    stale = plan.stale_reasons("r", planned)
    assert plan.ending_reasons("r", stale) == []
    flip(root / file, 0.5, 0)
    assert plan.ending_reasons("r", stale) == [f"{file} is not as it was written"]
    plan.forget_stale("r", planned)
    assert not (root / file).exists() and not (root / "reports/r/run.json").exists()


@pytest.mark.parametrize("bit", range(8))
def test_a_plan_is_refused(run, bit):
    root, planned = run
    path = root / "runs/r/plan.json"
    path.write_text(json.dumps(planned, indent=1))
    assert record.planned("r", "02_unsupervised") == planned["02_unsupervised"]
    length = len(path.read_bytes())
    for place in random.Random(bit).sample(range(length), 40):
        path.write_text(json.dumps(planned, indent=1))
        flip(path, place / (length - 1), bit)
        try:
            assert record.planned("r", "02_unsupervised") == planned["02_unsupervised"]  # a space became another
        except UserError as error:
            assert str(error).startswith("runs/r/plan.json: expected the plan of 02_unsupervised as it was written")


@pytest.mark.parametrize("share", PLACES)
@pytest.mark.parametrize("file", ["model.safetensors", "model.onnx"])
def test_shipped_weights_are_refused_where_they_are_used(tmp_path, file, share):
    folder = shutil.copytree(ROOT / "data/weights/trimap", tmp_path / "trimap")
    store.load(folder, "cpu")
    flip(folder / file, share)
    with pytest.raises(UserError, match=f"{file}: expected the SHA-256 .*, found .*: it was altered or damaged"):
        Network(folder)
    if file == "model.safetensors":
        with pytest.raises(UserError, match="expected the SHA-256 .*, found .*: it was altered or damaged"):
            store.load(folder, "cpu")


def test_a_finished_training_is_refused_where_it_is_used(tmp_path):
    config = {"system": "thumbnail", "batch_norm": True, "pooling": "halving", "width": 64}
    shipped(tmp_path, config)
    state = store.load(tmp_path / "run", "cpu").state_dict()
    assert all(torch.isfinite(value).all() for value in state.values())
    flip(tmp_path / "run/model.safetensors", 0.7)
    with pytest.raises(UserError, match="run/model.safetensors: expected the SHA-256"):
        store.load(tmp_path / "run", "cpu")
