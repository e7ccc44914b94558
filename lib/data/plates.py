"""Image and background image (plate) for networks after Background Matting V2 (Lin et al. 2021).

A plate equal to the background would teach a network to subtract, so four functions disturb it, with the published
shares and strengths; lengths in px scale from 512 px to the picture's size. Layers (H,W,3) uint8 RGB, alpha (H,W) uint8.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset
from torchvision.transforms import functional as tv

from lib.data.compose import PLATE, PortraitComposites, color_jitter, random_background
from lib.data.composite import composite
from lib.data.sample import Sample

SHARES = {"jitter": 0.8, "misalignment": 0.3, "shadow": 0.3, "noise": 0.4}  # of the pictures that have each
DISTURBANCES = tuple(SHARES)
PUBLISHED_SIDE = 512  # px: of the published training's pictures


@dataclass(frozen=True)
class PlatePairs(Dataset):
    """Pictures of height x width px with their plates, `rows` an epoch.

    An item is (10,height,width) uint8: image, plate and foreground (RGB each), alpha. disturbances: those that are drawn.
    """

    scenes: PortraitComposites
    disturbances: tuple[str, ...] = DISTURBANCES

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: tuple[int, int]) -> np.ndarray:
        scenes = self.scenes
        rng = np.random.default_rng([scenes.seed, *index, PLATE])
        background = color_jitter(random_background(scenes.assets, (scenes.height, scenes.width), rng), rng, 0.6)
        alpha = np.zeros(background.shape[:2], np.uint8)
        foreground = background
        if rng.random() >= 0.05:
            alpha, foreground = scenes.person(rng, background)
        chosen = {name: rng.random() < SHARES[name] and name in self.disturbances for name in DISTURBANCES}
        behind = cast_shadow(background, alpha, rng) if chosen["shadow"] else background
        image, plate = composite(alpha, foreground, behind), background
        if chosen["misalignment"]:
            plate = misalign(plate, rng)
        if chosen["jitter"]:
            plate = jitter_plate(plate, rng)
        if chosen["noise"]:
            image, plate = add_noise(image, rng), add_noise(plate, rng)
        planes = [image, plate, foreground, alpha[..., None]]
        return np.ascontiguousarray(np.concatenate(planes, axis=2).transpose(2, 0, 1))


def handheld(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Image and plate as a hand-held camera takes them: the image has the person's shadow; the plate is shifted by 2 px
    (at 320 px of height) and a tenth brighter."""
    height, width = sample.alpha.shape
    shade = shift(sample.alpha, (0.1 * width, 0.03 * height))
    image = composite(sample.alpha, sample.foreground, darken(sample.background, shade, 0.5))
    plate = shift(sample.background, (2 * height / 320, 2 * height / 320))
    return image, np.clip(1.1 * plate.astype(np.float32) + 0.5, 0, 255).astype(np.uint8)


def jitter_plate(plate: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Other brightness, contrast and saturation, each by at most 18 %, and hue by at most a tenth of the circle."""
    picture = torch.from_numpy(np.ascontiguousarray(plate.transpose(2, 0, 1)))
    for change in (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation):
        picture = change(picture, float(rng.uniform(1 - 0.18, 1 + 0.18)))
    picture = tv.adjust_hue(picture, float(rng.uniform(-0.1, 0.1)))
    return picture.numpy().transpose(1, 2, 0)


def misalign(plate: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turned by at most 1 degree and shifted by at most 1 % of the sides."""
    height, width = plate.shape[:2]
    return shift(plate, rng.uniform(-1, 1, 2) * 0.01 * np.array([width, height]), rng.uniform(-1, 1))


def shift(picture: np.ndarray, offset: np.ndarray | tuple[float, float], degrees: float = 0.0) -> np.ndarray:
    """A picture shifted by (x, y) px and turned about its centre; its border is mirrored."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), float(degrees), 1.0)
    matrix[:, 2] += offset
    return cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)


def cast_shadow(background: np.ndarray, alpha: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The background with the person's shadow: alpha turned, shifted, scaled and blurred, at most 0.3 of full light."""
    height, width = alpha.shape
    middle = (width - 1) / 2, (height - 1) / 2
    matrix = cv2.getRotationMatrix2D(middle, rng.uniform(-5, 5), rng.uniform(0.5, 1.5))
    matrix[:, 2] += rng.uniform(-0.2, 0.2, 2) * [width, height]
    return darken(background, cv2.warpAffine(alpha, matrix, (width, height)), rng.random(), rng.uniform(20, 40))


def darken(background: np.ndarray, shade: np.ndarray, strength: float, blur: float = 30.0) -> np.ndarray:
    """A background minus 0.3 `strength` of full light where `shade` (H,W) uint8 is 255, blurred over `blur` px of
    PUBLISHED_SIDE."""
    side = max(1, round(blur * max(shade.shape) / PUBLISHED_SIDE))
    soft = cv2.blur(shade, (side, side)).astype(np.float32)
    return np.clip(background - 0.3 * strength * soft[..., None] + 0.5, 0, 255).astype(np.uint8)


def add_noise(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Camera noise with a standard deviation of at most 0.03 of full light."""
    grain = rng.standard_normal(picture.shape, dtype=np.float32) * (255 * 0.03 * rng.random())
    return np.clip(picture + grain + 0.5, 0, 255).astype(np.uint8)
