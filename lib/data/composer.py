"""Training pictures of the networks for photographs, composed anew for every (epoch, row).

`TrimapCrops`: layers cropped where the matte is hard, each in another light, for the network that gets a trimap (Xu et
al. 2017, section 3.3, taken further). `PortraitScenes`: a whole person somewhere before a scene, for the network without
one. Foregrounds are the rendered people of data/portraits that are to train on, and drawn shapes filled with photographs;
backgrounds are data/backgrounds, drawn scenes, and photographs (`textures`, a folder that the user names; it may be
empty). Nothing of `textures` is kept.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from torch.utils.data import Dataset

from lib.base import UserError
from lib.data.composite import composite, merge
from lib.data.portraits import FOLDER, SCENES, light_of_the_place, read_manifest
from lib.data.scenes import HEIGHT, WIDTH, Grid, draw_background
from lib.data.shapes import draw_alpha
from lib.data.trimap import UNKNOWN, from_distance, signed_distance

# Streams of random numbers, apart from each other and from those of lib.base.Stream.
CROP, SCENE, PLATE, MOVING = 11, 12, 13, 14
TEXTURE_SIDE = 720  # px of a photograph's shorter side, at most
PICTURES = (".jpg", ".jpeg", ".png", ".webp")


class Layers:
    """What pictures are composed of, decoded once: people, scenes and photographs, uint8.

    people: RGBA (800,600,4) and the same at half the side, of the split `train`. scenes: (300,400,3), the set's own out
    of focus. textures: photographs in focus of a folder (the two that scikit-learn ships, where it is empty).
    UserError when there are no people.
    """

    def __init__(self, textures: str = "", people: int = 0):
        rows = [row for row in read_manifest() if row["split"] == "train"][: people or None]
        self.people = [_person(FOLDER / f"{row['id']}.webp") for row in rows]
        self.hard = [_hard_pixels(levels[0][..., 3]) for levels in self.people]
        self.touching = [bool((levels[1][:, [0, -1], 3] > 2).any()) for levels in self.people]
        self.scenes = [_picture(file) for file in sorted(SCENES.glob("train-*.webp"))]
        self.textures = read_textures(textures)


def read_textures(folder: str) -> list[np.ndarray]:
    """RGB uint8 pictures of a folder and those below it, sorted by path, their shorter side at most TEXTURE_SIDE px.

    Small ones (previews, below 480 px) are left out, and so are all but the largest of a directory named `images`,
    which are one picture in several sizes. Without any: the two photographs that scikit-learn ships. UserError for a
    folder that isn't there.
    """
    if folder and not Path(folder).is_dir():
        raise UserError(f"textures: expected a folder of photographs or '', found nothing at {folder}; correct it.")
    files = sorted(file for file in Path(folder).rglob("*") if file.suffix in PICTURES) if folder else []
    sizes: dict[Path, list[Path]] = {}
    for file in files:
        sizes.setdefault(file.parent if file.parent.name.startswith("images") else file, []).append(file)
    chosen = [max(group, key=lambda file: file.stat().st_size) for group in sizes.values()]
    pictures = [picture for file in chosen if (picture := _texture(file)) is not None]
    if pictures:
        return pictures
    from sklearn.datasets import load_sample_images

    return list(load_sample_images().images)


@dataclass(frozen=True)
class TrimapCrops(Dataset):
    """Crops of `side` px, `rows` an epoch, for the network that gets a trimap.

    An item is (11,side,side) uint8: image, foreground and background (RGB each), alpha, trimap (0, 128, 255). The image
    is the composite after noise and compression. shapes: share of the crops with layers of photographs, whose alpha is
    a drawn shape or (a third) a person's. It depends on (seed, epoch, row) alone.
    """

    layers: Layers
    rows: int
    side: int = 256
    seed: int = 0
    shapes: float = 0.5

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, place: tuple[int, int]) -> np.ndarray:
        random = np.random.default_rng([self.seed, *place, CROP])
        alpha, foreground, background = self._layers(random)
        foreground, background = relit(foreground, random), relit(background, random)
        if random.random() < 0.25:
            background = towards(background, foreground, alpha, random.uniform(0.3, 1.0))
        if random.random() < 0.15:
            alpha, foreground, background = 255 - alpha, background, foreground
        image = photographed(composite(alpha, foreground, background), random)
        trimap = drawn_trimap(alpha, random)
        planes = [image, foreground, background, alpha[..., None], trimap[..., None]]
        return np.ascontiguousarray(np.concatenate(planes, axis=2).transpose(2, 0, 1))

    def _layers(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Alpha (s,s), foreground and background (s,s,3), uint8."""
        if random.random() < self.shapes:
            if random.random() < 0.33:
                alpha = self._person(random)[0]
            else:
                picture = cut(self._texture(random), self.side, random)
                alpha = np.round(draw_alpha(self.side, random, picture) * 255).astype(np.uint8)
            return alpha, cut(self._texture(random), self.side, random), cut(self._texture(random), self.side, random)
        alpha, foreground = self._person(random)
        if random.random() < 0.3:
            alpha, foreground = merge(alpha, foreground, *self._person(random))
        return alpha, foreground, any_background(self.layers, (self.side, self.side), random)

    def _texture(self, random: np.random.Generator) -> np.ndarray:
        return self.layers.textures[random.integers(len(self.layers.textures))]

    def _person(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Alpha (s,s) and colour (s,s,3) around a hard pixel of a person, turned, scaled by 0.45 to 1.6, mirrored."""
        who = random.integers(len(self.layers.people))
        soft, band = self.layers.hard[who]
        choice = soft if len(soft) and random.random() < 0.5 else band
        row, column = choice[random.integers(len(choice))] + random.normal(0, self.side / 8, 2)
        scale = np.exp(random.uniform(np.log(0.45), np.log(1.6)))
        mirror = -1 if random.random() < 0.5 else 1
        turn = np.deg2rad(random.uniform(-30, 30)) if random.random() < 0.8 else 0.0
        level = 1 if scale < 0.7 else 0
        step = 1 / scale / 2**level
        matrix = _around((column / 2**level, row / 2**level), step, mirror, turn, self.side)
        return _split(
            cv2.warpAffine(
                self.layers.people[who][level],
                matrix,
                (self.side, self.side),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REFLECT_101,
            )
        )


@dataclass(frozen=True)
class PortraitScenes(Dataset):
    """Whole composites of height x width px, `rows` an epoch, for the network without a trimap.

    An item is (4,height,width) uint8: image (RGB) and alpha. Of the pictures 8 % show nobody, 12 % two people; half of
    the backgrounds are photographs in focus, the rest the set's own and drawn ones. It depends on (seed, epoch, row)
    alone.
    """

    layers: Layers
    rows: int
    height: int = 256
    width: int = 192
    seed: int = 0

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, place: tuple[int, int]) -> np.ndarray:
        random = np.random.default_rng([self.seed, *place, SCENE])
        shape = self.height, self.width
        background = relit(any_background(self.layers, shape, random), random, 0.6)
        alpha = np.zeros(shape, np.uint8)
        if random.random() >= 0.08:
            alpha, colour = self.person(random, background)
            if random.random() < 0.13:
                alpha, colour = merge(alpha, colour, *self.person(random, background))
            background = composite(alpha, colour, background)
        image = photographed(relit(background, random, 0.5), random)
        return np.ascontiguousarray(np.concatenate([image, alpha[..., None]], axis=2).transpose(2, 0, 1))

    def person(self, random: np.random.Generator, background: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Alpha (h,w) and colour (h,w,3): a person of any size and place, in the light of the background."""
        who = random.integers(len(self.layers.people))
        layer, matrix = self._placed(who, random)
        size = self.width, self.height
        colour = cv2.warpAffine(layer[..., :3], matrix, size, borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.warpAffine(layer[..., 3], matrix, size, borderMode=cv2.BORDER_CONSTANT)
        colour = relit(self._dressed(colour, alpha, random), random)
        if random.random() < 0.7:
            gain = light_of_the_place(colour, alpha, background, random.uniform(0.1, 0.5))
            colour = np.clip(colour * gain, 0, 255).astype(np.uint8)
        return alpha, colour

    def _placed(self, who: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A person's layer and the (2,3) matrix that takes it to the canvas: the cut-off chest at its lower border or
        below, mostly no farther than the head allows; cut-off shoulders near its sides."""
        lowest = 0.95 if self.layers.touching[who] else 0.5
        zoom = np.exp(random.uniform(np.log(lowest), np.log(1.6)))
        scale = zoom * max(self.height / HEIGHT, self.width / WIDTH)
        mirror, turn = (-1 if random.random() < 0.5 else 1), np.deg2rad(random.normal(0, 5))
        stretch = np.exp(random.normal(0, 0.05))
        slack = abs(self.width - WIDTH * scale) / 2 + (0.15 * self.width if lowest < 0.9 else 0)
        middle = self.width / 2 + random.uniform(-1, 1) * slack
        below = max(0.0, HEIGHT * scale - self.height) + 0.1 * self.height
        lower = self.height + np.sqrt(random.random()) * below * (random.random() < 0.8)
        lower += abs(np.sin(turn)) * self.width / 2  # so that no lower corner comes up
        level = 0 if scale > 0.7 else 1 if scale > 0.35 else 2
        layer = self.layers.people[who][level]
        return layer, foot_at(layer.shape, scale * 2**level, mirror * stretch, turn, (middle, lower))

    def _dressed(self, colour: np.ndarray, alpha: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """The person's lower part (the clothes, more or less) with a photograph's pattern, in 45 % of the pictures."""
        rows = np.flatnonzero((alpha > 128).any(axis=1))
        if random.random() > 0.45 or not len(rows):
            return colour
        height, width = alpha.shape
        top = rows[0] + random.uniform(0.55, 0.85) * (HEIGHT * 0.7 * max(height / HEIGHT, width / WIDTH))
        curve = ((np.arange(width) - width / 2) / width) ** 2 * height * random.uniform(-0.4, 0.4)
        weight = np.clip((np.arange(height)[:, None] - top - curve[None]) / random.uniform(1, 6), 0, 1)
        texture = self.layers.textures[random.integers(len(self.layers.textures))]
        pattern = cut(texture, max(height, width), random)[:height, :width].astype(np.float32)
        if random.random() < 0.5:  # folds and light of the render shine through
            light = colour.astype(np.float32).mean(axis=2, keepdims=True)
            pattern = pattern * light / max(float(light.mean()), 20.0)
        weight = (weight * random.uniform(0.4, 1.0))[..., None]
        return np.clip(colour + weight * (pattern - colour), 0, 255).astype(np.uint8)


def any_background(layers: Layers, shape: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    """(h,w,3) uint8: half of them photographs in focus, a quarter the set's own scenes, a quarter drawn."""
    side, kind = max(shape), random.random()
    if kind < 0.75:
        pictures = layers.textures if kind < 0.5 else layers.scenes
        return cut(pictures[random.integers(len(pictures))], side, random)[: shape[0], : shape[1]]
    scale = max(shape[0] / HEIGHT, shape[1] / WIDTH) * random.uniform(1.0, 1.8)
    grid = Grid(shape, scale, tuple(random.uniform([-60, -60], [60, 60])), 1.0)
    return np.clip(draw_background(grid, random, None), 0, 255).astype(np.uint8)


def cut(picture: np.ndarray, side: int, random: np.random.Generator) -> np.ndarray:
    """A square (side,side,3) of a picture, turned and mirrored at random; from a third of its shorter side to all of it."""
    rows, columns = picture.shape[:2]
    reach = min(rows, columns) * random.uniform(0.33, 1.0)
    step = min(reach / side, 2.5)
    if step > 1.6:  # shrink first, so that nothing flickers
        picture = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        rows, columns, step = *picture.shape[:2], step / 2
    turn = np.deg2rad(random.normal(0, 15)) + (np.pi / 2 * random.integers(4) if random.random() < 0.2 else 0)
    mirror, margin = (-1 if random.random() < 0.5 else 1), step * side / 2
    x = random.uniform(min(margin, columns / 2), max(columns - margin, columns / 2))
    y = random.uniform(min(margin, rows / 2), max(rows - margin, rows / 2))
    matrix = _around((x, y), step, mirror, turn, side)
    return cv2.warpAffine(
        picture, matrix, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT_101
    )


def relit(layer: np.ndarray, random: np.random.Generator, strength: float = 1.0) -> np.ndarray:
    """A layer (h,w,3) uint8 in other light: gamma, gain, tint, contrast; its channels now and then in another order."""
    gain = 1 + strength * (random.uniform(-0.25, 0.25) + random.uniform(-0.12, 0.12, 3))
    gamma = np.exp(strength * random.uniform(-0.5, 0.5))
    contrast, middle = 1 + strength * random.uniform(-0.3, 0.3), random.uniform(80, 170)
    tone = 255 * gain * (np.arange(256)[:, None] / 255) ** gamma
    table = np.clip((tone - middle) * contrast + middle, 0, 255).round().astype(np.uint8)
    order = random.permutation(3) if random.random() < 0.15 * strength else range(3)
    return np.stack(
        [cv2.LUT(np.ascontiguousarray(layer[..., channel]), table[:, channel]) for channel in order], axis=-1
    )


def towards(background: np.ndarray, foreground: np.ndarray, alpha: np.ndarray, share: float) -> np.ndarray:
    """The background (h,w,3) with the mean and spread of its colours moved towards the foreground's by `share`."""
    mine = background.reshape(-1, 3)[::7].astype(np.float32)
    theirs = foreground[alpha > 128][::7].astype(np.float32)
    if len(theirs) < 20:
        return background
    spread = 1 + share * (theirs.std(0) / np.maximum(mine.std(0), 8) - 1)
    moved = (
        (background - mine.mean(0)) * np.clip(spread, 0.4, 1.5) + mine.mean(0) + share * (theirs.mean(0) - mine.mean(0))
    )
    return np.clip(moved, 0, 255).astype(np.uint8)


def photographed(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """What a camera and its file make of a composite (h,w,3) uint8: blur or sharpening, noise, JPEG, seldom grey."""
    choice = random.random(5)
    if choice[0] < 0.25:
        soft = cv2.GaussianBlur(image, (0, 0), float(random.uniform(0.4, 1.3)))
        amount = random.uniform(-0.7, 1.0)  # below 0 it sharpens
        image = cv2.addWeighted(image, 1 - amount, soft, amount, 0)
    if choice[1] < 0.5:
        strength = random.uniform(0, 8) if choice[4] < 0.85 else random.uniform(8, 20)
        grain = random.standard_normal(image.shape, dtype=np.float32)
        image = np.clip(image + strength * grain + 0.5, 0, 255).astype(np.uint8)
    if choice[2] < 0.5:
        code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(45, 98))])[1]
        image = cv2.imdecode(code, cv2.IMREAD_COLOR)
    if choice[3] < 0.04:
        image = np.repeat(image.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    return image


def drawn_trimap(alpha: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Trimap (s,s) uint8: radii for foreground and background apart, log-uniform from 1 px to a ninth of the side."""
    side = alpha.shape[0]
    inner, outer = np.exp(random.uniform(0, np.log(side / 9), 2))
    distance = signed_distance(alpha).astype(np.float32)
    trimap = from_distance(np.where(distance > 0, distance / inner, distance / outer), 1.0)
    if random.random() < 0.1:  # unknown in the midst of the known, as in a trimap drawn by hand or by a network
        rows, columns = random.integers(0, side, 2).tolist()
        cv2.circle(trimap, (columns, rows), int(random.uniform(0.03, 0.15) * side), UNKNOWN, -1)
    return trimap


def _around(centre: tuple[float, float], step: float, mirror: int, turn: float, side: int) -> np.ndarray:
    """(2,3) float32 that takes a square's pixels to a picture's, `step` px apart around `centre` (x, y), turned."""
    cos, sin = step * np.cos(turn), step * np.sin(turn)
    turned = np.array([[mirror * cos, -sin], [mirror * sin, cos]])
    return np.float32(np.column_stack([turned, np.array(centre) - turned @ np.full(2, (side - 1) / 2)]))


def foot_at(shape: tuple[int, ...], factor: float, across: float, turn: float, foot: tuple[float, float]) -> np.ndarray:
    """(2,3) float32: a layer enlarged by `factor` (across, once more by `across`, mirrored below 0) and turned, its
    lower middle at `foot` (x, y)."""
    cos, sin = factor * np.cos(turn), factor * np.sin(turn)
    turned = np.array([[across * cos, -sin], [np.sign(across) * sin, cos]])
    return np.float32(np.column_stack([turned, np.array(foot) - turned @ [(shape[1] - 1) / 2, shape[0] - 2.0]]))


def _person(file: Path) -> list[np.ndarray]:
    """RGBA uint8 at full, half and a quarter of its size; colours weighted by alpha, so that none bleed in."""
    rgba = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if rgba is None or rgba.ndim != 3 or rgba.shape[2] != 4:
        raise UserError(f"{file}: expected a picture with alpha, found none; run make render.")
    levels = [cv2.cvtColor(rgba, cv2.COLOR_BGRA2RGBA)]
    for _ in range(2):
        layer = levels[-1].astype(np.float32)
        weight = np.maximum(layer[..., 3:], 0.25)
        size = layer.shape[1] // 2, layer.shape[0] // 2
        colour = cv2.resize(layer[..., :3] * weight, size, interpolation=cv2.INTER_AREA)
        colour /= cv2.resize(weight, size, interpolation=cv2.INTER_AREA)[..., None]
        alpha = cv2.resize(layer[..., 3], size, interpolation=cv2.INTER_AREA)[..., None]
        levels.append(np.round(np.concatenate([colour, alpha], axis=2)).clip(0, 255).astype(np.uint8))
    return levels


def _hard_pixels(alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(row, column) of the soft pixels (n,2) and of those within 10 px of the outline (m,2), int16."""
    soft = (alpha > 12) & (alpha < 242)
    band = cv2.dilate(soft.astype(np.uint8), np.ones((21, 21), np.uint8)) > 0
    return tuple(np.argwhere(where).astype(np.int16) for where in (soft, band))


def _split(rgba: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.ascontiguousarray(rgba[..., 3]), np.ascontiguousarray(rgba[..., :3])


def _picture(file: Path) -> np.ndarray:
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if picture is None:
        raise UserError(f"{file}: expected a picture, found none; run make render.")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _texture(file: Path) -> np.ndarray | None:
    """A photograph, its shorter side at most TEXTURE_SIDE; None for one that cannot be read or is small."""
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if picture is None or min(picture.shape[:2]) < 480:
        return None
    shrink = TEXTURE_SIDE / min(picture.shape[:2])
    if shrink < 1:
        picture = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
