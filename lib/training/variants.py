"""Trainings of the study's network with one thing changed: what its future work asks for (lib.experiments.sweeps).

They are those of lib.training.thumbnail but for what VariantRecipe adds. Kept apart from them, so that a sweep more makes no
training of the study's own start over.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from lib.base import Stream, UserError
from lib.data.augment import draw
from lib.data.batches import Arrays, batches, trimap_levels
from lib.data.prepare import Prepared
from lib.data.trimap import LOW_HIGH, default_radius, from_distance
from lib.device import Machine
from lib.losses import alpha_prediction_loss
from lib.models import variants
from lib.models.layers import initialise
from lib.models.weights import load_encoder
from lib.training import loop
from lib.training.folder import file_digest, index_digest
from lib.training.place import Place, place
from lib.training.thumbnail import Split, Thumbnail, ThumbnailRecipe, sums

BORDERS = ("reflection", "border", "zeros")
ENCODERS = ("random", "trained")
PARTS = ("network", "width", "unpooling", "skips", "four_channels", "normalisation", "decoder_kernel", "batch_norm")
# What PyTorch's optimisers are called here, and what that means to lib.training.optimize.
NAMED = {
    "plain sgd": {"optimizer": "sgd", "momentum": 0.0},
    "adamw, decay 0.01": {"optimizer": "adamw", "weight_decay": 0.01},  # PyTorch's default; without decay it is Adam
}


@dataclass(frozen=True)
class VariantRecipe(ThumbnailRecipe):
    """network, unpooling, skips, four_channels, normalisation, decoder_kernel: lib.models.variants. encoder: "random" or
    "trained", from encoder_weights, or from torchvision's where that is empty. eps: of the loss. Of the augmentation, where
    there is one: probability that an image is chosen; flip: whether the chosen are flipped; degrees: by how much they are
    turned at most; border: what comes in from outside. jitter: of the colours of every image, 1 = as lib.data.augment.jitter
    draws it, 0 = none. train_rule: of the training trimaps, "" = as the test trimaps'. radius: largest radius of a training
    trimap in units of the test trimaps' (the smallest is 1); blind: whether the network gets no trimap at all. optimizer:
    also one of NAMED.
    """

    width: int = 16
    network: str = variants.NETWORKS[0]
    encoder: str = "random"
    unpooling: str = "places"
    skips: bool = False
    four_channels: bool = False
    normalisation: str = "imagenet"
    decoder_kernel: int = 5
    eps: float = 1e-6
    probability: float = 0.5
    flip: bool = True
    degrees: float = 30.0
    border: str = "reflection"
    jitter: float = 0.0
    train_rule: str = ""
    radius: float = 2.0
    blind: bool = False

    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        **ThumbnailRecipe.CHOICES,
        "unpooling": variants.UNPOOLING,
        "normalisation": variants.NORMALISATION,
        "border": BORDERS,
        "network": variants.NETWORKS,
        "encoder": ENCODERS,
        "train_rule": ("", *LOW_HIGH),
        "optimizer": (*ThumbnailRecipe.CHOICES["optimizer"], *NAMED),
    }
    LEAST: ClassVar[dict[str, float]] = {
        **ThumbnailRecipe.LEAST,
        "decoder_kernel": 1,
        "eps": 0,
        "probability": 0,
        "degrees": 0,
        "jitter": 0,
        "radius": 1,
    }

    def __post_init__(self):
        super().__post_init__()
        if self.encoder == "random" and self.encoder_weights:
            raise UserError(
                f"encoder_weights: expected none with a random encoder, found {self.encoder_weights!r}; "
                'leave it out, or set encoder to "trained".'
            )

    def plain(self) -> "VariantRecipe":
        """The same with its optimiser said as lib.training.optimize knows it."""
        return replace(self, **NAMED.get(self.optimizer, {}))


def train(
    prepared: Prepared, split: Split, run_dir: Path | str, recipe: VariantRecipe, machine: Machine = Machine()
) -> pd.DataFrame:
    """Train it, or find it done; history, folder and repeatability as in lib.training.thumbnail.train.

    UserError for fewer than two training images.
    """
    if min(recipe.batch_size, len(split[0])) < 2:
        raise UserError(f"train_index: expected at least 2 images, found {len(split[0])}; use more images.")
    with place(machine) as here:
        inputs = {
            "data": prepared.fingerprint,
            "encoder_sha256": file_digest(recipe.encoder_weights),
            "train_index": index_digest(split[0]),
            "test_index": index_digest(split[1]),
        }
        return loop.train(lambda: Variant(prepared, split, recipe, here), run_dir, recipe, here, inputs)


def finished(run_dir: Path | str, recipe: VariantRecipe) -> torch.nn.Module:
    """The network that a training of this recipe left in its folder, on the CPU, in evaluation mode."""
    model = variants.network(**{name: getattr(recipe, name) for name in PARTS})
    model.load_state_dict(load_file(Path(run_dir) / "model.safetensors"))
    return model.eval()


class Variant(Thumbnail):
    """The network of the study with parts exchanged, on batches of whole images."""

    distributed = False
    recipe: VariantRecipe

    def __init__(self, prepared: Prepared, split: Split, recipe: VariantRecipe, here: Place):
        super().__init__(prepared, split, replace(recipe.plain(), encoder="random", encoder_weights=""), here)
        self.recipe = recipe.plain()
        if recipe.train_rule:
            self.arrays = Arrays(replace(prepared, rule=recipe.train_rule), self.arrays.index, here.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)  # of transposed convolutions, which `initialise` leaves alone
            self.model = variants.network(**{name: getattr(recipe, name) for name in PARTS})
        initialise(self.model, recipe.seed)
        load_encoder(self.model, (recipe.encoder_weights or "imagenet") if recipe.encoder == "trained" else "")

    def batches(self, epoch: int, first: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """(image, alpha, trimap) of each batch, in an order of the epoch's own, augmented as the recipe says."""
        recipe, device = self.recipe, self.arrays.device
        flips, angles, radii = (value.to(device) for value in self._draws(epoch))
        gains, gammas = (value.to(device) for value in self._light(epoch))
        order = np.random.default_rng([recipe.seed, epoch, Stream.ORDER]).permutation(self.images)
        for rows, (image, alpha, distance) in self.arrays.stream(batches(order, recipe.batch_size, 1)[first:]):
            trimap = trimap_levels(from_distance(distance, radii[rows].view(-1, 1, 1, 1)))
            if recipe.jitter:
                image = (gains[rows] * image ** gammas[rows]).clamp(0, 1)
            if recipe.augment:
                stack = torch.cat([image, alpha, trimap], dim=1)
                stack = turned(stack, flips[rows], angles[rows], recipe.border)
                image, alpha, trimap = stack[:, :3], stack[:, 3:4], stack[:, 4:]
            yield image, alpha, trimap

    def _draws(self, epoch: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Flip, angle and trimap radius of each training image: functions of (seed, epoch, index) alone."""
        recipe, index = self.recipe, self.arrays.index
        images = int(index.max()) + 1
        flip, angle = draw(images, recipe.seed, epoch, recipe.probability, recipe.degrees)
        spread = np.random.default_rng([recipe.seed, epoch, Stream.RADIUS]).random(images, dtype=np.float32)
        radii = default_radius(self.prepared.alpha.shape[-2:]) * (1 + (recipe.radius - 1) * spread)
        return (flip & recipe.flip)[index], angle[index], torch.from_numpy(radii.astype(np.float32))[index]

    def _light(self, epoch: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Gain (n,3,1,1) and gamma (n,1,1,1) of each training image, in the ranges of lib.data.augment.jitter."""
        recipe, index = self.recipe, self.arrays.index
        uniform = np.random.default_rng([recipe.seed, epoch, Stream.AUGMENT, 1]).random((int(index.max()) + 1, 5))
        sides = recipe.jitter * (2 * uniform[index].astype(np.float32) - 1)
        gain = (1 + 0.15 * sides[:, :1]) * (1 + 0.07 * sides[:, 1:4])
        gamma = np.exp(0.223 * sides[:, 4:])
        return torch.from_numpy(gain).view(-1, 3, 1, 1), torch.from_numpy(gamma).view(-1, 1, 1, 1)

    def loss(self, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor]:
        """The alpha-prediction loss over the recipe's region; told are sums over the batch."""
        image, alpha, trimap = batch
        unknown = trimap == 0.5
        with self.place.autocast():
            predicted = self.model(image, torch.full_like(trimap, 0.5) if self.recipe.blind else trimap)
        region = unknown if self.recipe.loss_region == "unknown" else None
        loss = alpha_prediction_loss(predicted, alpha, region, self.recipe.eps)
        return loss, sums(predicted.detach(), alpha, unknown)

    def test(self, model: torch.nn.Module) -> dict[str, float]:
        """As Thumbnail.test; a network that has learnt without a trimap is tested without one."""
        return super().test(Blind(model) if self.recipe.blind else model)


class Blind(torch.nn.Module):
    """A network that gets 0.5 everywhere for a trimap."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        return self.model(image, torch.full_like(trimap, 0.5))


def turned(stack: torch.Tensor, flip: torch.Tensor, angle: torch.Tensor, border: str) -> torch.Tensor:
    """Mirror, then turn counter-clockwise about the centre: (N,C,H,W), the last channel a trimap; flip (N,), angle (N,).

    Bilinear, for the trimap nearest. border: what comes in from outside: the mirrored picture ("reflection"), its outermost
    pixels ("border"), or black background ("zeros"). What is neither flipped nor turned comes back bit for bit.
    """
    height, width = stack.shape[-2:]
    stack = torch.where(flip.view(-1, 1, 1, 1), stack.flip(-1), stack)
    radians = angle.float() * (math.pi / 180)
    cos, sin, none = radians.cos(), radians.sin(), torch.zeros_like(radians)
    rows = [cos, -sin * height / width, none, sin * width / height, cos, none]
    grid = F.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(stack.shape), align_corners=False)
    outside = {"padding_mode": border, "align_corners": False}
    smooth = F.grid_sample(stack[:, :-1], grid, mode="bilinear", **outside)
    labels = F.grid_sample(stack[:, -1:], grid, mode="nearest", **outside)
    return torch.where((angle == 0).view(-1, 1, 1, 1), stack, torch.cat([smooth, labels], dim=1))
