"""Cutting out from Python: each kind of picture, each bad input, what the machine allows; a disc is the person."""

import pickle

import numpy as np
import pytest
from cutout.stub import RED, cutter, disc, photo, png, redness
from PIL import Image, ImageCms

from lib.base import ROOT, UserError
from lib.cutout import Cutter, cutter as module, limits, load
from lib.cutout.example import example
from lib.data.portraits import Portraits


def close(alpha: np.ndarray, expected: np.ndarray, tolerance: float = 0.02) -> bool:
    return alpha.shape == expected.shape and float(np.abs(alpha - expected).max()) <= tolerance


def test_a_path_a_pillow_image_and_an_array_give_the_same(tmp_path):
    path = png(tmp_path / "a.png", photo())
    for image in (path, str(path), Image.open(path), photo()):
        cut = cutter().cut_out(image)
        assert close(cut.alpha, disc(120, 90)) and cut.alpha.dtype == np.float32 and cut.person and cut.notes == ()
        assert np.array_equal(np.asarray(cut.rgba), np.dstack([cut.colors, np.asarray(cut.mask)]))


def test_the_foreground_is_the_persons_own_color_up_to_the_edge_and_black_beyond():
    cut = cutter().cut_out(photo())
    soft = (cut.alpha > 0.2) & (cut.alpha < 1)
    before = np.abs(photo()[soft].astype(int) - RED).mean()
    assert np.abs(cut.colors[soft].astype(int) - RED).mean() < before / 3
    assert not cut.colors[cut.alpha == 0].any()
    assert np.array_equal(cut.colors[cut.alpha == 1], photo()[cut.alpha == 1])


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_turned_photograph_comes_out_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    lying = np.rot90(photo(), {3: 2, 6: 1, 8: -1}[orientation])
    path = png(tmp_path / "a.png", np.ascontiguousarray(lying), exif=exif)
    for image in (path, Image.open(path)):
        assert close(cutter().cut_out(image).alpha, disc(120, 90))


def test_colors_are_converted_to_srgb_by_the_profile(tmp_path):
    """sRGB with its red and blue exchanged, under another name."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for old, new in ((b"rXYZ", b"????"), (b"bXYZ", b"rXYZ"), (b"????", b"bXYZ")):
        profile = profile.replace(old, new, 1)
    profile = profile.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    path = png(tmp_path / "a.png", photo()[..., ::-1].copy(), icc_profile=profile)
    for image in (path, Image.open(path)):
        cut = cutter().cut_out(image)
        assert np.abs(cut.colors[60, 45].astype(int) - RED).max() <= 3 and close(cut.alpha, disc(120, 90), 0.05)


def test_transparency_that_is_there_stays():
    image = np.dstack([photo(), np.full((120, 90), 255, np.uint8)])
    image[:, :45] = 0
    alpha = cutter().cut_out(image).alpha
    assert (alpha[:, :45] == 0).all() and close(alpha[:, 45:], disc(120, 90)[:, 45:])


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (16, 16), (17, 900), (1000, 1700)])
def test_any_size(size):
    cut = cutter().cut_out(photo(*size))
    assert cut.alpha.shape == size and (min(size) < 3 or close(cut.alpha, disc(*size), 0.05))


def test_the_guess_does_not_know_left_from_right():
    """A network that believes in what is left: the mean with the mirror image's answer does not."""
    one = cutter(lambda image: redness(image) * np.linspace(1, 0, image.shape[1], dtype=np.float32))
    picture = np.hstack([photo(), np.zeros_like(photo())])
    guess = one.guess(picture)
    np.testing.assert_allclose(one.guess(np.ascontiguousarray(picture[:, ::-1])), guess[:, ::-1], atol=1e-6)
    assert guess.shape == (192, 256)


def test_a_trimap_is_taken_as_it_is_and_nobody_looks_for_a_person():
    trimap = np.full((120, 90), 128, np.uint8)
    trimap[:40], trimap[100:] = 0, 255
    one = cutter(lambda image, trimap: redness(image, trimap))  # without a trimap it would fail
    cut = one.cut_out(photo(), trimap)
    assert not cut.alpha[:40].any() and (cut.alpha[100:] == 1).all() and np.array_equal(cut.trimap, trimap)


def test_16_bits_that_hold_eight_are_refused_not_read_as_black(tmp_path):
    """0, 128 and 255 of 65535 are black: a trimap without unknown pixels, a photograph of nothing."""
    levels = np.tile(np.array([0, 128, 255], np.uint16), (120, 30))
    path = png(tmp_path / "gray.png", levels)
    for image, trimap in ((path, None), (photo(), path), (levels, None), (photo(), levels)):
        with pytest.raises(UserError, match="255|uint16"):
            cutter().cut_out(image, trimap)


