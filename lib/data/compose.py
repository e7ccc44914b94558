"""Training pictures of the networks for photographs and of Deep Image Matting, composed for every (epoch, row).

Foregrounds are the rendered people of data/portraits to train on, and drawn shapes filled with photographs; backgrounds
are data/backgrounds, drawn scenes, and photographs (`textures`, a folder that the user names).
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from lib.base import RngStream, UserError
from lib.data.augment import dim_color_jitter
from lib.data.cache import ImageSet
from lib.data.composite import composite, merge
from lib.data.portraits import FOLDER, SCENES, harmonization_gain, read_manifest, read_rgba
from lib.data.scenes import HEIGHT, WIDTH, SceneGrid, draw_background
from lib.data.shapes import draw_alpha
from lib.data.trimap import UNKNOWN, default_radius, make_trimap, signed_distance, trimap_from_distance, trimap_to_float

# Streams of random numbers, apart from each other and from those of lib.base.Stream.
CROP, SCENE, PLATE, MOVING = 11, 12, 13, 14
TEXTURE_SIDE = 720  # px: largest shorter side of a texture
TEXTURE_MIN_SIDE = 480  # px: smaller files are previews
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
CROP_SCALES = (1.0, 1.5, 2.0)  # of Deep Image Matting: crops of 320, 480 and 640 px, all brought to 320
MERGE = 0.25  # share of Deep Image Matting's crops with a second person


class AssetPool:
    """Layers that pictures are composed of, decoded once, uint8.

    people: for each person to train on RGBA (800,600,4), half and a quarter of it. hard: their soft pixels and those near
    the outline. scenes: (300,400,3), out of focus. textures: photographs in focus. UserError when there are no people.
    """

    def __init__(self, textures: str = "", people: int = 0):
        rows = [row for row in read_manifest() if row["split"] == "train"][: people or None]
        self.people = [_person_pyramid(FOLDER / f"{row['id']}.webp") for row in rows]
        self.hard = [_hard_pixels(levels[0][..., 3]) for levels in self.people]
        self.touching = [bool((levels[1][:, [0, -1], 3] > 2).any()) for levels in self.people]
        self.scenes = [_read_rgb(file) for file in sorted(SCENES.glob("train-*.webp"))]
        self.textures = read_textures(textures)


def read_textures(folder: str) -> list[np.ndarray]:
    """RGB uint8 pictures below a folder, sorted by path, shorter side at most TEXTURE_SIDE px.

    Previews are left out, and all but the largest of a directory named `images*` (one picture in several sizes).
    Without any: the two photographs that scikit-learn ships. UserError for a missing folder.
    """
    if folder and not Path(folder).is_dir():
        raise UserError(f"textures: expected a folder of photographs or '', found nothing at {folder}; correct it.")
    files = sorted(file for file in Path(folder).rglob("*") if file.suffix in PICTURES) if folder else []
    sizes: dict[Path, list[Path]] = {}
    for file in files:
        sizes.setdefault(file.parent if file.parent.name.startswith("images") else file, []).append(file)
    largest = [max(group, key=lambda file: file.stat().st_size) for group in sizes.values()]
    pictures = [picture for file in largest if (picture := _read_texture(file)) is not None]
    if pictures:
        return pictures
    from sklearn.datasets import load_sample_images

    return list(load_sample_images().images)


@dataclass(frozen=True)
class TrimapCrops(Dataset):
    """Crops of `side` px around hard pixels, `rows` an epoch (after Xu et al. 2017, section 3.3).

    An item is (11,side,side) uint8: image after noise and compression, foreground and background (RGB each), alpha,
    trimap (0, 128, 255). shapes: share of the crops made of photographs, whose alpha is drawn or (a third) a person's.
    """

    assets: AssetPool
    rows: int
    side: int = 256
    seed: int = 0
    shapes: float = 0.5

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: tuple[int, int]) -> np.ndarray:
        rng = np.random.default_rng([self.seed, *index, CROP])
        alpha, foreground, background = self._layers(rng)
        foreground, background = color_jitter(foreground, rng), color_jitter(background, rng)
        if rng.random() < 0.25:
            background = match_colors(background, foreground, alpha, rng.uniform(0.3, 1.0))
        if rng.random() < 0.15:
            alpha, foreground, background = 255 - alpha, background, foreground
        image = add_camera_artifacts(composite(alpha, foreground, background), rng)
        trimap = random_trimap(alpha, rng)
        planes = [image, foreground, background, alpha[..., None], trimap[..., None]]
        return np.ascontiguousarray(np.concatenate(planes, axis=2).transpose(2, 0, 1))

    def _layers(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Alpha (s,s), foreground and background (s,s,3), uint8."""
        if rng.random() < self.shapes:
            if rng.random() < 0.33:
                alpha = self._person(rng)[0]
            else:
                picture = random_crop(self._texture(rng), self.side, rng)
                alpha = np.round(draw_alpha(self.side, rng, picture) * 255).astype(np.uint8)
            return (
                alpha,
                random_crop(self._texture(rng), self.side, rng),
                random_crop(self._texture(rng), self.side, rng),
            )
        alpha, foreground = self._person(rng)
        if rng.random() < 0.3:
            alpha, foreground = merge(alpha, foreground, *self._person(rng))
        return alpha, foreground, random_background(self.assets, (self.side, self.side), rng)

    def _texture(self, rng: np.random.Generator) -> np.ndarray:
        return self.assets.textures[rng.integers(len(self.assets.textures))]

    def _person(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Alpha (s,s) and colour (s,s,3) around a hard pixel of a person, turned, scaled by 0.45 to 1.6, mirrored."""
        person = rng.integers(len(self.assets.people))
        soft, band = self.assets.hard[person]
        pixels = soft if len(soft) and rng.random() < 0.5 else band
        row, column = pixels[rng.integers(len(pixels))] + rng.normal(0, self.side / 8, 2)
        scale = np.exp(rng.uniform(np.log(0.45), np.log(1.6)))
        mirror = -1 if rng.random() < 0.5 else 1
        turn = np.deg2rad(rng.uniform(-30, 30)) if rng.random() < 0.8 else 0.0
        mip = 1 if scale < 0.7 else 0
        matrix = crop_matrix((column / 2**mip, row / 2**mip), 1 / scale / 2**mip, mirror, turn, self.side)
        rgba = _warp_crop(self.assets.people[person][mip], matrix, self.side)
        return np.ascontiguousarray(rgba[..., 3]), np.ascontiguousarray(rgba[..., :3])


@dataclass(frozen=True)
class PortraitComposites(Dataset):
    """Whole composites of height x width px, `rows` an epoch, for networks without a trimap.

    An item is (4,height,width) uint8: image (RGB) and alpha. 8 % of the pictures show nobody, 12 % two people.
    """

    assets: AssetPool
    rows: int
    height: int = 256
    width: int = 192
    seed: int = 0

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: tuple[int, int]) -> np.ndarray:
        rng = np.random.default_rng([self.seed, *index, SCENE])
        shape = self.height, self.width
        background = color_jitter(random_background(self.assets, shape, rng), rng, 0.6)
        alpha = np.zeros(shape, np.uint8)
        if rng.random() >= 0.08:
            alpha, color = self.person(rng, background)
            if rng.random() < 0.13:
                alpha, color = merge(alpha, color, *self.person(rng, background))
            background = composite(alpha, color, background)
        image = add_camera_artifacts(color_jitter(background, rng, 0.5), rng)
        return np.ascontiguousarray(np.concatenate([image, alpha[..., None]], axis=2).transpose(2, 0, 1))

    def person(self, rng: np.random.Generator, background: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Alpha (h,w) and colour (h,w,3) uint8: a person of any size and position, in the light of the background."""
        layer, matrix = self._random_placement(rng.integers(len(self.assets.people)), rng)
        size = self.width, self.height
        color = cv2.warpAffine(layer[..., :3], matrix, size, borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.warpAffine(layer[..., 3], matrix, size, borderMode=cv2.BORDER_CONSTANT)
        color = color_jitter(self._texture_clothes(color, alpha, rng), rng)
        if rng.random() < 0.7:
            gain = harmonization_gain(color, alpha, background, rng.uniform(0.1, 0.5))
            color = np.clip(color * gain, 0, 255).astype(np.uint8)
        return alpha, color

    def _random_placement(self, person: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A person's layer and the (2,3) matrix to the canvas: the cut-off chest at the lower border or below, mostly no
        farther than the head allows; cut-off shoulders near the sides."""
        lowest = 0.95 if self.assets.touching[person] else 0.5
        zoom = np.exp(rng.uniform(np.log(lowest), np.log(1.6)))
        scale = zoom * max(self.height / HEIGHT, self.width / WIDTH)
        mirror, turn = (-1 if rng.random() < 0.5 else 1), np.deg2rad(rng.normal(0, 5))
        stretch = np.exp(rng.normal(0, 0.05))
        slack = abs(self.width - WIDTH * scale) / 2 + (0.15 * self.width if lowest < 0.9 else 0)
        middle = self.width / 2 + rng.uniform(-1, 1) * slack
        below = max(0.0, HEIGHT * scale - self.height) + 0.1 * self.height
        lower = self.height + np.sqrt(rng.random()) * below * (rng.random() < 0.8)
        lower += abs(np.sin(turn)) * self.width / 2  # so that no lower corner comes up
        mip = 0 if scale > 0.7 else 1 if scale > 0.35 else 2
        layer = self.assets.people[person][mip]
        return layer, placement_matrix(layer.shape, scale * 2**mip, mirror * stretch, turn, (middle, lower))

    def _texture_clothes(self, color: np.ndarray, alpha: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The person's lower part, about the clothes, with a photograph's pattern, in 45 % of the pictures."""
        rows = np.flatnonzero((alpha > 128).any(axis=1))
        if rng.random() > 0.45 or not len(rows):
            return color
        height, width = alpha.shape
        top = rows[0] + rng.uniform(0.55, 0.85) * (HEIGHT * 0.7 * max(height / HEIGHT, width / WIDTH))
        curve = ((np.arange(width) - width / 2) / width) ** 2 * height * rng.uniform(-0.4, 0.4)
        weight = np.clip((np.arange(height)[:, None] - top - curve[None]) / rng.uniform(1, 6), 0, 1)
        texture = self.assets.textures[rng.integers(len(self.assets.textures))]
        pattern = random_crop(texture, max(height, width), rng)[:height, :width].astype(np.float32)
        if rng.random() < 0.5:  # folds and light of the render shine through
            light = color.astype(np.float32).mean(axis=2, keepdims=True)
            pattern = pattern * light / max(float(light.mean()), 20.0)
        weight = (weight * rng.uniform(0.4, 1.0))[..., None]
        return np.clip(color + weight * (pattern - color), 0, 255).astype(np.uint8)


def random_background(assets: AssetPool, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """(h,w,3) uint8: half of them photographs in focus, a quarter the set's own scenes, a quarter drawn."""
    side, kind = max(shape), rng.random()
    if kind < 0.75:
        pictures = assets.textures if kind < 0.5 else assets.scenes
        return random_crop(pictures[rng.integers(len(pictures))], side, rng)[: shape[0], : shape[1]]
    scale = max(shape[0] / HEIGHT, shape[1] / WIDTH) * rng.uniform(1.0, 1.8)
    grid = SceneGrid(shape, scale, tuple(rng.uniform([-60, -60], [60, 60])), 1.0)
    return np.clip(draw_background(grid, rng, None), 0, 255).astype(np.uint8)


def random_crop(picture: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A square (side,side,3) of a picture, turned and mirrored; a third of its shorter side up to all of it."""
    rows, columns = picture.shape[:2]
    reach = min(rows, columns) * rng.uniform(0.33, 1.0)
    step = min(reach / side, 2.5)
    if step > 1.6:  # shrink first, against aliasing
        picture = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        rows, columns, step = *picture.shape[:2], step / 2
    turn = np.deg2rad(rng.normal(0, 15)) + (np.pi / 2 * rng.integers(4) if rng.random() < 0.2 else 0)
    mirror, margin = (-1 if rng.random() < 0.5 else 1), step * side / 2
    x = rng.uniform(min(margin, columns / 2), max(columns - margin, columns / 2))
    y = rng.uniform(min(margin, rows / 2), max(rows - margin, rows / 2))
    return _warp_crop(picture, crop_matrix((x, y), step, mirror, turn, side), side)


def color_jitter(layer: np.ndarray, rng: np.random.Generator, strength: float = 1.0) -> np.ndarray:
    """A layer (h,w,3) uint8 in other light: gamma, gain, tint, contrast, and in 15 % another order of channels."""
    gain = 1 + strength * (rng.uniform(-0.25, 0.25) + rng.uniform(-0.12, 0.12, 3))
    gamma = np.exp(strength * rng.uniform(-0.5, 0.5))
    contrast, middle = 1 + strength * rng.uniform(-0.3, 0.3), rng.uniform(80, 170)
    tone = 255 * gain * (np.arange(256)[:, None] / 255) ** gamma
    table = np.clip((tone - middle) * contrast + middle, 0, 255).round().astype(np.uint8)
    order = rng.permutation(3) if rng.random() < 0.15 * strength else range(3)
    return np.stack(
        [cv2.LUT(np.ascontiguousarray(layer[..., channel]), table[:, channel]) for channel in order], axis=-1
    )


def match_colors(background: np.ndarray, foreground: np.ndarray, alpha: np.ndarray, share: float) -> np.ndarray:
    """The background (h,w,3) uint8 with mean and spread of its colours moved by `share` to the foreground's."""
    source = background.reshape(-1, 3)[::7].astype(np.float32)
    target = foreground[alpha > 128][::7].astype(np.float32)
    if len(target) < 20:
        return background
    spread = np.clip(1 + share * (target.std(0) / np.maximum(source.std(0), 8) - 1), 0.4, 1.5)
    mean = source.mean(0)
    return np.clip((background - mean) * spread + mean + share * (target.mean(0) - mean), 0, 255).astype(np.uint8)


def add_camera_artifacts(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A composite (h,w,3) uint8 after a camera and its file: blur or sharpening, noise, JPEG, in 4 % grey."""
    choice = rng.random(5)
    if choice[0] < 0.25:
        soft = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.3)))
        amount = rng.uniform(-0.7, 1.0)  # below 0 it sharpens
        image = cv2.addWeighted(image, 1 - amount, soft, amount, 0)
    if choice[1] < 0.5:
        strength = rng.uniform(0, 8) if choice[4] < 0.85 else rng.uniform(8, 20)
        grain = rng.standard_normal(image.shape, dtype=np.float32)
        image = np.clip(image + strength * grain + 0.5, 0, 255).astype(np.uint8)
    if choice[2] < 0.5:
        code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(45, 98))])[1]
        image = cv2.imdecode(code, cv2.IMREAD_COLOR)
    if choice[3] < 0.04:
        image = np.repeat(image.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    return image


def random_trimap(alpha: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Trimap (s,s) uint8 with separate radii inside and outside, log-uniform from 1 px to a ninth of the side."""
    side = alpha.shape[0]
    inner, outer = np.exp(rng.uniform(0, np.log(side / 9), 2))
    distance = signed_distance(alpha).astype(np.float32)
    trimap = trimap_from_distance(np.where(distance > 0, distance / inner, distance / outer), 1.0)
    if rng.random() < 0.1:  # an unknown disc anywhere, as in a trimap drawn by hand or by a network
        rows, columns = rng.integers(0, side, 2).tolist()
        cv2.circle(trimap, (columns, rows), int(rng.uniform(0.03, 0.15) * side), UNKNOWN, -1)
    return trimap


def crop_matrix(centre: tuple[float, float], step: float, mirror: int, turn: float, side: int) -> np.ndarray:
    """(2,3) float32 from a square's pixels to a picture's, `step` px apart around `centre` (x, y), turned."""
    cos, sin = step * np.cos(turn), step * np.sin(turn)
    turned = np.array([[mirror * cos, -sin], [mirror * sin, cos]])
    return np.float32(np.column_stack([turned, np.array(centre) - turned @ np.full(2, (side - 1) / 2)]))


def placement_matrix(
    shape: tuple[int, ...], factor: float, across: float, turn: float, foot: tuple[float, float]
) -> np.ndarray:
    """(2,3) float32: a layer scaled by `factor` (horizontally also by `across`, mirrored below 0) and turned, its lower
    middle at `foot` (x, y)."""
    cos, sin = factor * np.cos(turn), factor * np.sin(turn)
    turned = np.array([[across * cos, -sin], [np.sign(across) * sin, cos]])
    return np.float32(np.column_stack([turned, np.array(foot) - turned @ [(shape[1] - 1) / 2, shape[0] - 2.0]]))


def _warp_crop(picture: np.ndarray, matrix: np.ndarray, side: int) -> np.ndarray:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REFLECT_101)


def _person_pyramid(file: Path) -> list[np.ndarray]:
    """RGBA uint8 at full, half and a quarter of its size; colours weighted by alpha, against bleeding."""
    levels = [read_rgba(file)]
    for _ in range(2):
        layer = levels[-1].astype(np.float32)
        weight = np.maximum(layer[..., 3:], 0.25)
        size = layer.shape[1] // 2, layer.shape[0] // 2
        color = cv2.resize(layer[..., :3] * weight, size, interpolation=cv2.INTER_AREA)
        color /= cv2.resize(weight, size, interpolation=cv2.INTER_AREA)[..., None]
        alpha = cv2.resize(layer[..., 3], size, interpolation=cv2.INTER_AREA)[..., None]
        levels.append(np.round(np.concatenate([color, alpha], axis=2)).clip(0, 255).astype(np.uint8))
    return levels


def _hard_pixels(alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(row, column) of the soft pixels (n,2) and of those within 10 px of the outline (m,2), int16."""
    soft = (alpha > 12) & (alpha < 242)
    band = cv2.dilate(soft.astype(np.uint8), np.ones((21, 21), np.uint8)) > 0
    return tuple(np.argwhere(where).astype(np.int16) for where in (soft, band))


def _read_rgb(file: Path) -> np.ndarray:
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if picture is None:
        raise UserError(f"{file}: expected a picture, found none; run make render.")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _read_texture(file: Path) -> np.ndarray | None:
    """A photograph, shorter side at most TEXTURE_SIDE; None for one that cannot be read or is small."""
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if picture is None or min(picture.shape[:2]) < TEXTURE_MIN_SIDE:
        return None
    shrink = TEXTURE_SIDE / min(picture.shape[:2])
    if shrink < 1:
        picture = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


@dataclass(frozen=True)
class UnknownRegionCrops(Dataset):
    """Crops of Deep Image Matting: image index[row] around one of its unknown pixels (Xu et al. 2017, section 3.3).

    side: px of the square. jitter: other light for foreground and background. With the source's foreground and background
    every crop gets the background of any training image, and a share MERGE a second person; without them the image
    stands for both. An item is (alpha (1,s,s), foreground (3,s,s), background (3,s,s), trimap (1,s,s)), float32 in [0,1],
    the trimap 0, 0.5 or 1: resizing a composite is not compositing what was resized, so `lib.training.dim` composites.
    """

    prepared: ImageSet
    index: np.ndarray
    side: int
    seed: int
    jitter: bool = False

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: tuple[int, int]) -> tuple[torch.Tensor, ...]:
        epoch, row = index
        rng = np.random.default_rng([self.seed, epoch, row, RngStream.CROP])
        alpha, foreground, background = self._person(int(self.index[row]), rng)
        if self.prepared.foreground is not None:
            if rng.random() < MERGE:
                alpha, foreground = merge(alpha, foreground, *self._person(self._other(rng), rng)[:2])
            background = self._background(rng)
            if self.jitter:
                foreground, background = dim_color_jitter(foreground, rng), dim_color_jitter(background, rng)
        # After resizing, so that the band's width is in px of the crop; log-uniform: thin ones as often as wide ones.
        radius = np.exp(rng.uniform(*np.log([1.5, max(3.0, self.side / 6)])))
        trimap = trimap_from_distance(signed_distance(alpha, self.prepared.rule), radius)
        planes = [layer.transpose(2, 0, 1).astype(np.float32) / 255 for layer in (foreground, background)]
        levels = trimap_to_float(torch.from_numpy(trimap))[None]
        return (torch.from_numpy(alpha.astype(np.float32) / 255)[None], *map(torch.from_numpy, planes), levels)

    def _other(self, rng: np.random.Generator) -> int:
        return int(self.index[rng.integers(len(self.index))])

    def _person(self, image: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Alpha (s,s), foreground and background (s,s,3) uint8 around an unknown pixel of one image."""
        alpha = np.asarray(self.prepared.alpha[image, 0])
        square = self._square(alpha.shape, rng, _unknown_pixel(alpha, self.prepared.rule, rng))
        layers = [alpha]
        for layer in (self.prepared.foreground, self.prepared.background):
            planes = self.prepared.image if layer is None else layer
            layers.append(np.asarray(planes[image]).transpose(1, 2, 0))
        return tuple(_resized(layer[square], self.side) for layer in layers)

    def _background(self, rng: np.random.Generator) -> np.ndarray:
        """A square (s,s,3) uint8 of any training image's background, mirrored half of the time."""
        planes = np.asarray(self.prepared.background[self._other(rng)]).transpose(1, 2, 0)
        square = self._square(planes.shape[:2], rng, (rng.random() * planes.shape[0], rng.random() * planes.shape[1]))
        picture = _resized(planes[square], self.side)
        return picture[:, ::-1] if rng.random() < 0.5 else picture

    def _square(
        self, shape: tuple[int, int], rng: np.random.Generator, centre: tuple[float, float]
    ) -> tuple[slice, slice]:
        """A square around `centre` as near as the picture's edges allow, of one of the scales, or the short side."""
        side = min(round(self.side * CROP_SCALES[rng.integers(len(CROP_SCALES))]), *shape)
        corner = [
            int(np.clip(round(at) - side // 2, 0, length - side)) for at, length in zip(centre, shape, strict=True)
        ]
        return tuple(slice(start, start + side) for start in corner)


def _unknown_pixel(alpha: np.ndarray, rule: str, rng: np.random.Generator) -> tuple[int, int]:
    """(row, column) of a random unknown pixel; of any pixel where none is unknown."""
    unknown = np.flatnonzero(make_trimap(alpha, default_radius(alpha.shape), rule) == UNKNOWN)
    pixel = unknown[rng.integers(len(unknown))] if len(unknown) else rng.integers(alpha.size)
    return divmod(int(pixel), alpha.shape[1])


def _resized(layer: np.ndarray, side: int) -> np.ndarray:
    """Square (side,side[,3]): area averages where it shrinks, linear where it grows."""
    way = cv2.INTER_AREA if layer.shape[0] >= side else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(layer), (side, side), interpolation=way)
