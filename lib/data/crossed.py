"""Pictures whose person and place are chosen, to tell apart what a network knows of the one and of the other."""

import hashlib
from pathlib import Path

import numpy as np

from lib.data.portraits import FOLDER, OCCASION, PER_OCCASION, Portraits
from lib.provenance import meaning


class Crossed(Portraits):
    """A source (see lib.data.source.Source) of rendered portraits, two for each pair of a person and a place.

    pairs: (P, 2) int, a row of the rendered people each, and a number of a place. A place is a scene with its light and its
    tint, a function of (seed, number); the two pictures of a pair see it from a little beside each other, and place the
    person anew. Of even numbers the photographed scenes are from six panoramas, of odd ones from two others. No background
    takes its colours from the person, or the place would not be the same with another. groups: the person. Picture i depends
    on its position and its pair.
    """

    name = "crossed"

    def __init__(self, pairs: np.ndarray, seed: int = 0, folder: Path = FOLDER):
        self.pairs = np.asarray(pairs)
        super().__init__(PER_OCCASION * len(self.pairs), seed, camouflage=0.0, folder=folder)
        # A person's `split` says which scenes go with it. Here the place says so: everybody is listed once for each kind.
        listed = len(self.people)
        self.people = [row | {"split": split} for split in ("train", "test") for row in self.people]
        odd = np.repeat(self.pairs[:, 1] % 2, PER_OCCASION)
        self.groups = [self.people[who]["id"] for who in self.who]
        self.who = [who + listed * kind for who, kind in zip(self.who, odd.tolist(), strict=True)]

    def _who(self, images: int) -> list[int]:
        return np.repeat(self.pairs[:, 0], PER_OCCASION).tolist()

    def _random(self, kind: int, number: int) -> np.random.Generator:
        return super()._random(kind, int(self.pairs[number, 1]) if kind == OCCASION else number)

    def _fingerprint(self, images: int) -> str:
        own = meaning(Path(__file__).read_text()).encode() + self.pairs.astype(np.int64).tobytes()
        return hashlib.sha256(super()._fingerprint(images).encode() + own).hexdigest()
