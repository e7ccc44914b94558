"""Sweeps: what the file lists is sound, mistakes in it are named, and a training that is done is found."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lib.base import UserError
from lib.compute import Compute
from lib.experiments import sweeps
from lib.output import plot_sweeps

SWEEP = 'family = "f"\ntitle = "T"\nquestion = "Q?"\n'


def test_the_papers_sweeps_are_sound():
    listed = sweeps.read()
    assert {one.family for one in listed.values()} == {"hyper-parameters", "pre-processing", "structure", "scale"}
    for one in listed.values():
        assert one.question.endswith("?") or "?" in one.question
        assert one.settings() and len({str(setting) for setting in one.settings()}) == len(one.settings())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a]\nvary = {lr = [0.1]}", "sweep a: expected family, title, question, found none"),
        (f"[a]\n{SWEEP}vary = {{rate = [0.1]}}", "expected names of the recipe or of the data, found rate"),
        (f"[a]\n{SWEEP}vary = {{optimiser = ['sgd']}}", "found optimiser; did you mean optimizer?"),
        (f"[a]\n{SWEEP}vary = {{lr = 0.1}}", "expected vary to name one or two lists of values"),
        (f"[a]\n{SWEEP}vary = {{lr = []}}", "expected vary to name one or two lists of values"),
        (f"[a]\n{SWEEP}vary = {{lr = [-1.0]}}", "sweep a: lr: expected a value greater than 0, found -1.0"),
        (
            f"[a]\n{SWEEP}vary = {{optimizer = ['plain']}}",
            "sweep a: optimizer: expected a value 'sgd', 'adam' or 'adamw'",
        ),
        (f"[a]\n{SWEEP}vary = {{encoder = ['vgg']}}", "sweep a: encoder: expected random or trained, found 'vgg'"),
        ("[a\n", "expected a TOML file of sweeps"),
    ],
)
def test_mistakes_in_the_file_are_named(tmp_path, text, said):
    path = tmp_path / "sweeps.toml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        sweeps.read(path)
    assert said in str(caught.value)


def test_values_that_stand_for_several_fields():
    def config(setting, **fixed):
        return sweeps.recipe(sweeps.Sweep("s", "f", "T", "Q?", {}, fixed, 1), setting, 0)

    plain, decayed = (config({"optimizer": name}) for name in ("plain sgd", "adamw, decay 0.01"))
    assert (plain.optimizer, plain.momentum) == ("sgd", 0.0)
    assert (decayed.optimizer, decayed.weight_decay) == ("adamw", 0.01)
    encoders = [config({"encoder": name}, encoder_weights="x") for name in ("random", "trained")]
    assert [each.encoder_weights for each in encoders] == ["", "x"]
    assert config({"encoder": "trained"}).encoder_weights == "imagenet" and config({}).encoder_weights == ""


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """A sweep of two names and two seeds, two steps each: the sweep, its folder and what it found."""
    fixed = {"images": 40, "batch_size": 8, "steps": 2, "width": 4, "test_at": [2]}
    one = sweeps.Sweep("s", "f", "T", "Q?", {"lr": [0.01, 0.1], "skips": [False, True]}, fixed, 2)
    folder = tmp_path_factory.mktemp("sweep")
    return one, folder, sweeps.run(one, folder, Compute("cpu", "fp32", 1))


def test_every_combination_is_trained_with_every_seed(tried):
    _, folder, found = tried
    assert len(found) == len(list(folder.iterdir())) == 2 * 2 * 2
    assert set(zip(found.lr, found.skips, found.seed, strict=True)) == {
        (lr, skips, seed) for lr in (0.01, 0.1) for skips in (False, True) for seed in (0, 1)
    }
    assert found.training_images.unique().tolist() == [32] and found.control_all.nunique() == 1


def test_what_is_done_is_found_and_one_value_more_trains_that_alone(tried):
    one, folder, found = tried
    times = {path: path.stat().st_mtime_ns for path in folder.glob("*/model.safetensors")}
    more = replace(one, vary={"lr": [0.01, 0.1, 0.2], "skips": [False, True]})
    again = sweeps.run(more, folder, Compute("cpu", "fp32", 1))
    assert all(path.stat().st_mtime_ns == before for path, before in times.items())
    assert len(list(folder.glob("*/model.safetensors"))) == len(times) + 4
    pd.testing.assert_frame_equal(again[again.lr < 0.2].reset_index(drop=True), found)


def test_published_rows_are_kept_and_the_rest_is_trained(tried, tmp_path, monkeypatch):
    one, _, found = tried
    monkeypatch.setattr(sweeps, "reports_dir", lambda name: tmp_path)
    found[found.lr == 0.01].assign(test_all=7.0).to_csv(tmp_path / "s.csv", index=False)
    record = {"sweep": {"fixed": one.fixed, "vary": one.vary}}
    (tmp_path / "s.json").write_text(json.dumps(record))
    again = sweeps.run(one, tmp_path / "runs", Compute("cpu", "fp32", 1), sweeps.published_rows(one))
    assert len(list((tmp_path / "runs").iterdir())) == 4 and (again[again.lr == 0.01].test_all == 7).all()
    pd.testing.assert_frame_equal(again[again.lr == 0.1], found[found.lr == 0.1])
    assert sweeps.published_rows(replace(one, fixed=one.fixed | {"width": 8})) is None  # of another network


def test_pictures_are_composed_finer_for_a_filter():
    data = {"images": 4, "size": 28, "split": "group", "trimap_rule": "strict"}
    plain, area = (sweeps._prepared(**data, resize=how) for how in ("", "area"))
    assert area.image.shape == plain.image.shape == (4, 3, 28, 28) and area.rule == "strict"
    assert np.abs(area.alpha.astype(int) - plain.alpha).mean() < 2  # the same people at the same places


def test_a_summary_has_a_row_a_setting(tried):
    one, _, found = tried
    table = sweeps.summary(found, list(one.vary))
    assert len(table) == 4 and (table.seeds == 2).all() and (table.steps == 2).all()
    part = found[(found.lr == 0.1) & found.skips].test_all
    row = table[(table.lr == 0.1) & table.skips].iloc[0]
    assert row.test_all == pytest.approx(part.mean()) and row["test_all least"] == part.min()


def test_figures_of_one_and_of_two_names(tried):
    one, _, found = tried
    two = plot_sweeps.sweep(found, list(one.vary))
    assert [axis.get_ylabel() for axis in two.axes] == ["lr", ""] and len(two.axes[0].texts) == 4
    alone = plot_sweeps.sweep(found[~found.skips], ["lr"])
    assert [label.get_text() for label in alone.axes[0].get_xticklabels()] == ["0.01", "0.1"]
    lines = plot_sweeps.against_steps(found, "skips", {False: "without", True: "with"})
    assert len(lines.legends[0].get_texts()) == 5


def test_the_nearest_to_a_pair_is_found_over_every_reading():
    found = pd.DataFrame(
        {"lr": [0.1, 0.2], "seed": 0, "steps": [10, 20], "train_all": [0.5, 0.1], "train_unknown": [0.6, 0.2]}
    )
    found = found.assign(test_all=[0.4, 0.15], test_unknown=[0.7, 0.3])
    table = sweeps.nearest({"a": found, "b": found + 1}, {"a": ["lr"], "b": ["lr"]}, 0.1, 0.3)
    table = table.set_index(["training loss over", "test loss over"])
    assert (
        table.loc[("all", "unknown"), "distance"] == pytest.approx(0)
        and table.loc[("all", "unknown"), "setting"] == "lr 0.2"
    )
    assert table.loc[("all", "all"), "distance"] == pytest.approx(0.15) and (table.sweep == "a").all()


def curve(kind: str, train: list[float], test: list[float]) -> pd.DataFrame:
    """A training of five steps an epoch, tested at their ends."""
    found = pd.DataFrame(
        {"steps": [5 * (1 + epoch) for epoch in range(len(test))], "train_all": train, "test_all": test}
    )
    found = found.assign(kind=kind, seed=0, training_images=80, control_all=0.1, control_unknown=0.4)
    return found.assign(
        train_unknown=2 * found.train_all, test_unknown=3 * found.test_all, test_pasted=found.test_all / 2
    )


def test_what_a_training_ends_with():
    end = sweeps.ending(curve("a", [0.3, 0.2, 0.1], [0.4, 0.3, 0.25]), 3)
    assert end["steps"] == 15 and end["test_all"] == 0.25 and end["train_unknown"] == 0.2
    assert end["gap"] == pytest.approx(0.15) and end["last_epoch"] == pytest.approx(3 * (0.25 - 0.3))


def test_trainings_stand_beside_what_the_study_printed():
    found = pd.concat(
        [curve("wide", [0.3, 0.2], [0.4, 0.3]), curve("narrow", [0.3, 0.25], [0.4, 0.35])], ignore_index=True
    )
    table = sweeps.beside_study(found).set_index("network")
    assert list(table.index) == [
        "study: VGG-16",
        "study: VGG-16 (with DA)",
        "wide",
        "narrow",
        "control: trimap as alpha",
    ]
    assert table.loc["study: VGG-16", ["train all", "test all"]].tolist() == [0.169581, 0.301838]
    assert table.loc["narrow", ["training images", "steps", "seeds"]].tolist() == [80, 10, 1]
    assert table.loc["wide", ["train all", "test all", "test pasted"]].tolist() == [0.2, 0.3, 0.15]
    assert table.loc["control: trimap as alpha", ["test all", "test unknown"]].tolist() == [0.1, 0.4]


def test_a_table_says_what_was_chosen_as_it_was_chosen():
    table = pd.DataFrame({"lr": [1e-4, 1e-6], "skips": [True, False], "kind": ["a", "b"], "test_all": [0.12345, 0.1]})
    said = sweeps.as_chosen(table, ["lr", "skips", "kind"])
    assert said.lr.tolist() == ["0.0001", "1e-06"] and said.skips.tolist() == ["yes", "no"]
    assert said.kind.tolist() == ["a", "b"] and said.test_all.tolist() == [0.12345, 0.1]


def test_settings_in_words():
    said = sweeps.in_words({"lr": 0.01, "batch_norm": False, "skips": np.True_, "width": 16.0, "unpooling": "places"})
    assert said == "lr 0.01, without batch norm, with skips, width 16, unpooling places"


def test_the_legend_of_three_trainings_lies_within_the_figure():
    words = ("a quarter as wide", "a quarter as wide, augmented", "as wide as VGG-16")
    found = pd.concat([curve(kind, [0.3, 0.2], [0.4, 0.3]) for kind in words], ignore_index=True)
    figure = plot_sweeps.against_steps(found, "kind", {kind: kind for kind in words})
    figure.canvas.draw()
    box, page = figure.legends[0].get_window_extent(), figure.bbox
    assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0
