"""Drawn portraits: the embedded set, which needs no files and no network.

This is a stand-in until rendered portraits take its place behind the same interface. The people are drawn
with polygons, shading formulas and strands of hair; they are no photographs, and errors measured on them say
how methods compare on this set, not how good they are on people. What they share with the portraits of the
2021 study: half-length, 600x800, several pictures of a person, soft hair over varied backgrounds. What they
have beyond them: exact alpha, foreground and background.
"""

import hashlib
from pathlib import Path

import cv2
import numpy as np

from lib.portrait_backgrounds import draw_background
from lib.portrait_canvas import HEIGHT, WIDTH, Canvas, Grid, blur
from lib.portrait_face import pose
from lib.portrait_person import outfit, paint_person, traits
from lib.sources import Sample

PER_PERSON = 8  # pictures of one person, in one group
PER_OCCASION = 4  # of these, pictures in the same clothes at the same place
CAMOUFLAGE = 0.2  # share of the occasions whose background takes its colours from the person
PERSON, OCCASION, PICTURE = range(3)  # kinds of random streams


class Portraits:
    """A source (see lib.sources.Source) of drawn portraits.

    images: how many. seed: another seed, other people. camouflage: share of the occasions (a person's four
    pictures in the same clothes and place) whose background is painted in the colours of skin, hair and
    clothes. Picture i depends on (seed, i, camouflage) alone: a larger set begins with the same pictures.
    """

    name = "portraits"

    def __init__(self, images: int, seed: int = 0, camouflage: float = CAMOUFLAGE):
        self.seed, self.camouflage = seed, camouflage
        self.groups = [f"person-{index // PER_PERSON:06d}" for index in range(images)]
        self.keys = [f"{group}-{index % PER_PERSON}" for index, group in enumerate(self.groups)]
        self.counts = {"found": images, "used": images}
        self.left_out: list[tuple[str, str]] = []
        self.fingerprint = self._fingerprint()

    def read(self, index: int, size: tuple[int, int] | None = None) -> Sample:
        """Draw picture `index` at `size` (height, width), without it at 800x600.

        The drawing is at least 4 times finer than a small picture and 2 times finer than a large one; what
        comes back is its area average, and image = alpha foreground + (1 - alpha) background holds to the
        rounding of uint8.
        """
        height, width = size or (HEIGHT, WIDTH)
        scale = max(width / WIDTH, height / HEIGHT) * (4 if max(height, width) <= 256 else 2)
        shape = round(HEIGHT * scale), round(WIDTH * scale)
        occasion = index // PER_OCCASION
        person_random, occasion_random = (
            self._random(PERSON, index // PER_PERSON),
            self._random(OCCASION, occasion),
        )
        random = self._random(PICTURE, index)

        person, clothes = traits(person_random), outfit(occasion_random)
        head = pose(random, person, _lamp(occasion_random))
        palette = _own_colours(occasion_random, person, clothes)
        palette = palette if occasion_random.random() < self.camouflage else None
        place = Grid(shape, scale, tuple(random.uniform([-70, -70], [70, 70])), random.uniform(0.95, 1.15))
        background = draw_background(place, occasion_random, palette)
        canvas = Canvas.empty(Grid(shape, scale))
        paint_person(canvas, random, person, clothes, head)

        alpha = np.clip(blur(canvas.coverage, 0.5 * scale), 0, 1)  # the lens: half a unit
        layers = _average(alpha, _extended(canvas, scale), background, (height, width))
        return _developed(*layers, random, occasion_random)

    def _random(self, kind: int, number: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64([self.seed, kind, number]))

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(f"{len(self.keys)} {self.seed} {self.camouflage}".encode())
        for file in sorted(Path(__file__).parent.glob("portrait*.py")):
            digest.update(file.read_bytes())
        return digest.hexdigest()


def _lamp(random: np.random.Generator) -> np.ndarray:
    """Direction to the lamp: from either side, above, in front."""
    lamp = np.array([random.choice([-1, 1]) * random.uniform(0.25, 0.7), -random.uniform(0.15, 0.5), 0.8])
    return (lamp / np.linalg.norm(lamp)).astype(np.float32)


def _own_colours(random: np.random.Generator, person: dict, clothes: dict) -> np.ndarray:
    """Four colours (4, 3) of the person, slightly off, in random order."""
    colours = np.stack([person["skin"], person["hair"], clothes["colours"][0], clothes["colours"][1]])
    return np.clip(random.permutation(colours) + random.normal(0, 8, (4, 3)), 0, 255).astype(np.float32)


def _extended(canvas: Canvas, scale: float) -> np.ndarray:
    """The painted colours (H, W, 3) float32, continued into the surroundings where nothing is painted, so
    that the foreground has a sensible colour wherever alpha is above 0."""
    painted = (canvas.painted > 0).astype(np.float32)
    size = 2 * round(8 * scale) + 3
    weight = cv2.blur(painted, (size, size))
    near = cv2.blur(canvas.colour * painted[..., None], (size, size)) / np.maximum(weight, 1e-4)[..., None]
    far = cv2.mean(canvas.colour, canvas.painted)[:3]
    outside = np.where(weight[..., None] > 1e-4, near, np.float32(far))
    return np.where(painted[..., None] > 0, canvas.colour, outside).astype(np.float32)


def _average(
    alpha: np.ndarray, foreground: np.ndarray, background: np.ndarray, size: tuple[int, int]
) -> tuple:
    """Area averages of the three layers at `size`, weighted by what they contribute to the image, so that
    compositing the averages is the same as averaging the composite."""
    def shrink(layer):
        return cv2.resize(layer, size[::-1], interpolation=cv2.INTER_AREA)

    def weighted(layer, weight, total):
        total = total[..., None]
        return np.where(
            total > 1e-3, shrink(layer * weight[..., None]) / np.maximum(total, 1e-3), shrink(layer)
        )

    small = shrink(alpha)
    return small, weighted(foreground, alpha, small), weighted(background, 1 - alpha, 1 - small)


def _developed(alpha: np.ndarray, foreground: np.ndarray, background: np.ndarray, random: np.random.Generator,
               occasion_random: np.random.Generator) -> Sample:
    """The camera: white balance, exposure, grain (equal on both layers), then the image from the uint8
    layers."""
    tint = (occasion_random.normal(1, 0.025, 3) * random.uniform(0.88, 1.1)).astype(np.float32)
    height, width = alpha.shape
    grain = random.uniform(0, 6) * min(
        1.0, np.sqrt(height * width / (HEIGHT * WIDTH))
    )  # finer pixels, more grain
    noise = grain * random.standard_normal((height, width, 3), dtype=np.float32)
    layers = [
        np.clip(np.round(layer * tint + noise), 0, 255).astype(np.uint8) for layer in (foreground, background)
    ]
    alpha = np.round(alpha * 255).astype(np.uint8)
    return Sample(composite(alpha, *layers), alpha, None, *layers)


def composite(alpha: np.ndarray, foreground: np.ndarray, background: np.ndarray) -> np.ndarray:
    """image = alpha F + (1 - alpha) B (Porter and Duff 1984), rounded: uint8 (H, W) and (H, W, 3) to (H, W,
    3)."""
    weight = alpha.astype(np.uint32)[..., None]
    return ((weight * foreground + (255 - weight) * background + 127) // 255).astype(np.uint8)
