"""The AISegment reader: layouts written here, the laid-out real portraits and the real listing where at
hand."""

import csv
import gzip
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from lib.__main__ import main
from lib.base import UserError
from lib.data.aisegment import AISegment, find_root, index
from lib.data.open import open_source
from lib.data.source import Source

SHARED = Path(__file__).resolve().parents[3] / "shared"
TOOL = SHARED / "tools" / "make_aisegment_layout.py"
MANIFEST = SHARED / "data" / "aisegment_manifest.tsv.gz"
APPLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "


def write_pair(root, group, number, height=64, width=48):
    """One pair as the set has it: the matte is the photo with alpha, and undefined (white) where alpha is
    0."""
    rows, columns = np.mgrid[0:height, 0:width]
    photo = np.dstack([rows * 2, columns * 2, rows + columns + number]).astype(np.uint8)
    alpha = np.clip((rows + columns - 40) * 16, 0, 255).astype(np.uint8)
    clip = root / "clip_img" / group / "clip_00000000"
    matte = root / "matting" / group / "matting_00000000"
    clip.mkdir(parents=True, exist_ok=True)
    matte.mkdir(parents=True, exist_ok=True)
    name = f"{group}-{number:08d}"
    Image.fromarray(photo).save(clip / f"{name}.jpg", quality=95, subsampling=0)
    Image.fromarray(np.dstack([np.where(alpha[..., None] > 0, photo, 255), alpha]).astype(np.uint8)).save(
        matte / f"{name}.png"
    )
    return photo, alpha


@pytest.fixture
def layout(tmp_path):
    """Three groups, ten pairs, and every defect of the real set."""
    for group, count in (("1803151818", 5), ("1803201916", 3), ("1803241125", 2)):
        for number in range(count):
            write_pair(tmp_path, group, number + 1)
    (tmp_path / "clip_img/1803241125/clip_00000000/._1803241125-00000001.jpg").write_bytes(APPLE)
    (tmp_path / "matting/1803201916/._matting_00000000").write_bytes(APPLE)
    orphan = tmp_path / "matting/1803201916/matting_00000000/1803201916-00000117.png"
    orphan.write_bytes((orphan.parent / "1803201916-00000001.png").read_bytes())
    return tmp_path


def test_counts_keys_and_what_is_left_out(layout):
    source = open_source("aisegment", str(layout))
    assert isinstance(source, Source) and source.name == "aisegment"
    assert source.counts == {
        "files": 23,
        "images": 10,
        "mattes": 11,
        "AppleDouble file": 2,
        "matte without image": 1,
        "pairs": 10,
        "used": 10,
    }
    assert source.left_out == [
        ("clip_img/1803241125/clip_00000000/._1803241125-00000001.jpg", "AppleDouble file"),
        ("matting/1803201916/._matting_00000000", "AppleDouble file"),
        ("matting/1803201916/matting_00000000/1803201916-00000117.png", "matte without image"),
    ]
    assert source.keys == sorted(source.keys) and len(set(source.keys)) == 10
    assert "1803241125-00000001" in source.keys  # the real file beside its AppleDouble file
    assert source.groups == [key.split("-")[0] for key in source.keys]


def test_a_link_to_itself_is_left_out_and_named(layout):
    photo = layout / "clip_img/1803151818/clip_00000000/1803151818-00000002.jpg"
    photo.unlink()
    photo.symlink_to(photo.name)
    source = AISegment(layout)
    assert source.counts["used"] == 9 and source.counts["files"] == 23 and source.counts["broken link"] == 1
    assert (photo.relative_to(layout).as_posix(), "broken link") in source.left_out
    assert "1803151818-00000002" not in source.keys and source.left_out == sorted(source.left_out)


def test_files_deeper_than_the_layout_are_left_out_and_counted(layout):
    deep = layout / "matting/1803151818/matting_00000000/copy/of it"
    deep.mkdir(parents=True)
    (deep.parent / "1803151818-00000001.png").write_bytes(b"")
    (deep / "1803151818-00000001.png").write_bytes(b"")
    source = AISegment(layout)
    assert source.counts["files"] == 25 and source.counts["too deep a folder"] == 2 and source.counts["used"] == 10
    path = "matting/1803151818/matting_00000000/copy/of it/1803151818-00000001.png"
    assert (path, "too deep a folder") in source.left_out and source.left_out == sorted(source.left_out)


