"""Readers and checks given what nobody would write: `python tests/faults/fuzz.py --minutes 30`.

Each target gets valid input that was bent (bytes flipped, cut out, put in, doubled) or values of any kind. It may return what it
promises, or raise the project's own UserError in one line; anything else is a finding. Counts go to reports/bench/fuzz.json.
hypothesis draws the input; with `--by atheris` (pip install atheris==3.0.0; no lock holds it) the coverage that it reaches leads on.
"""

import argparse
import atexit
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st
from PIL import Image

from lib.base import ROOT, UserError
from lib.cutout import network, pictures
from lib.data import decode, photos
from lib.experiments import parameters, profiles
from workflow import claims, plan, record, values

BATCH = 200  # examples between two looks at the clock
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
# One file, written over and over: on a disk that takes half of the time.
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz", dir=MEMORY))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
Target = tuple[st.SearchStrategy, Callable[[object], None]]


def encoded(kind: str, mode: str, size: tuple[int, int] = (13, 9)) -> bytes:
    """A picture of noise as a file's bytes."""
    shape = (size[1], size[0], len(Image.new(mode, (1, 1)).getbands()))
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8).squeeze()
    Image.fromarray(noise).convert(mode).save(file, kind)
    return file.getvalue()


def deep(kind: str) -> bytes:
    """A picture of 16 bits."""
    file = io.BytesIO()
    Image.fromarray(np.arange(117, dtype=np.uint16).reshape(9, 13) * 500).save(file, kind)
    return file.getvalue()


COLOURED = [encoded(kind, mode) for kind in ("PNG", "WEBP", "TIFF") for mode in ("RGB", "RGBA")]
COLOURED += [encoded("JPEG", "RGB"), encoded("JPEG", "CMYK"), encoded("BMP", "RGB"), encoded("GIF", "P")]
GREY = [encoded(kind, mode) for kind, mode in (("PNG", "L"), ("PNG", "LA"), ("PNG", "1"), ("TIFF", "L"), ("JPEG", "L"))]
GREY += [deep("PNG"), deep("TIFF"), encoded("PNG", "P")]


@st.composite
def bent(draw, originals: list[bytes]) -> bytes:
    """One of the originals with up to six changes."""
    content = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        change = draw(st.sampled_from(("flip", "set", "cut", "put in", "end", "double")))
        if change == "flip" and content:
            content[place] ^= 1 << draw(st.integers(0, 7))
        elif change == "set" and content:
            content[place] = draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)))
        elif change == "cut":
            del content[place : place + draw(st.integers(1, 16))]
        elif change == "put in":
            content[place:place] = draw(st.binary(max_size=8))
        elif change == "end":
            del content[place:]
        else:
            content += content[place:]
    return bytes(content[: 1 << 20])


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(("a", "1", "quick"))
)
ANYTHING = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def bent_structure(draw, originals: list) -> object:
    """JSON's types: an original with one of its parts replaced, removed, or added to."""
    whole = json.loads(json.dumps(draw(st.sampled_from(originals))))
    if not draw(st.integers(0, 9)):
        return draw(ANYTHING)
    part, way = whole, []
    while isinstance(part, dict | list) and len(part) and (not way or draw(st.booleans())):
        key = draw(st.sampled_from(sorted(part))) if isinstance(part, dict) else draw(st.integers(0, len(part) - 1))
        way.append((part, key))
        part = part[key]
    holder, key = way[-1]
    change = draw(st.sampled_from(("replace", "remove", "add")))
    if change == "replace":
        holder[key] = draw(ANYTHING)
    elif change == "remove":
        del holder[key]
    elif isinstance(holder, dict):
        holder[draw(st.text(max_size=8))] = draw(ANYTHING)
    else:
        holder.append(draw(ANYTHING))
    return whole


