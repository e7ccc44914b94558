"""The folder source: layouts written here, and the real alphamatting.com images where they are at hand."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lib.base import UserError
from lib.data.folder import Folder
from lib.data.open import open_source
from lib.data.source import Source
from lib.data.trimap import three_levels
from lib.evaluation import benchmark

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "alphamatting15"


def write(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path, **options)


def picture(seed, height=40, width=32):
    rows, columns = np.mgrid[0:height, 0:width]
    return np.dstack([rows * 3 + seed, columns * 4, rows + columns]).astype(np.uint8)


def soft(height=40, width=32):
    return np.clip((np.mgrid[0:height, 0:width][1] - 10) * 20, 0, 255).astype(np.uint8)


@pytest.fixture
def root(tmp_path):
    for i, suffix in enumerate(("jpg", "png", "webp", "bmp", "tif")):
        write(tmp_path / "image" / f"GT{i}.{suffix}", picture(i))
        write(tmp_path / "alpha" / f"GT{i}.png", soft())
    return tmp_path


def test_pairs_by_name_whatever_the_format(root):
    source = open_source("folder", str(root))
    assert isinstance(source, Source)
    assert source.keys == source.groups == ["GT0", "GT1", "GT2", "GT3", "GT4"]
    assert source.counts == {"files": 10, "images": 5, "pairs": 5, "used": 5} and source.left_out == []
    for i in range(5):
        sample = source.read(i)
        assert np.array_equal(sample.alpha, soft()) and sample.trimap is None
        assert np.abs(sample.image.astype(int) - picture(i)).mean() < 6  # JPEG and WebP lose a little


def test_trimap_foreground_and_background(root):
    levels = np.where(soft() == 0, 0, np.where(soft() == 255, 255, 127))
    for i in range(5):
        write(root / "trimap" / f"GT{i}.png", levels)
        write(root / "foreground" / f"GT{i}.png", picture(90))
        write(root / "background" / f"GT{i}.png", picture(70))
    sample = Folder(root).read(1)
    assert np.array_equal(sample.trimap, np.where(levels == 127, 128, levels))  # 127 is what some tools write
    assert np.array_equal(sample.foreground, picture(90)) and np.array_equal(sample.background, picture(70))
    small = Folder(root).read(0, (2, 2))  # the JPEG, at 1/4
    layers = (small.image, small.alpha, small.trimap, small.foreground, small.background)
    assert {layer.shape[:2] for layer in layers} == {(10, 8)}
    assert set(np.unique(small.trimap)) <= {0, 128, 255}


def test_three_levels_are_the_nearest():
    found = three_levels(np.array([0, 63, 64, 127, 128, 191, 192, 255]))
    assert found.tolist() == [0, 0, 128, 128, 128, 128, 255, 255]


@pytest.mark.parametrize(
    ("image", "alpha", "trimap"),
    [("image", "alpha", "trimap1"), ("input_training_lowres", "gt_training_lowres", "trimap_training_lowres/Trimap1")],
)
def test_alphamatting_names(tmp_path, image, alpha, trimap):
    write(tmp_path / image / "GT01.png", picture(0))
    write(tmp_path / alpha / "GT01.png", np.dstack([soft()] * 3))
    write(tmp_path / trimap / "GT01.png", np.full((40, 32), 128))
    sample = Folder(tmp_path).read(0)
    assert np.array_equal(sample.alpha, soft()) and (sample.trimap == 128).all()


def test_subdirectories_are_groups(tmp_path):
    for group, name in (("anna", "1"), ("anna", "2"), ("ben", "1")):
        write(tmp_path / "image" / group / f"{name}.jpg", picture(0))
        write(tmp_path / "alpha" / group / f"{name}.png", soft())
    source = Folder(tmp_path)
    assert source.keys == ["anna/1", "anna/2", "ben/1"] and source.groups == ["anna", "anna", "ben"]


def test_everything_unpaired_is_reported(root):
    write(root / "image" / "lonely.png", picture(0))
    write(root / "alpha" / "orphan.png", soft())
    write(root / "image" / "GT0.png", picture(0))
    (root / "image" / "._GT1.png").write_bytes(b"\0\5\26\7")
    (root / "alpha" / "notes.txt").write_text("")
    source = Folder(root)
    assert dict(source.left_out) == {
        "image/lonely.png": "image without alpha",
        "alpha/orphan.png": "alpha without image",
        "image/GT0.png": "second file of the same name",
        "image/._GT1.png": "AppleDouble file",
        "alpha/notes.txt": "not a picture",
    }
    assert source.counts["files"] == 15 == len(source.left_out) + 2 * source.counts["used"]
    write(root / "trimap" / "GT2.png", soft())
    assert Folder(root).keys == ["GT2"]
    assert ("image/GT3.bmp", "image without trimap") in Folder(root).left_out


@pytest.mark.parametrize(
    "copy", [".ipynb_checkpoints/GT1-checkpoint", "@eaDir/GT1/SYNOPHOTO_THUMB_M", ".GT1", "a/#recycle/GT1"]
)
def test_copies_left_by_tools_are_no_images(root, copy):
    """Each hidden folder would be a group of its own, so that a copy of a training image could be tested on."""
    write(root / f"image/{copy}.jpg", picture(1))
    write(root / f"alpha/{copy}.png", soft())
    source = Folder(root)
    assert source.keys == source.groups == ["GT0", "GT1", "GT2", "GT3", "GT4"]
    assert (f"image/{copy}.jpg", "hidden or helper file") in source.left_out
    assert source.counts["hidden or helper file"] == 2


def test_what_lies_too_deep_is_counted_and_named(root):
    write(root / "image/a/b/GT9.png", picture(9))  # the deepest place that is looked at
    write(root / "alpha/a/b/GT9.png", soft())
    for layer in ("image", "alpha"):
        write(root / layer / "a/b/c/GT8.png", soft())
    (root / "image/a/b/c/again").symlink_to(root / "image")  # followed, this would never end
    source = Folder(root)
    assert "a/b/GT9" in source.keys and source.counts["too deep a folder"] == 2
    assert ("image/a/b/c/GT8.png", "too deep a folder") in source.left_out
    assert source.counts["files"] == 14 == len(source.left_out) + 2 * source.counts["used"]


def test_a_name_that_is_not_utf8_is_named(root):
    os.rename(root / "image" / "GT0.jpg", os.fsencode(root / "image") + b"/caf\xe9.jpg")
    with pytest.raises(
        UserError, match=r"image/caf\\xe9.jpg: expected a name in UTF-8, found other bytes; rename it"
    ) as told:
        Folder(root)
    str(told.value).encode()  # can be printed


def test_links_that_lead_nowhere_or_in_a_circle_are_left_out_and_named(root):
    for name, target in (("GT0.jpg", "GT0.jpg"), ("GT1.png", "nowhere.png")):
        (root / "image" / name).unlink()
        (root / "image" / name).symlink_to(target)
    source = Folder(root)
    assert source.keys == ["GT2", "GT3", "GT4"] and source.counts["broken link"] == 2
    assert dict(source.left_out) == {
        "image/GT0.jpg": "broken link",
        "alpha/GT0.png": "alpha without image",
        "image/GT1.png": "broken link",
        "alpha/GT1.png": "alpha without image",
    }


def test_subset_and_fingerprint(root):
    assert Folder(root, 3, 5).keys == Folder(root, 3, 5).keys
    assert len({tuple(Folder(root, 3, seed).keys) for seed in range(20)}) > 3
    before = Folder(root).fingerprint
    write(root / "alpha" / "GT1.png", 255 - soft())
    assert Folder(root).fingerprint != before


def test_defects(root):
    source = Folder(root)
    write(root / "alpha" / "GT0.png", soft(20, 16))
    write(root / "alpha" / "GT1.png", picture(0))
    with pytest.raises(UserError, match="GT0.png: expected 32x40 .* as in GT0.jpg, found 16x20"):
        source.read(0)
    with pytest.raises(UserError, match="GT1.png: expected a grey picture"):
        source.read(1)


def test_wrong_directories(tmp_path):
    with pytest.raises(UserError, match="data_dir: expected the directory of the folder set, found nothing"):
        Folder(tmp_path / "absent")
    for folder, found in ((tmp_path / "absent", "the directory"), (tmp_path, "a directory named image/")):
        with pytest.raises(UserError, match=f"benchmark_dir: expected {found}") as told:
            benchmark.folder_pictures(folder, "tolerant")
        assert "data_dir" not in str(told.value)
    with pytest.raises(UserError, match="data_dir: expected a directory named image/"):
        Folder(tmp_path)
    (tmp_path / "image").mkdir()
    with pytest.raises(UserError, match="data_dir: expected a directory named alpha/"):
        Folder(tmp_path)
    (tmp_path / "alpha").mkdir()
    with pytest.raises(UserError, match="found none that is in all .0 files in image/, 0 files in alpha/."):
        Folder(tmp_path)


@pytest.mark.skipif(not REAL.exists(), reason="the alphamatting.com images are not at hand")
def test_the_real_alphamatting_images():
    source = Folder(REAL)
    assert source.keys == [f"GT{i:02d}" for i in range(1, 16)] and source.counts["used"] == 15
    for i in (0, 8):
        sample = source.read(i)
        assert sample.image.shape[:2] == sample.alpha.shape == sample.trimap.shape
        assert set(np.unique(sample.trimap)) == {0, 128, 255} and 0 < (sample.alpha % 255 > 0).mean() < 0.5
        assert sample.alpha[sample.trimap == 0].max() < 26 and sample.alpha[sample.trimap == 255].min() > 229
