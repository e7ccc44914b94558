"""The hair of a drawn portrait: strands between guide curves, in head coordinates (see lib.portrait_face)."""

import numpy as np

from lib.portrait_canvas import CIRCLE, Canvas, resample, smooth
from lib.portrait_face import Head

CURVE = np.linspace(0, 1, 12, dtype=np.float32)  # where a strand of hair is drawn


class Hair:
    """Hair as two curtains that fall from the parting, each between an inner and an outer guide curve.

    Strands run between the guides. Those near the outer guide, the ends, and loose ones beyond it cover only
    part of a pixel: they are the soft pixels of the alpha.
    """

    def __init__(self, canvas: Canvas, random: np.random.Generator, person: dict, head: Head):
        self.canvas, self.random, self.person, self.head = canvas, random, person, head
        self.style = person["style"]
        volume = person["volume"]
        # Reach of the outer guide (u at the side), its end (u, v), and the end of the inner guide.
        shape = {"crop": (1.04, (1.03, 0.0), (0.98, 0.02)), "short": (1.1, (1.06, 0.05), (0.97, 0.06)),
                 "parted": (1.14, (1.08, 0.16), (0.96, 0.1)), "bob": (1.3, (1.2, 1.05), (0.74, 1.0)),
                 "long": (1.26, (1.42, person["length"]), (0.7, person["length"])),
                 "wavy": (1.4, (1.6, person["length"]), (0.66, person["length"])),
                 "curly": (1.5, (1.4, 0.95), (0.86, 0.7)), "bun": (1.05, (1.03, 0.05), (0.98, 0.06))}
        self.reach, self.end, self.inner_end = shape.get(self.style, shape["crop"])
        self.reach = 1 + (self.reach - 1) * volume
        self.top = {"crop": -1.06, "bun": -1.06, "curly": -1.4}.get(self.style, -1.15) * (0.5 + 0.5 * volume)
        self.falls = self.style in ("bob", "long", "wavy", "curly")
        self.wave = {"wavy": 0.08, "curly": 0.12, "short": 0.02, "bob": 0.02}.get(self.style, 0.012)
        self.guides = [self._guides(side) for side in (-1, 1)]

    def _guides(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """Inner and outer guide of one curtain in head coordinates, each (12, 2)."""
        part, turn = self.person["parting"], self.head.turn
        if self.style in ("crop", "curly", "bun"):
            part = 0.0
        reach, end, inner_end = self.reach, self.end, self.inner_end
        arc = np.array(
            [[part * 0.4, 1], [side * 0.5 * reach, 0.87], [side * 0.87 * reach, 0.5], [side * reach, 0]]
        )
        outer = [
            *(arc * (1, self.top + 0.3) - (0, 0.3)),
            [side * reach * 1.02, max(0.4 * min(end[1], 0.8), -0.1)],
            [side * end[0], max(end[1], 0.1)],
        ]
        line = -0.6 if self.style == "crop" else -0.66
        low = -0.3 if self.person["fringe"] and self.style != "crop" else line + 0.1
        inner = [[part + 0.4 * turn, line], [part * 0.4 + side * 0.5 + 0.4 * turn, low],
                 [side * 0.86 + 0.15 * turn, -0.28], [side * inner_end[0], 0.6 * inner_end[1]],
                 [side * inner_end[0], inner_end[1]]]
        return resample(inner, len(CURVE)), resample(outer, len(CURVE))

    def _strands(self, guides: tuple, across: np.ndarray, fray: float = 0.0) -> np.ndarray:
        """Strands in units, (n, 12, 2), at `across` (n,) on the way from the inner guide (0) to the outer one
        (1), or beyond it; `fray` spreads their ends."""
        random, (inner, outer), count = self.random, guides, len(across)
        strands = inner + across.astype(np.float32)[:, None, None] * (outer - inner)
        phase, speed = random.uniform(0, 2 * np.pi, (2, count, 1)).astype(np.float32)
        speed = (1.5 + 0.24 * speed) * (2 if self.style == "curly" else 1)
        drift = random.normal(0, 0.02, (count, 1)).astype(np.float32)
        strands[..., 0] += self.wave * np.sin(phase + 6.28 * speed * CURVE) * (0.3 + CURVE) + drift * CURVE
        if self.wave > 0.05:
            strands[..., 1] += 0.6 * self.wave * np.cos(1.7 * phase + 6.28 * speed * CURVE)
        if fray:
            strands += random.normal(0, fray, (count, 1, 2)) * (CURVE**2)[:, None]
        if self.falls:  # ends at different heights
            below = np.maximum(strands[..., 1] - 0.3, 0)
            strands[..., 1] -= below * random.uniform(-0.04, 0.16, (count, 1))
        return self.head.units(strands)

    def _tones(self, low: float = 0.66, high: float = 1.28, n: int = 4) -> np.ndarray:
        """Shades of the hair, (n, 3), dark to light."""
        return self.person["hair"] * np.linspace(low, high, n)[:, None] + 6

    def _texture(self, guides: tuple) -> None:
        """Strands inside the mass, and where light is reflected on them."""
        count = 240
        strands = self._strands(guides, self.random.uniform(0, 0.98, count))
        for tone, some in zip(self._tones(), np.split(strands, 4), strict=True):
            if self.falls:  # free ends
                self.canvas.paint(self.canvas.lines(some, 2.2), tone)
            else:
                self.canvas.draw(some, tone, 2.2)
        for start in (1, 2, 3):
            self.canvas.draw(
                strands[start::9, 2 * start - 1 : 2 * start + 3], self.person["hair"] * 1.2 + 16, 1.4
            )

    def _soft_edge(self, guides: tuple) -> None:
        """Strands along and beyond the outer guide, fewer and finer the farther out."""
        count = 30 if self.style in ("crop", "bun") else 60
        spread = 0.5 if self.style in ("crop", "bun") else 1.0
        layers = ((0.93, 0.03, 2.4), (0.98, 0.035, 1.6), (1.0, 0.06, 1.1))
        for tone, (middle, width, thickness) in zip(self._tones(0.76, 1.0, 3), layers, strict=True):
            across = middle + spread * width * self.random.standard_normal(count)
            strands = self._strands(guides, across, fray=0.06 if self.falls else 0.03)
            self.canvas.paint(self.canvas.lines(strands, thickness), tone)

    def _outline(self) -> np.ndarray:
        return np.concatenate([self.guides[0][1][::-1], self.guides[1][1]])

    def _loose(self) -> None:
        """Flyaways: short curved hairs that leave the outline."""
        random, count = self.random, {"crop": 24, "curly": 110, "wavy": 80}.get(self.style, 55)
        length = {"crop": 0.07, "curly": 0.26, "short": 0.16, "bun": 0.14}.get(self.style, 0.26)
        outline = self._outline()
        for tone, width in zip(self._tones(0.8, 1.1, 3), (1.5, 1.2, 0.9), strict=True):
            place, along = random.integers(0, len(outline) - 1, count), random.random((count, 1))
            root = outline[place] * (1 - along) + outline[place + 1] * along
            angle = np.arctan2(root[:, 1:] + 0.1, root[:, :1]) + random.normal(0, 0.9, (count, 1))
            angle = angle + random.normal(0, 1.4, (count, 1)) * CURVE
            steps = np.stack([np.cos(angle), np.sin(angle)], -1) * (
                random.gamma(2.0, 0.5, (count, 1, 1)) * length / len(CURVE)
            )
            strands = self.head.units(root[:, None] * 0.96 + np.cumsum(steps, axis=1))
            self.canvas.paint(self.canvas.lines(strands, width), tone)

    def _curls(self, inside: bool) -> None:
        """Small rings of hair over the mass (colour only) or around its edge (coverage as well)."""
        random, count = self.random, 60 if inside else 40
        arc = 1.6 * np.pi * CURVE
        for tone in self._tones(0.72, 1.15):
            centre = self._outline()[random.integers(0, 2 * len(CURVE), count)]
            centre = centre * random.uniform(0.72 if inside else 0.97, 1.0, (count, 1)) + random.normal(
                0, 0.05, (count, 2)
            )
            start, radius = (
                random.uniform(0, 2 * np.pi, (count, 1)),
                random.uniform(0.04, 0.11, (count, 1, 1)),
            )
            rings = np.stack([np.cos(arc + start), 0.8 * np.sin(arc + start)], -1) * radius
            curls = self.head.units(centre[:, None] + rings)
            if inside:
                self.canvas.draw(curls, tone, 2.6)
            else:
                self.canvas.paint(self.canvas.lines(curls, 3.0), tone)

    def paint_back(self) -> None:
        """What lies behind neck and shoulders, and the loose hairs, whose roots the mass will cover."""
        if self.style == "bald":
            return
        canvas, head, hair = self.canvas, self.head, self.person["hair"]
        self._loose()
        if self.style == "curly":
            self._curls(inside=False)
        if self.falls:
            left, right = (smooth(self._shortened(outer), 3, closed=False) for _, outer in self.guides)
            canvas.paint(canvas.mask(head.units(np.concatenate([left[::-1], right]))), hair * 0.5)
            for guides in self.guides:
                self._soft_edge(guides)
        if self.style == "bun":
            ball, middle = CIRCLE * (0.36, 0.26), np.array([-0.5 * head.turn, -1.2])
            canvas.paint(canvas.mask(head.units(ball + middle)), hair * 0.75)
            ball = np.concatenate([ball, ball[:1]])
            for tone in self._tones():
                strands = head.units(ball * self.random.uniform(0.2, 1.06, (9, 1, 1)) + middle)
                canvas.paint(canvas.lines(strands, 2.0), tone)

    def paint_front(self) -> None:
        """The cap over the skull, side locks and their soft edge."""
        if self.style == "bald":
            return
        behind = self.falls and self.end[1] > 1.2 and not self.person["over_shoulder"]
        for inner, outer in self.guides:
            if behind:  # only what lies above the shoulders
                inner, outer = (resample(guide[guide[:, 1] < 0.85], len(CURVE)) for guide in (inner, outer))
            edge = [smooth(self._shortened(guide), 3, closed=False) for guide in (inner, outer)]
            mask = self.canvas.mask(self.head.units(np.concatenate([edge[0], edge[1][::-1]])))
            self.canvas.paint(mask, self.person["hair"] * 0.84)
            self._soft_edge((inner, outer))
            self._texture((inner, outer))
        if self.style == "curly":
            self._curls(inside=True)

    def _shortened(self, guide: np.ndarray) -> np.ndarray:
        """A guide that ends where the shortest strands end."""
        if not self.falls:
            return guide
        return np.stack([guide[:, 0], guide[:, 1] - 0.13 * np.maximum(guide[:, 1] - 0.3, 0)], -1)
