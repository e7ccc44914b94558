"""The rendered portraits: what is shipped agrees with its manifest; pictures are exact composites, drawn from seed and
index alone; people don't cross the split; and, where Blender's module is installed, a person renders as stored."""

import csv
import hashlib
import json
import runpy

import cv2
import numpy as np
import pytest
from scipy import ndimage

from lib.base import ROOT, UserError
from lib.data.composite import composite
from lib.data.portraits import FOLDER, PER_SESSION, SCENES, Portraits, read_manifest
from lib.data.sample import Source
from lib.data.sources import open_source
from lib.data.splits import group_split

LAYERS = ("image", "alpha", "foreground", "background")
ROWS = read_manifest() if (FOLDER / "manifest.csv").exists() else []


@pytest.fixture(scope="module")
def samples():
    source = Portraits(64, seed=3)
    return [source.read(index, (40, 30)) for index in range(0, 64, 4)]


def test_the_manifest_lists_the_files_that_are_there_with_their_digests():
    assert ROWS and [row["id"] for row in ROWS] == sorted(file.stem for file in FOLDER.glob("*.webp"))
    for row in ROWS:
        content = (FOLDER / f"{row['id']}.webp").read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["sha256"] and len(content) <= 250_000, row["id"]
        assert json.loads(row["parameters"])["number"] == int(row["seed"])
    splits = [row["split"] for row in ROWS]
    assert (splits.count("train"), splits.count("test")) == (90, 30)
    assert sum(file.stat().st_size for file in FOLDER.parent.rglob("*") if file.is_file()) <= 50_000_000


def test_people_are_straight_rgba_with_soft_alpha():
    for row in ROWS[::6]:
        picture = cv2.imread(str(FOLDER / f"{row['id']}.webp"), cv2.IMREAD_UNCHANGED)
        assert picture.shape == (800, 600, 4) and picture.dtype == np.uint8
        alpha = picture[..., 3]
        assert (alpha == 0).mean() > 0.15 and (alpha == 255).mean() > 0.15
        assert ((alpha > 0) & (alpha < 255)).mean() > 0.003
        beside = (alpha == 0) & (cv2.dilate(alpha, np.ones((5, 5))) > 0)
        inside = (alpha == 255) & (cv2.erode(alpha, np.ones((9, 9))) < 255)
        mean = [picture[mask][:, :3].mean(0) for mask in (beside, inside)]
        assert np.abs(mean[0] - mean[1]).max() < 40, row["id"]  # not black
        assert np.abs(mean[0] - nearest_seen(picture, beside).mean(0)).max() < 2, row["id"]  # continued from the edge


