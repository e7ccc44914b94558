"""Sets on disk: layouts written here with the defects of real ones, and real portraits and listings where they are at hand."""

import csv
import gzip
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from lib.base import UserError
from lib.data.sample import Source
from lib.data.sources import AISegment, open_folder, open_source

SHARED = Path(__file__).resolve().parents[3] / "shared"
TOOL = SHARED / "tools" / "make_aisegment_layout.py"
MANIFEST = SHARED / "data" / "aisegment_manifest.tsv.gz"
ALPHAMATTING = SHARED / "data" / "alphamatting15"
APPLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "


def write(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path, **options)


def picture(seed=0, height=40, width=32):
    rows, columns = np.mgrid[0:height, 0:width]
    return np.dstack([rows * 3 + seed, columns * 4, rows + columns]).astype(np.uint8)


def soft(height=40, width=32):
    return np.clip((np.mgrid[0:height, 0:width][1] - 10) * 20, 0, 255).astype(np.uint8)


@pytest.fixture
def root(tmp_path):
    """A folder set of five pictures in five formats."""
    for i, suffix in enumerate(("jfif", "png", "webp", "bmp", "tif")):
        write(tmp_path / "image" / f"GT{i}.{suffix}", picture(i), **({"format": "JPEG"} if suffix == "jfif" else {}))
        write(tmp_path / "alpha" / f"GT{i}.png", soft())
    return tmp_path


def write_pair(root, group, number, height=64, width=48):
    """One pair of AISegment's: the matte is the photo with alpha, and undefined (white) where alpha is 0."""
    rows, columns = np.mgrid[0:height, 0:width]
    photo = np.dstack([rows * 2, columns * 2, rows + columns + number]).astype(np.uint8)
    alpha = np.clip((rows + columns - 40) * 16, 0, 255).astype(np.uint8)
    name = f"{group}-{number:08d}"
    write(root / f"clip_img/{group}/clip_00000000/{name}.jpg", photo, quality=95, subsampling=0)
    matte = np.dstack([np.where(alpha[..., None] > 0, photo, 255), alpha])
    write(root / f"matting/{group}/matting_00000000/{name}.png", matte)
    return photo, alpha


@pytest.fixture
def layout(tmp_path):
    """AISegment's: three groups, ten pairs, and every defect of the real set."""
    for group, count in (("1803151818", 5), ("1803201916", 3), ("1803241125", 2)):
        for number in range(count):
            write_pair(tmp_path, group, number + 1)
    (tmp_path / "clip_img/1803241125/clip_00000000/._1803241125-00000001.jpg").write_bytes(APPLE)
    (tmp_path / "matting/1803201916/._matting_00000000").write_bytes(APPLE)
    orphan = tmp_path / "matting/1803201916/matting_00000000/1803201916-00000117.png"
    orphan.write_bytes((orphan.parent / "1803201916-00000001.png").read_bytes())
    return tmp_path


# ---------------------------------------------------------------------------------------------------- any folder


def test_pairs_by_name_whatever_the_format(root):
    source = open_source("folder", str(root))
    assert isinstance(source, Source) and source.name == "folder"
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
    sample = open_folder(root).read(1)
    assert np.array_equal(sample.trimap, np.where(levels == 127, 128, levels))  # 127 is what some tools write
    assert np.array_equal(sample.foreground, picture(90)) and np.array_equal(sample.background, picture(70))
    small = open_folder(root).read(0, (2, 2))  # the JPEG, at 1/4
    layers = (small.image, small.alpha, small.trimap, small.foreground, small.background)
    assert {layer.shape[:2] for layer in layers} == {(10, 8)}
    assert set(np.unique(small.trimap)) <= {0, 128, 255}


@pytest.mark.parametrize(
    ("image", "alpha", "trimap"),
    [("image", "alpha", "trimap1"), ("input_training_lowres", "gt_training_lowres", "trimap_training_lowres/Trimap1")],
)
def test_alphamatting_names(tmp_path, image, alpha, trimap):
    write(tmp_path / image / "GT01.png", picture(0))
    write(tmp_path / alpha / "GT01.png", np.dstack([soft()] * 3))
    write(tmp_path / trimap / "GT01.png", np.full((40, 32), 128))
    sample = open_folder(tmp_path).read(0)
    assert np.array_equal(sample.alpha, soft()) and (sample.trimap == 128).all()


