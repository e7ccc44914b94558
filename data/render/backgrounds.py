"""Out-of-focus backgrounds, cut out of the HDR panoramas that come with Blender (CC0, by Greg Zaal, Poly Haven).

Six panoramas for pictures to train on, two others to test on. Written to data/backgrounds as WebP, with a manifest.
"""

import csv
import hashlib
import io
from pathlib import Path

import cv2
import numpy as np

from develop import encode, shoulder
from place import DATA, write_atomically

BACKGROUNDS = DATA / "backgrounds"
PANORAMAS = {"train": ("city", "courtyard", "forest", "interior", "studio", "sunrise"), "test": ("night", "sunset")}
COUNT = {"train": 90, "test": 30}
WIDTH, HEIGHT = 300, 400
SUN = 60.0  # linear; brighter lamps are cut to this, or one sun would fill the picture
COLUMNS = ("id", "split", "sha256", "panorama", "azimuth", "height", "field", "focus")


def main(folder: Path = BACKGROUNDS) -> None:
    import bpy

    folder.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for split, names in PANORAMAS.items():
        for number in range(COUNT[split]):
            random = np.random.Generator(np.random.PCG64([11, number, len(names)]))
            name = names[number % len(names)]
            view = (random.uniform(0, 360), random.uniform(-8, 12), random.uniform(32, 60))
            focus = random.uniform(0.012, 0.05)  # radius of the disc of confusion, as a share of the height
            path = Path(bpy.utils.resource_path("LOCAL")) / f"datafiles/studiolights/world/{name}.exr"
            light = look(_panorama(str(path)), *view)
            picture = develop(blurred(light, focus * HEIGHT), random)
            coded = cv2.imencode(".webp", picture[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 88])[1].tobytes()
            ident = f"{split}-{number:03d}"
            write_atomically(folder / f"{ident}.webp", coded)
            numbers = [f"{value:.4g}" for value in (*view, focus)]
            table.writerow([ident, split, hashlib.sha256(coded).hexdigest(), name, *numbers])
    write_atomically(folder / "manifest.csv", text.getvalue().encode())


def look(panorama: np.ndarray, azimuth: float, height: float, field: float) -> np.ndarray:
    """A pinhole's view (HEIGHT, WIDTH, 3) of an equirectangular panorama (H, W, 3), linear; degrees, field vertical."""
    focal = HEIGHT / 2 / np.tan(np.radians(field) / 2)
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    ray = np.stack([x - WIDTH / 2, HEIGHT / 2 - y, np.full_like(x, focal)], -1)
    h = np.radians(height)
    up, ahead = ray[..., 1] * np.cos(h) + ray[..., 2] * np.sin(h), ray[..., 2] * np.cos(h) - ray[..., 1] * np.sin(h)
    longitude = np.arctan2(ray[..., 0], ahead) + np.radians(azimuth)
    latitude = np.arctan2(up, np.hypot(ray[..., 0], ahead))
    rows, columns = panorama.shape[:2]
    u = (longitude / (2 * np.pi) % 1) * columns
    v = (0.5 - latitude / np.pi) * rows - 0.5
    return cv2.remap(
        np.hstack([panorama, panorama[:, :2]]), u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR
    )


def blurred(light: np.ndarray, radius: float) -> np.ndarray:
    """Out of focus: light averaged over a disc, before any tone curve, so that lamps become discs."""
    size = 2 * int(np.ceil(radius)) + 1
    y, x = np.mgrid[:size, :size] - size // 2
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return cv2.filter2D(np.minimum(light, SUN), -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT_101)


def develop(light: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """sRGB uint8, exposed so that the picture's mean is between dusk and day."""
    light = np.maximum(light, 0)
    gain = random.uniform(0.12, 0.32) / max(float(np.exp(np.log(light.mean(-1) + 1e-3).mean())), 1e-3)
    return np.round(255 * encode(shoulder(light * gain))).astype(np.uint8)


def _panorama(path: str) -> np.ndarray:
    import bpy

    image = bpy.data.images.load(path, check_existing=True)
    image.colorspace_settings.name = "Non-Color"
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    return np.ascontiguousarray(pixels.reshape(image.size[1], image.size[0], 4)[::-1, :, :3])
