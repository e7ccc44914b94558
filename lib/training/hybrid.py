"""Training of the network that gets closed-form matting's answer (lib.models.hybrid), in everything else as lib.training.portrait."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lib.base import UserError
from lib.device import Machine
from lib.models.encoder import load_imagenet
from lib.models.hybrid import HybridMatting
from lib.training import loop
from lib.training.place import Place, place
from lib.training.portrait import PortraitRecipe, PortraitTraining


@dataclass(frozen=True)
class HybridRecipe(PortraitRecipe):
    """As PortraitRecipe, of the structure "skips" with a trimap alone."""

    def __post_init__(self):
        super().__post_init__()
        if self.structure != "skips" or not self.trimap or self.start:
            raise UserError("structure: expected skips with a trimap and no start for the hybrid; correct it.")


class HybridTraining(PortraitTraining):
    """The same pictures and losses for a network of seven input channels."""

    def __init__(self, recipe: HybridRecipe, here: Place, people: int = 0):
        super().__init__(recipe, here, people)
        self.model = HybridMatting(recipe.width)
        if recipe.imagenet:
            load_imagenet(self.model.encoder)


def train(run_dir: Path | str, recipe: HybridRecipe, machine: Machine = Machine(), people: int = 0) -> pd.DataFrame:
    """Train it; history, folder and repeatability as in lib.training.portrait.train."""
    with place(machine) as here:
        return loop.train(lambda: HybridTraining(recipe, here, people), run_dir, recipe, here, {"people": people})