def clear(attempt: Callable[[], object]) -> object:
    """What the attempt returns; None for a UserError of one line that says what was expected. All else goes through."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of broken EXIF
            return attempt()
    except UserError as error:
        words = str(error)
        assert "\n" not in words and "expected" in words, f"no clear sentence: {words!r}"
        return None


def put(content: bytes, name: str = "x.png") -> Path:
    """The file of that content."""
    path = FOLDER / name
    path.write_bytes(content)
    return path


def picture(content: bytes) -> None:
    found = clear(lambda: decode.read_rgb(put(content), (4, 4)))
    if found is not None:
        height, width = found.full
        assert found.pixels.dtype == np.uint8 and found.pixels.shape == (height // found.scale, width // found.scale, 3)


def photograph(content: bytes) -> None:
    found = clear(lambda: photos.read_photo(content, "x", most=10**6))
    if found is not None:
        assert found.pixels.dtype == np.uint8 and found.pixels.ndim == 3 and found.pixels.shape[2] == 3
        assert found.alpha is None or found.alpha.shape == found.pixels.shape[:2]


def alpha(content: bytes) -> None:
    for reader in (decode.read_alpha, decode.read_grey):
        found = clear(lambda reader=reader: reader(put(content)))
        assert found is None or (found.dtype == np.uint8 and found.ndim == 2 and found.size)


def trimap(given: object) -> None:
    size = given.shape[:2] if isinstance(given, np.ndarray) and given.ndim > 1 else (9, 13)
    found = clear(lambda: pictures.take_trimap(given, size, "trimap"))
    if found is not None:
        levels, notes = found
        assert levels.shape == tuple(size) and set(np.unique(levels)) <= {0, 128, 255} and all(notes)


@st.composite
def arrays(draw) -> np.ndarray:
    """An array of any kind that somebody might take for a trimap."""
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    kinds = ("uint8", "uint16", "int64", "int8", "float32", "float64", "bool", "complex64")
    dtype = np.dtype(draw(st.sampled_from(kinds)))
    low, high = draw(st.sampled_from(((0, 1), (0, 2), (0, 255), (-1, 1), (0, 70000))))
    values = np.random.default_rng(draw(st.integers(0, 9))).uniform(low, high, shape)
    if draw(st.booleans()) and values.size and dtype.kind in "fc":
        values.flat[0] = draw(st.sampled_from((np.nan, np.inf)))
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return values.astype(dtype)


def manifest(content: bytes) -> None:
    put(content, network.MANIFEST)
    clear(lambda: network._check(FOLDER))


def profile(content: bytes) -> None:
    put(content, "quick.toml")
    with mock.patch.object(profiles, "PROFILES", FOLDER):
        found = clear(lambda: profiles.read("quick"))
    if found is not None:
        tables = {"parameters", *plan.NOTEBOOKS}
        assert set(found) <= tables and all(isinstance(table, dict) for table in found.values())


def claim_list(content: bytes) -> None:
    listed = clear(lambda: claims.read(put(content, "claims.yaml")))
    for claim in listed or ():
        assert claim["kind"] in claims.KINDS
        if "holds_if" in claim:
            known = dict.fromkeys(claims.names(claim), 1.0)
            clear(lambda claim=claim, known=known: claims.judge(claim, known))


def parameter(given: tuple[str, object]) -> None:
    name, value = given
    found = clear(lambda: parameters.check_one(name, value))
    if found is not None:
        kind = parameters.FIELDS[name].annotation
        kind = kind if isinstance(kind, type) else str  # one of several words
        assert type(found) in ((int, float) if kind is float else (kind,)) and found == value


def setting(text: str) -> None:
    found = clear(lambda: profiles.parse_setting(text))
    assert found is None or "=" in text


def kept(content: bytes) -> None:
    folder = FOLDER / "run"
    (folder / "values").mkdir(parents=True, exist_ok=True)
    put(content, "run/values/01_data.json")
    put(content, "run/run.json")
    for reader in (values.load, values.parameters, values.commits, values.samples, record.read):
        clear(lambda reader=reader: reader(folder))


def as_json(structure: st.SearchStrategy) -> st.SearchStrategy:
    return structure.map(lambda content: json.dumps(content).encode())


SUMS = {"sha256": "0" * 64, "onnx_sha256": "1" * 64, "scores": {"held-out": {"network": {"MSE": 0.1}}}}
LEFT = {
    "answer": "Yes.",
    "code": "ab",
    "commit": "",
    "parameters": {"run": "quick", "epochs": 1},
    "values": {"01_data.a": 1.5},
}
CLAIM = {
    "id": "a", "kind": "ours", "claim": "It is.", "rests_on": ["01_data.x"], "tolerance": "statistical",
    "holds_if": {"value": "01_data.x", "below": 1}, "scale": {"steps": {"has": "01_data.n", "needs": 3}},
}  # fmt: skip
ALIKE = CLAIM | {"holds_if": {"value": "01_data.x", "alike": {"margin": 0.1, "reason": "so"}}}
PROFILES = [path.read_bytes() for path in sorted((ROOT / "notebooks/profiles").glob("*.toml"))]
PROFILES += [b"[parameters]\nepochs = 3\n[03_vgg16]\nepochs = 4\n", b"parameters = 3\n", b'[03_vgg16]\nlr = "a"\n']
NAMES = st.sampled_from([*parameters.NAMES, "epoch", "", "Run"]) | st.text(max_size=8)

TARGETS: dict[str, Target] = {
    "pictures": (bent(COLOURED + GREY), picture),
    "photographs": (bent(COLOURED + GREY), photograph),
    "alphas": (bent(GREY + COLOURED), alpha),
    "trimaps": (bent(GREY) | arrays(), trimap),
    "manifests": (as_json(bent_structure([SUMS])) | bent([json.dumps(SUMS).encode()]), manifest),
    "profiles": (bent(PROFILES), profile),
    "claims": (
        as_json(bent_structure([[CLAIM], [ALIKE]])) | bent([json.dumps([CLAIM], indent=1).encode()]),
        claim_list,
    ),
    "parameters": (st.tuples(NAMES, ANYTHING), parameter),
    "settings": (st.text(max_size=20) | st.tuples(NAMES, st.text(max_size=12)).map("=".join), setting),
    "values": (as_json(bent_structure([LEFT])) | bent([json.dumps(LEFT, indent=1).encode()]), kept),
}
SEEDS = {  # of the targets that read a file: files that are right
    "pictures": COLOURED + GREY,
    "photographs": COLOURED + GREY,
    "alphas": GREY + COLOURED,
    "manifests": [json.dumps(SUMS).encode()],
    "profiles": PROFILES,
    "claims": [json.dumps([claim], indent=1).encode() for claim in (CLAIM, ALIKE)],
    "values": [json.dumps(LEFT, indent=1).encode()],
}


def built(target: str) -> Callable[[bytes], object]:
    """The target as a function of bytes, of which hypothesis builds its input."""

    @settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(TARGETS[target][0])
    def one(content):
        TARGETS[target][1](content)

    return one.hypothesis.fuzz_one_input


def check(target: str, examples: int, number: int = 0, tried: list | None = None) -> None:
    """Give a target that many examples of a seed; each adds to `tried`. Raises what a finding raised, of the smallest example
    that still does."""
    strategy, attempt = TARGETS[target]

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def one(content):
        if tried is not None:
            tried.append(1)
        attempt(content)

    one()


def fuzz(target: str, minutes: float, first: int = 0) -> dict:
    """Batches of examples until that many minutes of one core are over; findings by what was raised and where."""
    start, tried, number, findings = time.process_time(), [], first, {}
    while time.process_time() - start < minutes * 60:
        try:
            check(target, BATCH, number, tried)
        except Exception as error:
            notes = " ".join(getattr(error, "__notes__", ()))
            findings.setdefault(place(error), " ".join(f"{error} {notes}".split())[:300])
        number += 1
    spent = (time.process_time() - start) / 60
    return {"minutes": round(spent, 1), "examples": len(tried), "findings": findings, "batches": number}


def guided(target: str, minutes: float, first: int = 0) -> dict:
    """The same by coverage, in a process of its own; one that ends before its time hung, died or took too much memory."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(Path(__file__).with_name("guided.py")), target, str(minutes), folder]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", cwd=folder)
        kept = Path(folder) / "found.json"
        found = json.loads(kept.read_text()) if kept.is_file() else {"minutes": 0, "examples": 0, "findings": {}}
        if done.returncode:
            found["findings"][f"ended with {done.returncode}"] = " ".join(done.stderr.split())[-600:]
        return found | {"batches": first}