@pytest.mark.parametrize("method", ["closed-form", "hybrid"])
def test_solvers_do_the_unknown_pixels(method):
    pytest.importorskip("pymatting")
    assert close(cutter().cut_out(photo(60, 50), method=method).alpha, disc(60, 50), 0.25)


closed = Image.fromarray(photo())
closed.close()
NUMBERS = np.zeros((4, 4, 3), np.int64)
BAD = {
    "another kind": (7, {}, "image: expected a path, a Pillow image or a NumPy array, found int"),
    "no pixels": (np.zeros((0, 4, 3), np.uint8), {}, r"found uint8 \(0, 4, 3\)"),
    "five channels": (np.zeros((4, 4, 5), np.uint8), {}, "image: expected a picture of 8 bits a channel"),
    "integers": (NUMBERS, {}, "image: expected a picture of 8 bits a channel, found int64"),
    "floats": (photo() / 255, {}, "image: expected a picture of 8 bits a channel, found float64"),
    "Pillow's floats": (Image.fromarray(photo()).convert("F"), {}, "image: expected a picture of 8 bits"),
    "Pillow's La": (Image.fromarray(photo()).convert("LA").convert("La"), {}, "image: expected a picture of 8 bits"),
    "a closed image": (closed, {}, "image: expected a picture of 8 bits a channel, found .*closed"),
    "no file": ("nothing.jpg", {}, "nothing.jpg: expected a picture, found no such file"),
    "method": (photo(), {"method": "magic"}, "method: expected one of network, hybrid, closed-form, found 'magic'"),
    "trimap's size": (photo(), {"trimap": np.full((9, 9), 128, np.uint8)}, "trimap: expected 90x120 px"),
    "numbers of classes": (photo(), {"trimap": np.eye(120, 90, dtype=np.uint8)}, "trimap: .* up to 1; make"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_input_ends_in_one_sentence(case):
    image, options, said = BAD[case]
    with pytest.raises(UserError, match=said) as error:
        cutter().cut_out(image, **options)
    assert "\n" not in str(error.value)


def test_alphas_that_are_no_numbers_are_refused():
    with pytest.raises(UserError, match="expected alphas in .*, found no numbers"):
        cutter(lambda image, trimap=None: redness(image) * np.nan).cut_out(photo(), np.full((120, 90), 128, np.uint8))


def test_memory_is_what_the_smallest_group_leaves(tmp_path, monkeypatch):
    """Of a group of version 1 and two nested ones of version 2; files that the system may forget are free."""

    def group(path, limit, used: int, files: tuple[str, str, str]) -> None:
        path.mkdir(parents=True, exist_ok=True)
        for name, text in zip(files, (limit, used, "inactive_file 5\ntotal_inactive_file 5"), strict=True):
            (path / name).write_text(f"{text}\n")

    new = ("memory.max", "memory.current", "memory.stat")
    old = ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat")
    monkeypatch.setattr(limits, "GROUPS", tmp_path / "groups")
    (tmp_path / "self").mkdir()
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 8 kB\n")
    (tmp_path / "self/cgroup").write_text("0::/job/step\n5:memory:/other\n")
    assert limits.free_memory(tmp_path) == 8 * 1024
    group(tmp_path / "groups/job/step", "max", 100, new)
    group(tmp_path / "groups/memory/other", 7000, 1000, old)
    assert limits.free_memory(tmp_path) == 6005
    group(tmp_path / "groups/job", 3000, 1000, new)
    assert limits.free_memory(tmp_path) == 2005 and limits.free_memory(tmp_path / "nowhere") == 0
    monkeypatch.setattr(limits, "free_memory", lambda: module.BYTES_AT_LEAST + 90 * 100 * module.BYTES_PER_PIXEL)
    with pytest.raises(
        UserError, match="image: expected at most 0 megapixels, for which there is memory, found 90x120"
    ):
        cutter().cut_out(photo())


def test_a_cutter_goes_to_other_processes():
    again = pickle.loads(pickle.dumps(Cutter("some/folder", 3).cut_out)).__self__
    assert (str(again.weights), again.threads) == ("some/folder", 3)


def test_the_shipped_networks_cut_out_a_rendered_person_they_were_not_trained_on():
    pytest.importorskip("onnxruntime")
    truth = Image.open(
        ROOT / "data/portraits" / f"{next(r['id'] for r in Portraits(1).people if r['split'] == 'test')}.webp"
    )
    cut = load(threads=2).cut_out(example())
    person, expected = cut.alpha > 0.5, np.asarray(truth.convert("RGBA"))[..., 3] > 127
    assert cut.person and (person & expected).sum() > 0.9 * (person | expected).sum()
