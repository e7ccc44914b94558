"""Bad inputs, made by code, and what becomes of each: a clear sentence, a traceback, or, worst, an answer."""

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

from lib.base import ROOT, UserError
from lib.cutout import cutter
from lib.data import images
from lib.data.sources import open_folder
from lib.experiments.parameters import check_one
from workflow import claims, profiles

CLEAR, TRACEBACK, WRONG = "clear sentence", "traceback", "silently wrong"
Case = tuple[str, str, Callable[[Path], object]]  # kind, name, what is tried in a folder of its own


def outcome(attempt: Callable[[Path], object], folder: Path) -> tuple[str, str]:
    """What a bad input came to, and the words. Clear is one line of a UserError that says what was expected and found."""
    try:
        found = attempt(folder)
    except UserError as error:
        words = str(error)
        return (CLEAR if "found" in words and "\n" not in words else TRACEBACK), words
    except Exception as error:
        return TRACEBACK, f"{type(error).__name__}: {error}"
    return WRONG, repr(found)[:80]


def cases() -> Iterator[Case]:
    """All bad inputs."""
    yield from _pictures()
    yield from _mattes()
    yield from _folders()
    yield from _parameters()
    yield from _texts()
    yield from _weights()


def _encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> bytes:
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(), mode).save(file, kind)
    return file.getvalue()


