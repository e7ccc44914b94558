"""The cache: resizing against block means, defects, whole or not there; batches; filters that shrink."""

import errno
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from helpers import prepared_from
from lib.base import UserError
from lib.data import cache as module
from lib.data.cache import CHANNELS, FILTERS, batches_of, chunks, downsample, prepare, stream_batches
from lib.data.sample import Sample, Source
from lib.data.sources import open_source
from lib.data.trimap import make_trimap, signed_distance


class Drawn:
    """Random images in memory, with all layers, larger than asked for; those in `bad` cannot be read."""

    name = "drawn"
    root = Path("/")  # read in threads, as files are: worker processes cannot import a test module

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
    prepared = prepare(source, (8, 6), cache=tmp_path)
    assert len(prepared) == 70 and prepared.keys == source.keys and prepared.groups == source.groups
    for layer, channels in CHANNELS.items():
        array = getattr(prepared, layer)
        assert array.shape == (70, channels, 8, 6) and array.dtype == np.uint8
        assert isinstance(array, np.memmap) and not array.flags.writeable
        for i in (0, 31, 32, 69):
            pixels = getattr(source.read(i), layer)
            if layer == "trimap":
                assert np.array_equal(array[i, 0], pixels[::4, ::4])
            else:
                assert np.abs(array[i] - block_means(pixels, (8, 6))).max() <= 0.5
    assert capsys.readouterr().out == "drawn at 8x6 px: 70 images used; left out: nothing\n"


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
    prepared = prepare(Shapes(), 28, rule="strict", cache=tmp_path)
    assert isinstance(prepared.trimap, np.memmap) and not prepared.trimap.flags.writeable
    assert np.array_equal(prepared.trimap, make_trimap(rectangles(), 1.5, "strict")) and prepared.rule == "strict"
    # the study's kernel at 28 px: unknown is where a 3x3 window sees more than one label
    inside = (prepared.alpha[1, 0] == 255).astype(np.uint8)
    outside = (prepared.alpha[1, 0] == 0).astype(np.uint8)
    window = np.ones((3, 3), np.uint8)
    known = cv2.erode(inside, window) | cv2.erode(outside, window)
    assert np.array_equal(prepared.trimap[1, 0] == 128, known == 0)


def test_the_sources_own_trimaps_are_kept(tmp_path):
    assert (prepare(Shapes(trimap=True), 28, cache=tmp_path).trimap == 128).all()


def test_each_rule_has_its_trimaps_in_one_cache_entry(tmp_path):
    source = Shapes()
    strict, tolerant = (prepare(source, 28, rule, tmp_path) for rule in ("strict", "tolerant"))
    assert not np.array_equal(strict.trimap, tolerant.trimap) and strict.fingerprint != tolerant.fingerprint
    assert np.array_equal(strict.image, tolerant.image)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [strict.fingerprint[:32]]
    file = tmp_path / strict.fingerprint[:32] / "trimap-strict.npy"
    made = file.stat().st_mtime_ns
    assert np.array_equal(prepare(source, 28, "strict", tmp_path).trimap, strict.trimap)
    assert file.stat().st_mtime_ns == made


