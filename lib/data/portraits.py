"""The embedded set: people rendered by `make render`, composited with backgrounds drawn anew for every picture.

It needs no network and no Blender. The people of data/portraits are 3-D bodies, hair and clothes, path-traced
(data/render), each a foreground with exact alpha. They are no photographs. A picture is drawn from (seed, index):
who, in front of what, where, how large, in which light, with which noise and compression.

Layers are composited as gamma-coded sRGB values, not in linear light: the matting equation of the literature, its data
sets and its losses are over such values, and so image = alpha F + (1 - alpha) B holds exactly for the bytes that a
method reads. Light adds in linear values, so soft hair over a bright background comes out darker here than a camera
would have it.
"""

import csv
import functools
import hashlib
import io
from pathlib import Path

import cv2
import numpy as np

from lib.base import ROOT, UserError
from lib.data.composite import composite
from lib.data.scenes import HEIGHT, WIDTH, Grid, blur, draw_background
from lib.data.source import Sample
from lib.provenance import meaning

FOLDER = ROOT / "data/portraits"
SCENES = ROOT / "data/backgrounds"
PER_OCCASION = 2  # pictures in a row of one person at one place
TEST_EVERY = 5  # one occasion of so many shows a person to test on: the study's fifth
CAMOUFLAGE = 0.2  # share of the occasions whose background is drawn in colours of the person
PHOTOS = 0.55  # share of the other occasions with a background of SCENES or of scikit-learn's two photographs
FINER = 3  # small pictures are composed this many times finer, then averaged
SMALL = 256  # pixels: what counts as small, and has no compression of its own
PERSON, OCCASION, PICTURE = range(3)  # kinds of random streams