def nearest_seen(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Of each pixel of the mask the colour of the nearest one that is not fully transparent, (n,3)."""
    rows, columns = ndimage.distance_transform_edt(picture[..., 3] == 0, return_distances=False, return_indices=True)
    return picture[rows[mask], columns[mask], :3]


def test_stored_people_look_over_a_background_as_blender_renders_them():
    rows = list(csv.DictReader((FOLDER.parent / "check.csv").read_text().splitlines()))
    assert len({row["person"] for row in rows}) == 3 and min(int(row["soft pixels"]) for row in rows) > 500
    for row in rows:  # of 255, at the hair
        assert abs(float(row["linear light: mean"])) <= 2
        assert float(row["linear light: mean absolute"]) <= 8  # colours have few samples
        assert float(row["alpha alone: mean absolute"]) <= 4  # with the noise of the reference in it


def test_each_person_is_in_one_split_and_group_splits_keep_people_apart():
    assert {row["split"] for row in ROWS} == {"train", "test"}
    assert len({row["id"] for row in ROWS}) == len({row["seed"] for row in ROWS}) == len(ROWS)
    source = Portraits(2000)
    train, test = (
        [source.people[source.person_of[index]] for index in side] for side in group_split(source.groups, seed=3)
    )
    assert {row["split"] for row in train} == {"train"} and {row["split"] for row in test} == {"test"}
    assert len(test) == 400  # the study's fifth
    seen = [{row["id"] for row in side} for side in (train, test)]
    assert sorted(seen[0] | seen[1]) == [row["id"] for row in ROWS] and not seen[0] & seen[1]


def test_backgrounds_agree_with_their_manifest():
    rows = read_manifest(SCENES)
    assert {row["id"] for row in rows} == {file.stem for file in SCENES.glob("*.webp")}
    used = [{row["panorama"] for row in rows if row["split"] == split} for split in ("train", "test")]
    assert used[0] and used[1] and not used[0] & used[1]
    for row in rows:
        assert hashlib.sha256((SCENES / f"{row['id']}.webp").read_bytes()).hexdigest() == row["sha256"]


def test_it_is_a_source_with_sorted_keys():
    source = open_source("portraits", images=33, seed=0)
    assert isinstance(source, Source) and source.keys == sorted(set(source.keys)) and len(source.keys) == 33
    assert source.counts == {"found": 33, "used": 33} and source.left_out == []
    people = [key.split("-", 1)[1] for key in source.keys]
    assert [group.split("-", 1)[1] for group in source.groups] == people
    assert all(len(set(people[first : first + PER_SESSION])) == 1 for first in range(0, 33, PER_SESSION))


def test_layers_have_the_size_asked_for():
    source = Portraits(2)
    for size in ((28, 28), (75, 40), (400, 300), None):
        sample = source.read(1, size)
        shape = size or (800, 600)
        assert sample.trimap is None and sample.alpha.shape == shape
        assert all(getattr(sample, layer).shape == (*shape, 3) for layer in LAYERS if layer != "alpha")
        assert all(getattr(sample, layer).dtype == np.uint8 for layer in LAYERS)


def test_image_is_the_composite_of_its_layers(samples):
    for sample in [*samples, Portraits(5).read(4, (400, 300))]:
        alpha = sample.alpha[..., None].astype(np.float64) / 255
        expected = alpha * sample.foreground + (1 - alpha) * sample.background  # Porter and Duff 1984
        assert np.abs(sample.image - expected).max() <= 0.5 + 1e-9


def test_composite_against_exact_fractions():
    alpha = np.arange(256, dtype=np.uint8)[None]
    foreground, background = np.full((1, 256, 3), 255, np.uint8), np.zeros((1, 256, 3), np.uint8)
    assert (composite(alpha, foreground, background)[..., 0] == alpha).all()
    assert (composite(255 - alpha, background, foreground)[..., 1] == alpha).all()


def test_alpha_is_that_of_a_person(samples):
    assert 0.4 < np.mean([sample.alpha.mean() for sample in samples]) / 255 < 0.65  # AISegment: 0.55 on average
    for sample in samples:
        assert 0.15 < sample.alpha.mean() / 255 < 0.85
        assert sample.alpha[-1].max() == 255 and sample.alpha[0].mean() < 128  # the chest reaches the lower border


def test_pictures_depend_on_seed_and_index_alone():
    few, many, other = Portraits(9, 0), Portraits(5000, 0), Portraits(9, 1)
    many.read(7, (40, 30))  # what was read before must not matter
    first, again, different = few.read(8, (40, 30)), many.read(8, (40, 30)), other.read(8, (40, 30))
    assert all((getattr(first, layer) == getattr(again, layer)).all() for layer in LAYERS)
    assert not (first.image == different.image).all()
    assert few.keys == many.keys[:9] and few.fingerprint != many.fingerprint != other.fingerprint


def test_a_small_picture_is_the_large_one_averaged():
    source = Portraits(12)
    for index in range(0, 12, 4):
        large, small = source.read(index), source.read(index, (40, 30))
        mean = cv2.resize(large.alpha, (30, 40), interpolation=cv2.INTER_AREA)
        assert np.abs(mean.astype(float) - small.alpha).mean() < 2


def test_camouflage_and_texture_can_be_tuned():
    from lib.experiments.difficulty import colour_overlap, texture

    def mean(measure, **arguments):
        pictures = [Portraits(120, **arguments).read(index, (80, 60)) for index in range(0, 120, 10)]
        return np.nanmean([measure(picture.image, picture.alpha) for picture in pictures])

    assert mean(colour_overlap, camouflage=1.0) > mean(colour_overlap, camouflage=0.0)
    assert mean(texture, texture=0.0) < 0.6 * mean(texture, texture=1.0)


def test_missing_people_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("lib.data.portraits.FOLDER", tmp_path)
    with pytest.raises(UserError, match="make render"):
        Portraits(3)


def test_a_person_renders_as_stored(tmp_path, monkeypatch):
    pytest.importorskip("bpy", exc_type=ImportError)
    pytest.importorskip("anny", exc_type=ImportError)
    monkeypatch.syspath_prepend(str(ROOT / "data/render"))
    render_person_to = runpy.run_path(str(ROOT / "data/render/__main__.py"))["render_person_to"]
    number = int(ROWS[0]["seed"])
    render_person_to(number, tmp_path, threads=2, width=150, height=200, samples=4, alpha_samples=32)
    small = cv2.imread(str(tmp_path / f"{ROWS[0]['id']}.webp"), cv2.IMREAD_UNCHANGED).astype(float)
    stored = cv2.imread(str(FOLDER / f"{ROWS[0]['id']}.webp"), cv2.IMREAD_UNCHANGED)
    stored = cv2.resize(stored, (150, 200), interpolation=cv2.INTER_AREA).astype(float)
    assert np.abs(small[..., 3] - stored[..., 3]).mean() < 2.5
    sure = stored[..., 3] > 250
    assert np.abs(small[sure][:, :3] - stored[sure][:, :3]).mean() < 12
