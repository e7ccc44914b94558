"""Training clips after Robust Video Matting (Lin et al. 2022): moving people on still or moving backgrounds.

Half are the rendered clips of data/sequences; half are stills whose person, background or both (the camera) move.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from torch.utils.data import Dataset

from lib.data.compose import MOVING, PortraitComposites, color_jitter, placement_matrix, random_background
from lib.data.composite import composite
from lib.data.portraits import CLIP_SIDE, Clips, harmonization_gain

MARGIN = 0.12  # of the sides, on each side: what motion may bring in
RENDERED = 0.5  # share of rendered clips


def rendered_clips(split: str = "train") -> list[np.ndarray]:
    """The layers of data/sequences' clips of a split: (frames,400,300,4) uint8 each."""
    clips = Clips()
    return [clips.layers(index) for index, group in enumerate(clips.groups) if group.startswith(f"{split}-")]


@dataclass(frozen=True)
class ComposedClips(Dataset):
    """Clips of `frames` frames of height x width px, `rows` an epoch.

    scenes: places people, at the frames' size with a margin (`with_margin`). An item is (frames,7,height,width) uint8:
    image and foreground (RGB each), alpha.
    """

    scenes: PortraitComposites
    clips: list[np.ndarray]
    frames: int
    height: int
    width: int

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: tuple[int, int]) -> np.ndarray:
        rng = np.random.default_rng([self.scenes.seed, *index, MOVING])
        canvas = self.scenes.height, self.scenes.width
        background = color_jitter(random_background(self.scenes.assets, canvas, rng), rng, 0.6)
        alphas, colors = self._people(background, rng)
        shares = {"camera": 0.3, "person": 0.5, "background": 0.4}
        motions = {name: self._motion(canvas, rng, share) for name, share in shares.items()}
        noise = rng.uniform(0, 8) * (rng.random() < 0.5)
        frames = []
        for t in range(self.frames):
            camera = motions["camera"][t]
            to_person, to_background = (compose_affine(camera, motions[name][t]) for name in ("person", "background"))
            alpha, color = (self._crop_frame(layer, to_person) for layer in (alphas[t], colors[t]))
            image = composite(alpha, color, self._crop_frame(background, to_background))
            grain = noise * rng.standard_normal(image.shape, dtype=np.float32)
            image = np.clip(image + grain + 0.5, 0, 255).astype(np.uint8)
            frames.append(np.concatenate([image, color, alpha[..., None]], axis=2).transpose(2, 0, 1))
        return np.ascontiguousarray(np.stack(frames))

    def _people(self, background: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Alphas (frames,h,w) and colours (frames,h,w,3) uint8 before any added motion."""
        if not self.clips or rng.random() >= RENDERED:
            alpha, color = self.scenes.person(rng, background)
            return np.stack([alpha] * self.frames), np.stack([color] * self.frames)
        layers = sample_frames(self.clips[rng.integers(len(self.clips))], self.frames, rng)
        height, width = background.shape[:2]
        factor = np.exp(rng.uniform(np.log(0.85), np.log(1.4))) * max(height / CLIP_SIDE[0], width / CLIP_SIDE[1])
        slack = (CLIP_SIDE[1] * factor - width / (1 + 2 * MARGIN)) / 2  # shoulders are cut off at the clip's sides
        across = rng.uniform(-1, 1) * slack + (width - 1) / 2
        below = height - 1 + rng.random() * 0.1 * height
        matrix = placement_matrix(CLIP_SIDE, factor, -1 if rng.random() < 0.5 else 1, 0.0, (across, below))
        size = width, height
        colors = [cv2.warpAffine(f[..., :3], matrix, size, borderMode=cv2.BORDER_REPLICATE) for f in layers]
        alphas = [cv2.warpAffine(np.ascontiguousarray(f[..., 3]), matrix, size) for f in layers]
        colors = color_jitter(np.concatenate(colors), rng).reshape(-1, height, width, 3)  # one light for all frames
        gain = harmonization_gain(colors[0], alphas[0], background, rng.uniform(0.1, 0.4))
        return np.stack(alphas), np.clip(colors * gain, 0, 255).astype(np.uint8)

    def _motion(self, canvas: tuple[int, int], rng: np.random.Generator, share: float) -> list[np.ndarray]:
        if rng.random() < share:
            return random_motion(self.frames, canvas, rng)
        return [np.float64([[1, 0, 0], [0, 1, 0]])] * self.frames

    def _crop_frame(self, layer: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        """A layer of the canvas, moved and cropped to the frame in its middle."""
        rows, columns = layer.shape[:2]
        matrix = matrix - [[0, 0, (columns - self.width) // 2], [0, 0, (rows - self.height) // 2]]
        return cv2.warpAffine(layer, matrix, (self.width, self.height), borderMode=cv2.BORDER_REPLICATE)


def with_margin(side: int) -> int:
    """Px of the canvas on which a side of so many px is composed."""
    return round(side * (1 + 2 * MARGIN))


def sample_frames(clip: np.ndarray, frames: int, rng: np.random.Generator) -> np.ndarray:
    """So many frames of a clip, forwards or backwards, each or every second one; to and fro where it is too short."""
    step = 2 if 2 * frames <= len(clip) and rng.random() < 0.3 else 1
    start = rng.integers(max(1, len(clip) - step * (frames - 1)))
    to_and_fro = np.concatenate([np.arange(len(clip)), np.arange(len(clip) - 2, 0, -1)])
    chosen = to_and_fro[(start + step * np.arange(frames)) % len(to_and_fro)]
    return clip[chosen[::-1] if rng.random() < 0.5 else chosen]


def random_motion(frames: int, shape: tuple[int, int], rng: np.random.Generator) -> list[np.ndarray]:
    """(2,3) matrices of a motion, slow at both ends: at most 4 % of the sides, 5 degrees and a scale of 0.94 to 1.06."""
    ends = rng.uniform(-1, 1, (2, 4)) * [0.04 * shape[1], 0.04 * shape[0], 5, 0.06]
    time = np.linspace(0, 1, frames)
    time = (time * time * (3 - 2 * time))[:, None]
    middle = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    matrices = []
    for x, y, degrees, scale in ends[0] * (1 - time) + ends[1] * time:
        matrix = cv2.getRotationMatrix2D(middle, degrees, 1 + scale)
        matrix[:, 2] += x, y
        matrices.append(matrix)
    return matrices


def compose_affine(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """(2,3): the motion `before`, then `after`."""
    return after @ np.vstack([before, [0, 0, 1]])