def test_subdirectories_are_groups_links_among_them_but_no_circle(tmp_path):
    for group, name in (("anna", "1"), ("anna", "deep/er/2"), ("ben", "1")):
        write(tmp_path / "image" / group / f"{name}.jpg", picture(0))
        write(tmp_path / "alpha" / group / f"{name}.png", soft())
    for layer in ("image", "alpha"):
        (tmp_path / layer / "carl").symlink_to("ben")
        (tmp_path / layer / "anna/again").symlink_to(tmp_path / layer)  # followed, this would never end
    source = open_folder(tmp_path)
    assert source.keys == ["anna/1", "anna/deep/er/2", "ben/1", "carl/1"]
    assert source.groups == ["anna", "anna", "ben", "carl"]


def test_everything_unpaired_is_reported(root):
    write(root / "image" / "lonely.png", picture(0))
    write(root / "alpha" / "orphan.png", soft())
    write(root / "image" / "GT0.png", picture(0))
    (root / "image" / "._GT1.png").write_bytes(b"\0\5\26\7")
    (root / "alpha" / "notes.txt").write_text("")
    (root / "image" / "GT1.png").unlink()
    (root / "image" / "GT1.png").symlink_to("nowhere.png")
    os.rename(root / "image" / "GT2.webp", os.fsencode(root / "image") + b"/caf\xe9.webp")
    source = open_folder(root)
    assert source.keys == ["GT0", "GT3", "GT4"]
    assert dict(source.left_out) == {
        "image/lonely.png": "image without alpha",
        "alpha/orphan.png": "alpha without image",
        "image/GT0.png": "second file of the same name",
        "image/._GT1.png": "AppleDouble file",
        "alpha/notes.txt": "not a picture",
        "image/GT1.png": "broken link",
        "alpha/GT1.png": "alpha without image",
        r"image/caf\xe9.webp": "name not in UTF-8",
        "alpha/GT2.png": "alpha without image",
    }
    assert source.left_out == sorted(source.left_out) and source.counts["alpha without image"] == 3
    assert source.counts["files"] == 15 == len(source.left_out) + 2 * source.counts["used"]
    write(root / "trimap" / "GT4.png", soft())
    assert open_folder(root).keys == ["GT4"]
    assert ("image/GT3.bmp", "image without trimap") in open_folder(root).left_out


@pytest.mark.parametrize(
    "copy", [".ipynb_checkpoints/GT1-checkpoint", "@eaDir/GT1/SYNOPHOTO_THUMB_M", ".GT1", "a/#recycle/GT1"]
)
def test_copies_left_by_tools_are_no_images(root, copy):
    """Each hidden folder would be a group of its own, so that a copy of a training image could be tested on."""
    write(root / f"image/{copy}.jpg", picture(1))
    write(root / f"alpha/{copy}.png", soft())
    source = open_folder(root)
    assert source.keys == source.groups == ["GT0", "GT1", "GT2", "GT3", "GT4"]
    assert (f"image/{copy}.jpg", "hidden or helper file") in source.left_out
    assert source.counts["hidden or helper file"] == 2


def test_the_same_name_spelled_in_two_ways_is_one(tmp_path):
    """macOS writes é as two characters (NFD), others as one (NFC); on the screen the names are the same."""
    for layer, form in (("image", "NFC"), ("alpha", "NFD")):
        for name in ("Zoë", "José"):
            write(tmp_path / layer / (unicodedata.normalize(form, name) + ".png"), soft())
    source = open_folder(tmp_path)
    assert source.counts["used"] == 2 and source.left_out == [] and np.array_equal(source.read(0).alpha, soft())


