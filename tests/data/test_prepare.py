"""Preparation: resizing against block means, the cache, defects, and sources of every kind."""

import errno
import json
import shutil
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from lib.base import UserError
from lib.data import prepare as prepare_module
from lib.data.open import open_source
from lib.data.prepare import prepare
from lib.data.source import Sample, Source
from lib.data.trimap import make_trimap


class Drawn:
    """Random images in memory, with all layers, larger than asked for; those in `bad` cannot be read.

    Always prepared with workers=1: worker processes cannot import a test module.
    """

    name = "drawn"

    def __init__(self, images=70, shape=(32, 24), bad=(), layers=True, fingerprint="f" * 64):
        self.keys = [f"{i:05d}" for i in range(images)]
        self.groups = [f"g{i // 8}" for i in range(images)]
        self.counts, self.left_out, self.fingerprint = {"drawn": images, "used": images}, [], fingerprint
        self.shape, self.bad, self.layers = shape, set(bad), layers

    def read(self, index, size=None):
        if index in self.bad:
            raise UserError(f"{index}: expected a picture, found none; draw it again.")
        random = np.random.default_rng(index)
        image, foreground, background = random.integers(0, 256, (3, *self.shape, 3), dtype=np.uint8)
        alpha, trimap = random.integers(0, 256, (2, *self.shape), dtype=np.uint8)
        layers = (trimap // 86 * 127, foreground, background) if self.layers else (None, None, None)
        return Sample(image, alpha, *layers)


def block_means(pixels, size):
    height, width = size
    blocks = pixels.reshape(height, pixels.shape[0] // height, width, pixels.shape[1] // width, -1)
    return blocks.mean(axis=(1, 3)).transpose(2, 0, 1)


def test_layers_are_block_means_in_the_order_of_the_keys(tmp_path, capsys):
    source = Drawn()
    assert isinstance(source, Source)
    prepared = prepare(source, (8, 6), cache=tmp_path, workers=1)
    assert len(prepared) == 70 and prepared.keys == source.keys and prepared.groups == source.groups
    for layer, channels in prepare_module.CHANNELS.items():
        array = getattr(prepared, layer)
        assert array.shape == (70, channels, 8, 6) and array.dtype == np.uint8
        assert isinstance(array, np.memmap) and not array.flags.writeable
        for i in (0, 31, 32, 69):
            pixels = getattr(source.read(i), layer)
            if layer == "trimap":
                assert np.array_equal(array[i, 0], pixels[::4, ::4])
            else:
                assert np.abs(array[i] - block_means(pixels, (8, 6))).max() <= 0.5
    assert capsys.readouterr().out == "drawn at 8x6 px: 70 images used; found 70 drawn; nothing left out\n"


def test_one_size_is_square_and_missing_layers_are_none(tmp_path):
    prepared = prepare(Drawn(3, layers=False), 8, cache=tmp_path, workers=1)
    assert prepared.image.shape == (3, 3, 8, 8) and prepared.alpha.shape == (3, 1, 8, 8)
    assert prepared.foreground is prepared.background is None


def rectangles(n: int = 6, side: int = 28) -> np.ndarray:
    """Alpha (n,1,side,side) uint8: rectangles with one soft edge, the first of them not quite opaque."""
    random = np.random.default_rng(0)
    alpha = np.zeros((n, 1, side, side), np.uint8)
    for one in alpha:
        top, left = random.integers(2, 8, 2)
        one[0, top:, left:-left] = 255
        one[0, top, left:-left] = 100
    alpha[0] = np.minimum(alpha[0], 250)
    return alpha


class Shapes(Drawn):
    """Rectangles, without trimaps or with trimaps that are all unknown."""

    def __init__(self, trimap=False):
        super().__init__(6, layers=False)
        self.trimap = trimap

    def read(self, index, size=None):
        alpha = rectangles()[index, 0]
        return Sample(np.stack([alpha] * 3, -1), alpha, np.full_like(alpha, 128) if self.trimap else None)


def test_trimaps_come_from_alpha_with_the_radius_of_the_size(tmp_path):
    prepared = prepare(Shapes(), 28, rule="strict", cache=tmp_path, workers=1)
    assert isinstance(prepared.trimap, np.memmap) and not prepared.trimap.flags.writeable
    assert np.array_equal(prepared.trimap, make_trimap(rectangles(), 1.5, "strict")) and prepared.rule == "strict"
    # the study's kernel at 28 px: unknown is where a 3x3 window sees more than one label
    inside = (prepared.alpha[1, 0] == 255).astype(np.uint8)
    outside = (prepared.alpha[1, 0] == 0).astype(np.uint8)
    window = np.ones((3, 3), np.uint8)
    known = cv2.erode(inside, window) | cv2.erode(outside, window)
    assert np.array_equal(prepared.trimap[1, 0] == 128, known == 0)


def test_the_sources_own_trimaps_are_kept(tmp_path):
    assert (prepare(Shapes(trimap=True), 28, cache=tmp_path, workers=1).trimap == 128).all()


def test_each_rule_has_its_trimaps_in_one_cache_entry(tmp_path):
    source = Shapes()
    strict, tolerant = (prepare(source, 28, rule, tmp_path, workers=1) for rule in ("strict", "tolerant"))
    assert not np.array_equal(strict.trimap, tolerant.trimap) and strict.fingerprint != tolerant.fingerprint
    assert np.array_equal(strict.image, tolerant.image)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [strict.fingerprint[:32]]
    file = tmp_path / strict.fingerprint[:32] / "trimap-strict.npy"
    made = file.stat().st_mtime_ns
    assert np.array_equal(prepare(source, 28, "strict", tmp_path, workers=1).trimap, strict.trimap)
    assert file.stat().st_mtime_ns == made
    with open(file, "r+b") as broken:
        broken.truncate(150)
    whole = make_trimap(np.asarray(strict.alpha), 1.5, "strict")
    assert np.array_equal(prepare(source, 28, "strict", tmp_path, workers=1).trimap, whole)


def test_an_unknown_rule_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match="trimap_rule: expected strict or tolerant, found 'loose'"):
        prepare(Drawn(2), 8, rule="loose", cache=tmp_path / "new", workers=1)
    assert not (tmp_path / "new").exists()


def test_image_already_of_the_size_is_kept_and_a_smaller_one_enlarged(tmp_path):
    source = Drawn(3)
    assert np.array_equal(prepare(source, (32, 24), cache=tmp_path, workers=1).alpha[2, 0], source.read(2).alpha)
    assert prepare(source, 64, cache=tmp_path, workers=1).image.shape == (3, 3, 64, 64)


def test_second_call_reads_nothing_and_says_the_same(tmp_path, capsys):
    first = prepare(Drawn(5), 8, cache=tmp_path, workers=1)
    said = capsys.readouterr().out
    second = prepare(Drawn(5, bad=range(5)), 8, cache=tmp_path, workers=1)  # would fail if it read
    assert np.array_equal(first.image, second.image) and second.fingerprint == first.fingerprint
    assert capsys.readouterr().out == said


def test_another_size_set_or_order_is_another_cache_entry(tmp_path):
    source = Drawn(4)
    prints = {prepare(source, size, cache=tmp_path, workers=1).fingerprint for size in (8, (8, 9), (9, 8))}
    prints.add(prepare(Drawn(4, fingerprint="e" * 64), 8, cache=tmp_path, workers=1).fingerprint)
    prints.add(prepare(Drawn(3), 8, cache=tmp_path, workers=1).fingerprint)
    assert len(prints) == 5


def test_lost_images_are_left_out_counted_and_listed(tmp_path, capsys):
    source = Drawn(70, bad=[0, 40])
    whole = prepare(Drawn(70), 8, cache=tmp_path / "whole", workers=1)
    capsys.readouterr()
    for _ in range(2):  # the second time from the cache
        prepared = prepare(source, 8, cache=tmp_path, workers=1, bad_limit=0.03)
        assert prepared.keys == [key for i, key in enumerate(source.keys) if i not in (0, 40)]
        assert prepared.groups[38] == source.groups[39] and len(prepared.groups) == 68
        assert prepared.counts == {"drawn": 70, "unreadable file": 2, "used": 68}
        assert prepared.left_out == [("00000", "unreadable file"), ("00040", "unreadable file")]
        assert "68 images used; found 70 drawn; left out 2 x unreadable file" in capsys.readouterr().out
        for row, index in ((0, 1), (38, 39), (39, 41), (67, 69)):
            assert np.array_equal(prepared.image[row], whole.image[index])
    assert source.counts == {"drawn": 70, "used": 70}  # the source is not changed


def test_too_many_lost_images_fail_and_leave_nothing(tmp_path):
    with pytest.raises(UserError, match="bad_limit: expected at most the share 0.01 .* 2 of 70; .* is 3: "):
        prepare(Drawn(70, bad=[3, 40]), 8, cache=tmp_path, workers=1)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
    prepare(Drawn(70, bad=[3, 40]), 8, cache=tmp_path, workers=1, bad_limit=0.05)
    with pytest.raises(UserError, match="bad_limit"):  # the stricter limit holds for cached arrays too
        prepare(Drawn(70, bad=[3, 40]), 8, cache=tmp_path, workers=1)
    with pytest.raises(UserError, match="found 3 of 3"):
        prepare(Drawn(3, bad=range(3)), 8, cache=tmp_path, workers=1, bad_limit=1)


def test_a_failing_source_leaves_nothing(tmp_path):
    source = Drawn(5)
    source.read = lambda index, size=None: 1 / 0
    with pytest.raises(ZeroDivisionError):
        prepare(source, 8, cache=tmp_path, workers=1)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_leftovers_of_a_killed_run_and_damaged_arrays_are_made_anew(tmp_path):
    first = prepare(Drawn(5), 8, cache=tmp_path, workers=1)
    folder = tmp_path / first.fingerprint[:32]
    expected = np.array(first.image)
    with open(folder / "image.npy", "r+b") as file:
        file.truncate(200)
    folder.with_suffix(".partial").mkdir()
    (folder.with_suffix(".partial") / "image.npy").write_bytes(b"half")
    assert np.array_equal(prepare(Drawn(5), 8, cache=tmp_path, workers=1).image, expected)
    (folder / "done.json").write_text("{")
    assert np.array_equal(prepare(Drawn(5), 8, cache=tmp_path, workers=1).image, expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name, f"{folder.name}.lock"]
    assert json.loads((folder / "done.json").read_text())["lost"] == []


def test_garbage_of_the_right_length_is_made_anew_and_that_is_said(tmp_path, capsys):
    source = Drawn(5, layers=False)
    first = prepare(source, 8, "strict", cache=tmp_path, workers=1)
    folder = tmp_path / first.fingerprint[:32]
    for name, said in (("image.npy", "the prepared images are not"), ("trimap-strict.npy", "the test trimaps are not")):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:-50] + bytes(value ^ 1 for value in whole[-50:]))
        capsys.readouterr()
        prepare(source, 8, "strict", cache=tmp_path, workers=1)
        assert f"{said} as they were written" in capsys.readouterr().out and (folder / name).read_bytes() == whole
    (folder / "image.npy").write_bytes(bytes(len(whole)))  # not even an array
    assert np.array_equal(prepare(source, 8, "strict", cache=tmp_path, workers=1).alpha, first.alpha)


