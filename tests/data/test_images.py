"""Reading pictures: each defect that occurs in real sets, written here and refused by name; colours as they are meant."""

import io
import os
import pickle
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin

from lib.data.images import UnusableFile, read_alpha, read_gray, read_photo, read_rgb, reduced_scale


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
    with pytest.raises(UnusableFile) as error:
        function(path)
    again = pickle.loads(pickle.dumps(error.value))  # as it comes back from a worker process
    assert again.reason == error.value.reason == reason and error.value.path == path and str(again) == str(error.value)
    assert str(error.value).startswith(f"{path}: expected ") and "found" in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_jpeg_at_full_scale(tmp_path, photo):
    (tmp_path / "a.jpg").write_bytes(jpeg(photo))
    pixels, scale = read_rgb(tmp_path / "a.jpg")
    assert scale == 1 and pixels.dtype == np.uint8 and np.abs(pixels.astype(int) - photo).mean() < 3


@pytest.mark.parametrize(("size", "scale"), [((96, 72), 1), ((12, 9), 2), ((6, 4), 4), ((3, 2), 8), ((9, 9), 2)])
def test_reduced_jpeg_is_the_block_means_and_not_smaller_than_asked(tmp_path, photo, size, scale):
    (tmp_path / "a.jpg").write_bytes(jpeg(photo, subsampling=0))
    pixels, read_at = read_rgb(tmp_path / "a.jpg", size)
    assert read_at == scale == reduced_scale((96, 72), size)
    assert pixels.shape[0] >= size[0] and pixels.shape[1] >= size[1]
    expected = photo.reshape(96 // scale, scale, 72 // scale, scale, 3).mean(axis=(1, 3))
    assert pixels.shape == expected.shape and np.abs(pixels - expected).mean() < 3


def test_a_jpeg_is_reduced_only_where_its_sides_divide():
    assert reduced_scale((800, 600), (18, 18)) == 8
    assert reduced_scale((800, 604), (18, 18)) == 4
    assert reduced_scale((800, 600), (40, 40)) == 2
    assert reduced_scale((801, 600), (28, 28)) == 1
    assert reduced_scale((800, 600), (320, 320)) == 1


@pytest.mark.parametrize("keep", [0, 2, 3, 20, 0.1, 0.9, -1, -2, -10])
def test_truncated_jpeg_is_refused(tmp_path, photo, keep):
    data = jpeg(photo)
    (tmp_path / "a.jpg").write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    refused(read_rgb, tmp_path / "a.jpg", "unreadable file")
    with pytest.raises(UnusableFile):
        read_rgb(tmp_path / "a.jpg", (3, 2))


def test_truncated_jpeg_filled_up_with_zeros_or_with_a_thumbnail_is_refused(tmp_path, photo):
    data = jpeg(photo, exif=b"Exif\0\0" + jpeg(photo[:8, :8]))  # a thumbnail has an end marker of its own
    (tmp_path / "whole.jpg").write_bytes(data)
    assert read_rgb(tmp_path / "whole.jpg")[0].shape == photo.shape
    half = len(data) * 3 // 4
    for name, filling in {"thumbnail.jpg": 0, "zeros.jpg": len(data) - half}.items():
        (tmp_path / name).write_bytes(data[:half] + bytes(filling))
        assert "end marker is missing" in refused(read_rgb, tmp_path / name, "unreadable file")


def test_bytes_after_the_jpeg_are_allowed_and_links_followed(tmp_path, photo):
    (tmp_path / "a.jpg").write_bytes(jpeg(photo) + b"maker's trailer")
    (tmp_path / "b.png").symlink_to("a.jpg")
    assert read_rgb(tmp_path / "b.png")[0].shape == photo.shape


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_truncated_png_is_refused(tmp_path, share):
    noise = np.random.default_rng(0).integers(0, 256, (40, 30, 4), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[: int(share * len(data))])
    refused(read_alpha, tmp_path / "a.png", "unreadable file")


def test_what_is_no_picture_is_called_by_its_name_and_never_to_be_deleted(tmp_path):
    """A photograph that this program does not read is no damaged file."""
    for name, content, kind in (
        ("IMG_1.HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        ("a.jxl", b"\xff\x0a\0\0\0\0\0", "JPEG XL"),
        ("a.raf", b"FUJIFILMCCD-RAW 0201", "a camera's raw file"),
        ("a.mp4", b"\0\0\0\x20ftypisom\0\0\2\0", "a film"),
        ("a.pdf", b"%PDF-1.4", "PDF"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    ):
        (tmp_path / name).write_bytes(content)
        sentence = refused(read_rgb, tmp_path / name, kind)
        assert sentence.endswith(f"found {kind}; save it as JPEG or PNG.") and "delete" not in sentence
    (tmp_path / "note.jpg").write_bytes(b"not a picture")
    assert "not a picture of the kinds JPEG, PNG" in refused(read_rgb, tmp_path / "note.jpg", "unreadable file")
    assert "found no such file" in refused(read_rgb, tmp_path / "nothing.jpg", "unreadable file")


@pytest.mark.parametrize("tags", [{254: 1}, {50706: b"\1\4\0\0"}])
def test_the_preview_of_a_raw_file_is_not_taken_for_the_photograph(tmp_path, photo, tags):
    """NEF and DNG are TIFF: a small preview first, the photograph behind it, which only a raw converter reads."""
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        directory[tag] = value
        directory.tagtype[tag] = 1 if isinstance(value, bytes) else 4
    Image.fromarray(photo).save(tmp_path / "raw.dng", "TIFF", tiffinfo=directory)
    for read in (read_rgb, read_photo):
        assert "develop it to JPEG or TIFF first" in refused(read, tmp_path / "raw.dng", "a camera's raw file")


def test_avif_is_read(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.avif", quality=95)
    assert np.abs(read_rgb(tmp_path / "a.avif")[0].astype(int) - photo).mean() < 3


def test_a_file_that_one_may_not_read_is_not_damaged(tmp_path, photo, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(jpeg(photo))

    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.read_bytes", denied)  # root, as whom tests may run, may read everything
    sentence = refused(read_rgb, tmp_path / "a.jpg", "unreadable file")
    assert sentence.endswith("expected a readable file, found: Permission denied; check its permissions.")


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("orientation", range(10))
def test_exif_orientation_is_applied_as_viewers_do(tmp_path, photo, kind, orientation):
    """Pillow gives a turned TIFF's sides as after turning, all others' as before; a value beyond 8 means nothing."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95, "subsampling": 0}}.get(kind, {})
    Image.fromarray(photo).save(tmp_path / "a", kind, exif=exif, **options)
    across = photo.swapaxes(0, 1)
    turned = [photo[:, ::-1], photo[::-1, ::-1], photo[::-1], across, across[:, ::-1], across[::-1, ::-1], across[::-1]]
    expected = turned[orientation - 2] if 2 <= orientation <= 8 else photo
    pixels, _ = read_rgb(tmp_path / "a")
    assert pixels.shape == expected.shape and np.abs(pixels.astype(int) - expected).mean() < (
        3 if kind == "JPEG" else 0.1
    )
    small, scale = read_rgb(tmp_path / "a", (4, 4))
    assert scale == (4 if kind == "JPEG" else 1)
    assert small.shape == (expected.shape[0] // scale, expected.shape[1] // scale, 3)


def test_16_bit_grey_keeps_its_range(tmp_path):
    values = np.array([[0, 128, 129, 257, 32896, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert read_gray(tmp_path / "a.png").tolist() == [[0, 0, 1, 1, 128, 255]]
    assert read_rgb(tmp_path / "a.png")[0][0, :, 2].tolist() == [0, 0, 1, 1, 128, 255]


def test_palette_one_bit_and_rgb_alphas(tmp_path):
    alpha = np.array([[0, 100, 255], [255, 7, 0]], np.uint8)
    Image.fromarray(alpha).convert("P").save(tmp_path / "palette.png")
    Image.fromarray(np.dstack([alpha] * 3)).save(tmp_path / "rgb.png")
    Image.fromarray(np.dstack([alpha] * 3 + [np.full_like(alpha, 255)])).save(tmp_path / "opaque.png")
    Image.fromarray(np.dstack([np.zeros_like(alpha)] * 3 + [alpha])).save(tmp_path / "rgba.png")
    for name in ("palette", "rgb", "opaque", "rgba"):
        assert np.array_equal(read_gray(tmp_path / f"{name}.png"), alpha), name
    Image.fromarray(alpha > 50).save(tmp_path / "bit.png")
    assert np.array_equal(read_gray(tmp_path / "bit.png"), np.where(alpha > 50, 255, 0))


def test_coloured_alpha_is_refused(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.png")
    refused(read_gray, tmp_path / "a.png", "coloured alpha or trimap")


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


POSTSCRIPT = """%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 72 96
%%EndComments
(WHERE) (w) file (run) writestring
showpage
%%EOF
"""


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.eps"])
@pytest.mark.parametrize("read", [read_rgb, read_alpha, read_gray])
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
    assert "found no regular file" in refused(read_rgb, path, "unreadable file")


@pytest.mark.parametrize("values", [[0, 1], [0, 1, 2], [1, 2, 3]])
def test_numbers_of_classes_are_not_taken_for_grey_values(tmp_path, values):
    """Masks as segmentation tools write them: read as grey they'd be background almost everywhere."""
    numbers = np.resize(np.array(values, np.uint8), (6, 6))
    Image.fromarray(numbers).save(tmp_path / "grey.png")
    Image.fromarray(np.dstack([numbers] * 3)).save(tmp_path / "rgb.png")
    Image.fromarray(np.dstack([np.full((6, 6, 3), 90, np.uint8), numbers])).save(tmp_path / "rgba.png")
    for read, name in ((read_gray, "grey"), (read_gray, "rgb"), (read_gray, "rgba"), (read_alpha, "rgba")):
        said = refused(read, tmp_path / f"{name}.png", "numbers of classes for grey values")
        assert f"found only {', '.join(map(str, values))}, as segmentation tools" in said


def test_an_empty_alpha_and_a_faint_one_are_grey_values(tmp_path):
    for values in ([0], [0, 4], [0, 255]):
        grey = np.resize(np.array(values, np.uint8), (6, 6))
        Image.fromarray(grey).save(tmp_path / "a.png")
        assert np.array_equal(read_gray(tmp_path / "a.png"), grey)


def test_8_bit_values_in_a_16_bit_file_are_refused(tmp_path, photo):
    deep = photo.astype(np.uint16)
    Image.fromarray(deep[..., 0]).save(tmp_path / "grey.png")
    Image.fromarray(deep[..., 0]).save(tmp_path / "grey.tif")
    cv2.imwrite(str(tmp_path / "rgb.png"), deep)
    for name, read in (("grey.png", read_gray), ("grey.tif", read_gray), ("grey.png", read_rgb), ("rgb.png", read_rgb)):
        assert "16-bit values up to 65535, found none above 255" in refused(read, tmp_path / name, "8 bits in 16")
    cv2.imwrite(str(tmp_path / "rgb.png"), deep * 257)
    assert np.array_equal(read_rgb(tmp_path / "rgb.png")[0][..., ::-1], photo)


def test_too_many_pixels_are_refused_by_name_before_they_take_memory(tmp_path):
    side = 30_000
    chunk = b"IHDR" + side.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    header = len(chunk[4:]).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    body = b"IDAT" + zlib.compress(bytes(1000))
    data = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + data)
    assert "expected at most 178,956,970 pixels" in refused(read_gray, tmp_path / "bomb.png", "unreadable file")


def profile(name: str, gamma: float) -> bytes:
    """An ICC profile with the primaries of sRGB and a power for its curve (ICC.1:2001-04)."""

    def fixed(*values):
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    label, curve = name.encode() + b"\0", b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256)) + b"\0\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(label)) + label + bytes(78),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249),
        b"rXYZ": b"XYZ \0\0\0\0" + fixed(0.43607, 0.22249, 0.01392),
        b"gXYZ": b"XYZ \0\0\0\0" + fixed(0.38515, 0.71687, 0.09708),
        b"bXYZ": b"XYZ \0\0\0\0" + fixed(0.14307, 0.06061, 0.71410),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for tag, value in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"lcms", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acspMSFT" + bytes(24) + fixed(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def linear(photo):
    """sRGB values as light (IEC 61966-2-1), in eight bits."""
    values = photo / 255
    return np.round(255 * np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)).astype(
        np.uint8
    )


@pytest.mark.parametrize("name", ["sRGB-elle-V2-g10.icc", "mine"])
def test_a_profile_is_read_and_not_believed_by_its_name(tmp_path, photo, name):
    Image.fromarray(linear(photo)).save(tmp_path / "a.png", icc_profile=profile(name, 1))
    read = read_photo(tmp_path / "a.png")
    bright = photo > 60  # eight bits of light hold few of the dark values
    assert read.converted and np.abs(read.pixels.astype(int) - photo)[bright].max() <= 3


def test_srgb_by_any_name_is_left_as_it_is(tmp_path, photo):
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for content in (own, own.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))):
        Image.fromarray(photo).save(tmp_path / "a.png", icc_profile=content)
        read = read_photo(tmp_path / "a.png")
        assert not read.converted and not read.notes and np.array_equal(read.pixels, photo)


