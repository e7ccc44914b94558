"""Reading pictures: each defect that occurs in real sets, written here and refused by name."""

import io
import os
import pickle
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from lib.data.decode import DefectiveFile, check_same_size, read_alpha, read_grey, read_rgb, reduced_scale, shrink


@pytest.fixture
def photo():
    """A smooth (96, 72, 3) picture: JPEG keeps it within a few grey values."""
    rows, columns = np.mgrid[0:96, 0:72]
    return np.dstack([rows * 2, columns * 3, 255 - rows - columns]).astype(np.uint8)


def jpeg(pixels, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


def refused(function, path, reason):
    with pytest.raises(DefectiveFile) as error:
        function(path)
    assert error.value.reason == reason and error.value.path == path
    assert str(error.value).startswith(f"{path}: expected ") and "found" in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_jpeg_at_full_scale(tmp_path, photo):
    (tmp_path / "a.jpg").write_bytes(jpeg(photo))
    picture = read_rgb(tmp_path / "a.jpg")
    assert picture.full == (96, 72) and picture.scale == 1 and picture.pixels.dtype == np.uint8
    assert np.abs(picture.pixels.astype(int) - photo).mean() < 3


@pytest.mark.parametrize(("size", "scale"), [((96, 72), 1), ((12, 9), 2), ((6, 4), 4), ((3, 2), 8), ((9, 9), 2)])
def test_reduced_jpeg_is_the_block_means_and_not_smaller_than_asked(tmp_path, photo, size, scale):
    (tmp_path / "a.jpg").write_bytes(jpeg(photo, subsampling=0))
    picture = read_rgb(tmp_path / "a.jpg", size)
    assert picture.scale == scale == reduced_scale((96, 72), size) and picture.full == (96, 72)
    assert picture.pixels.shape[0] >= size[0] and picture.pixels.shape[1] >= size[1]
    expected = shrink(photo, scale)
    assert picture.pixels.shape == expected.shape
    assert np.abs(picture.pixels.astype(int) - expected).mean() < 3


def test_a_jpeg_is_reduced_only_where_its_sides_divide():
    assert reduced_scale((800, 600), (18, 18)) == 8
    assert reduced_scale((800, 604), (18, 18)) == 4
    assert reduced_scale((800, 600), (40, 40)) == 2
    assert reduced_scale((801, 600), (28, 28)) == 1
    assert reduced_scale((800, 600), (320, 320)) == 1


def test_shrink_is_the_mean_of_blocks():
    alpha = np.random.default_rng(0).integers(0, 256, (16, 24), dtype=np.uint8)
    expected = alpha.reshape(4, 4, 6, 4).mean(axis=(1, 3))
    assert np.abs(shrink(alpha, 4) - expected).max() <= 0.5
    assert shrink(alpha, 1) is alpha


@pytest.mark.parametrize("keep", [0, 1, 2, 3, 20, 0.1, 0.5, 0.9, -1, -2, -10])
def test_truncated_jpeg_is_refused(tmp_path, photo, keep):
    data = jpeg(photo)
    (tmp_path / "a.jpg").write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    refused(read_rgb, tmp_path / "a.jpg", "unreadable file")
    with pytest.raises(DefectiveFile):
        read_rgb(tmp_path / "a.jpg", (3, 2))


def test_truncated_jpeg_filled_up_with_zeros_or_with_a_thumbnail_is_refused(tmp_path, photo):
    data = jpeg(photo, exif=b"Exif\0\0" + jpeg(photo[:8, :8]))  # a thumbnail has an end marker of its own
    (tmp_path / "whole.jpg").write_bytes(data)
    assert read_rgb(tmp_path / "whole.jpg").full == (96, 72)
    half = len(data) * 3 // 4
    for name, filling in {"thumbnail.jpg": 0, "zeros.jpg": len(data) - half}.items():
        (tmp_path / name).write_bytes(data[:half] + bytes(filling))
        assert "end marker is missing" in refused(read_rgb, tmp_path / name, "unreadable file")


def test_bytes_after_the_jpeg_are_allowed(tmp_path, photo):
    (tmp_path / "a.jpg").write_bytes(jpeg(photo) + b"maker's trailer")
    assert read_rgb(tmp_path / "a.jpg").full == (96, 72)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_truncated_png_is_refused(tmp_path, share):
    noise = np.random.default_rng(0).integers(0, 256, (40, 30, 4), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: int(share * len(data))])
    refused(read_alpha, tmp_path / "a.png", "unreadable file")


