"""The included set: rendered people (data/portraits) composited with random backgrounds.

A picture depends on (seed, index) alone: who, on which background, where, how large, in which light, with which noise
and compression. Layers are composited as sRGB values, as in the matting literature, so image = alpha F + (1 - alpha) B
holds for the bytes that a method reads.
"""

import csv
import functools
import hashlib
import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from lib.base import ROOT, UserError
from lib.data.composite import composite
from lib.data.sample import Sample
from lib.data.scenes import HEIGHT, WIDTH, SceneGrid, blur, draw_background
from lib.provenance import meaning

FOLDER = ROOT / "data/portraits"
CLIPS = ROOT / "data/sequences"
SCENES = ROOT / "data/backgrounds"
PER_SESSION = 2  # consecutive pictures of one person in one scene
TEST_EVERY = 5  # one session in five shows a person to test on: the study's fifth
CAMOUFLAGE = 0.2  # share of the sessions whose background takes its colours from the person
PHOTOS = 0.55  # share of the other sessions with a photographed background
SUPERSAMPLING = 3  # small pictures are composed this many times finer, then averaged
SMALL = 256  # px: largest side of a picture that is supersampled and not compressed
CLIP_SIDE = (400, 300)  # height and width of a clip's frame
PERSON, SESSION, PICTURE = range(3)  # kinds of random streams