class Portraits:
    """A source (see lib.data.source.Source) of rendered portraits.

    images: how many, of which a fifth show people to test on. seed: another seed, other pictures of the same people.
    camouflage: share of the occasions whose background takes its colours from the person, in [0, 1]. texture: strength
    of the backgrounds' detail, 1 as drawn, 0 none. Picture i depends on the arguments but for `images`: a larger set
    begins with the same pictures.

    Raises UserError when the rendered people aren't there.
    """

    name = "portraits"

    def __init__(
        self, images: int, seed: int = 0, camouflage: float = CAMOUFLAGE, texture: float = 1.0, folder: Path = FOLDER
    ):
        self.seed, self.camouflage, self.texture, self.folder = seed, camouflage, texture, Path(folder)
        self.people = read_manifest(folder)
        self.who = self._who(images)
        self.groups = [f"{self.people[who]['split']}-{self.people[who]['id']}" for who in self.who]
        self.keys = [f"{index:06d}-{self.people[who]['id']}" for index, who in enumerate(self.who)]
        self.counts = {"found": images, "used": images}
        self.left_out: list[tuple[str, str]] = []
        self.fingerprint = self._fingerprint(images)

    def read(self, index: int, size: tuple[int, int] | None = None) -> Sample:
        """Compose picture `index` at `size` (height, width), without it at 800x600.

        image = alpha foreground + (1 - alpha) background holds to the rounding of uint8.
        """
        height, width = size or (HEIGHT, WIDTH)
        small = max(height, width) <= SMALL
        scale = max(width / WIDTH, height / HEIGHT) * (FINER if small else 1)
        shape = round(HEIGHT * scale), round(WIDTH * scale)
        occasion, random = self._random(OCCASION, index // PER_OCCASION), self._random(PICTURE, index)
        person = self.people[self.who[index]]
        file = str(self.folder / f"{person['id']}.webp")

        colour, alpha = _placed(file, shape, scale, random)
        background = self._background(occasion, random, shape, scale, file, person["split"])
        colour = colour * light_of_the_place(colour, alpha, background, occasion.uniform(0.1, 0.35))
        if shape != (height, width):
            colour, alpha, background = _averaged(colour, alpha, background, (height, width))
        return _developed(colour, alpha, background, occasion, random, small)

    def _background(self, occasion, random, shape, scale: float, file: str, split: str) -> np.ndarray:
        """(H, W, 3) float32, 0 to 255. The pictures of an occasion see it from a little beside each other."""
        state = np.random.Generator(np.random.PCG64(occasion.integers(2**63)))  # the same scene, whatever comes before
        choice = occasion.random(2)
        place = Grid(shape, scale, tuple(random.uniform([-70, -70], [70, 70])), random.uniform(0.95, 1.15))
        if choice[0] >= self.camouflage and choice[1] < PHOTOS:
            picture = scene(state, place, split)
        else:
            palette = _own_colours(file, state) if choice[0] < self.camouflage else None
            picture = draw_background(place, state, palette)
        if self.texture != 1:
            smooth = blur(picture, 40 * scale)
            picture = smooth + self.texture * (picture - smooth)
        return np.clip(picture, 0, 255).astype(np.float32)

    def _who(self, images: int) -> list[int]:
        """Positions in `people` of the persons shown: every fifth occasion one to test on; each split in turn, in an
        order of its own."""
        turns = []
        for kind, split in enumerate(("train", "test")):
            mine = np.array([place for place, row in enumerate(self.people) if row["split"] == split])
            turns.append(mine[self._random(PERSON, kind).permutation(len(mine))])
        who = []
        for occasion in range(-(-images // PER_OCCASION)):
            tests = (occasion + TEST_EVERY - 2) // TEST_EVERY  # occasions of people to test on before this one
            testing = occasion % TEST_EVERY == 1
            turn = turns[testing]
            who += [int(turn[(tests if testing else occasion - tests) % len(turn)])] * PER_OCCASION
        return who[:images]

    def _random(self, kind: int, number: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64([self.seed, kind, number]))

    def _fingerprint(self, images: int) -> str:
        digest = hashlib.sha256(f"{images} {self.seed} {self.camouflage} {self.texture}".encode())
        digest.update((self.folder / "manifest.csv").read_bytes())
        for file in sorted(SCENES.glob("*.csv")):
            digest.update(file.read_bytes())
        for module in ("portraits", "scenes", "composite"):  # what draws a picture
            digest.update(meaning((Path(__file__).parent / f"{module}.py").read_text()).encode())
        return digest.hexdigest()


def read_manifest(folder: Path = FOLDER) -> list[dict]:
    """One row a rendered person: id, seed, split, sha256 of its file, parameters as JSON. Sorted by id.

    Raises UserError when there is no manifest.
    """
    path = Path(folder) / "manifest.csv"
    if not path.is_file():
        raise UserError(f"{path}: expected the list of rendered people, found nothing; run make render.")
    return list(csv.DictReader(io.StringIO(path.read_text())))


def _layers(file: str, level: int) -> np.ndarray:
    """A person at 1/2**level of its size: (H, W, 4) float32, straight colours and alpha, 0 to 255. Small ones are kept,
    of large ones the last few: 120 people in full take a gigabyte."""
    return (_small_layers if level > 1 else _large_layers)(file, level)


@functools.lru_cache(maxsize=256)
def _small_layers(file: str, level: int) -> np.ndarray:
    return _read_layers(file, level)


@functools.lru_cache(maxsize=4)
def _large_layers(file: str, level: int) -> np.ndarray:
    return _read_layers(file, level)


def _read_layers(file: str, level: int) -> np.ndarray:
    rgba = cv2.imread(file, cv2.IMREAD_UNCHANGED)
    if rgba is None or rgba.ndim != 3 or rgba.shape[2] != 4:
        raise UserError(f"{file}: expected a picture with alpha, found none; run make render.")
    layers = cv2.cvtColor(rgba, cv2.COLOR_BGRA2RGBA).astype(np.float32)
    if level:
        alpha = layers[..., 3:] / 255
        layers[..., :3] *= np.maximum(alpha, 1e-3)  # a thousandth, so that colours beyond the outline live on
        size = rgba.shape[1] >> level, rgba.shape[0] >> level
        weight = cv2.resize(np.maximum(alpha, 1e-3), size, interpolation=cv2.INTER_AREA)
        layers = cv2.resize(layers, size, interpolation=cv2.INTER_AREA)
        layers[..., :3] /= weight[..., None]
    return layers


@functools.lru_cache(maxsize=256)
def _sides(file: str) -> tuple[bool, bool]:
    """Does the person reach the picture's left and right border?"""
    alpha = _layers(file, 2)[..., 3]
    return bool((alpha[:, 0] > 2).any()), bool((alpha[:, -1] > 2).any())


def _placed(file: str, shape: tuple[int, int], scale: float, random: np.random.Generator) -> tuple:
    """Colour (H, W, 3) and alpha (H, W), 0 to 255: mirrored or not, zoomed, moved. Cut-off shoulders stay at the
    border, the cut-off chest at the lower one."""
    mirror, zoom, across = random.random() < 0.5, random.uniform(0.85, 1.2), random.uniform(-1, 1)
    low_by = random.uniform(0.6, 1)  # zoomed in, the picture loses more at the chest than at the hair
    left, right = _sides(file)
    if left or right:
        zoom = max(zoom, 1.0)
    slack = (zoom - 1) * WIDTH / 2
    low = -slack if right else -60.0
    high = slack if left else 60.0
    move = (low + high) / 2 + across * (high - low) / 2
    level = min(max(0, int(np.log2(1 / (scale * zoom)))), 4)
    factor = scale * zoom * 2**level
    layers = _layers(file, level)
    sign = -1 if mirror else 1
    x = (WIDTH / 2 + sign * move) * scale - sign * factor * layers.shape[1] / 2
    y = shape[0] - factor * layers.shape[0] + max(0.0, zoom - 1) * HEIGHT * scale * low_by
    turn = np.float32([[sign * factor, 0, x + sign * 0.5 * factor - 0.5], [0, factor, y + 0.5 * factor - 0.5]])
    size = shape[1], shape[0]
    colour = cv2.warpAffine(np.ascontiguousarray(layers[..., :3]), turn, size, borderMode=cv2.BORDER_REPLICATE)
    lower = np.vstack([layers[..., 3], layers[-1:, :, 3]])  # the border row doubled, for the chest to reach the edge
    alpha = cv2.warpAffine(lower, turn, size, borderMode=cv2.BORDER_CONSTANT)
    return colour, alpha


def _own_colours(file: str, random: np.random.Generator) -> np.ndarray:
    """Four colours (4, 3) of the person, slightly off."""
    layers = _layers(file, 4)
    sure = layers[layers[..., 3] > 250][:, :3]
    picked = sure[random.integers(len(sure), size=4)]
    return np.clip(picked + random.normal(0, 8, (4, 3)), 0, 255).astype(np.float32)


@functools.cache
def _scenes(split: str) -> list[np.ndarray]:
    """Out-of-focus scenes of `split`, RGB uint8; the two photographs that scikit-learn ships go to `train`."""
    files = sorted(SCENES.glob(f"{split}-*.webp"))
    pictures = [cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB) for file in files]
    if split == "train":
        from sklearn.datasets import load_sample_images

        pictures += load_sample_images().images
    return pictures


def scene(random: np.random.Generator, place: Grid, split: str) -> np.ndarray:
    """A cut-out of a scene on the grid, mirrored or not, more or less out of focus."""
    pictures = _scenes(split) or _scenes("train")
    picture = pictures[random.integers(len(pictures))]
    rows, columns = picture.shape[:2]
    fit = min(columns / (WIDTH * 1.35), rows / (HEIGHT * 1.35)) * random.uniform(0.75, 1.0)
    start = random.uniform(0, 1, 2) * [columns - 1.3 * WIDTH * fit, rows - 1.3 * HEIGHT * fit]
    mirror, focus = random.random() < 0.5, random.choice([0.0, 3.0, 8.0])
    source = picture[:, ::-1] if mirror else picture
    step = fit / place.scale
    if step > 1:  # shrink first, so that nothing flickers
        source = cv2.resize(source, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA)
        start, fit, step = start / step, fit / step, 1.0
    origin = start + fit * (np.array(place.shift) + 0.15 * np.array([WIDTH, HEIGHT]))
    turn = np.float32([[step, 0, origin[0]], [0, step, origin[1]]])
    cut = cv2.warpAffine(
        np.ascontiguousarray(source),
        turn,
        place.shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return blur(cut.astype(np.float32) * np.float32(random.uniform(0.75, 1.1)), focus * place.scale)


def light_of_the_place(colour: np.ndarray, alpha: np.ndarray, background: np.ndarray, share: float) -> np.ndarray:
    """Factors (3,) float32 for the person's colours that move their means by `share` of the way (in logarithms) to the
    background's. All layers 0 to 255."""
    weight = max(float(alpha.sum()), 1.0)
    own = np.array([(colour[..., c] * alpha).sum() / weight for c in range(3)])
    gain = (np.maximum(background.mean((0, 1)), 20) / np.maximum(own, 20)) ** share
    bright = gain.mean()
    gain = bright * (gain / bright) ** 0.35  # hue follows less: eyes and cameras adapt to the light's colour
    return np.clip(gain, 0.75, 1.3).astype(np.float32)


def _averaged(colour: np.ndarray, alpha: np.ndarray, background: np.ndarray, size: tuple[int, int]) -> tuple:
    """Area averages of the layers at `size`, each weighted by its share in the image, so that averaging and compositing
    may change places."""

    def shrink(layer):
        return cv2.resize(layer, size[::-1], interpolation=cv2.INTER_AREA)

    share = np.clip(alpha[..., None] / 255, 1e-3, 0.999)
    small = shrink(share)
    mean = shrink(share * colour) / small[..., None]
    behind = shrink((1 - share) * background) / (1 - small)[..., None]
    return mean, shrink(alpha), behind


def _developed(colour, alpha, background, occasion, random, small: bool) -> Sample:
    """The camera: white balance and exposure, grain, and JPEG where the picture is large; the same for both layers, so
    that the image remains their composite."""
    tint = (occasion.normal(1, 0.02, 3) * random.uniform(0.9, 1.08)).astype(np.float32)
    height, width = alpha.shape
    strength = random.uniform(0, 5) * min(1.0, np.sqrt(height * width / (HEIGHT * WIDTH)))
    grain = np.empty((height, width, 3), np.float32)
    cv2.setRNGSeed(int(random.integers(2**31)))
    cv2.randn(grain, 0, max(strength, 1e-3))
    quality = int(random.integers(75, 98))
    layers = [np.clip(layer * tint + grain + 0.5, 0, 255).astype(np.uint8) for layer in (colour, background)]
    if not small:
        layers = [
            cv2.imdecode(cv2.imencode(".jpg", layer, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
            for layer in layers
        ]
    alpha = np.clip(alpha + 0.5, 0, 255).astype(np.uint8)
    return Sample(composite(alpha, *layers), alpha, None, *layers)