def test_missing_foreign_and_apple_double_files_are_refused(tmp_path):
    (tmp_path / "note.jpg").write_text("not a picture")
    (tmp_path / "._a.jpg").write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        ")
    (tmp_path / "folder.jpg").mkdir()
    for name in ("note.jpg", "._a.jpg", "folder.jpg"):
        assert "found a damaged file" in refused(read_rgb, tmp_path / name, "unreadable file")
    assert "found no such file" in refused(read_rgb, tmp_path / "nothing.jpg", "unreadable file")


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", [*range(10), 300])
def test_exif_orientation_is_that_of_every_kind_of_file(tmp_path, photo, kind, orientation):
    """Pillow gives a turned TIFF's sides as after turning, all others' as before; a value beyond 8 means nothing."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(photo).save(tmp_path / "a", kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    flip = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)  # Image.Transpose
    expected = Image.fromarray(photo) if flip is None else Image.fromarray(photo).transpose(flip)
    picture = read_rgb(tmp_path / "a", (4, 4))
    assert np.array_equal(picture.pixels, np.asarray(expected))
    assert picture.full == picture.pixels.shape[:2] and picture.scale == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_viewers_do(tmp_path, photo, orientation):
    across = photo.swapaxes(0, 1)
    turned = {
        1: photo,
        2: photo[:, ::-1],
        3: photo[::-1, ::-1],
        4: photo[::-1],
        5: across,
        6: across[:, ::-1],
        7: across[::-1, ::-1],
        8: across[::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "a.jpg").write_bytes(jpeg(photo, exif=exif, subsampling=0))
    picture = read_rgb(tmp_path / "a.jpg")
    assert picture.full == turned.shape[:2] == picture.pixels.shape[:2]
    assert np.abs(picture.pixels.astype(int) - turned).mean() < 3
    small = read_rgb(tmp_path / "a.jpg", (4, 4))
    assert small.full == turned.shape[:2] and small.scale == 4 and min(small.pixels.shape[:2]) >= 12


def test_16_bit_grey_keeps_its_range(tmp_path):
    values = np.array([[0, 128, 129, 257, 32896, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert read_grey(tmp_path / "a.png").tolist() == [[0, 0, 1, 1, 128, 255]]
    assert read_rgb(tmp_path / "a.png").pixels[0, :, 2].tolist() == [0, 0, 1, 1, 128, 255]


def test_palette_one_bit_and_rgb_alphas(tmp_path):
    alpha = np.array([[0, 100, 255], [255, 7, 0]], np.uint8)
    Image.fromarray(alpha).convert("P").save(tmp_path / "palette.png")
    Image.fromarray(np.dstack([alpha] * 3)).save(tmp_path / "rgb.png")
    Image.fromarray(np.dstack([alpha] * 3 + [np.full_like(alpha, 255)])).save(tmp_path / "opaque.png")
    Image.fromarray(np.dstack([np.zeros_like(alpha)] * 3 + [alpha])).save(tmp_path / "rgba.png")
    for name in ("palette", "rgb", "opaque", "rgba"):
        assert np.array_equal(read_grey(tmp_path / f"{name}.png"), alpha), name
    Image.fromarray(alpha > 50).save(tmp_path / "bit.png")
    assert np.array_equal(read_grey(tmp_path / "bit.png"), np.where(alpha > 50, 255, 0))


def test_coloured_alpha_is_refused(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.png")
    refused(read_grey, tmp_path / "a.png", "coloured alpha or trimap")


def test_alpha_channel_of_the_modes_that_have_one(tmp_path):
    alpha = np.array([[0, 100, 255], [255, 7, 0]], np.uint8)
    Image.fromarray(np.dstack([np.full((2, 3, 3), 90, np.uint8), alpha])).save(tmp_path / "rgba.png")
    Image.fromarray(np.dstack([np.full((2, 3), 90, np.uint8), alpha])).save(tmp_path / "la.png")
    for name in ("rgba", "la"):
        assert np.array_equal(read_alpha(tmp_path / f"{name}.png"), alpha), name
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), mode=None).convert("P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.save(tmp_path / "palette.png", transparency=bytes([0, 200]))
    assert read_alpha(tmp_path / "palette.png").tolist() == [[0, 200]]


def test_matte_without_alpha_channel_is_refused(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "rgb.png")
    Image.fromarray(photo[..., 0]).save(tmp_path / "grey.png")
    assert "found mode RGB;" in refused(read_alpha, tmp_path / "rgb.png", "matte without alpha channel")
    assert "found mode L;" in refused(read_alpha, tmp_path / "grey.png", "matte without alpha channel")


def test_size_mismatch_names_both_files_and_sizes(tmp_path):
    with pytest.raises(DefectiveFile, match="m.png: expected 600x800 .* as in i.jpg, found 300x400") as error:
        check_same_size(tmp_path / "m.png", (400, 300), tmp_path / "i.jpg", (800, 600))
    again = pickle.loads(pickle.dumps(error.value))
    assert (str(again), again.path, again.reason) == (str(error.value), error.value.path, "size mismatch")


POSTSCRIPT = """%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 72 96
%%EndComments
(WHERE) (w) file (run) writestring
showpage
%%EOF
"""


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.eps"])
@pytest.mark.parametrize("read", [read_rgb, read_alpha, read_grey])
def test_postscript_is_refused_whatever_its_name_and_never_run(tmp_path, monkeypatch, read, name):
    """Pillow would hand it to Ghostscript: to any program `gs` on the path, here one that leaves a mark."""
    ghostscript = tmp_path / "bin" / "gs"
    ghostscript.parent.mkdir()
    ghostscript.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ghostscript.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)  # looked for once a process
    path = tmp_path / name
    path.write_text(POSTSCRIPT.replace("WHERE", str(tmp_path / "written")))
    assert "not a picture of the kinds JPEG, PNG" in refused(read, path, "unreadable file")
    assert not (tmp_path / "ran").exists() and not (tmp_path / "written").exists()


@pytest.mark.parametrize("kind", ["fifo", "link to a device", "directory"])
def test_only_regular_files_are_read(tmp_path, kind):
    path = tmp_path / "a.png"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    assert "not a regular file" in refused(read_rgb, path, "unreadable file")


def test_a_link_to_a_picture_is_followed(tmp_path, photo):
    (tmp_path / "a.jpg").write_bytes(jpeg(photo))
    (tmp_path / "b.png").symlink_to("a.jpg")
    assert read_rgb(tmp_path / "b.png").full == (96, 72)


@pytest.mark.parametrize("values", [[0, 1], [0, 1, 2], [1, 2, 3]])
def test_numbers_of_classes_are_not_taken_for_grey_values(tmp_path, values):
    """Masks as segmentation tools write them: read as grey they'd be background almost everywhere."""
    numbers = np.resize(np.array(values, np.uint8), (6, 6))
    Image.fromarray(numbers).save(tmp_path / "grey.png")
    Image.fromarray(np.dstack([numbers] * 3)).save(tmp_path / "rgb.png")
    Image.fromarray(np.dstack([np.full((6, 6, 3), 90, np.uint8), numbers])).save(tmp_path / "rgba.png")
    for read, name in ((read_grey, "grey"), (read_grey, "rgb"), (read_grey, "rgba"), (read_alpha, "rgba")):
        said = refused(read, tmp_path / f"{name}.png", "numbers of classes for grey values")
        assert f"found only {', '.join(map(str, values))}, as segmentation tools" in said


