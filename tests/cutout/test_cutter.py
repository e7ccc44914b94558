"""Cutting out from Python: each kind of picture in and out, each hint, each bad input; a disc is the person."""

import csv
import io
import subprocess
import sys

import numpy as np
import pytest
from cutout.stub import RED, cutter, disc, photo, png, redness
from PIL import Image, ImageCms

from lib.base import ROOT, UserError
from lib.cutout import Cutter, cutter as module, load
from lib.cutout.cutter import WEIGHTS
from lib.cutout.example import example
from lib.data.decode import DefectiveFile


def close(matte: np.ndarray, expected: np.ndarray, tolerance: float = 0.02) -> bool:
    return matte.shape == expected.shape and float(np.abs(matte - expected).max()) <= tolerance


def test_an_array_gives_arrays_of_its_dtype_and_range():
    for given, top in ((photo(), 255), (photo().astype(np.uint16) * 257, 65535), (photo() / np.float32(255), 1)):
        cut = cutter().cut_out(given)
        assert cut.alpha.dtype == cut.foreground.dtype == cut.rgba.dtype == given.dtype
        assert close(cut.alpha / top, disc(120, 90)) and cut.rgba.shape == (120, 90, 4) and cut.person
        assert np.array_equal(cut.rgba[..., 3], cut.alpha) and np.array_equal(cut.rgba[..., :3], cut.foreground)


def test_a_path_and_a_pillow_image_give_pillow_images_and_bytes_give_a_png(tmp_path):
    path = png(tmp_path / "a.png", photo())
    reference = cutter().cut_out(photo()).rgba
    for given in (path, str(path), Image.open(path)):
        cut = cutter().cut_out(given)
        assert (cut.alpha.mode, cut.foreground.mode, cut.rgba.mode) == ("L", "RGB", "RGBA")
        assert np.array_equal(np.asarray(cut.rgba), reference)
    with Image.open(io.BytesIO(cutter().cut_out(path.read_bytes()).rgba)) as image:
        assert image.format == "PNG" and np.array_equal(np.asarray(image), reference)


def test_the_foreground_is_the_persons_own_colour_up_to_the_edge_and_black_beyond():
    cut = cutter().cut_out(photo())
    soft = (cut.matte > 0.2) & (cut.matte < 1)
    before = np.abs(photo()[soft].astype(int) - RED).mean()
    assert np.abs(cut.colours[soft].astype(int) - RED).mean() < before / 3
    assert (cut.colours[cut.matte == 0] == 0).all() and np.array_equal(
        cut.colours[cut.matte == 1], photo()[cut.matte == 1]
    )


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_turned_photograph_comes_out_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    lying = np.rot90(photo(), {3: 2, 6: 1, 8: -1}[orientation])
    path = png(tmp_path / "a.png", np.ascontiguousarray(lying), exif=exif)
    for given in (path, Image.open(path), path.read_bytes()):
        assert close(cutter().cut_out(given).matte, disc(120, 90))


