"""A picture with two dials: how near the background's colours are to the person's, and how strong its detail is.

The 2021 study opens with both: "when an image has similar background colors or complex textures". In pictures as they are
found the two come mixed with everything else; here the same person stands before the same place, and one thing is turned.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lib.data.composite import composite
from lib.data.portraits import PER_OCCASION, TEST_EVERY, Portraits
from lib.data.scenes import HEIGHT, Grid, blur
from lib.data.source import Sample

CAMOUFLAGE = (0.0, 0.25, 0.5, 0.75, 1.0)  # share of the way that the background's colours go to the person's
DETAIL = (0.0, 8.0, 16.0, 32.0, 64.0)  # standard deviation of the background's detail, grey levels of 255
SMOOTH = 40  # px of a picture of 800 px: the blur that takes a background's own detail away
CELLS = (24, 48, 96)  # px of a picture of 800 px: the sizes of the patches that the detail is made of
SURE = 242  # alpha from which a pixel shows the person alone (lib.data.trimap's tolerant rule)


def dialled(sample: Sample, camouflage: float, detail: float, seed: int = 0) -> Sample:
    """The sample (with its layers) before its own background, retuned; H x W, uint8 as before.

    The background, blurred, has its colours moved by the share `camouflage` of the way to the person's, in mean and in
    spread; on it comes a texture drawn from `seed`, of a standard deviation of `detail` grey levels (a little less where
    the sum leaves 0 to 255). Foreground and alpha stay as they are.
    """
    height = len(sample.alpha)
    smooth = blur(sample.background.astype(np.float32), SMOOTH / HEIGHT * height)
    person = sample.foreground[sample.alpha >= SURE].astype(np.float32)
    if len(person):
        smooth = _towards(smooth, person, camouflage)
    background = smooth + detail * texture(sample.alpha.shape, seed)
    background = np.clip(background + 0.5, 0, 255).astype(np.uint8)
    image = composite(sample.alpha, sample.foreground, background)
    return replace(sample, image=image, background=background)


def texture(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Soft patches of several sizes, mostly light and dark and a little coloured: (H,W,3) float32, mean 0, deviation 1."""
    random, place = np.random.default_rng(seed), Grid(shape, shape[0] / HEIGHT)
    grey = sum(place.noise(random, cell) for cell in CELLS)
    colour = [sum(place.noise(random, cell) for cell in CELLS) for _ in range(3)]
    found = grey[..., None] + 0.5 * np.stack(colour, axis=2)
    return ((found - found.mean()) / found.std()).astype(np.float32)


def _towards(picture: np.ndarray, person: np.ndarray, share: float) -> np.ndarray:
    """(H,W,3) with mean and standard deviation of each channel moved by `share` to those of person (n,3)."""
    mean, spread = picture.mean((0, 1)), picture.std((0, 1))
    to = mean + share * (person.mean(0) - mean)
    scale = (spread + share * (person.std(0) - spread)) / np.maximum(spread, 1.0)
    return (picture - mean) * scale + to


def scenes(count: int, size: tuple[int, int], seed: int = 0) -> list[tuple[str, Sample]]:
    """So many pictures of rendered people who are to test on, each at a place of its own: (person, sample).

    size (height, width) in px. The people take turns, so the first 30 show 30 people.
    """
    source = Portraits(count * PER_OCCASION * TEST_EVERY, seed)
    first = [index for index, group in enumerate(source.groups) if group.startswith("test-")][::PER_OCCASION]
    return [(source.groups[index].removeprefix("test-"), source.read(index, size)) for index in first[:count]]


def cells(camouflage: Sequence[float] = CAMOUFLAGE, detail: Sequence[float] = DETAIL) -> list[tuple[float, float]]:
    """All pairs of settings, camouflage first."""
    return [(colour, grain) for colour in camouflage for grain in detail]
