"""One picture with two factors: the background's similarity to the person's colours, and the strength of its texture.

The 2021 study names both: "when an image has similar background colours or complex textures". Person and place stay; one
factor changes.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lib.data.composite import composite
from lib.data.portraits import PER_SESSION, TEST_EVERY, Portraits
from lib.data.sample import Sample
from lib.data.scenes import HEIGHT, SceneGrid, blur

CAMOUFLAGE = (0.0, 0.25, 0.5, 0.75, 1.0)  # share by which the background's colours move to the person's
DETAIL = (0.0, 8.0, 16.0, 32.0, 64.0)  # standard deviation of the background's texture, of 255
SMOOTH = 40  # px of a picture of 800 px: the blur that removes a background's own detail
CELLS = (24, 48, 96)  # px of a picture of 800 px: sizes of the texture's patches
KNOWN_FOREGROUND = 242  # alpha from which a pixel shows the person alone (the tolerant trimap rule)


def perturb(sample: Sample, camouflage: float, detail: float, seed: int = 0) -> Sample:
    """The sample (H,W, uint8) with its background changed; foreground and alpha stay.

    The blurred background's colours move by `camouflage` in [0,1] to the person's, in mean and spread; a texture drawn
    from `seed` is added, with a standard deviation of `detail` of 255 (less where the sum is clipped).
    """
    height = len(sample.alpha)
    smooth = blur(sample.background.astype(np.float32), SMOOTH / HEIGHT * height)
    person = sample.foreground[sample.alpha >= KNOWN_FOREGROUND].astype(np.float32)
    if len(person):
        smooth = _match_colors(smooth, person, camouflage)
    background = smooth + detail * texture(sample.alpha.shape, seed)
    background = np.clip(background + 0.5, 0, 255).astype(np.uint8)
    image = composite(sample.alpha, sample.foreground, background)
    return replace(sample, image=image, background=background)


def texture(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Soft patches of several sizes, mostly light and dark, slightly coloured: (H,W,3) float32, mean 0, deviation 1."""
    rng, grid = np.random.default_rng(seed), SceneGrid(shape, shape[0] / HEIGHT)
    gray = sum(grid.noise(rng, cell) for cell in CELLS)
    color = [sum(grid.noise(rng, cell) for cell in CELLS) for _ in range(3)]
    patches = gray[..., None] + 0.5 * np.stack(color, axis=2)
    return ((patches - patches.mean()) / patches.std()).astype(np.float32)


def _match_colors(picture: np.ndarray, person: np.ndarray, share: float) -> np.ndarray:
    """(H,W,3) with mean and standard deviation of each channel moved by `share` to those of person (n,3)."""
    mean, spread = picture.mean((0, 1)), picture.std((0, 1))
    target = mean + share * (person.mean(0) - mean)
    scale = (spread + share * (person.std(0) - spread)) / np.maximum(spread, 1.0)
    return (picture - mean) * scale + target


def held_out_scenes(count: int, size: tuple[int, int], seed: int = 0) -> list[tuple[str, Sample]]:
    """`count` pictures (person, sample) of people to test on, each in another scene, at `size` (height, width)."""
    source = Portraits(count * PER_SESSION * TEST_EVERY, seed)
    first = [index for index, group in enumerate(source.groups) if group.startswith("test-")][::PER_SESSION]
    return [(source.groups[index].removeprefix("test-"), source.read(index, size)) for index in first[:count]]


def setting_grid(
    camouflage: Sequence[float] = CAMOUFLAGE, detail: Sequence[float] = DETAIL
) -> list[tuple[float, float]]:
    """All pairs of settings, camouflage first."""
    return [(color, grain) for color in camouflage for grain in detail]