def test_an_empty_alpha_and_a_faint_one_are_grey_values(tmp_path):
    for values in ([0], [0, 4], [0, 255]):
        grey = np.resize(np.array(values, np.uint8), (6, 6))
        Image.fromarray(grey).save(tmp_path / "a.png")
        assert np.array_equal(read_grey(tmp_path / "a.png"), grey)


def test_8_bit_values_in_a_16_bit_file_are_refused(tmp_path, photo):
    deep = photo.astype(np.uint16)
    Image.fromarray(deep[..., 0]).save(tmp_path / "grey.png")
    Image.fromarray(deep[..., 0]).save(tmp_path / "grey.tif")
    cv2.imwrite(str(tmp_path / "rgb.png"), deep)
    for name, read in (("grey.png", read_grey), ("grey.tif", read_grey), ("grey.png", read_rgb), ("rgb.png", read_rgb)):
        assert "16 bits a channel, but no value above 255" in refused(read, tmp_path / name, "unreadable file")
    cv2.imwrite(str(tmp_path / "rgb.png"), deep * 257)
    assert np.array_equal(read_rgb(tmp_path / "rgb.png").pixels[..., ::-1], photo)


def test_too_many_pixels_or_bytes_are_refused_by_name_before_they_take_memory(tmp_path):
    side = 30_000
    chunk = b"IHDR" + side.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    header = len(chunk[4:]).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    body = b"IDAT" + zlib.compress(bytes(1000))
    data = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + data)
    assert "expected at most 178,956,970 pixels" in refused(read_grey, tmp_path / "bomb.png", "unreadable file")
    with open(tmp_path / "sparse.png", "wb") as file:
        file.truncate(1 << 36)
    assert "found 68,719,476,736" in refused(read_rgb, tmp_path / "sparse.png", "unreadable file")
