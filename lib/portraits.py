"""The default set: drawn half-length portraits with exact alpha, foreground and background.

A drawn stand-in, until rendered portraits land: flat-shaded figures with strands of hair, before drawn
backgrounds. Its worth is that every pixel's alpha, foreground and background are known; it is not photography.
"""

import hashlib
from pathlib import Path

import numpy as np

from lib.backgrounds import draw_background
from lib.person import Person, draw_person
from lib.sources import Sample

IMAGES_PER_PERSON = 8
FULL_SIZE = (800, 600)   # the AISegment portraits' height and width
SMALLEST_HEIGHT = 96     # what a tiny image is drawn at before it is shrunk: finer than that, nothing is left to see
SIMILAR_SHARE = 0.25     # backgrounds that take their colours from the person: the study's hard case


class Portraits:
    """A source (see lib.sources.Source) of `images` drawn portraits, eight of each person, all from one seed.

    Image i depends on (seed, i) alone, so a smaller set is the beginning of a larger one.
    """

    name = "portraits"

    def __init__(self, images: int, seed: int = 0):
        self.seed = seed
        self.keys = [f"portrait-{i:06d}" for i in range(images)]
        self.groups = [f"person-{i // IMAGES_PER_PERSON:05d}" for i in range(images)]
        self.counts = {"found": images, "used": images}
        self.left_out: list[tuple[str, str]] = []
        folder = Path(__file__).parent
        code = b"".join((folder / f"{name}.py").read_bytes() for name in ("portraits", "person", "backgrounds"))
        self.fingerprint = hashlib.sha256(code + f"{images} {seed}".encode()).hexdigest()

    def read(self, index: int, size: tuple[int, int] | None = None) -> Sample:
        """Draw image `index`, 800x600 or, for a smaller `size`, at a smaller scale of at least that size."""
        height, width = _drawn_size(size)
        person = Person.draw(np.random.default_rng([self.seed, 1, index // IMAGES_PER_PERSON]))
        generator = np.random.default_rng([self.seed, 2, index])
        foreground, alpha = draw_person(person, height, width, generator)
        palette = person.colours() if generator.random() < SIMILAR_SHARE else None
        background = draw_background(height, width, generator, palette)
        return _compose(foreground, alpha, background, generator)


def _drawn_size(size: tuple[int, int] | None) -> tuple[int, int]:
    """Height and width to draw at: 4:3 upright, no smaller than the hint and no smaller than SMALLEST_HEIGHT."""
    full_height, full_width = FULL_SIZE
    if size is None:
        return FULL_SIZE
    height = max(SMALLEST_HEIGHT, size[0] * 2, round(size[1] * 2 * full_height / full_width))
    return (height, height * full_width // full_height) if height < full_height else FULL_SIZE


def _compose(foreground: np.ndarray, alpha: np.ndarray, background: np.ndarray,
             generator: np.random.Generator) -> Sample:
    """image = alpha F + (1 - alpha) B, in the values of the file (gamma space), as the study's formula has it.

    Light and noise act on both layers alike, so the formula still holds for what the camera would have seen.
    """
    light = generator.uniform(0.75, 1.15) * (1 + generator.uniform(-0.08, 0.08) * np.array([1.0, 0.0, -1.0]))
    noise = generator.normal(0, generator.uniform(0.5, 4.0), foreground.shape).astype(np.float32)
    layers = [np.clip(layer * light.astype(np.float32) + noise, 0, 255) for layer in (foreground, background)]
    alpha = np.round(alpha * 255).astype(np.uint8)
    share = alpha[..., None].astype(np.float32) / 255
    layers = [np.round(layer) for layer in layers]
    image = np.round(share * layers[0] + (1 - share) * layers[1])
    return Sample(image.astype(np.uint8), alpha, None, layers[0].astype(np.uint8), layers[1].astype(np.uint8))
