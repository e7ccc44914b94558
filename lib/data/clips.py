"""Clips: rendered people who move, in front of a place that the camera's shake moves along; alpha for every frame."""

import json
from pathlib import Path

import cv2
import numpy as np

from lib.base import ROOT, UserError
from lib.data.composite import composite
from lib.data.portraits import light_of_the_place, read_manifest, scene
from lib.data.scenes import WIDTH, Grid
from lib.data.source import Sample

FOLDER = ROOT / "data/sequences"
SIDE = (400, 300)  # height and width of a frame
GRAIN = 2.0  # standard deviation of the camera's noise, of 255


class Clips:
    """Clips of the rendered people, twelve frames a second.

    seed: another seed, other backgrounds. keys: id of each clip. groups: `train-` or `test-` and the person's id, as in
    lib.data.portraits: a person is on the same side in pictures and clips. Raises UserError when the clips aren't there.
    """

    def __init__(self, seed: int = 0, folder: Path = FOLDER):
        self.seed, self.folder = seed, Path(folder)
        self.rows = read_manifest(folder)
        self.keys = [row["id"] for row in self.rows]
        self.parameters = [json.loads(row["parameters"]) for row in self.rows]
        self.groups = [f"{row['split']}-{own['person']}" for row, own in zip(self.rows, self.parameters, strict=True)]

    def layers(self, index: int) -> np.ndarray:
        """The person alone: (frames, 400, 300, 4) uint8, straight RGB and alpha."""
        file = self.folder / f"{self.keys[index]}.webp"
        strip = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        if strip is None or strip.ndim != 3 or strip.shape[1:] != (SIDE[1], 4) or strip.shape[0] % SIDE[0]:
            raise UserError(
                f"{file}: expected frames of {SIDE[1]}x{SIDE[0]} with alpha, one below the other, found "
                f"{'no picture' if strip is None else strip.shape}; run make render."
            )
        return cv2.cvtColor(strip, cv2.COLOR_BGRA2RGBA).reshape(-1, *SIDE, 4)

    def read(self, index: int) -> list[Sample]:
        """The frames of clip `index`; image = alpha foreground + (1 - alpha) background to the rounding of uint8."""
        random = np.random.Generator(np.random.PCG64([self.seed, index]))
        place, split, scale = int(random.integers(2**63)), self.rows[index]["split"], SIDE[1] / WIDTH
        start, gain, share, samples = random.uniform(-40, 40, 2), None, random.uniform(0.1, 0.35), []
        for layers, moved in zip(self.layers(index), self.parameters[index]["far_moves"], strict=True):
            grid = Grid(SIDE, scale, tuple(start - np.array(moved) / scale), 1.0)
            background = scene(np.random.Generator(np.random.PCG64(place)), grid, split)
            colour, alpha = layers[..., :3].astype(np.float32), layers[..., 3]
            if gain is None:  # one light for the whole clip
                gain = light_of_the_place(colour, alpha.astype(np.float32), background, share)
            grain = random.normal(0, GRAIN, (*SIDE, 3))
            both = [np.clip(np.round(layer + grain), 0, 255).astype(np.uint8) for layer in (colour * gain, background)]
            samples.append(Sample(composite(alpha, *both), alpha, None, *both))
        return samples


def resized(frame: Sample, size: tuple[int, int]) -> Sample:
    """A frame at `size` (height, width): its layers averaged over areas, then composed anew."""
    layers = [
        cv2.resize(layer, size[::-1], interpolation=cv2.INTER_AREA)
        for layer in (frame.alpha, frame.foreground, frame.background)
    ]
    return Sample(composite(*layers), layers[0], None, *layers[1:])