def _bomb(width: int, height: int) -> bytes:
    """A PNG that says it is that large and holds next to nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def _flipped(content: bytes, share: float) -> bytes:
    changed = bytearray(content)
    changed[int(len(changed) * share)] ^= 0x40
    return bytes(changed)


def _pictures() -> Iterator[Case]:
    png, jpeg, webp, tiff, bmp = (_encoded(kind) for kind in ("PNG", "JPEG", "WEBP", "TIFF", "BMP"))
    content = {
        "an empty file": b"",
        "one byte": b"\x89",
        "text": b"not a picture",
        "zeros": bytes(1000),
        "PostScript named .png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        "a PDF": b"%PDF-1.4\n%%EOF\n",
        "an SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "30,000 x 30,000 pixels": _bomb(30_000, 30_000),
        "a PNG of 2^31 pixels a side": _bomb(2**31 - 1, 2**31 - 1),
        "a PNG of no pixels": _bomb(0, 0),
        "a PNG with a flipped byte": _flipped(png, 0.5),
        "half a PNG": png[: len(png) // 2],
        "half a JPEG": jpeg[: len(jpeg) // 2],
        "a JPEG without its end": jpeg[:-2],
        "a JPEG header alone": jpeg[:20],
        "half a WebP": webp[: len(webp) // 2],
        "half a TIFF": tiff[: len(tiff) // 2],
        "half a BMP": bmp[: len(bmp) // 2],
        "a TIFF header alone": tiff[:8],
    }
    for name, data in content.items():
        yield "picture", name, lambda folder, data=data: images.read_rgb(_put(folder / "x.png", data))
    yield "picture", "no file", lambda folder: images.read_rgb(folder / "x.png")
    yield "picture", "a folder", lambda folder: images.read_rgb(folder)
    yield "picture", "a device", lambda folder: images.read_rgb(Path("/dev/zero"))
    yield "picture", "a pipe", lambda folder: images.read_rgb(_pipe(folder / "x.png"))
    yield "picture", "a link to itself", lambda folder: images.read_rgb(_linked(folder / "x.png"))


def _mattes() -> Iterator[Case]:
    colours = _encoded("PNG")
    classes = {f"classes 0 to {most}": np.arange(1200).reshape(30, 40) % (most + 1) for most in (1, 2, 3)}
    deep = np.arange(1200, dtype=np.uint16).reshape(30, 40) % 256
    yield "alpha", "no alpha channel", lambda folder: images.read_alpha(_put(folder / "x.png", colours))
    yield "alpha", "in colours", lambda folder: images.read_gray(_put(folder / "x.png", colours))
    for name, values in classes.items():
        yield "trimap", name, lambda folder, values=values: images.read_gray(_saved(folder, values.astype(np.uint8)))
    yield "alpha", "16 bits of 0 to 255", lambda folder: images.read_gray(_saved(folder, deep))
    for name, given in (("an array", deep),):
        yield (
            "trimap",
            f"16 bits of 0 to 255, {name}",
            lambda folder, given=given: cutter._read_trimap(given, deep.shape),
        )
    yield "mask", "floating point", lambda folder: images.read_gray(_saved(folder, np.zeros((9, 9), np.float32), "tif"))


def _folders() -> Iterator[Case]:
    def one(folder: Path, image: bytes, alpha: bytes, name: str = "a.png") -> object:
        _put(folder / "image/a.png", image)
        _put(folder / "alpha" / name, alpha)
        return open_folder(folder).read(0)

    photo, grey = _encoded("PNG"), _encoded("PNG", "L")
    yield "folder", "not there", lambda folder: open_folder(folder / "nowhere")
    yield "folder", "a file", lambda folder: open_folder(_put(folder / "x", b"x"))
    yield "folder", "empty", lambda folder: open_folder(folder)
    yield "folder", "no alpha/", lambda folder: open_folder(_put(folder / "image/a.png", photo).parent.parent)
    yield "folder", "no two names alike", lambda folder: one(folder, photo, grey, "b.png")
    yield "folder", "sizes that differ", lambda folder: one(folder, photo, _encoded("PNG", "L", (30, 40)))
    yield "folder", "an alpha in colours", lambda folder: one(folder, photo, photo)
    yield "folder", "a broken alpha", lambda folder: one(folder, photo, grey[:60])
    yield "folder", "pictures of a tool", lambda folder: one(folder, photo, grey, ".ipynb_checkpoints/a.png")
    yield "folder", "a name that is not UTF-8", _not_utf8


def _not_utf8(folder: Path) -> object:
    (folder / "image").mkdir()
    (folder / "alpha").mkdir()
    with open(os.fsencode(folder / "image") + b"/caf\xe9.png", "wb"):
        return open_folder(folder)


def _parameters() -> Iterator[Case]:
    for name, value in (
        ("epochs", 0), ("epochs", -1), ("epochs", 1.5), ("epochs", "3"), ("epochs", True), ("epochs", 10**400),
        ("lr", float("nan")), ("lr", float("inf")), ("lr", -1.0), ("epoch", 3), ("", 3), ("images", -1),
        ("run", "../x"), ("run", ""), ("run", "a/b"), ("run", "x\n"), ("size", 10**6), ("data", "photos"),
        ("device", "tpu"), ("a\nb", 3), ("bad_limit", 2.0), ("epochs", None), ("epochs", [3]), ("seed", 2**80),
    ):  # fmt: skip
        yield "parameter", f"{name}={str(value)[:20]!r}", lambda folder, name=name, value=value: check_one(name, value)
    for text in ("epochs", "", "epochs 3"):
        yield "parameter", f"SET {text!r}", lambda folder, text=text: profiles.parse_setting(text)


def _texts() -> Iterator[Case]:
    yield "profile", "unknown", lambda folder: profiles.read("quikc")
    for name, text in (
        ("no TOML", b"[parameters"),
        ("not UTF-8", b"run = 'caf\xe9'"),
        ("twice a name", b"a = 1\na = 2"),
        ("a number for a table", b"parameters = 3"),
        ("a table of no notebook", b"[parameter]\nepochs = 3"),
    ):
        yield "profile", name, lambda folder, text=text: _profile(_put(folder / "quick.toml", text))
    yield "profile", "a folder", lambda folder: _profile(_made(folder / "quick.toml"))
    yield "profile", "a path", lambda folder: profiles.read("../profiles/quick")
    for name, text in {
        "no YAML": b"- {id: a",
        "a word": b"word",
        "empty": b"",
        "a tag that runs code": b"- !!python/object/apply:os.system ['true']",
        "a claim of nothing": b"- {}",
        "a field that is a line's end": b'- {id: a, kind: ours, claim: b, rests_on: [01_data.a], tolerance: exact, holds_if: {value: 01_data.a, below: 1}, "\\n": 1}',
        "an id of two lines": b'- {id: "a\\nb", kind: other}',
        "a scale that is a line's end": b'- {id: a, kind: ours, claim: b, rests_on: [01_data.a], tolerance: exact, holds_if: {value: 01_data.a, below: 1}, scale: {"\\n": 1}}',
        "a scale's part of two lines": b'- {id: a, kind: ours, claim: b, rests_on: [01_data.a], tolerance: exact, holds_if: {value: 01_data.a, below: 1}, scale: {steps: "a\\nb"}}',
        "a condition that is a line's end": b'- {id: a, kind: ours, claim: b, rests_on: [01_data.a], tolerance: exact, holds_if: {value: 01_data.a, "\\n": []}}',
        "a list of words": b"- a\n- b",
        "not UTF-8": b"- {id: caf\xe9}",
        "a number for a condition": b"- {id: a, kind: ours, claim: It is., rests_on: [01_data.x], tolerance: exact, holds_if: 3}",
        "a number for values": b"- {id: a, kind: ours, claim: It is., rests_on: 3, tolerance: exact, holds_if: {}}",
        "no number for a bound": b"- {id: a, kind: ours, claim: It is., rests_on: [x], tolerance: exact, holds_if: {value: x, below: .nan}}",
        "a date for a name": b"- {id: 2021-12-10, kind: ours, claim: It is., rests_on: [x], tolerance: exact, holds_if: {value: x, below: 1}}",
        "a number for a field": b"- {1: a, kind: ours, claim: It is., rests_on: [x], tolerance: exact, holds_if: {value: x, below: 1}}",
        "an unknown kind": b"- {id: a, kind: wish, section: '1', claim: It is., rests_on: [01_data.x]}",
    }.items():
        yield "claims", name, lambda folder, text=text: claims.read(_put(folder / "claims.yaml", text))


def _profile(path: Path) -> object:
    with mock.patch.object(profiles, "PROFILES", path.parent):
        return profiles.read(path.stem)


def _weights() -> Iterator[Case]:
    from lib.cutout.network import OnnxNetwork
    from lib.models.checkpoint import load_network

    for name, text in {"cut off": b"{", "a list": b"[]", "null": b"null", "without sums": b"{}"}.items():
        yield "manifest", name, lambda folder, text=text: OnnxNetwork(_folder_of(folder, {"manifest.json": text}))

    config = b'{"system": "thumbnail", "batch_norm": true, "pooling": "halving", "width": 64}'
    for name, files in {
        "none": {},
        "no config": {"model.safetensors": b"x"},
        "empty": {"model.safetensors": b"", "config.json": config},
        "garbage": {"model.safetensors": bytes(range(256)) * 9, "config.json": config},
        "a pickle": {"model.safetensors": b"\x80\x04cos\nsystem\n(S'true'\ntR.", "config.json": config},
        "a header of 2^62 bytes": {"model.safetensors": struct.pack("<Q", 2**62) + b"{}", "config.json": config},
        "another system's": {"model.safetensors": b"\2\0\0\0\0\0\0\0{}", "config.json": b'{"system": "none"}'},
        "a list for a config": {"model.safetensors": b"\2\0\0\0\0\0\0\0{}", "config.json": b"[]"},
    }.items():
        yield "weights", name, lambda folder, files=files: load_network(_folder_of(folder, files), "cpu")
    for name in ("portrait", "background", "video"):
        path = ROOT / "data/weights" / name
        yield "weights", f"{name}, for a trimap", lambda folder, path=path: cutter._trained(path)
    sums = {"model.sha256": b"\xff\xfe", "model.safetensors": b""}
    yield "weights", "a sum that is no text", lambda folder: cutter._trained(_folder_of(folder, sums))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _folder_of(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        _put(folder / name, content)
    return folder


def _bytes_of(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _saved(folder: Path, pixels: np.ndarray, suffix: str = "png") -> Path:
    Image.fromarray(pixels).save(folder / f"x.{suffix}")
    return folder / f"x.{suffix}"


def _pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def _linked(path: Path) -> Path:
    path.symlink_to(path)
    return path