@pytest.mark.parametrize(
    ("gamma", "srgb", "converted"), [(100_000, False, True), (45_455, False, False), (100_000, True, False)]
)
def test_the_gamma_of_a_png_counts_unless_it_says_srgb(tmp_path, photo, gamma, srgb, converted):
    """gAMA in 1/100000, and sRGB, which overrides it (PNG 1.2, sections 4.2.2.1 and 4.2.2.3)."""
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"gAMA", struct.pack(">I", gamma))
    if srgb:
        chunks.add(b"sRGB", b"\0")
    Image.fromarray(linear(photo) if converted else photo).save(tmp_path / "a.png", pnginfo=chunks)
    read = read_photo(tmp_path / "a.png")
    assert read.converted == converted and np.abs(read.pixels.astype(int) - photo)[photo > 60].max() <= 3 * converted


def test_a_photograph_keeps_its_transparency_and_one_that_shows_nothing_is_refused(tmp_path, photo):
    alpha = np.where(np.arange(72) < 36, 255, 0).astype(np.uint8)[None].repeat(96, 0)
    Image.fromarray(np.dstack([photo, alpha])).save(tmp_path / "a.png")
    read = read_photo(tmp_path / "a.png")
    assert np.array_equal(read.alpha, alpha) and (read.pixels[:, 36:] == 255).all()
    assert np.array_equal(read.pixels[:, :36], photo[:, :36])
    Image.fromarray(np.dstack([photo, 0 * alpha])).save(tmp_path / "b.png")
    assert "transparent everywhere" in refused(read_photo, tmp_path / "b.png", "transparent everywhere")


def test_of_several_pictures_the_first_is_taken_and_that_is_noted(tmp_path, photo):
    first = Image.fromarray(photo)
    first.save(tmp_path / "a.tif", save_all=True, append_images=[first.rotate(180)])
    read = read_photo(tmp_path / "a.tif")
    assert np.array_equal(read.pixels, photo) and "found 2; the first was taken" in read.notes[0]