def place(error: BaseException) -> str:
    """The kind of an error and the last line of ours that it came through."""
    place, trace = "", error.__traceback__
    while trace:
        file = trace.tb_frame.f_code.co_filename
        if file.startswith(str(ROOT)) and ".venv" not in file:
            place = f"{Path(file).relative_to(ROOT)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}"


def add(before: dict, now: dict) -> dict:
    """Two turns at one target as one; findings are those of the last, since what was found before has been mended."""
    return now | {
        "minutes": round(before["minutes"] + now["minutes"], 1),
        "examples": before["examples"] + now["examples"],
    }


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--minutes", type=float, default=30, help="of one core, for each target")
    parser.add_argument("--by", choices=TOOLS, default="hypothesis")
    parser.add_argument("--out", type=Path, default=ROOT / "reports/bench/fuzz.json", help="counts, added to")
    given = parser.parse_args(arguments)
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"expected targets of {', '.join(TARGETS)}, found {', '.join(sorted(unknown))}")
    for target in given.targets or TARGETS:
        counts = json.loads(given.out.read_text()) if given.out.is_file() else {}
        before = counts.setdefault(target, {}).get(given.by, {"minutes": 0, "examples": 0, "batches": 0})
        counts[target][given.by] = add(before, TOOLS[given.by](target, given.minutes, before["batches"]))
        print(target, json.dumps(counts[target][given.by], indent=1), flush=True)
        part = given.out.with_suffix(".part")
        part.write_text(json.dumps(counts, indent=1) + "\n")
        os.replace(part, given.out)


TOOLS = {"hypothesis": fuzz, "atheris": guided}

if __name__ == "__main__":
    main()
