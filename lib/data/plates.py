"""Pictures with a plate: a person in front of a place, and the place without anyone, photographed a little otherwise.

What Background Matting V2 is given (Lin et al. 2021). A plate that equals the background pixel for pixel would teach a
network to subtract; so its authors disturb it in four ways, here each a function of its own: the plate's light and colours
(`jittered`), its place (`misaligned`), the person's shadow, which only the picture has (`shadowed`), and noise, which
differs from shot to shot (`noisy`). Shares and strengths are theirs; lengths in pixels are scaled from 512 px to the
picture's size. Layers are (H,W,3) uint8 RGB, alpha (H,W) uint8.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset
from torchvision.transforms import functional as tv

from lib.data.composer import PLATE, PortraitScenes, any_background, relit
from lib.data.composite import composite
from lib.data.source import Sample

DISTURBANCES = ("jitter", "misalignment", "shadow", "noise")
SHARES = {"jitter": 0.8, "misalignment": 0.3, "shadow": 0.3, "noise": 0.4}  # of the pictures that have each
PUBLISHED_SIDE = 512  # px: of the published training's pictures


@dataclass(frozen=True)
class Plates(Dataset):
    """Pictures of height x width px with their plates, `rows` an epoch.

    An item is (10,height,width) uint8: picture, plate and foreground (RGB each), alpha. disturbances: those of
    DISTURBANCES that are drawn. It depends on (seed, epoch, row) alone.
    """

    scenes: PortraitScenes
    disturbances: tuple[str, ...] = DISTURBANCES

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, place: tuple[int, int]) -> np.ndarray:
        scenes = self.scenes
        random = np.random.default_rng([scenes.seed, *place, PLATE])
        background = relit(any_background(scenes.layers, (scenes.height, scenes.width), random), random, 0.6)
        alpha = np.zeros(background.shape[:2], np.uint8)
        foreground = background
        if random.random() >= 0.05:
            alpha, foreground = scenes.person(random, background)
        drawn = {name: random.random() < SHARES[name] and name in self.disturbances for name in DISTURBANCES}
        behind = shadowed(background, alpha, random) if drawn["shadow"] else background
        image, plate = composite(alpha, foreground, behind), background
        if drawn["misalignment"]:
            plate = misaligned(plate, random)
        if drawn["jitter"]:
            plate = jittered(plate, random)
        if drawn["noise"]:
            image, plate = noisy(image, random), noisy(plate, random)
        planes = [image, plate, foreground, alpha[..., None]]
        return np.ascontiguousarray(np.concatenate(planes, axis=2).transpose(2, 0, 1))


def retaken(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Picture and plate of a sample as a camera held in the hand would have them: in the picture the person's shadow falls
    to one side; the plate is moved by 2 px (at 320 px of height) and a tenth brighter."""
    height, width = sample.alpha.shape
    shade = moved(sample.alpha, (0.1 * width, 0.03 * height))
    image = composite(sample.alpha, sample.foreground, darkened(sample.background, shade, 0.5))
    plate = moved(sample.background, (2 * height / 320, 2 * height / 320))
    return image, np.clip(1.1 * plate.astype(np.float32) + 0.5, 0, 255).astype(np.uint8)


def jittered(plate: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Other brightness, contrast and saturation, each by at most 18 %, and hue by at most a tenth of the circle."""
    picture = torch.from_numpy(np.ascontiguousarray(plate.transpose(2, 0, 1)))
    for change, reach in ((tv.adjust_brightness, 0.18), (tv.adjust_contrast, 0.18), (tv.adjust_saturation, 0.18)):
        picture = change(picture, float(random.uniform(1 - reach, 1 + reach)))
    picture = tv.adjust_hue(picture, float(random.uniform(-0.1, 0.1)))
    return picture.numpy().transpose(1, 2, 0)


def misaligned(plate: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Turned by at most 1 degree and moved by at most 1 % of the sides, as by a camera held in the hand."""
    height, width = plate.shape[:2]
    return moved(plate, random.uniform(-1, 1, 2) * 0.01 * np.array([width, height]), random.uniform(-1, 1))


def moved(plate: np.ndarray, by: np.ndarray | tuple[float, float], degrees: float = 0.0) -> np.ndarray:
    """A picture moved by (x, y) px and turned about its middle; its border is mirrored."""
    height, width = plate.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), float(degrees), 1.0)
    matrix[:, 2] += by
    return cv2.warpAffine(plate, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)


def shadowed(background: np.ndarray, alpha: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The background with the person's shadow: alpha turned, moved, scaled and blurred, up to 0.3 of full light taken."""
    height, width = alpha.shape
    matrix = cv2.getRotationMatrix2D(
        ((width - 1) / 2, (height - 1) / 2), random.uniform(-5, 5), random.uniform(0.5, 1.5)
    )
    matrix[:, 2] += random.uniform(-0.2, 0.2, 2) * [width, height]
    return darkened(background, cv2.warpAffine(alpha, matrix, (width, height)), random.random(), random.uniform(20, 40))


def darkened(background: np.ndarray, shade: np.ndarray, strength: float, blur: float = 30.0) -> np.ndarray:
    """A background less 0.3 `strength` of full light where `shade` (H,W) uint8 is 255, blurred over `blur` px of
    PUBLISHED_SIDE."""
    side = max(1, round(blur * max(shade.shape) / PUBLISHED_SIDE))
    soft = cv2.blur(shade, (side, side)).astype(np.float32)
    return np.clip(background - 0.3 * strength * soft[..., None] + 0.5, 0, 255).astype(np.uint8)


def noisy(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Noise of a camera, of a standard deviation of at most 0.03 of full light."""
    grain = random.standard_normal(picture.shape, dtype=np.float32) * (255 * 0.03 * random.random())
    return np.clip(picture + grain + 0.5, 0, 255).astype(np.uint8)