def test_copies_left_by_tools_are_no_images(layout):
    for folder, suffix in (("clip_img", "jpg"), ("matting", "png")):
        for copies in (".ipynb_checkpoints/clip_00000000", "1803151818/@eaDir"):
            (layout / folder / copies).mkdir(parents=True)
            (layout / folder / copies / f"1803151818-00000001-checkpoint.{suffix}").write_bytes(b"a copy")
    source = AISegment(layout)
    assert source.counts["used"] == 10 and source.counts["hidden or helper file"] == 4
    assert set(source.groups) == {"1803151818", "1803201916", "1803241125"}


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
def test_root_is_found_at_every_nesting(tmp_path, nesting):
    write_pair(tmp_path / nesting, "1803151818", 1)
    assert find_root(tmp_path) == tmp_path / nesting
    assert AISegment(tmp_path).keys == ["1803151818-00000001"]


def test_the_outermost_copy_wins(tmp_path):
    write_pair(tmp_path, "1803151818", 1)
    write_pair(tmp_path / "matting_human_half", "1803151818", 1)
    assert find_root(tmp_path) == tmp_path


def test_index_pairs_by_name_not_by_position():
    listing = [f"clip_img/g/clip_00000000/g-{i:08d}.jpg" for i in (1, 3, 4)]
    listing += [f"matting/g/matting_00000000/g-{i:08d}.png" for i in (1, 2, 3)]
    found = index(reversed(listing))
    assert [pair[0] for pair in found.pairs] == ["g-00000001", "g-00000003"]
    assert all(Path(image).stem == Path(matte).stem == key for key, _, image, matte in found.pairs)
    assert found.counts == {"files": 6, "images": 3, "mattes": 3, "image without matte": 1, "matte without image": 1}


def test_index_reports_everything_that_does_not_belong():
    found = index(
        [
            "clip_img/g/clip_00000000/g-00000001.JPG",
            "matting/g/matting_00000003/g-00000001.png",
            "clip_img/g/clip_00000001/g-00000001.jpg",
            "clip_img/h/clip_00000000/h-00000001.jpg",
            "matting/g/matting_00000000/h-00000001.png",
            "clip_img/.DS_Store",
            "clip_img/g/clip_00000000/Thumbs.db",
            "__MACOSX/clip_img/g/clip_00000000/g-00000001.jpg",
            "clip_img/._g/clip_00000000/g-00000002.jpg",
        ]
    )
    assert [pair[:2] for pair in found.pairs] == [("g-00000001", "g")]
    assert dict(found.left_out) == {
        "__MACOSX/clip_img/g/clip_00000000/g-00000001.jpg": "AppleDouble file",
        "clip_img/._g/clip_00000000/g-00000002.jpg": "AppleDouble file",
        "clip_img/.DS_Store": "hidden or helper file",
        "clip_img/g/clip_00000000/Thumbs.db": "not part of the layout",
        "clip_img/g/clip_00000001/g-00000001.jpg": "second file of the same name",
        "matting/g/matting_00000000/h-00000001.png": "second file of the same name",  # of another group
        "clip_img/h/clip_00000000/h-00000001.jpg": "image without matte",
    }
    used = 2 * len(found.pairs)
    assert found.counts["files"] == used + len(found.left_out)


def test_a_subset_is_drawn_with_the_seed_and_sorted(layout):
    some, same, other = AISegment(layout, 4, 0), AISegment(layout, 4, 0), AISegment(layout, 4, 1)
    assert some.keys == same.keys == sorted(some.keys) and len(some.keys) == 4
    assert some.keys != other.keys and some.counts["used"] == 4 and some.counts["pairs"] == 10
    assert AISegment(layout, 99, 0).keys == AISegment(layout).keys


def test_fingerprint_follows_the_files(layout):
    before = AISegment(layout).fingerprint
    assert before == AISegment(layout).fingerprint and len(before) == 64
    assert before != AISegment(layout, 4).fingerprint
    matte = next((layout / "matting").glob("*/matting_*/1803151818-*.png"))
    matte.write_bytes(matte.read_bytes() + b"\0")
    assert AISegment(layout).fingerprint != before


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
    for size in (None, (8, 8)):
        with pytest.raises(UserError, match="1803151818-00000001.*: expected .*found") as error:
            source.read(0, size)
        assert error.value.reason == reason
    assert source.read(1).alpha.shape == (64, 48)


def test_wrong_directories(tmp_path, layout):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "half/clip_img").mkdir(parents=True)
    (tmp_path / "none/clip_img/g").mkdir(parents=True)
    (tmp_path / "none/matting").mkdir()
    for data_dir, sentence in {
        "": "data_dir: expected the directory of the aisegment set, found nothing",
        str(tmp_path / "absent"): "data_dir: expected the directory of the aisegment set, found nothing at",
        str(tmp_path / "file"): "data_dir: expected the directory of the aisegment set, found a file at",
        str(tmp_path / "empty"): "data_dir: expected clip_img/ and matting/ in .*, found nothing",
        str(tmp_path / "half"): "expected both clip_img/ and matting/, found no matting/",
        str(tmp_path / "none"): "found no pair .0 images, 0 mattes.",
    }.items():
        with pytest.raises(UserError, match=sentence):
            open_source("aisegment", data_dir)
    with pytest.raises(UserError, match="data: expected one of portraits, aisegment, folder, found 'coco'"):
        open_source("coco")
    with pytest.raises(UserError, match="images: expected 0 .all. or a positive number, found -1"):
        open_source("aisegment", str(layout), images=-1)
    with pytest.raises(UserError, match="data_dir: the rendered portraits need no directory"):
        open_source("portraits", str(layout))


