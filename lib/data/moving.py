"""Training clips of Robust Video Matting (Lin et al. 2022): people who move, before places that stand or move.

Half of them are the rendered clips of data/sequences, half stills set in motion: a person, the background, or both (the
camera) glide from one position to another, as the paper's augmentation has it.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from torch.utils.data import Dataset

from lib.data.clips import SIDE, Clips
from lib.data.composer import MOVING, PortraitScenes, any_background, foot_at, relit
from lib.data.composite import composite
from lib.data.portraits import light_of_the_place

MARGIN = 0.12  # of the sides, on each side: what motion may bring in
RENDERED = 0.5  # share of the clips that are rendered ones


def rendered_clips(split: str = "train") -> list[np.ndarray]:
    """The layers of data/sequences' clips of one side: (frames, 400, 300, 4) uint8 each."""
    clips = Clips()
    return [clips.layers(index) for index, group in enumerate(clips.groups) if group.startswith(f"{split}-")]


@dataclass(frozen=True)
class MovingScenes(Dataset):
    """Clips of `frames` frames of height x width px, `rows` an epoch.

    scenes: places people; of the frames' size with a margin (`with_margin`). An item is (frames,7,height,width) uint8:
    picture and foreground (RGB each), alpha. It depends on (seed, epoch, row) alone.
    """

    scenes: PortraitScenes
    clips: list[np.ndarray]
    frames: int
    height: int
    width: int

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, place: tuple[int, int]) -> np.ndarray:
        random = np.random.default_rng([self.scenes.seed, *place, MOVING])
        wide = self.scenes.height, self.scenes.width
        background = relit(any_background(self.scenes.layers, wide, random), random, 0.6)
        alphas, colours = self._people(background, random)
        camera = glide(self.frames, wide, random) if random.random() < 0.3 else self._still(wide)
        person = glide(self.frames, wide, random) if random.random() < 0.5 else self._still(wide)
        behind = glide(self.frames, wide, random) if random.random() < 0.4 else self._still(wide)
        strength, made = random.uniform(0, 8) * (random.random() < 0.5), []
        for alpha, colour, c, p, b in zip(alphas, colours, camera, person, behind, strict=True):
            alpha, colour = (self._seen(layer, joined(c, p)) for layer in (alpha, colour))
            image = composite(alpha, colour, self._seen(background, joined(c, b)))
            grain = strength * random.standard_normal(image.shape, dtype=np.float32)
            image = np.clip(image + grain + 0.5, 0, 255).astype(np.uint8)
            made.append(np.concatenate([image, colour, alpha[..., None]], axis=2).transpose(2, 0, 1))
        return np.ascontiguousarray(np.stack(made))

    def _people(self, background: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Alphas (frames,h,w) and colours (frames,h,w,3) before any motion of ours."""
        if not self.clips or random.random() >= RENDERED:
            alpha, colour = self.scenes.person(random, background)
            return np.stack([alpha] * self.frames), np.stack([colour] * self.frames)
        layers = part(self.clips[random.integers(len(self.clips))], self.frames, random)
        height, width = background.shape[:2]
        factor = np.exp(random.uniform(np.log(0.85), np.log(1.4))) * max(height / SIDE[0], width / SIDE[1])
        slack = (
            SIDE[1] * factor - width / (1 + 2 * MARGIN)
        ) / 2  # no farther: shoulders are cut off at the clip's sides
        across = random.uniform(-1, 1) * slack + (width - 1) / 2
        below = height - 1 + random.random() * 0.1 * height
        matrix = foot_at(SIDE, factor, -1 if random.random() < 0.5 else 1, 0.0, (across, below))
        size = width, height
        colours = [cv2.warpAffine(f[..., :3], matrix, size, borderMode=cv2.BORDER_REPLICATE) for f in layers]
        alphas = [cv2.warpAffine(np.ascontiguousarray(f[..., 3]), matrix, size) for f in layers]
        colours = relit(np.concatenate(colours), random).reshape(-1, height, width, 3)  # one light for all frames
        gain = light_of_the_place(colours[0], alphas[0], background, random.uniform(0.1, 0.4))
        return np.stack(alphas), np.clip(colours * gain, 0, 255).astype(np.uint8)

    def _still(self, wide: tuple[int, int]) -> list[np.ndarray]:
        return [np.float64([[1, 0, 0], [0, 1, 0]])] * self.frames

    def _seen(self, layer: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        """A layer of the wide canvas as the frame sees it: moved, and cut to the middle."""
        rows, columns = layer.shape[:2]
        matrix = matrix - [[0, 0, (columns - self.width) // 2], [0, 0, (rows - self.height) // 2]]
        return cv2.warpAffine(layer, matrix, (self.width, self.height), borderMode=cv2.BORDER_REPLICATE)


def with_margin(side: int) -> int:
    """Pixels of the canvas on which a side of so many pixels is composed."""
    return round(side * (1 + 2 * MARGIN))


def part(clip: np.ndarray, frames: int, random: np.random.Generator) -> np.ndarray:
    """So many frames of a clip, in either direction, each or every second one; to and fro where it is too short."""
    step = 2 if 2 * frames <= len(clip) and random.random() < 0.3 else 1
    start = random.integers(max(1, len(clip) - step * (frames - 1)))
    there = np.concatenate([np.arange(len(clip)), np.arange(len(clip) - 2, 0, -1)])
    chosen = there[(start + step * np.arange(frames)) % len(there)]
    return clip[chosen[::-1] if random.random() < 0.5 else chosen]


def glide(frames: int, shape: tuple[int, int], random: np.random.Generator) -> list[np.ndarray]:
    """(2,3) matrices of a motion from one position to another, slow at both ends: at most 4 % of the sides, 5 degrees
    and a scale of 0.94 to 1.06 from where it was."""
    ends = random.uniform(-1, 1, (2, 4)) * [0.04 * shape[1], 0.04 * shape[0], 5, 0.06]
    time = np.linspace(0, 1, frames)
    time = (time * time * (3 - 2 * time))[:, None]
    middle = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    matrices = []
    for x, y, degrees, scale in ends[0] * (1 - time) + ends[1] * time:
        matrix = cv2.getRotationMatrix2D(middle, degrees, 1 + scale)
        matrix[:, 2] += x, y
        matrices.append(matrix)
    return matrices


def joined(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """(2,3): the motion `before`, then `after`."""
    return after @ np.vstack([before, [0, 0, 1]])
