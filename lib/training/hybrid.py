"""Training of the network that gets closed-form matting's answer (lib.models.hybrid), in everything else as lib.training.portrait."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from safetensors.torch import load_file

from lib.base import UserError
from lib.device import Machine
from lib.models.encoder import load_imagenet
from lib.models.hybrid import HybridMatting
from lib.training import loop
from lib.training.folder import file_digest
from lib.training.place import place
from lib.training.portrait import PortraitRecipe, PortraitTraining


@dataclass(frozen=True)
class HybridRecipe(PortraitRecipe):
    """As PortraitRecipe, of the structure "skips" with a trimap alone. start: folder of such a network,
    plain or hybrid."""

    def __post_init__(self):
        super().__post_init__()
        if self.structure != "skips" or not self.trimap:
            raise UserError(
                f"structure: expected skips with a trimap for the hybrid, found {self.structure} "
                f"{'with' if self.trimap else 'without'} one; correct it."
            )


class HybridTraining(PortraitTraining):
    """The same pictures and losses for a network of seven input channels."""

    def make_network(self) -> HybridMatting:
        """HybridMatting as the recipe says: begun as another network, or with an encoder trained on ImageNet."""
        model = HybridMatting(self.recipe.width)
        if self.recipe.start:
            model.begin_as(load_file(self.recipe.start_weights()))
        elif self.recipe.imagenet:
            load_imagenet(model.encoder)
        return model


def train(run_dir: Path | str, recipe: HybridRecipe, machine: Machine = Machine(), people: int = 0) -> pd.DataFrame:
    """Train it; history, folder and repeatability as in lib.training.portrait.train."""
    with place(machine) as here:
        inputs = {"people": people, "start_sha256": file_digest(recipe.start_weights()) if recipe.start else ""}
        return loop.train(lambda: HybridTraining(recipe, here, people), run_dir, recipe, here, inputs)
