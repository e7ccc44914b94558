"""build/demo.html: one file that cuts people out of photographs in a browser and asks the network for nothing.

page.html is the template, page.css and page.js what one sees and does, steps.js what lib.cutout does, in a worker. ONNX
Runtime's web build and the weights of data/weights go into the file as text: gzip, then base64.
"""

import base64
import gzip
import io
import json
import re
import sys
import tarfile
from pathlib import Path

import jinja2
import numpy as np

from lib import tiles
from lib.base import ROOT, UserError, write_atomically
from lib.cutout import cutter, foreground, trimaps, upsample
from lib.cutout.example import example
from lib.cutout.network import MANIFEST, SUMS
from workflow import npm

HERE = Path(__file__).parent
PAGE = ROOT / "build/demo.html"
VERSION = "1.30.0"
RUNTIME = ROOT / f"build/onnxruntime-web-{VERSION}.tgz"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="  # npm's
PARTS = {"ort": "ort.wasm.min.js", "glue": "ort-wasm-simd-threaded.mjs", "wasm": "ort-wasm-simd-threaded.wasm"}
NETWORKS = ("portrait", "trimap")
MOST_BYTES = 25_000_000
# What steps.js takes from Python, so that no number stands in two places.
NAMES = {
    cutter: ("PORTRAIT_HEIGHT", "MULTIPLE", "LONGEST", "PERSON_SHARE"),
    trimaps: ("SIDE", "LOW", "HIGH", "UNSURE", "WIDER", "BACKGROUND", "UNKNOWN", "FOREGROUND"),
    tiles: ("TILE", "OVERLAP"),
    upsample: ("BAND", "MIN_SIDE", "SEARCH_SIDE", "RADIUS", "EPSILON", "FLAT"),
    foreground: ("MARGIN", "REGULARISATION", "SMALL", "SMALL_STEPS", "LARGE_STEPS"),
}
CONSTANTS = {name: getattr(module, name) for module, names in NAMES.items() for name in names}
CONSTANTS["FOREGROUND_TILE"] = foreground.TILE


def build(target: Path = PAGE, weights: Path = cutter.WEIGHTS) -> Path:
    """Write the page. UserError where npm is missing or without network, or a file is not the one that its sum names."""
    folders = [weights / name for name in NETWORKS]
    jinja = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, loader=jinja2.FileSystemLoader(HERE))
    page = jinja.get_template("page.html").render(
        style=_source("page.css"),
        script=_source("page.js"),
        steps=_constants() + _source("steps.js"),
        version=VERSION,
        example=_picture(),
        networks=[{"name": folder.name, **_card(folder)} for folder in folders],
        parts=[*_runtime(), *(part for folder in folders for part in _weights(folder))],
    )
    content = page.encode()
    if len(content) > MOST_BYTES:
        raise UserError(f"{target}: expected at most {MOST_BYTES:,} bytes, found {len(content):,}; ship less weights.")
    write_atomically(target, content)
    return target


def packed(content: bytes) -> str:
    """gzip, then base64; the same bytes give the same text."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def split(content: bytes) -> bytes:
    """The bytes at even places, then those at odd ones: of fp16 the halves with sign and exponent, which repeat and so
    compress, come together."""
    values = np.frombuffer(content, np.uint8)
    return np.concatenate([values[0::2], values[1::2]]).tobytes()


def fetch_runtime() -> bytes:
    """The package onnxruntime-web as npm has it; fetched once into build/, its sum checked each time. UserError as `build`."""
    return npm.fetch(RUNTIME, f"onnxruntime-web@{VERSION}", INTEGRITY)


def _runtime() -> list[dict]:
    """ONNX Runtime's parts: its interface, what loads its WebAssembly, and that itself, for one thread and a processor."""
    with tarfile.open(fileobj=io.BytesIO(fetch_runtime())) as package:
        contents = {name: package.extractfile(f"package/dist/{file}").read() for name, file in PARTS.items()}
    return [{"id": name, "text": packed(content), "sha256": ""} for name, content in contents.items()]


def _weights(folder: Path) -> list[dict]:
    """Graph and weights of a network, with the sums of its manifest, which the page checks after unpacking."""
    manifest = json.loads((folder / MANIFEST).read_text())
    kinds = {"model.onnx": ("graph", bytes), "model.safetensors": ("weights", split)}
    return [
        {
            "id": f"{folder.name}-{kind}",
            "text": packed(prepare((folder / file).read_bytes())),
            "sha256": manifest[SUMS[file]],
        }
        for file, (kind, prepare) in kinds.items()
    ]


def _card(folder: Path) -> dict:
    """What data/weights/README.md says of a network, and the whole sum of its weights."""
    text = (folder.parent / "README.md").read_text()
    found = re.search(rf"\*\*`{folder.name}`\*\* \((.*?), SHA-256 .*?\): (.*?)\n((?:- .*\n)+)", text)
    if not found:
        raise UserError(
            f"{folder.parent / 'README.md'}: expected a paragraph on {folder.name}, found none; write it anew."
        )
    size, trained, scores = found.groups()
    sha256 = json.loads((folder / MANIFEST).read_text())["sha256"]
    return {"size": size, "trained": trained, "scores": [line[2:] for line in scores.splitlines()], "sha256": sha256}


def _picture() -> str:
    """A rendered person whom no network has seen, as base64 of a WebP."""
    buffer = io.BytesIO()
    example().save(buffer, "WEBP", quality=90)
    return base64.b64encode(buffer.getvalue()).decode()


def _constants() -> str:
    return "".join(f"const {name} = {value};\n" for name, value in CONSTANTS.items())


def _source(name: str) -> str:
    return (HERE / name).read_text()


def main() -> None:
    """Build the page and say where it is."""
    try:
        page = build()
    except UserError as error:
        sys.exit(f"error: {error}")
    print(f"demo: {page.relative_to(ROOT)}, {page.stat().st_size / 1e6:.1f} MB; open it in a browser.")


if __name__ == "__main__":
    main()