def test_no_disk_space_is_told_before_writing(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(UserError, match="expected 0 MB of free space .* MATTING_CACHE"):
        prepare(Drawn(20), 8, cache=tmp_path, workers=1)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_a_disk_that_fills_up_meanwhile_is_told_too(tmp_path, monkeypatch):
    def full(path, shape):
        path.write_bytes(b"some")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(prepare_module, "_allocate", full)
    with pytest.raises(UserError, match="cannot write the prepared images .No space left on device.; "):
        prepare(Drawn(20), 8, cache=tmp_path, workers=1)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
    monkeypatch.undo()
    source = Drawn(20, layers=False)
    folder = tmp_path / prepare(source, 8, cache=tmp_path, workers=1).fingerprint[:32]
    monkeypatch.setattr(prepare_module, "_allocate", full)
    with pytest.raises(UserError, match="cannot write the prepared images .No space left on device.; "):
        prepare(source, 8, "strict", tmp_path, workers=1)
    assert not list(folder.glob("*strict*"))


def test_a_finished_cache_needs_no_writing(tmp_path, monkeypatch):
    first = prepare(Drawn(3, layers=False), 8, cache=tmp_path, workers=1)
    monkeypatch.setattr(prepare_module, "_locked", lambda *_: 1 / 0)
    assert np.array_equal(prepare(Drawn(3, layers=False), 8, cache=tmp_path, workers=1).trimap, first.trimap)


def test_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/cache: expected a cache directory that can be written"):
        prepare(Drawn(2), 8, cache=tmp_path / "file" / "cache", workers=1)


def test_wrong_size(tmp_path):
    with pytest.raises(UserError, match="size: expected at least 1x1 pixels, found 0x0"):
        prepare(Drawn(2), 0, cache=tmp_path)


def test_defective_files_of_a_folder(tmp_path):
    for role in ("image", "alpha"):
        (tmp_path / role).mkdir()
    random = np.random.default_rng(0)
    for i in range(40):
        photo, alpha = random.integers(0, 256, (30, 20, 3)), random.integers(0, 256, (30, 20))
        Image.fromarray(photo.astype(np.uint8)).save(tmp_path / f"image/{i:02d}.jpg")
        Image.fromarray(alpha.astype(np.uint8)).save(tmp_path / f"alpha/{i:02d}.png")
    photo = tmp_path / "image/03.jpg"
    photo.write_bytes(photo.read_bytes()[:-300])
    Image.fromarray(np.zeros((30, 21), np.uint8)).save(tmp_path / "alpha/05.png")
    (tmp_path / "alpha/._07.png").write_bytes(b"\0\5\26\7")
    prepared = prepare(open_source("folder", str(tmp_path)), 10, cache=tmp_path / "cache", bad_limit=0.05)
    assert len(prepared) == 38 and not {"03", "05"} & set(prepared.keys)
    assert prepared.left_out == [
        ("alpha/._07.png", "AppleDouble file"),
        ("alpha/05.png", "size mismatch"),
        ("image/03.jpg", "unreadable file"),
    ]
    assert prepared.counts == {
        "files": 81,
        "images": 40,
        "AppleDouble file": 1,
        "pairs": 40,
        "size mismatch": 1,
        "unreadable file": 1,
        "used": 38,
    }
    source = open_source("folder", str(tmp_path))
    for row, key in enumerate(prepared.keys):
        if row % 9 == 0:
            sample = source.read(source.keys.index(key))
            assert np.abs(prepared.alpha[row] - block_means(sample.alpha, (10, 10))).max() <= 0.5
            assert np.abs(prepared.image[row] - block_means(sample.image, (10, 10))).max() <= 0.5


def test_rendered_portraits_go_through_whatever_their_number(tmp_path):
    small = prepare(open_source("portraits", images=4), 28, cache=tmp_path)
    assert small.image.shape == (4, 3, 28, 28) and small.foreground.shape == small.background.shape
    large = prepare(open_source("portraits", images=70), 28, cache=tmp_path, workers=2)  # in worker processes
    again = prepare(open_source("portraits", images=70), 28, cache=tmp_path / "again", workers=1)
    for layer in ("image", "alpha", "foreground", "background"):
        assert np.array_equal(getattr(large, layer), getattr(again, layer))
    assert large.fingerprint == again.fingerprint and np.array_equal(small.alpha, large.alpha[:4])
    assert large.keys[:4] == small.keys and np.ptp(large.alpha) == 255