def test_opening_a_source_imports_no_torch(layout):
    code = (
        "import sys; from lib.data.open import open_source; "
        "print(open_source('aisegment', sys.argv[1]).fingerprint, 'torch' in sys.modules)"
    )
    out = subprocess.check_output([sys.executable, "-c", code, str(layout)], text=True)
    assert out.split() == [AISegment(layout).fingerprint, "False"]


def test_kaggle_without_kagglehub_or_credentials(tmp_path, monkeypatch, capsys):
    def said() -> str:
        with pytest.raises(SystemExit) as stopped:
            main(["kaggle", str(tmp_path)])
        assert stopped.value.code == 2
        return capsys.readouterr().err

    monkeypatch.setenv("KAGGLEHUB_CACHE", "")  # so that the change is undone afterwards
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    assert "expected the package kagglehub" in said()

    class Hub:
        def dataset_download(self, handle):
            raise ConnectionError("the line\nis cut")

    class Config:
        get_kaggle_credentials = staticmethod(lambda: None)

    monkeypatch.setitem(sys.modules, "kagglehub", Hub())
    monkeypatch.setitem(sys.modules, "kagglehub.config", Config())
    assert "expected your Kaggle credentials, found none" in said()
    Config.get_kaggle_credentials = staticmethod(lambda: object())
    assert "the download stopped (the line is cut); give the same command again" in said()


def test_kaggle_download_says_how_to_go_on(layout, monkeypatch, capsys):
    monkeypatch.setenv("KAGGLEHUB_CACHE", "")
    calls = []

    class Hub:
        def dataset_download(self, handle):
            calls.append(handle)
            return str(layout)

    class Config:
        get_kaggle_credentials = staticmethod(lambda: object())

    monkeypatch.setitem(sys.modules, "kagglehub", Hub())
    monkeypatch.setitem(sys.modules, "kagglehub.config", Config())
    main(["kaggle", str(layout)])
    assert calls == ["laurentmih/aisegmentcom-matting-human-datasets"]
    assert f"make paper PROFILE=paper DATA=aisegment DATA_DIR={layout}" in capsys.readouterr().out


@pytest.mark.skipif(not TOOL.exists(), reason="the real portraits are not at hand")
def test_the_laid_out_real_portraits(tmp_path):
    subprocess.run([sys.executable, str(TOOL), str(tmp_path)], check=True, capture_output=True)
    source = open_source("aisegment", str(tmp_path))
    assert source.root == tmp_path / "matting_human_half"
    assert source.counts == {
        "files": 403,
        "images": 200,
        "mattes": 201,
        "AppleDouble file": 2,
        "matte without image": 1,
        "pairs": 200,
        "used": 200,
    }
    reasons = sorted(reason for _, reason in source.left_out)
    assert reasons == ["AppleDouble file", "AppleDouble file", "matte without image"]
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
            found, whole = (cv2.resize(pixels, (28, 28), interpolation=cv2.INTER_AREA) for pixels in pair)
            assert np.abs(found.astype(int) - whole).mean() < 0.5


@pytest.mark.skipif(not MANIFEST.exists(), reason="the AISegment listing is not at hand")
def test_the_real_listing():
    with gzip.open(MANIFEST, "rt") as file:
        rows = [(row["group"], row["name"]) for row in csv.DictReader(file, delimiter="\t")]
    listing = [f"clip_img/{group}/clip_00000000/{name}" for group, name in rows]
    listing += [f"matting/{group}/matting_00000000/{name[:-4]}.png" for group, name in rows]
    listing += [
        "clip_img/1803241125/clip_00000000/._1803241125-00000005.jpg",
        "matting/1803201916/._matting_00000000",
        "matting/1803201916/matting_00000000/1803201916-00000117.png",
    ]
    begun = time.perf_counter()
    found = index(listing)
    assert time.perf_counter() - begun < 5
    assert found.counts == {
        "files": 68853,
        "images": 34425,
        "mattes": 34426,
        "AppleDouble file": 2,
        "matte without image": 1,
    }
    assert len(found.pairs) == 34425 and len({pair[1] for pair in found.pairs}) == 148
    assert "1803241125-00000005" in {pair[0] for pair in found.pairs}
    assert all(Path(image).stem == Path(matte).stem for _, _, image, matte in found.pairs)