class Portraits:
    """A source (see lib.data.sample) of composited portraits; every fifth session shows a person to test on.

    images: how many; a larger set begins with the same pictures. seed: another seed, other pictures of the same people.
    camouflage: share of sessions whose background takes its colours from the person, in [0,1]. texture: strength of the
    backgrounds' detail, 1 as drawn, 0 none. UserError when the rendered people are missing.
    """

    name = "portraits"

    def __init__(self, images: int, seed: int = 0, camouflage: float = CAMOUFLAGE, texture: float = 1.0):
        self.seed, self.camouflage, self.texture = seed, camouflage, texture
        self.people = read_manifest(FOLDER)
        self.person_of = self._assign_people(images)
        self.groups = [f"{self.people[row]['split']}-{self.people[row]['id']}" for row in self.person_of]
        self.keys = [f"{index:06d}-{self.people[row]['id']}" for index, row in enumerate(self.person_of)]
        self.counts = {"found": images, "used": images}
        self.left_out: list[tuple[str, str]] = []
        self.fingerprint = self._fingerprint(images)

    def read(self, index: int, size: tuple[int, int] | None = None) -> Sample:
        """Picture `index` at `size` (height, width), by default 800x600, composited to the rounding of uint8."""
        height, width = size or (HEIGHT, WIDTH)
        small = max(height, width) <= SMALL
        scale = max(width / WIDTH, height / HEIGHT) * (SUPERSAMPLING if small else 1)
        shape = round(HEIGHT * scale), round(WIDTH * scale)
        session, rng = self._rng(SESSION, index // PER_SESSION), self._rng(PICTURE, index)
        person = self.people[self.person_of[index]]
        file = str(FOLDER / f"{person['id']}.webp")
        color, alpha = _place_person(file, shape, scale, rng)
        background = self._background(session, rng, shape, scale, file, person["split"])
        color = color * harmonization_gain(color, alpha, background, session.uniform(0.1, 0.35))
        if shape != (height, width):
            color, alpha, background = _average_layers(color, alpha, background, (height, width))
        return _simulate_camera(color, alpha, background, session, rng, small)

    def _background(self, session, rng, shape, scale: float, file: str, split: str) -> np.ndarray:
        """(H,W,3) float32, 0 to 255. The pictures of a session see it from slightly different positions."""
        scene_rng = np.random.Generator(np.random.PCG64(session.integers(2**63)))  # one scene for the whole session
        choice = session.random(2)
        grid = SceneGrid(shape, scale, tuple(rng.uniform([-70, -70], [70, 70])), rng.uniform(0.95, 1.15))
        if choice[0] >= self.camouflage and choice[1] < PHOTOS:
            picture = scene_cutout(scene_rng, grid, split)
        else:
            palette = _person_colors(file, scene_rng) if choice[0] < self.camouflage else None
            picture = draw_background(grid, scene_rng, palette)
        if self.texture != 1:
            smooth = blur(picture, 40 * scale)
            picture = smooth + self.texture * (picture - smooth)
        return np.clip(picture, 0, 255).astype(np.float32)

    def _assign_people(self, images: int) -> list[int]:
        """For each picture a row of `people`: each split in turn, in a random order of its own."""
        turns = {split: itertools.cycle(self._shuffled(kind, split)) for kind, split in enumerate(("train", "test"))}
        sessions = range(-(-images // PER_SESSION))
        rows = [next(turns["test" if session % TEST_EVERY == 1 else "train"]) for session in sessions]
        return [row for row in rows for _ in range(PER_SESSION)][:images]

    def _shuffled(self, kind: int, split: str) -> list[int]:
        rows = np.array([row for row, person in enumerate(self.people) if person["split"] == split])
        return rows[self._rng(PERSON, kind).permutation(len(rows))].tolist()

    def _rng(self, kind: int, number: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64([self.seed, kind, number]))

    def _fingerprint(self, images: int) -> str:
        digest = hashlib.sha256(f"{images} {self.seed} {self.camouflage} {self.texture}".encode())
        for file in (FOLDER / "manifest.csv", *sorted(SCENES.glob("*.csv"))):
            digest.update(file.read_bytes())
        for module in ("portraits", "scenes", "composite"):  # the code that draws a picture
            digest.update(meaning((Path(__file__).parent / f"{module}.py").read_text()).encode())
        return digest.hexdigest()


class PersonPlaceGrid(Portraits):
    """A source of rendered portraits, two for each pair of a person and a place.

    pairs: (P,2) int, a row of the rendered people and the number of a place. A place is a scene with its light and tint,
    a function of (seed, number); even numbers take photographed scenes of six panoramas, odd ones of two others. No
    background takes its colours from the person. groups: the person.
    """

    name = "crossed"

    def __init__(self, pairs: np.ndarray, seed: int = 0):
        self.pairs = np.asarray(pairs)
        super().__init__(PER_SESSION * len(self.pairs), seed, camouflage=0.0)
        # A person's `split` selects its scenes; here the place does, so everybody is listed once for each split.
        count = len(self.people)
        self.people = [row | {"split": split} for split in ("train", "test") for row in self.people]
        odd = np.repeat(self.pairs[:, 1] % 2, PER_SESSION)
        self.groups = [self.people[row]["id"] for row in self.person_of]
        self.person_of = [row + count * kind for row, kind in zip(self.person_of, odd.tolist(), strict=True)]

    def _assign_people(self, images: int) -> list[int]:
        return np.repeat(self.pairs[:, 0], PER_SESSION).tolist()

    def _rng(self, kind: int, number: int) -> np.random.Generator:
        return super()._rng(kind, int(self.pairs[number, 1]) if kind == SESSION else number)

    def _fingerprint(self, images: int) -> str:
        pairs = self.pairs.astype(np.int64).tobytes()
        return hashlib.sha256(super()._fingerprint(images).encode() + pairs).hexdigest()


class Clips:
    """Clips of the rendered people, twelve frames a second, on a background that follows the camera's shake.

    seed: another seed, other backgrounds. groups: split and person, as in Portraits. UserError when clips are missing.
    """

    grain = 2.0  # standard deviation of the camera's noise, of 255

    def __init__(self, seed: int = 0):
        self.seed = seed
        self.rows = read_manifest(CLIPS)
        self.keys = [row["id"] for row in self.rows]
        self.parameters = [json.loads(row["parameters"]) for row in self.rows]
        self.groups = [f"{row['split']}-{clip['person']}" for row, clip in zip(self.rows, self.parameters, strict=True)]

    def layers(self, index: int) -> np.ndarray:
        """The person alone: (frames,400,300,4) uint8, straight RGB and alpha."""
        file = CLIPS / f"{self.keys[index]}.webp"
        strip = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        if strip is None or strip.ndim != 3 or strip.shape[1:] != (CLIP_SIDE[1], 4) or strip.shape[0] % CLIP_SIDE[0]:
            raise UserError(
                f"{file}: expected frames of {CLIP_SIDE[1]}x{CLIP_SIDE[0]} with alpha, one below the other, found "
                f"{'no picture' if strip is None else strip.shape}; run make render."
            )
        return cv2.cvtColor(strip, cv2.COLOR_BGRA2RGBA).reshape(-1, *CLIP_SIDE, 4)

    def read(self, index: int) -> list[Sample]:
        """The frames of clip `index`, composited to the rounding of uint8."""
        rng = np.random.Generator(np.random.PCG64([self.seed, index]))
        scene_seed, split, scale = int(rng.integers(2**63)), self.rows[index]["split"], CLIP_SIDE[1] / WIDTH
        start, gain, share, samples = rng.uniform(-40, 40, 2), None, rng.uniform(0.1, 0.35), []
        for layers, shake in zip(self.layers(index), self.parameters[index]["far_moves"], strict=True):
            grid = SceneGrid(CLIP_SIDE, scale, tuple(start - np.array(shake) / scale), 1.0)
            background = scene_cutout(np.random.Generator(np.random.PCG64(scene_seed)), grid, split)
            color, alpha = layers[..., :3].astype(np.float32), layers[..., 3]
            if gain is None:  # one light for the whole clip
                gain = harmonization_gain(color, alpha.astype(np.float32), background, share)
            grain = rng.normal(0, self.grain, (*CLIP_SIDE, 3))
            both = [np.clip(np.round(layer + grain), 0, 255).astype(np.uint8) for layer in (color * gain, background)]
            samples.append(Sample(composite(alpha, *both), alpha, None, *both))
        return samples


def held_out_people(count: int, size: tuple[int, int] | None = None) -> Iterator[Sample]:
    """One picture each of `count` people to test on, at `size` (height, width), by default 800x600."""
    source, groups = Portraits(12 * count), set()
    for index, group in enumerate(source.groups):
        if group.startswith("test-") and group not in groups and len(groups) < count:
            groups.add(group)
            yield source.read(index, size)


def held_out_clips(count: int, size: tuple[int, int]) -> list[list[Sample]]:
    """The frames of `count` clips of people to test on, at `size` (height, width)."""
    source = Clips()
    chosen = [index for index, group in enumerate(source.groups) if group.startswith("test-")][:count]
    return [[resize_frame(frame, size) for frame in source.read(index)] for index in chosen]


def resize_frame(frame: Sample, size: tuple[int, int]) -> Sample:
    """A frame at `size` (height, width): area averages of its layers, then composited."""
    layers = [
        cv2.resize(layer, size[::-1], interpolation=cv2.INTER_AREA)
        for layer in (frame.alpha, frame.foreground, frame.background)
    ]
    return Sample(composite(*layers), layers[0], None, *layers[1:])


def read_manifest(folder: Path = FOLDER) -> list[dict]:
    """Rows of a manifest, sorted by id: id, seed, split, sha256 of the file, parameters as JSON. UserError without one."""
    path = folder / "manifest.csv"
    if not path.is_file():
        raise UserError(f"{path}: expected the list of rendered people, found nothing; run make render.")
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def read_rgba(file: str | Path) -> np.ndarray:
    """A rendered person: (H,W,4) uint8, straight RGB and alpha. UserError for a file without alpha."""
    rgba = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if rgba is None or rgba.ndim != 3 or rgba.shape[2] != 4:
        raise UserError(f"{file}: expected a picture with alpha, found none; run make render.")
    return cv2.cvtColor(rgba, cv2.COLOR_BGRA2RGBA)


def _layers(file: str, mip: int) -> np.ndarray:
    """A person at 1/2**mip of its size: (H,W,4) float32, 0 to 255. 120 people in full size would take a gigabyte."""
    return (_small_layers if mip > 1 else _large_layers)(file, mip)


def _read_layers(file: str, mip: int) -> np.ndarray:
    layers = read_rgba(file).astype(np.float32)
    if mip:
        alpha = layers[..., 3:] / 255
        layers[..., :3] *= np.maximum(alpha, 1e-3)  # a thousandth, so that colours beyond the outline survive
        size = layers.shape[1] >> mip, layers.shape[0] >> mip
        weight = cv2.resize(np.maximum(alpha, 1e-3), size, interpolation=cv2.INTER_AREA)
        layers = cv2.resize(layers, size, interpolation=cv2.INTER_AREA)
        layers[..., :3] /= weight[..., None]
    return layers


_small_layers = functools.lru_cache(maxsize=512)(_read_layers)
_large_layers = functools.lru_cache(maxsize=4)(_read_layers)


@functools.lru_cache(maxsize=512)
def _touches_sides(file: str) -> tuple[bool, bool]:
    """Whether the person reaches the picture's left and right border."""
    alpha = _layers(file, 2)[..., 3]
    return bool((alpha[:, 0] > 2).any()), bool((alpha[:, -1] > 2).any())


def _place_person(file: str, shape: tuple[int, int], scale: float, rng: np.random.Generator) -> tuple:
    """Colour (H,W,3) and alpha (H,W), 0 to 255: mirrored or not, zoomed, moved. Cut-off shoulders stay at their border,
    the cut-off chest at the lower one."""
    mirror, zoom, across = rng.random() < 0.5, rng.uniform(0.85, 1.2), rng.uniform(-1, 1)
    low_by = rng.uniform(0.6, 1)  # a zoomed picture loses more at the chest than at the hair
    left, right = _touches_sides(file)
    if left or right:
        zoom = max(zoom, 1.0)
    slack = (zoom - 1) * WIDTH / 2
    low = -slack if right else -60.0
    high = slack if left else 60.0
    shift = (low + high) / 2 + across * (high - low) / 2
    mip = min(max(0, int(np.log2(1 / (scale * zoom)))), 4)
    factor = scale * zoom * 2**mip
    layers = _layers(file, mip)
    sign = -1 if mirror else 1
    x = (WIDTH / 2 + sign * shift) * scale - sign * factor * layers.shape[1] / 2
    y = shape[0] - factor * layers.shape[0] + max(0.0, zoom - 1) * HEIGHT * scale * low_by
    matrix = np.float32([[sign * factor, 0, x + sign * 0.5 * factor - 0.5], [0, factor, y + 0.5 * factor - 0.5]])
    size = shape[1], shape[0]
    color = cv2.warpAffine(np.ascontiguousarray(layers[..., :3]), matrix, size, borderMode=cv2.BORDER_REPLICATE)
    lower = np.vstack([layers[..., 3], layers[-1:, :, 3]])  # border row doubled, so that the chest reaches the edge
    alpha = cv2.warpAffine(lower, matrix, size, borderMode=cv2.BORDER_CONSTANT)
    return color, alpha


def _person_colors(file: str, rng: np.random.Generator) -> np.ndarray:
    """Four colours (4,3) of the person, slightly off."""
    layers = _layers(file, 4)
    opaque = layers[layers[..., 3] > 250][:, :3]
    picked = opaque[rng.integers(len(opaque), size=4)]
    return np.clip(picked + rng.normal(0, 8, (4, 3)), 0, 255).astype(np.float32)


@functools.cache
def _scenes(split: str) -> list[np.ndarray]:
    """Out-of-focus scenes of `split`, RGB uint8; the two photographs that scikit-learn ships go to `train`."""
    files = sorted(SCENES.glob(f"{split}-*.webp"))
    pictures = [cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB) for file in files]
    if split == "train":
        from sklearn.datasets import load_sample_images

        pictures += load_sample_images().images
    return pictures


def scene_cutout(rng: np.random.Generator, grid: SceneGrid, split: str) -> np.ndarray:
    """A part of a photographed scene on the grid (H,W,3), mirrored or not, more or less out of focus."""
    pictures = _scenes(split) or _scenes("train")
    picture = pictures[rng.integers(len(pictures))]
    rows, columns = picture.shape[:2]
    fit = min(columns / (WIDTH * 1.35), rows / (HEIGHT * 1.35)) * rng.uniform(0.75, 1.0)
    start = rng.uniform(0, 1, 2) * [columns - 1.3 * WIDTH * fit, rows - 1.3 * HEIGHT * fit]
    mirror, focus = rng.random() < 0.5, rng.choice([0.0, 3.0, 8.0])
    source = picture[:, ::-1] if mirror else picture
    step = fit / grid.scale
    if step > 1:  # shrink first, against aliasing
        source = cv2.resize(source, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA)
        start, fit, step = start / step, fit / step, 1.0
    origin = start + fit * (np.array(grid.shift) + 0.15 * np.array([WIDTH, HEIGHT]))
    matrix = np.float32([[step, 0, origin[0]], [0, step, origin[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    source = np.ascontiguousarray(source)
    cut = cv2.warpAffine(source, matrix, grid.shape[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return blur(cut.astype(np.float32) * np.float32(rng.uniform(0.75, 1.1)), focus * grid.scale)


def harmonization_gain(color: np.ndarray, alpha: np.ndarray, background: np.ndarray, share: float) -> np.ndarray:
    """Gains (3,) float32 that move the person's mean colours by `share` (in logarithms) to the background's.

    Layers 0 to 255: colour and background (H,W,3), alpha (H,W).
    """
    weight = max(float(alpha.sum()), 1.0)
    mean = np.array([(color[..., c] * alpha).sum() / weight for c in range(3)])
    gain = (np.maximum(background.mean((0, 1)), 20) / np.maximum(mean, 20)) ** share
    bright = gain.mean()
    gain = bright * (gain / bright) ** 0.35  # hue follows less: eyes and cameras adapt to the light's colour
    return np.clip(gain, 0.75, 1.3).astype(np.float32)


def _average_layers(color: np.ndarray, alpha: np.ndarray, background: np.ndarray, size: tuple[int, int]) -> tuple:
    """Area averages at `size`, each layer weighted by its share, so that averaging and compositing commute."""

    def shrink(layer):
        return cv2.resize(layer, size[::-1], interpolation=cv2.INTER_AREA)

    share = np.clip(alpha[..., None] / 255, 1e-3, 0.999)
    small = shrink(share)
    mean = shrink(share * color) / small[..., None]
    behind = shrink((1 - share) * background) / (1 - small)[..., None]
    return mean, shrink(alpha), behind


def _simulate_camera(color, alpha, background, session, rng, small: bool) -> Sample:
    """White balance, exposure, grain, and JPEG unless small; the same for both layers, so compositing still holds."""
    tint = (session.normal(1, 0.02, 3) * rng.uniform(0.9, 1.08)).astype(np.float32)
    height, width = alpha.shape
    strength = rng.uniform(0, 5) * min(1.0, np.sqrt(height * width / (HEIGHT * WIDTH)))
    grain = np.empty((height, width, 3), np.float32)
    cv2.setRNGSeed(int(rng.integers(2**31)))
    cv2.randn(grain, 0, max(strength, 1e-3))
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(75, 98))]
    layers = [np.clip(layer * tint + grain + 0.5, 0, 255).astype(np.uint8) for layer in (color, background)]
    if not small:
        layers = [cv2.imdecode(cv2.imencode(".jpg", layer, quality)[1], cv2.IMREAD_COLOR) for layer in layers]
    alpha = np.clip(alpha + 0.5, 0, 255).astype(np.uint8)
    return Sample(composite(alpha, *layers), alpha, None, *layers)