def test_a_photograph_in_another_format_is_no_orphan_but_refused_by_name(root):
    write(root / "alpha/IMG_1.png", soft())
    (root / "image/IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    source = open_folder(root)
    with pytest.raises(UserError, match="IMG_1.HEIC: expected a picture .* found HEIC; save it as JPEG or PNG"):
        source.read(source.keys.index("IMG_1"))


def test_subset_and_fingerprint(root):
    assert open_folder(root, 3, 5).keys == open_folder(root, 3, 5).keys
    assert len({tuple(open_folder(root, 3, seed).keys) for seed in range(20)}) > 3
    assert open_folder(root, 99).keys == open_folder(root).keys
    before = open_folder(root).fingerprint
    assert before == open_folder(root).fingerprint != open_folder(root, 3).fingerprint
    write(root / "alpha" / "GT1.png", 255 - soft())
    assert open_folder(root).fingerprint != before


def test_defects(root):
    source = open_folder(root)
    write(root / "alpha" / "GT0.png", soft(20, 16))
    write(root / "alpha" / "GT1.png", picture(0))
    for size in (None, (2, 2)):
        with pytest.raises(UserError, match="GT0.png: expected 32x40 .* as its image has, found 16x20"):
            source.read(0, size)
    with pytest.raises(UserError, match="GT1.png: expected a grey picture"):
        source.read(1)


DENIED = """
import sys
from lib.base import UserError
from lib.data.sources import open_source
try:
    open_source(sys.argv[1], sys.argv[2])
except UserError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to somebody else")
@pytest.mark.parametrize("data", ["folder", "aisegment"])
@pytest.mark.parametrize("locked", [".", "alpha"])
def test_a_directory_that_one_may_not_enter_is_named_with_the_systems_reason(root, data, locked):
    """Path.is_dir raises there (until Python 3.14), and rglob leaves it out without a word."""
    if data == "aisegment":
        (root / "image").rename(root / "clip_img")
        (root / "alpha").rename(root / "matting")
        locked = locked.replace("alpha", "matting")
    os.chown(root / locked, 1, 1)
    os.chmod(root / locked, 0o700)
    bounded = [
        "setpriv",
        "--bounding-set=-dac_override,-dac_read_search",
        sys.executable,
        "-c",
        DENIED,
        data,
        str(root),
    ]
    done = subprocess.run(bounded, capture_output=True, text=True)
    if "setpriv" in done.stderr:
        pytest.skip(f"no right can be given up here: {done.stderr.strip()}")
    assert done.stdout.startswith(str(root)) and done.stdout.count("\n") == 1, done.stderr
    assert "found: Permission denied; check its permissions." in done.stdout


@pytest.mark.skipif(not ALPHAMATTING.exists(), reason="the alphamatting.com images are not at hand")
def test_the_real_alphamatting_images():
    source = open_folder(ALPHAMATTING)
    assert source.keys == [f"GT{i:02d}" for i in range(1, 16)] and source.counts["used"] == 15
    for i in (0, 8):
        sample = source.read(i)
        assert sample.image.shape[:2] == sample.alpha.shape == sample.trimap.shape
        assert set(np.unique(sample.trimap)) == {0, 128, 255} and 0 < (sample.alpha % 255 > 0).mean() < 0.5
        assert sample.alpha[sample.trimap == 0].max() < 26 and sample.alpha[sample.trimap == 255].min() > 229


# ------------------------------------------------------------------------------------------------------ AISegment


def test_counts_keys_and_what_is_left_out(layout):
    for folder, suffix in (("clip_img", "jpg"), ("matting", "png")):
        copy = layout / folder / ".ipynb_checkpoints/clip_00000000" / f"1803151818-00000001-checkpoint.{suffix}"
        copy.parent.mkdir(parents=True)
        copy.write_bytes(b"a copy")
    source = open_source("aisegment", str(layout))
    assert isinstance(source, Source) and source.name == "aisegment"
    assert source.counts == {
        "files": 25,
        "images": 10,
        "AppleDouble file": 2,
        "alpha without image": 1,
        "hidden or helper file": 2,
        "pairs": 10,
        "used": 10,
    }
    assert source.left_out == [
        ("clip_img/.ipynb_checkpoints/clip_00000000/1803151818-00000001-checkpoint.jpg", "hidden or helper file"),
        ("clip_img/1803241125/clip_00000000/._1803241125-00000001.jpg", "AppleDouble file"),
        ("matting/.ipynb_checkpoints/clip_00000000/1803151818-00000001-checkpoint.png", "hidden or helper file"),
        ("matting/1803201916/._matting_00000000", "AppleDouble file"),
        ("matting/1803201916/matting_00000000/1803201916-00000117.png", "alpha without image"),
    ]
    assert source.keys == sorted(source.keys) and len(set(source.keys)) == 10
    assert "1803241125-00000001" in source.keys  # the real file beside its AppleDouble file
    assert source.groups == [key.split("-")[0] for key in source.keys]


def test_alpha_is_channel_three_and_the_image_is_rgb(layout):
    photo, alpha = write_pair(layout, "1803300000", 9)
    source = AISegment(layout)
    sample = source.read(source.keys.index("1803300000-00000009"))
    assert np.array_equal(sample.alpha, alpha) and sample.alpha.dtype == np.uint8
    assert np.abs(sample.image.astype(int) - photo).mean() < 3
    assert sample.trimap is sample.foreground is sample.background is None


def test_reduced_reading_keeps_alpha_on_top_of_the_image(layout):
    for height, width, scale in ((64, 48, 1), (104, 88, 2), (208, 176, 4), (101, 83, 1)):
        photo, alpha = write_pair(layout, "1803300000", 9, height, width)
        source = AISegment(layout)
        sample = source.read(source.keys.index("1803300000-00000009"), (12, 10))
        assert sample.image.shape[:2] == sample.alpha.shape == (height // scale, width // scale)
        small = cv2.resize(sample.image, (10, 12), interpolation=cv2.INTER_AREA).astype(int)
        direct = cv2.resize(photo, (10, 12), interpolation=cv2.INTER_AREA)
        assert np.abs(small - direct).mean() < 3
        small = cv2.resize(sample.alpha, (10, 12), interpolation=cv2.INTER_AREA).astype(int)
        assert np.abs(small - cv2.resize(alpha, (10, 12), interpolation=cv2.INTER_AREA)).max() <= 4


@pytest.mark.parametrize("nesting", ["", "matting_human_half", "matting_human_half/matting_human_half"])
def test_the_outermost_root_is_found_at_every_nesting(tmp_path, nesting):
    write_pair(tmp_path / nesting, "1803151818", 1)
    write_pair(tmp_path / "matting_human_half/matting_human_half", "1803151818", 1)
    source = AISegment(tmp_path)
    assert source.root == tmp_path / nesting and source.keys == ["1803151818-00000001"]


def test_names_pair_within_their_group_and_not_by_position(tmp_path):
    for path in (
        *(f"clip_img/g/clip_00000000/g-{i:08d}.jpg" for i in (1, 3, 4)),
        *(f"matting/g/matting_00000003/g-{i:08d}.png" for i in (1, 2, 3)),
        "clip_img/h/clip_00000000/h-00000001.jpg",
        "matting/g/matting_00000000/h-00000001.png",  # in another group's folder
    ):
        write(tmp_path / path, np.zeros((4, 4, 4)) if path.endswith("png") else np.zeros((4, 4, 3)))
    source = AISegment(tmp_path)
    assert source.keys == ["g-00000001", "g-00000003"]
    assert all(len({Path(path).stem for path in paths.values()}) == 1 for paths in source._paths.values())
    assert source.counts["image without alpha"] == source.counts["alpha without image"] == 2


@pytest.mark.parametrize(
    ("defect", "reason"),
    [
        (lambda clip, matte: clip.write_bytes(clip.read_bytes()[:400]), "unreadable file"),
        (lambda clip, matte: matte.write_bytes(b""), "unreadable file"),
        (lambda clip, matte: matte.unlink(), "unreadable file"),
        (lambda clip, matte: Image.open(matte).convert("RGB").save(matte), "matte without alpha channel"),
        (lambda clip, matte: Image.open(matte).resize((24, 32)).save(matte), "size mismatch"),
    ],
)
def test_a_defective_file_is_refused_by_name(layout, defect, reason):
    source = AISegment(layout)
    clip = layout / "clip_img/1803151818/clip_00000000/1803151818-00000001.jpg"
    defect(clip, layout / "matting/1803151818/matting_00000000/1803151818-00000001.png")
    with pytest.raises(UserError, match="1803151818-00000001.*: expected .*found") as error:
        source.read(0, (8, 8))
    assert error.value.reason == reason and source.read(1).alpha.shape == (64, 48)


def test_wrong_parameters(tmp_path, layout):
    (tmp_path / "file").write_text("")
    (tmp_path / "half/clip_img").mkdir(parents=True)
    (tmp_path / "none/clip_img/g").mkdir(parents=True)
    (tmp_path / "none/matting").mkdir()
    for data_dir, sentence in {
        "": "data_dir: expected the directory of the aisegment set, found nothing",
        str(tmp_path / "absent"): "data_dir: expected the directory of the aisegment set, found nothing at",
        str(tmp_path / "file"): "data_dir: expected the directory of the aisegment set, found a file at",
        str(tmp_path / "half"): "data_dir: expected clip_img/ and matting/ in .*, found none",
        str(tmp_path / "none"): "found none that is in all .0 files in clip_img/, 0 files in matting/.",
    }.items():
        with pytest.raises(UserError, match=sentence):
            open_source("aisegment", data_dir)
    for folder, expected in ((tmp_path / "absent", "the directory"), (tmp_path, "a directory named image/")):
        with pytest.raises(UserError, match=f"benchmark_dir: expected {expected}") as error:
            open_folder(folder, parameter="benchmark_dir")
        assert "data_dir" not in str(error.value)
    with pytest.raises(UserError, match="data: expected one of portraits, aisegment, folder, found 'coco'"):
        open_source("coco")
    with pytest.raises(UserError, match="images: expected 0 .all. or a positive number, found -1"):
        open_source("aisegment", str(layout), images=-1)
    with pytest.raises(UserError, match="data_dir: the rendered portraits need no directory"):
        open_source("portraits", str(layout))


@pytest.mark.skipif(not TOOL.exists(), reason="the real portraits are not at hand")
def test_the_laid_out_real_portraits(tmp_path):
    subprocess.run([sys.executable, str(TOOL), str(tmp_path)], check=True, capture_output=True)
    source = open_source("aisegment", str(tmp_path))
    assert source.root == tmp_path / "matting_human_half"
    assert source.counts == {
        "files": 403,
        "images": 200,
        "AppleDouble file": 2,
        "alpha without image": 1,
        "pairs": 200,
        "used": 200,
    }
    masks = sorted((SHARED / "data/portraits200/alpha").glob("*.png"))
    for i in range(0, 200, 23):  # the number in the name is the position in the original set
        number = int(source.keys[i].split("-")[1])
        sample, mask = source.read(i), cv2.imread(str(masks[number]), cv2.IMREAD_GRAYSCALE)
        assert sample.image.shape == (800, 600, 3) and sample.alpha.shape == (800, 600)
        assert ((sample.alpha > 127) == (mask > 127)).mean() > 0.99
        jpg = cv2.imread(str(SHARED / "data/portraits200/image" / f"{masks[number].stem}.jpg"))
        assert np.abs(sample.image.astype(int) - jpg[..., ::-1]).mean() < 2
        small = source.read(i, (28, 28))
        assert small.image.shape == (200, 150, 3)
        for pair in ((small.image, sample.image), (small.alpha, sample.alpha)):
            reduced, whole = (cv2.resize(pixels, (28, 28), interpolation=cv2.INTER_AREA) for pixels in pair)
            assert np.abs(reduced.astype(int) - whole).mean() < 0.5


@pytest.mark.skipif(not MANIFEST.exists(), reason="the AISegment listing is not at hand")
def test_the_real_listing(tmp_path):
    """The published file list with its known defects, as the directories would list it."""
    with gzip.open(MANIFEST, "rt") as file:
        rows = [(row["group"], row["name"]) for row in csv.DictReader(file, delimiter="\t")]
    listing = [f"clip_img/{group}/clip_00000000/{name}" for group, name in rows]
    listing += [f"matting/{group}/matting_00000000/{name[:-4]}.png" for group, name in rows]
    listing += [
        "clip_img/1803241125/clip_00000000/._1803241125-00000005.jpg",
        "matting/1803201916/._matting_00000000",
        "matting/1803201916/matting_00000000/1803201916-00000117.png",
    ]
    for path in listing:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(tmp_path / path, os.O_CREAT))
    source = AISegment(tmp_path)
    assert source.counts == {
        "files": 68853,
        "images": 34425,
        "AppleDouble file": 2,
        "alpha without image": 1,
        "pairs": 34425,
        "used": 34425,
    }
    assert len(set(source.groups)) == 148 and "1803241125-00000005" in source.keys
    assert all(len({Path(path).stem for path in paths.values()}) == 1 for paths in source._paths.values())
