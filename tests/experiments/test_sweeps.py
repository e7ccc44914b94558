"""Sweeps and ablations: the file is sound, mistakes in it are named, a finished training is not repeated, tables are right."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib.base import UserError
from lib.compute import Compute
from lib.experiments import sweeps
from lib.training.photo import HybridConfig

ONE = Compute("cpu", "fp32", threads=1)
SWEEP = '[a]\nfamily = "f"\ntitle = "T"\nquestion = "Q?"\n'
ARMS = '[a]\ntitle = "T"\nquestion = "Q?"\ntask = "portrait"\n'


def test_the_papers_sweeps_and_ablations_are_sound():
    listed = sweeps.read()
    families = {"hyper-parameters", "pre-processing", "structure", "scale"}
    assert {one.family for one in listed.values() if one.vary} == families
    for one in listed.values():
        assert "?" in one.question and len({str(setting) for setting in one.settings()}) == len(one.settings())
    ablation = listed["ablation"]
    configs = [ablation.config(setting) for setting in ablation.settings()]
    assert [config.structure for config in configs] == ["unpooling", "skips", "skips", "skips", "skips"]
    assert [config.encoder for config in configs] == ["random", "random", "imagenet", "imagenet", "imagenet"]
    assert [config.shapes for config in configs] == [0, 0, 0, 0.5, 0.5]
    assert [isinstance(config, HybridConfig) for config in configs] == [False] * 4 + [True]
    for name in ("ablation", "adversary", "disturbances"):  # the published tables are those of the file
        table = sweeps.reports_dir("experiments/ablation") / f"{name}.csv"
        assert pd.read_csv(table).iloc[:, 0].tolist()[-len(listed[name].arms) :] == list(listed[name].arms)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a]\nvary = {lr = [0.1]}", "sweep a: expected family, title, question, found none"),
        (f"{SWEEP}vary = {{rate = [0.1]}}", "expected names of the recipe or of the data, found rate"),
        (f"{SWEEP}vary = {{optimiser = ['sgd']}}", "found optimiser; did you mean optimizer?"),
        (f"{SWEEP}vary = {{lr = 0.1}}", "expected vary to name one or two lists of values"),
        (f"{SWEEP}vary = {{lr = []}}", "expected vary to name one or two lists of values"),
        (f"{SWEEP}vary = {{lr = [-1.0]}}", "sweep a: lr: expected a value greater than 0, found -1.0"),
        (f"{SWEEP}vary = {{optimizer = ['plain']}}", "sweep a: optimizer: expected a value 'sgd', 'adam' or 'adamw'"),
        (f"{SWEEP}vary = {{encoder = ['vgg']}}", "sweep a: encoder: expected random or trained, found 'vgg'"),
        (f"{ARMS}steps = 2\n[a.arms]\nb = {{task = 'sound'}}", "task: expected one of thumbnail, .*found 'sound'"),
        (f"{ARMS}[a.arms]\nb = {{}}", "sweep a: expected minutes or steps, found none"),
        ("[a\n", "expected a TOML file of sweeps"),
    ],
)
def test_mistakes_in_the_file_are_named(tmp_path, text, message):
    path = tmp_path / "experiments.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        sweeps.read(path)


def test_values_that_stand_for_several_fields():
    def config(setting, **fixed):
        return sweeps.Sweep("s", "f", "T", "Q?", {}, fixed).config(setting)

    plain, decayed = (config({"optimizer": name}) for name in ("plain sgd", "adamw, decay 0.01"))
    assert (plain.optimizer, plain.momentum) == ("sgd", 0.0)
    assert (decayed.optimizer, decayed.weight_decay) == ("adamw", 0.01)
    encoders = [config({"encoder": name}, encoder_weights="x") for name in ("random", "trained")]
    assert [each.encoder_weights for each in encoders] == ["", "x"]
    assert config({"encoder": "trained"}).encoder_weights == "imagenet" and config({}).encoder_weights == ""


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """A sweep of two names and two seeds, two steps each: the sweep, its folder and its table."""
    fixed = {"images": 40, "batch_size": 8, "steps": 2, "width": 4, "test_at": [2]}
    one = sweeps.Sweep("s", "f", "T", "Q?", {"lr": [0.01, 0.1], "skips": [False, True]}, fixed, 2)
    folder = tmp_path_factory.mktemp("sweep")
    return one, folder, sweeps.run(one, folder, ONE)


def test_every_combination_is_trained_once_with_every_seed(tried):
    one, folder, table = tried
    assert len(table) == len(list(folder.iterdir())) == len(table[["lr", "skips", "seed"]].drop_duplicates()) == 8
    assert table.training_images.unique().tolist() == [32] and table.control_all.nunique() == 1
    times = {path: path.stat().st_mtime_ns for path in folder.glob("*/model.safetensors")}
    more = replace(one, vary={"lr": [0.01, 0.1, 0.2], "skips": [False]})
    again = sweeps.run(more, folder, ONE)
    assert all(path.stat().st_mtime_ns == before for path, before in times.items())
    assert len(list(folder.glob("*/model.safetensors"))) == len(times) + 2
    expected = table[~table.skips].reset_index(drop=True)
    pd.testing.assert_frame_equal(again[again.lr < 0.2].reset_index(drop=True), expected)


def test_published_rows_are_kept_and_the_rest_is_trained(tried, tmp_path, monkeypatch):
    one, folder, table = tried
    monkeypatch.setattr(sweeps, "reports_dir", lambda name: tmp_path)
    table[table.lr == 0.01].assign(test_all=7.0).to_csv(tmp_path / "s.csv", index=False)
    (tmp_path / "s.json").write_text(json.dumps({"sweep": {"fixed": one.fixed, "vary": one.vary}}))
    again = sweeps.run(one, folder, ONE, sweeps.kept_rows(one))
    assert (again[again.lr == 0.01].test_all == 7).all()
    pd.testing.assert_frame_equal(again[again.lr == 0.1], table[table.lr == 0.1])
    assert sweeps.kept_rows(replace(one, fixed=one.fixed | {"width": 8})) is None  # of another network
    assert sweeps.kept_rows(replace(one, fixed=one.fixed | {"encoder_weights": "/a/b"})) is not None


def test_pictures_are_composed_finer_for_a_filter():
    plain, area = (sweeps._images(4, 28, "strict", resize) for resize in ("", "area"))
    assert area.image.shape == plain.image.shape == (4, 3, 28, 28) and area.rule == "strict"
    assert np.abs(area.alpha.astype(int) - plain.alpha).mean() < 2  # the same people at the same places


def test_a_summary_has_a_row_a_setting(tried):
    one, _, table = tried
    summary = sweeps.summary(table, list(one.vary))
    assert len(summary) == 4 and (summary.seeds == 2).all() and (summary.steps == 2).all()
    part = table[(table.lr == 0.1) & table.skips].test_all
    row = summary[(summary.lr == 0.1) & summary.skips].iloc[0]
    assert row.test_all == pytest.approx(part.mean()) and row["test_all least"] == part.min()


# --- Ablations


def test_arms_of_equal_time_are_compared_with_the_one_before(tmp_path, monkeypatch):
    tiny = {"images": 40, "batch_size": 2, "width": 0.25, "encoder": "random", "side": 64, "shapes": 0.0}
    fixed = {"task": "portrait", "minutes": 1e-9, "test_people": 1, **tiny}
    arms = {"first": {"structure": "unpooling"}, "second": {"task": "hybrid"}}
    one = sweeps.Sweep("ablation", "", "T", "Q?", {}, fixed, arms=arms)
    tables = sweeps.run_arms(one, tmp_path, ONE)
    table, differences = tables["ablation"], tables["differences"]
    assert table.method.tolist() == ["closed-form", *arms] and (table.steps[1:] == 1).all()
    assert (table.pictures[1:] == 2).all() and table.parameters[1] != table.parameters[2]
    assert table[["sad", "mse", "grad", "conn"]].notna().all(axis=None)
    assert {tuple(pair) for pair in differences[["a", "b"]].to_numpy()} == {("second", "first")}
    mse, paired = table.set_index("method").mse, differences.set_index("measure").value["mse"]
    assert paired == pytest.approx(mse["second"] - mse["first"])
    monkeypatch.setattr(sweeps, "seconds_per_step", lambda *_, **__: 0.5)
    assert sweeps._steps_for(one, arms["first"], tmp_path / "arm0", ONE) == 1  # measured before
    assert sweeps._steps_for(replace(one, fixed=fixed | {"minutes": 2}), {}, tmp_path / "arm0", ONE) == 240


@pytest.mark.parametrize("name", ["adversary", "disturbances"])
def test_arms_of_equal_steps_are_compared_with_the_first(name, tmp_path):
    listed = sweeps.read()[name]
    tiny = {"images": 4, "batch_size": 2, "side": 64, "steps": 1, "test_people": 2}
    one = replace(listed, fixed=listed.fixed | tiny, arms=dict(list(listed.arms.items())[:2]))
    table = sweeps.run_arms(one, tmp_path, ONE)[name]
    assert table.arm.tolist() == list(one.arms) and (table.steps == 1).all() and (table.pictures == 2).all()
    first, other = table.iloc[0], table.iloc[1]
    measures = {"adversary": ["sad", "mse", "grad", "conn"], "disturbances": ["exact", "again"]}[name]
    for measure in measures:
        difference = other[f"{measure} minus {first.arm}"]
        assert difference == pytest.approx(other[measure] - first[measure], abs=1e-9)
        assert pd.isna(first[f"{measure} minus {first.arm}"])
    published = pd.read_csv(sweeps.reports_dir("experiments/ablation") / f"{name}.csv")
    assert table.columns.tolist() == published.columns.tolist()


def test_a_record_names_settings_without_folders_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(sweeps, "reports_dir", lambda name: tmp_path / Path(name).name)
    table = pd.DataFrame({"arm": ["a"], "mse": [0.5]})
    monkeypatch.setattr(sweeps, "run_arms", lambda one, *_: {one.name: table})
    sweeps.run_all(["adversary"], settings={"textures": "/home/somebody/walls", "steps": 7})
    record = json.loads((tmp_path / "ablation/adversary.json").read_text())
    assert record["parameters"]["textures"] == "walls" and record["parameters"]["steps"] == 7 and record["commit"]
    assert record["parameters"]["people"] == 30
    assert (tmp_path / "ablation/adversary.csv").read_text() == "arm,mse\na,0.5\n"
    with pytest.raises(UserError, match="names: expected some of learning_rate, .*found 'nowhere'"):
        sweeps.run_all(["nowhere"])