def swapped_profile() -> bytes:
    """A profile of our own: sRGB with its red and blue exchanged, under another name."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for old, new in ((b"rXYZ", b"????"), (b"bXYZ", b"rXYZ"), (b"????", b"bXYZ")):
        profile = profile.replace(old, new, 1)
    return profile.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))


def test_colours_are_converted_to_srgb_by_the_profile(tmp_path):
    path = png(tmp_path / "a.png", photo()[..., ::-1].copy(), icc_profile=swapped_profile())
    for given in (path, Image.open(path), path.read_bytes()):
        cut = cutter().cut_out(given)
        assert cut.converted and np.abs(cut.pixels.astype(int) - photo()).max() <= 3
        assert close(cut.matte, disc(120, 90), 0.05)


def test_srgb_needs_no_conversion_and_a_broken_profile_is_said(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    cut = cutter().cut_out(png(tmp_path / "a.png", photo(), icc_profile=srgb))
    assert not cut.converted and cut.notes == () and np.array_equal(cut.pixels, photo())
    for broken in (b"not a profile", ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()):
        cut = cutter().cut_out(png(tmp_path / "b.png", photo(), icc_profile=broken))
        assert not cut.converted and "colours were taken for sRGB" in cut.notes[0]
        assert np.array_equal(cut.pixels, photo())


def test_grey_palette_bit_and_16_bit_files_are_read(tmp_path):
    grey = photo()[..., 0]
    expected = cutter().cut_out(np.dstack([grey] * 3)).matte
    for pixels in (grey, grey.astype(np.uint16) * 257):
        assert np.array_equal(cutter().cut_out(png(tmp_path / "a.png", pixels)).matte, expected)
    Image.fromarray(photo()).quantize(8).save(tmp_path / "p.gif")
    assert cutter().cut_out(tmp_path / "p.gif").person
    Image.fromarray(photo()).convert("CMYK").save(tmp_path / "c.tif")
    assert cutter().cut_out(tmp_path / "c.tif").person


def test_transparency_that_is_there_stays():
    given = np.dstack([photo(), np.full((120, 90), 255, np.uint8)])
    given[:, :45, 3] = 0
    given[:, :45, :3] = 0
    cut = cutter().cut_out(given)
    assert (cut.matte[:, :45] == 0).all() and close(cut.matte[:, 45:], disc(120, 90)[:, 45:])


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (16, 16), (17, 900), (1000, 1700)])
def test_any_size(size):
    cut = cutter().cut_out(photo(*size))
    assert cut.matte.shape == size and (min(size) < 3 or close(cut.matte, disc(*size), 0.05))


def test_nobody_is_said_and_the_matte_is_empty():
    cut = cutter().cut_out(np.full((60, 50, 3), 9, np.uint8))
    assert not cut.person and cut.notes == ("no person was found; the matte is empty.",) and not cut.matte.any()


def test_two_people_are_both_kept():
    two = np.hstack([photo(), photo()])
    assert close(cutter().cut_out(two).matte, np.hstack([disc(120, 90)] * 2))


def test_only_the_rectangle_is_looked_at():
    two, seen = np.hstack([photo(), photo()]), []

    def portrait(image, trimap=None):
        seen.append(image)
        return redness(image)

    cut = Cutter(portrait, redness).cut_out(two, rectangle=(90, 0, 90, 120))
    assert not cut.matte[:, :90].any() and close(cut.matte[:, 90:], disc(120, 90))
    assert abs(redness(seen[0]).mean() - disc(120, 90).mean()) < 0.01  # the half alone, not both


def test_a_rough_mask_stands_in_for_the_first_network():
    blind = Cutter(lambda *_: pytest.fail("looked for a person"), redness)
    rough = (disc(120, 90) > 0).astype(np.uint8)[:, ::-1].copy()
    rough[:58] = np.roll(rough[:58], 1, axis=1)
    for mask, notes in ((rough * 255, 0), (rough, 1), (rough > 0, 0)):
        cut = blind.cut_out(photo(), mask=mask)
        assert close(cut.matte, disc(120, 90)) and len(cut.notes) == notes


def test_a_trimap_is_taken_as_it_is_and_a_brush_has_the_last_word():
    trimap = np.full((120, 90), 128, np.uint8)
    trimap[:40], trimap[100:] = 0, 255
    cut = Cutter(lambda *_: pytest.fail("looked for a person"), redness).cut_out(photo(), trimap=trimap)
    assert not cut.matte[:40].any() and (cut.matte[100:] == 1).all() and np.array_equal(cut.trimap, trimap)
    labels = np.where(trimap == 128, 1, np.where(trimap == 255, 2, 0))
    assert np.array_equal(cutter().cut_out(photo(), trimap=labels).trimap, trimap)
    strokes = np.full((120, 90), 128, np.uint8)
    strokes[:, :10], strokes[55:65, 40:50] = 255, 0
    cut = cutter().cut_out(photo(), brush=strokes)
    assert (cut.matte[:, :10] == 1).all() and not cut.matte[55:65, 40:50].any()
    assert close(cut.matte[:55, 10:], disc(120, 90)[:55, 10:])


@pytest.mark.parametrize("kind", ["path", "bytes", "Pillow", "array"])
@pytest.mark.parametrize("what", ["trimap", "mask", "image"])
def test_16_bits_that_hold_eight_are_refused_not_read_as_black(tmp_path, what, kind):
    """0, 128 and 255 of 65535 are black: a trimap without unknown pixels, a photograph of nothing."""
    levels = np.tile(np.array([0, 128, 255], np.uint16), (120, 30))
    path = png(tmp_path / "grey.png", levels)
    given = {"path": path, "bytes": path.read_bytes(), "Pillow": Image.open(path), "array": levels}[kind]
    with pytest.raises(UserError, match="16 bits a channel, but no value above 255|found none above 255"):
        cutter().cut_out(**{"image": photo()} | {what: given})


@pytest.mark.parametrize("method", ["closed-form", "knn"])
def test_solvers_do_the_unknown_pixels(method):
    pytest.importorskip("pymatting")
    assert close(cutter().cut_out(photo(60, 50), method=method).matte, disc(60, 50), 0.25)


def test_the_hybrid_is_loaded_when_it_is_asked_for():
    pytest.importorskip("pymatting")
    asked = []
    one = Cutter(redness, lambda *_: pytest.fail("the plain network was asked"), lambda: asked.append(1) or redness)
    assert not asked
    assert close(one.cut_out(photo(), method="hybrid").matte, disc(120, 90)) and asked


def test_the_hybrid_without_pymatting_ends_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymatting", None)
    with pytest.raises(
        UserError, match="method: hybrid expected the packages pymatting .*found no pymatting; pip install it"
    ):
        cutter().cut_out(photo(), method="hybrid")


BAD = {
    "another kind": (7, {}, "image: expected a path, bytes, a Pillow image or a NumPy array, found int"),
    "no pixels": (np.zeros((0, 4, 3), np.uint8), {}, r"found \(0, 4, 3\)"),
    "five channels": (np.zeros((4, 4, 5), np.uint8), {}, r"found \(4, 4, 5\)"),
    "integers": (np.zeros((4, 4, 3), np.int64), {}, "expected uint8, uint16 or floats in .0,1., found int64"),
    "floats to 255": (photo().astype(np.float32), {}, "found 20 to 220; scale it"),
    "not a number": (np.full((4, 4, 3), np.nan), {}, "found nan to nan"),
    "empty bytes": (b"", {}, "image: expected a readable picture, found a damaged file .empty file"),
    "no file": ("nothing.jpg", {}, "nothing.jpg: expected a picture, found no such file"),
    "method": (
        photo(),
        {"method": "magic"},
        "method: expected one of auto, network, hybrid, closed-form, knn, found 'magic'",
    ),
    "rectangle": (photo(), {"rectangle": (80, 0, 20, 20)}, "expected left, top, width, height within 90x120 pixels"),
    "trimap's size": (photo(), {"trimap": np.zeros((9, 9), np.uint8)}, "trimap: expected 90x120 pixels .* found 9x9"),
    "coloured mask": (photo(), {"mask": Image.fromarray(photo())}, "mask: expected a grey picture"),
    "trimap and mask": (photo(), {"trimap": b"", "mask": b""}, "trimap: expected it alone"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_input_ends_in_one_sentence(case):
    image, hints, said = BAD[case]
    with pytest.raises(UserError, match=said) as error:
        cutter().cut_out(image, **hints)
    assert "\n" not in str(error.value)


def test_a_picture_larger_than_memory_is_refused_by_name(tmp_path, monkeypatch):
    path = png(tmp_path / "large.png", photo())
    monkeypatch.setattr(module, "_free_memory", lambda: module.BYTES_AT_LEAST + 100 * 90 * module.BYTES_A_PIXEL)
    with pytest.raises(
        DefectiveFile, match="large.png: expected at most 0 megapixels, for which there is memory, found 90x120"
    ):
        cutter().cut_out(path)
    monkeypatch.setattr(module, "SOLVER_PIXELS", 1000)
    monkeypatch.setattr(module, "_free_memory", lambda: 0)
    with pytest.raises(UserError, match="closed-form expected at most"):
        cutter().cut_out(photo(), method="closed-form")


@pytest.mark.skipif(not (WEIGHTS / "portrait/model.onnx").exists(), reason="no shipped weights")
def test_the_shipped_networks_cut_out_a_rendered_person_they_were_not_trained_on():
    pytest.importorskip("onnxruntime")
    names = csv.DictReader((ROOT / "data/portraits/manifest.csv").read_text().splitlines())
    with Image.open(
        ROOT / f"data/portraits/{next(row['id'] for row in names if row['split'] == 'test')}.webp"
    ) as layer:
        truth = np.asarray(layer.convert("RGBA"))[..., 3] / 255
    found = load(threads=2).cut_out(example(0))
    person, expected = found.matte > 0.5, truth > 0.5
    assert found.person and (person & expected).sum() > 0.9 * (person | expected).sum()


def test_neither_pytorch_nor_opencv_nor_pymatting_is_needed():
    code = (
        "import sys\nfor name in ('torch', 'cv2', 'pymatting', 'sklearn', 'scipy', 'pandas'): sys.modules[name] = None\n"
        "import numpy as np\nfrom lib import cutout\nimport lib.cutout.command\n"
        "find = lambda image, trimap=None: (image[..., 0] > 0.5).astype('float32')\n"
        "image = np.zeros((64, 64, 3), 'uint8'); image[16:48, 16:48] = 255\n"
        "print(cutout.Cutter(find, find).cut_out(image).rgba.shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "(64, 64, 4)\n", done.stderr