def test_wrong_parameters_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match="trimap_rule: expected strict or tolerant, found 'loose'"):
        prepare(Drawn(2), 8, rule="loose", cache=tmp_path / "new")
    with pytest.raises(UserError, match="size: expected at least 1x1 pixels, found 0x0"):
        prepare(Drawn(2), 0, cache=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_second_call_reads_nothing_and_says_the_same(tmp_path, capsys):
    first = prepare(Drawn(5), 8, cache=tmp_path)
    said = capsys.readouterr().out
    second = prepare(Drawn(5, bad=range(5)), 8, cache=tmp_path)  # would fail if it read
    assert np.array_equal(first.image, second.image) and second.fingerprint == first.fingerprint
    assert capsys.readouterr().out == said


def test_another_size_or_set_is_another_cache_entry(tmp_path):
    prints = {prepare(Drawn(4), size, cache=tmp_path).fingerprint for size in (8, (8, 9), (9, 8))}
    prints |= {prepare(source, 8, cache=tmp_path).fingerprint for source in (Drawn(4, fingerprint="e" * 64), Drawn(3))}
    assert len(prints) == 5


def test_lost_images_are_left_out_counted_and_listed(tmp_path, capsys):
    source = Drawn(70, bad=[0, 40])
    whole = prepare(Drawn(70), 8, cache=tmp_path / "whole")
    capsys.readouterr()
    for _ in range(2):  # the second time from the cache
        prepared = prepare(source, 8, cache=tmp_path, bad_limit=0.03)
        assert prepared.keys == [key for i, key in enumerate(source.keys) if i not in (0, 40)]
        assert prepared.groups[38] == source.groups[39] and len(prepared.groups) == 68
        assert prepared.counts == {"drawn": 70, "unreadable file": 2, "used": 68}
        assert prepared.left_out == [("00000", "unreadable file"), ("00040", "unreadable file")]
        assert "68 images used; left out: 2 x unreadable file" in capsys.readouterr().out
        for row, index in ((0, 1), (38, 39), (39, 41), (67, 69)):
            assert np.array_equal(prepared.image[row], whole.image[index])
    assert source.counts == {"drawn": 70, "used": 70}  # the source is not changed


def test_too_many_lost_images_fail_and_leave_nothing(tmp_path):
    with pytest.raises(UserError, match="bad_limit: expected at most the share 0.01 .* 2 of 70; .* is 3: "):
        prepare(Drawn(70, bad=[3, 40]), 8, cache=tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
    prepare(Drawn(70, bad=[3, 40]), 8, cache=tmp_path, bad_limit=0.05)
    with pytest.raises(UserError, match="bad_limit"):  # the stricter limit holds for cached arrays too
        prepare(Drawn(70, bad=[3, 40]), 8, cache=tmp_path)
    with pytest.raises(UserError, match="found 3 of 3"):
        prepare(Drawn(3, bad=range(3)), 8, cache=tmp_path, bad_limit=1)


def test_leftovers_of_a_killed_run_are_removed_and_cut_off_arrays_named(tmp_path):
    first = prepare(Drawn(5), 8, cache=tmp_path)
    folder, expected = tmp_path / first.fingerprint[:32], np.array(first.image)
    folder.rename(folder.with_suffix(".partial"))
    assert np.array_equal(prepare(Drawn(5), 8, cache=tmp_path).image, expected)
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name, f"{folder.name}.lock"]
    with open(folder / "image.npy", "r+b") as file:
        file.truncate(200)
    with pytest.raises(
        UserError, match=f"{folder.name}: expected the arrays as they were written, .* delete the folder"
    ):
        prepare(Drawn(5), 8, cache=tmp_path)


def test_a_disk_that_fills_up_meanwhile_is_told_too(tmp_path, monkeypatch):
    def full(path, shape):
        path.write_bytes(b"some")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_allocate", full)
    with pytest.raises(UserError, match="cannot write the prepared images .No space left on device.; "):
        prepare(Drawn(20), 8, cache=tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
    monkeypatch.undo()
    source = Drawn(20, layers=False)
    folder = tmp_path / prepare(source, 8, cache=tmp_path).fingerprint[:32]
    monkeypatch.setattr(module, "_allocate", full)
    with pytest.raises(UserError, match="cannot write the prepared images .No space left on device.; "):
        prepare(source, 8, "strict", tmp_path)
    assert not list(folder.glob("*strict*"))


def test_a_finished_cache_needs_no_writing(tmp_path, monkeypatch):
    first = prepare(Drawn(3, layers=False), 8, cache=tmp_path)
    monkeypatch.setattr(module, "_writing", lambda *_: 1 / 0)
    assert np.array_equal(prepare(Drawn(3, layers=False), 8, cache=tmp_path).trimap, first.trimap)


def test_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/cache: cannot write the prepared images .*MATTING_CACHE"):
        prepare(Drawn(2), 8, cache=tmp_path / "file" / "cache")


def test_a_file_system_without_locks_is_worked_on_and_named(tmp_path, monkeypatch, capsys):
    """Lustre and some NFS answer ENOSYS or ENOLCK, which does not mean that another process holds the lock."""

    def no_locks(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(module.fcntl, "flock", no_locks)
    assert len(prepare(Drawn(3), 8, cache=tmp_path)) == 3
    assert "no locks here (No locks available)" in capsys.readouterr().out


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
    large = prepare(open_source("portraits", images=70), 28, cache=tmp_path)  # in worker processes
    again = prepare(open_source("portraits", images=70), 28, cache=tmp_path / "again")
    for layer in ("image", "alpha", "foreground", "background"):
        assert np.array_equal(getattr(large, layer), getattr(again, layer))
    assert large.fingerprint == again.fingerprint and np.array_equal(small.alpha, large.alpha[:4])
    assert large.keys[:4] == small.keys and np.ptp(large.alpha) == 255


def test_chunks_keep_order_and_lose_nothing():
    parts = chunks([5, 3, 9, 1, 7], 2)
    assert [part.tolist() for part in parts] == [[5, 3], [9, 1], [7]]


def test_batches_hold_every_image_once_and_never_one_alone():
    for images in range(2, 40):
        order = np.random.default_rng(images).permutation(images)
        parts = batches_of(order, 4)
        assert np.array_equal(np.concatenate(parts), order)
        assert min(map(len, parts)) >= 2 and max(map(len, parts)) <= 5
    assert [len(part) for part in batches_of(np.arange(130), 64)] == [64, 64, 2]
    assert [len(part) for part in batches_of(np.arange(129), 64)] == [64, 65]


def test_stream_is_the_prepared_images_in_the_asked_order():
    random = np.random.default_rng(0)
    image, alpha = (random.integers(0, 256, (8, channels, 9, 7), np.uint8) for channels in (3, 1))
    prepared = prepared_from(image, alpha, rule="strict")
    parts = [np.array([2, 0]), np.array([3, 1])]
    seen = list(stream_batches(prepared, np.array([1, 3, 5, 7]), parts, prepared.rule, torch.device("cpu")))
    assert [rows.tolist() for rows, _ in seen] == [[2, 0], [3, 1]]
    found = torch.cat([image for _, (image, _, _) in seen])
    assert np.array_equal((found * 255).round().numpy(), prepared.image[[5, 1, 7, 3]])
    distance = torch.cat([distance for _, (_, _, distance) in seen]).numpy()
    assert np.array_equal(distance, signed_distance(alpha[[5, 1, 7, 3]], "strict")), "by the set's own rule"


@pytest.fixture(scope="module")
def fine():
    random = np.random.default_rng(0)
    alpha = np.zeros((3, 1, 112, 112), np.uint8)
    alpha[:, :, 30:, 20:90] = 255
    return prepared_from(random.integers(0, 256, (3, 3, 112, 112), dtype=np.uint8), alpha)


def test_area_is_the_mean_of_blocks_and_nearest_one_of_their_pixels(fine):
    blocks = fine.image.reshape(3, 3, 28, 4, 28, 4)
    means = blocks.mean((3, 5))
    assert np.abs(downsample(fine, 28, "area").image - means).max() <= 0.5 + 1e-6
    assert (downsample(fine, 28, "nearest").image == blocks[:, :, :, 0, :, 0]).all()


def test_bilinear_sees_four_of_sixteen_pixels(fine):
    """OpenCV's: the centre of a block of four by four lies between its four middle pixels."""
    middle = fine.image.reshape(3, 3, 28, 4, 28, 4)[:, :, :, 1:3, :, 1:3].mean((3, 5))
    assert np.abs(downsample(fine, 28, "bilinear").image - middle).max() <= 1


def test_lanczos_is_pillows(fine):
    own = downsample(fine, 28, "lanczos").image[0].transpose(1, 2, 0)
    theirs = Image.fromarray(fine.image[0].transpose(1, 2, 0)).resize((28, 28), Image.Resampling.LANCZOS)
    assert (own == np.asarray(theirs)).all()


def test_all_filters_are_judged_by_the_same_truth(fine):
    made = [downsample(fine, 28, how) for how in FILTERS]
    assert all((each.alpha == made[0].alpha).all() and (each.trimap == made[0].trimap).all() for each in made)
    assert len({each.fingerprint for each in made}) == len(FILTERS)
    assert set(np.unique(made[0].trimap)) == {0, 128, 255} and made[0].trimap.shape == (3, 1, 28, 28)


def test_mistakes_are_named(fine):
    with pytest.raises(UserError, match="resize: expected one of area, .* found 'cubic'"):
        downsample(fine, 28, "cubic")
    with pytest.raises(UserError, match="size: expected at most 112 px, found 224"):
        downsample(fine, 224, "area")
