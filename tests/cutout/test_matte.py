"""One picture and one trimap: every kind of file that people have gives a right answer or one clear sentence."""

import numpy as np
import pytest
import torch
from PIL import Image

from lib import inference
from lib.__main__ import main
from lib.base import ROOT, UserError
from lib.compute import Compute
from lib.cutout import matte
from lib.data.open import open_source
from lib.data.prepare import prepare
from lib.training.dim import DimConfig, DimTask
from lib.training.trainer import train


class Half(torch.nn.Module):
    """A network that answers 0.25 everywhere."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(0.25))

    def forward(self, image, trimap):
        return trimap * 0 + self.weight


def files(folder, pixels: np.ndarray, trimap: np.ndarray, mode: str = "", **options) -> tuple:
    image = Image.fromarray(pixels)
    if mode:
        image = image.quantize(256, dither=Image.Dither.NONE) if mode == "P" else image.convert(mode)
    image.save(folder / "image.png", **options)
    Image.fromarray(trimap).save(folder / "trimap.png")
    return folder / "image.png", folder / "trimap.png"


def pair(height: int = 20, width: int = 30) -> tuple[np.ndarray, np.ndarray]:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    trimap = np.full((height, width), 128, np.uint8)
    trimap[: height // 3], trimap[-(height // 3) :] = 0, 255
    return pixels, trimap


def test_plain_files_need_no_remark(tmp_path):
    pixels, trimap = pair()
    image, read, notes = matte.read_pair(*files(tmp_path, pixels, trimap))
    assert np.array_equal(np.round(image * 255).astype(np.uint8), pixels) and image.dtype == np.float32
    assert np.array_equal(read, trimap) and notes == []


def test_127_and_soft_values_are_taken_for_the_nearest_and_said(tmp_path):
    pixels, trimap = pair()
    soft = trimap.copy()
    soft[trimap == 128], soft[0, 0], soft[-1, 0] = 127, 30, 240
    _, read, notes = matte.read_pair(*files(tmp_path, pixels, soft))
    assert np.array_equal(read, trimap)
    assert len(notes) == 1 and "expected the values 0, 128 and 255, found also 30, 127, 240" in notes[0]


@pytest.mark.parametrize(
    ("level", "said"),
    [
        (128, "no unknown pixels (128), so the matte is the trimap itself"),
        (0, "no pixels known as background (0)"),
        (255, "no pixels known as foreground (255)"),
    ],
)
def test_a_trimap_that_lacks_a_region_is_remarked_and_answered(tmp_path, level, said):
    pixels, trimap = pair()
    trimap[trimap == level] = 255 if level == 128 else 128
    image, read, notes = matte.read_pair(*files(tmp_path, pixels, trimap))
    assert len(notes) == 1 and said in notes[0]
    alpha = inference.matte(Half(), image, read)
    assert np.allclose(alpha[read == 128], 0.25, atol=1e-2)
    assert (alpha[read == 0] == 0).all() and (alpha[read == 255] == 1).all()


def test_one_pixel_has_an_answer(tmp_path):
    paths = files(tmp_path, np.full((1, 1, 3), 9, np.uint8), np.full((1, 1), 128, np.uint8))
    image, trimap, _ = matte.read_pair(*paths)
    assert inference.matte(Half(), image, trimap).shape == (1, 1)


def test_16_bit_palette_grey_and_transparent_files_are_read_right(tmp_path):
    pixels, trimap = pair()
    grey = pixels[..., 0]
    _, read, notes = matte.read_pair(*files(tmp_path, pixels, trimap.astype(np.uint16) * 257))
    assert np.array_equal(read, trimap) and notes == []
    image, _, _ = matte.read_pair(*files(tmp_path, grey.astype(np.uint16) * 257, trimap))
    assert np.array_equal(np.round(image[..., 1] * 255).astype(np.uint8), grey)
    few = (pixels // 128) * 128  # eight colours fit a palette exactly
    image, _, _ = matte.read_pair(*files(tmp_path, few, trimap, "P"))
    assert np.abs(np.round(image * 255) - few).max() == 0
    image, _, _ = matte.read_pair(*files(tmp_path, pixels, trimap, "RGBA"))
    assert np.array_equal(np.round(image * 255).astype(np.uint8), pixels)


def test_a_turned_photo_is_turned_with_its_trimap_or_refused(tmp_path):
    pixels, trimap = pair()
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying, shown standing
    paths = files(tmp_path, pixels, np.rot90(trimap, -1).copy(), exif=exif)
    image, read, _ = matte.read_pair(*paths)
    assert image.shape == (30, 20, 3) and read.shape == (30, 20)
    assert np.array_equal(np.round(image * 255).astype(np.uint8), np.rot90(pixels, -1))
    paths = files(tmp_path, pixels, trimap, exif=exif)
    sentence = r"trimap.png: expected 20x30 pixels \(width x height\) as in image.png, found 30x20"
    with pytest.raises(UserError, match=sentence):
        matte.read_pair(*paths)


def test_what_is_no_trimap_is_refused_by_name(tmp_path):
    pixels, trimap = pair()
    image, path = files(tmp_path, pixels, trimap)
    Image.fromarray(pixels).save(path)
    with pytest.raises(UserError, match="trimap.png: expected a grey picture, found colour channels that differ"):
        matte.read_pair(image, path)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="trimap.png: expected a readable picture"):
        matte.read_pair(image, path)


def test_the_command_writes_a_matte_or_one_sentence(tmp_path, capsys):
    prepared = prepare(open_source("portraits", "", 4, 0), (40, 30), cache=tmp_path / "cache")
    recipe = DimConfig(epochs=1, side=32, batch_size=2, width=4)
    train(DimTask, recipe, tmp_path / "net", Compute("cpu"), prepared, ([0, 1], []))
    pixels, trimap = pair(40, 50)
    image, path = map(str, files(tmp_path, pixels, trimap))
    out = tmp_path / "out.png"
    main(["matte", str(tmp_path / "net"), image, path, str(out), "--device", "cpu"])
    alpha = np.asarray(Image.open(out))
    assert alpha.shape == trimap.shape and (alpha[trimap == 0] == 0).all() and (alpha[trimap == 255] == 255).all()
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        main(["matte", str(tmp_path / "nothing"), image, path, str(tmp_path / "other.png")])
    assert stopped.value.code == 2 and not (tmp_path / "other.png").exists()
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("image.png", "image.png: expected a file of its own for the matte, found an input's name"),
        ("link.png", "link.png: expected a file of its own"),
        ("trimap.png", "trimap.png: expected a file of its own"),
        ("out.jpg", "out.jpg: expected a name that ends in .png, found .jpg"),
        ("out", "out: expected a name that ends in .png, found no ending"),
        ("folder.png", "folder.png: expected the name of a file in an existing folder, found a folder"),
        ("gone/out.png", "out.png: expected the name of a file in an existing folder, found no folder"),
    ],
)
def test_no_input_is_overwritten_and_a_wrong_name_costs_no_work(tmp_path, monkeypatch, out, said):
    image, path = files(tmp_path, *pair())
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(image)
    before = image.read_bytes(), path.read_bytes()
    monkeypatch.setattr(matte.store, "load", lambda *_: pytest.fail("the network was loaded"))
    with pytest.raises(UserError, match=said):
        matte.main(["net", str(image), str(path), str(tmp_path / out)])
    assert (image.read_bytes(), path.read_bytes()) == before


@pytest.mark.parametrize("tile", ["0", "-5", "129", "255"])
def test_a_tile_too_small_for_its_overlap_is_refused(tmp_path, monkeypatch, tile):
    image, path = files(tmp_path, *pair())
    monkeypatch.setattr(matte.store, "load", lambda *_: Half())
    with pytest.raises(UserError, match="tile: expected at least 256 px .twice the overlap., found"):
        matte.main(["net", str(image), str(path), str(tmp_path / "out.png"), "--tile", tile])
    assert not (tmp_path / "out.png").exists()


def test_alphas_that_are_no_numbers_are_refused(tmp_path, monkeypatch, capsys):
    """Finite weights may be so large that what comes out is not."""

    def huge(model, image, trimap, **_):
        return np.full(trimap.shape, np.nan, np.float32)

    monkeypatch.setattr(matte.inference, "matte", huge)
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.full((32, 32), 128, np.uint8)).save(tmp_path / "t.png")
    with pytest.raises(UserError, match="trimap: expected alphas in .*, found no numbers"):
        matte.main([str(ROOT / "data/weights/trimap"), *(str(tmp_path / name) for name in ("a.png", "t.png", "o.png"))])
    assert not (tmp_path / "o.png").exists()
