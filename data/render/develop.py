"""From the renderer's linear light to a picture: exposure, tone curve, straight alpha, and WebP files."""

from pathlib import Path

import cv2
import numpy as np

QUALITY = 90  # of WebP's colours; alpha is lossless


def exposure(colour: np.ndarray, own_alpha: np.ndarray, alpha: np.ndarray, face: np.ndarray, person: dict) -> float:
    """The factor that brings the lit side of the face to where a photographer would have it.

    colour (H, W, 3): linear, multiplied by its pass's alpha own_alpha (H, W); alpha (H, W): the exact one; face (H, W)
    bool: pixels of the face.
    """
    straight = _straight(colour, own_alpha)
    bright = np.percentile(straight[face & (alpha > 0.95)] @ [0.2126, 0.7152, 0.0722], 75)
    albedo = np.array(person["skin"]["colour"]) @ [0.2126, 0.7152, 0.0722]
    return 0.37 * (albedo / 0.5) ** 0.6 * 2 ** person["light"]["exposure"] / max(bright, 1e-4)


def develop(colour: np.ndarray, own_alpha: np.ndarray, alpha: np.ndarray, gain: float) -> np.ndarray:
    """Straight sRGB and alpha, uint8 (H, W, 4). Arguments: see exposure."""
    picture = encode(shoulder(_straight(colour, own_alpha) * gain))
    rgb = np.round(255 * extend(picture, alpha)).astype(np.uint8)
    return np.dstack([rgb, np.round(255 * alpha).astype(np.uint8)])


def shoulder(light: np.ndarray) -> np.ndarray:
    """Linear below 0.5, then bent so that light of any strength stays below 1; hues are kept by bending the greatest
    of the three and moving a little towards white."""
    top = light.max(axis=-1, keepdims=True)
    bent = np.where(top > 0.5, 0.5 + 0.5 * (1 - np.exp(-(top - 0.5) / 0.5)), top)
    kept = light * bent / np.maximum(top, 1e-6)
    each = np.where(light > 0.5, 0.5 + 0.5 * (1 - np.exp(-(light - 0.5) / 0.5)), light)
    return 0.5 * kept + 0.5 * each


def encode(light: np.ndarray) -> np.ndarray:
    """Linear light in [0, 1] to sRGB (IEC 61966-2-1)."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


def _straight(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colour divided by alpha; where alpha is small the ratio of local means, which noise cannot make a speck of."""
    near = cv2.GaussianBlur(colour, (0, 0), 1.5) / np.maximum(cv2.GaussianBlur(alpha, (0, 0), 1.5), 1e-3)[..., None]
    here = colour / np.maximum(alpha, 1e-3)[..., None]
    sure = np.clip((alpha - 0.3) / 0.6, 0, 1)[..., None]
    return np.maximum(sure * here + (1 - sure) * near, 0)


def extend(picture: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours (H, W, 3) continued to where alpha is (almost) 0: from near by if possible, else from farther."""
    known = (alpha > 0.02).astype(np.float32)
    out, done = picture * known[..., None], known.copy()
    for sigma in (2, 5, 12, 30, 80, 250):
        weight = cv2.GaussianBlur(known, (0, 0), sigma)
        mean = cv2.GaussianBlur((picture * known[..., None]).astype(np.float32), (0, 0), sigma)
        mean /= np.maximum(weight, 1e-6)[..., None]
        new = (done == 0) & (weight > 1e-3)
        out[new], done[new] = mean[new], 1
    return np.clip(out, 0, 1)


def save(picture: np.ndarray, path: Path) -> None:
    """RGBA uint8 to WebP, whole or not at all. Read by cv2.imread(..., IMREAD_UNCHANGED) and Pillow."""
    from PIL import Image

    part = path.with_suffix(".part")
    Image.fromarray(picture, "RGBA").save(part, "WEBP", quality=QUALITY, alpha_quality=100, exact=True, method=4)
    part.replace(path)
