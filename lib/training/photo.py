"""The networks for photographs and clips, trained on pictures that are composed as they are needed.

`PhotoTask` is what they share: an EfficientNet-Lite0 with ImageNet's weights and a decoder with random ones. Then a class
each: trimap and portrait network, hybrid, AlphaGAN, Background Matting V2, Robust Video Matting.
"""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from pydantic import Field
from pydantic.dataclasses import dataclass
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import Dataset

from lib import losses, metrics
from lib.base import UserError, file_sha256
from lib.compute import Runtime
from lib.data.compose import AssetPool, PortraitComposites, TrimapCrops
from lib.data.moving import ComposedClips, rendered_clips, with_margin
from lib.data.plates import DISTURBANCES, PlatePairs, handheld
from lib.data.portraits import held_out_clips, held_out_people
from lib.data.sample import Sample
from lib.data.trimap import UNKNOWN, make_trimap, trimap_to_float
from lib.inference import predict_clip, predict_portrait, predict_trimap, predict_with_plate
from lib.metrics import clip_errors
from lib.models import alphagan, bgmv2, portrait, rvm
from lib.models.backbones import EfficientNetLite0, load_imagenet, load_lite0
from lib.models.portrait import HybridMatting
from lib.training.checkpoint import weights_of
from lib.training.config import TrainConfig
from lib.training.trainer import Task, make_optimizer

TEST_RADIUS = 12  # px of the test trimaps at 600x800


@dataclass(frozen=True)
class PhotoConfig(TrainConfig):
    """epochs of `images` pictures each; `side` px high, `late_side` px in the last third of the epochs."""

    batch_size: int = Field(8, ge=2)
    lr: float = Field(1e-3, gt=0, allow_inf_nan=False)
    encoder_lr: float = Field(3e-4, ge=0)
    optimizer: Literal["sgd", "adam", "adamw"] = "adamw"
    schedule: Literal["constant", "onecycle", "cosine"] = "cosine"
    weight_decay: float = Field(1e-4, ge=0)
    clip: float = Field(1.0, ge=0)
    ema: float = Field(0.99, ge=0, lt=1)
    images: int = Field(1000, ge=2, description="composed pictures (or clips) an epoch")
    side: int = Field(256, ge=64, description="height of the pictures in px")
    late_side: int = Field(320, ge=64, description="of those in the last third of the epochs")
    textures: str = Field("", description="folder of photographs without people")
    encoder: str = Field(
        "imagenet", description='"imagenet", "random", or the folder of a network with such an encoder'
    )
    start: str = Field("", description="folder of a finished training of the same network to go on from")
    tests: int = Field(8, ge=0, description="held-out people, or clips, to validate on")
    people: int = Field(0, ge=0, description="people to compose the pictures of; 0 = all")


class PhotoTask(Task):
    """A subclass defines `build`, `dataset`, `loss` and `score`; encoder_name: of the submodule that is trained already."""

    encoder_name = "encoder"
    config: PhotoConfig

    def __init__(self, config: PhotoConfig, runtime: Runtime):
        super().__init__(config, runtime)
        if config.images < config.batch_size:
            raise UserError(
                f"images: expected at least one batch of {config.batch_size}, found {config.images}; use more."
            )
        self.images = config.images // config.batch_size * config.batch_size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.model = self.build()
            if config.start:
                self.load_start(load_file(weights_of(config.start)))
            elif config.encoder != "random":
                self.load_encoder()
        self.assets = AssetPool(config.textures, config.people)

    @staticmethod
    def fingerprints(config: PhotoConfig) -> dict[str, str]:
        """Checksums of the weights to start from. UserError where there are none."""
        pretrained = not config.start and config.encoder not in ("imagenet", "random")
        return {
            "encoder_sha256": file_sha256(weights_of(config.encoder, "encoder")) if pretrained else "",
            "start_sha256": file_sha256(weights_of(config.start)) if config.start else "",
        }

    def build(self) -> nn.Module:
        """The network; random weights from PyTorch's own generator, which is seeded."""
        raise NotImplementedError

    def dataset(self, side: int, late: bool) -> Dataset:
        """The pictures of an epoch, uint8, indexed by (epoch, row)."""
        raise NotImplementedError

    def score(self, model: nn.Module, sample) -> dict[str, float]:
        """Columns of the history for one held-out sample."""
        raise NotImplementedError

    def held_out(self) -> Iterator:
        return held_out_people(self.config.tests)

    def load_start(self, weights: dict[str, torch.Tensor]) -> None:
        self.model.load_state_dict(weights)

    def load_encoder(self) -> None:
        """Weights of a whole EfficientNet-Lite0 for the encoder: ImageNet's, or those of another network."""
        if self.config.encoder == "imagenet":
            whole = EfficientNetLite0()
            load_imagenet(whole)
            weights = whole.state_dict()
        else:
            weights = load_file(weights_of(self.config.encoder, "encoder"))
            weights = {name.removeprefix("encoder."): value.float() for name, value in weights.items()}
        load_lite0(self.model.get_submodule(self.encoder_name).network, weights)

    def make_optimizers(self) -> list[torch.optim.Optimizer]:
        return [self.two_rates(self.model)]

    def two_rates(self, model: nn.Module) -> torch.optim.Optimizer:
        """The config's optimiser, with the trained encoder at `encoder_lr`."""
        encoder = list(self.model.get_submodule(self.encoder_name).parameters())
        known = {id(parameter) for parameter in encoder}
        rest = [parameter for parameter in model.parameters() if id(parameter) not in known]
        groups = [{"params": encoder, "lr": self.config.encoder_lr}, {"params": rest}]
        return make_optimizer(groups, self.config, self.runtime.device)

    def steps_per_epoch(self) -> int:
        return max(1, self.images // self.config.batch_size // self.config.accumulate)

    def batches(self, epoch: int, start: int) -> Iterator[torch.Tensor]:
        """uint8 batches, the next one composed while one is used; dropout depends on (seed, epoch, batch) alone."""
        config, size = self.config, self.config.batch_size
        late = epoch > math.ceil(config.epochs * 2 / 3)
        dataset = self.dataset(config.late_side if late else config.side, late)
        parts = [[(epoch, row) for row in range(first, first + size)] for first in range(0, self.images, size)]
        for number, batch in enumerate(prefetch(dataset, parts[start:]), start):
            torch.manual_seed(int(np.random.SeedSequence([config.seed, epoch, number]).generate_state(1)[0]))
            yield batch.to(self.runtime.device, non_blocking=True)

    def validate(self, model: nn.Module) -> dict[str, float]:
        rows = pd.DataFrame([self.score(model, sample) for sample in self.held_out()])
        return {f"test_{name}": value for name, value in rows.mean().items()}


def prefetch(dataset: Dataset, parts: list[list[tuple[int, int]]]) -> Iterator[torch.Tensor]:
    """Stacked items of each part, the next one composed in a thread while one is used."""

    def compose(part: list[tuple[int, int]]) -> torch.Tensor:
        return torch.from_numpy(np.stack([dataset[index] for index in part]))

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(compose, parts[0])
        for part in [*parts[1:], None]:
            batch = coming.result()
            coming = pool.submit(compose, part) if part else None
            yield batch


def keep_saturated(predicted: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """`predicted` before the clamp, with alpha where it overshoots an alpha of 0 or 1: there nothing is left to learn."""
    beyond = ((alpha >= 0.99) & (predicted > alpha)) | ((alpha <= 0.01) & (predicted < alpha))
    return torch.where(beyond, alpha, predicted)


def crop_layers(batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Crops (N,11,s,s) uint8 as image, foreground, background (N,3,s,s), alpha and trimap (N,1,s,s), float32 in [0,1]."""
    return *(batch[:, :10].float() / 255).split((3, 3, 3, 1), dim=1), trimap_to_float(batch[:, 10:])


def unknown_laplacian(predicted: torch.Tensor, alpha: torch.Tensor, unknown: torch.Tensor) -> torch.Tensor:
    """Laplacian loss as if over the unknown pixels: the pyramid's means run over all."""
    loss = losses.laplacian_loss(torch.where(unknown, predicted, alpha), alpha, 4)
    return loss / unknown.float().mean().clamp(min=0.02)


# --- Trimap, portrait and hybrid network


@dataclass(frozen=True)
class PortraitConfig(PhotoConfig):
    epochs: int = Field(20, ge=1)
    ema: float = Field(0.999, ge=0, lt=1)
    images: int = Field(2000, ge=2)
    late_side: int = Field(256, ge=64)
    encoder: Literal["imagenet", "random"] = "imagenet"
    trimap: bool = Field(True, description="whether the network is given one")
    shapes: float = Field(0.5, ge=0, description="share of the crops with drawn shapes")
    composition: float = Field(0.5, ge=0, description="weight of the compositional loss")
    laplacian: float = Field(0.25, ge=0, description="weight of the Laplacian loss")
    width: float = Field(1.0, gt=0, description="factor on the decoder's channels")
    structure: Literal["skips", "unpooling"] = Field("skips", description="unpooling: Deep Image Matting's stage 1")


class PortraitTask(PhotoTask):
    """The trimap network on crops, or the portrait network on whole portraits."""

    name = "portrait"
    config: PortraitConfig
    log_names = ("train_alpha", "train_composition", "train_laplacian")

    def build(self) -> nn.Module:
        return portrait.build(self.config.trimap, self.config.width, self.config.structure)

    def load_encoder(self) -> None:
        if self.config.structure == "skips":
            load_imagenet(self.model.encoder)

    def make_optimizers(self) -> list[torch.optim.Optimizer]:
        if self.config.structure == "unpooling":
            return Task.make_optimizers(self)
        return super().make_optimizers()

    def dataset(self, side: int, late: bool) -> Dataset:
        if self.config.trimap:
            return TrimapCrops(self.assets, self.images, side, self.config.seed, self.config.shapes)
        return PortraitComposites(self.assets, self.images, side, side * 3 // 4, self.config.seed)

    def loss(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Alpha-prediction, compositional and Laplacian loss: of unknown pixels, or of all without a trimap."""
        if self.config.trimap:
            image, foreground, background, alpha, trimap = crop_layers(batch)
        else:
            image, alpha, trimap = *(batch.float() / 255).split((3, 1), dim=1), None
        with self.runtime.autocast():
            image = image.contiguous(memory_format=torch.channels_last)
            predicted = keep_saturated(self.model.unclamped(image, trimap), alpha)
        # The order in which losses are made is that in which their gradients are summed: it decides the last digits.
        if self.config.trimap:
            unknown, composite = trimap == 0.5, alpha * foreground + (1 - alpha) * background
            alpha_loss = losses.alpha_prediction_loss(predicted, alpha, unknown)
            laplacian = unknown_laplacian(predicted, alpha, unknown)
            composition = losses.compositional_loss(predicted, composite, foreground, background, unknown)
        else:
            alpha_loss, composition = losses.alpha_prediction_loss(predicted, alpha), predicted.new_zeros(())
            laplacian = losses.laplacian_loss(predicted, alpha, 4)
        parts = [alpha_loss, composition, laplacian]
        loss = parts[0] + self.config.composition * parts[1] + self.config.laplacian * parts[2]
        return loss, torch.stack(parts).detach()

    def validate(self, model: nn.Module) -> dict[str, float]:
        """MSE of the unknown pixels, or of all without a trimap, and IoU at an alpha of 0.5."""
        rows = [list(self.score(model, sample).values()) for sample in self.held_out()]
        mse, iou = np.mean(rows, axis=0) if rows else (math.nan, math.nan)
        return {"test_mse": mse, "test_iou": iou}

    def score(self, model: nn.Module, sample: Sample) -> dict[str, float]:
        precision, where = self.runtime.precision, np.ones(sample.alpha.shape, bool)
        if self.config.trimap:
            trimap = make_trimap(sample.alpha, TEST_RADIUS)
            predicted = predict_trimap(model, sample.image.astype(np.float32) / 255, trimap, precision=precision)
            where = trimap == UNKNOWN
        else:
            predicted = predict_portrait(model, sample.image, self.config.late_side, precision=precision)
        inside, true = predicted > 0.5, sample.alpha > 127
        mse = ((predicted - sample.alpha / 255.0)[where] ** 2).mean()
        return {"mse": mse, "iou": (inside & true).sum() / max((inside | true).sum(), 1)}


@dataclass(frozen=True)
class HybridConfig(PortraitConfig):
    trimap: Literal[True] = True
    structure: Literal["skips"] = "skips"


class HybridTask(PortraitTask):
    """The trimap network with closed-form matting's alpha as a seventh channel. start: of such a network, or a plain one."""

    name = "hybrid"

    def build(self) -> nn.Module:
        return HybridMatting(self.config.width)

    def load_start(self, weights: dict[str, torch.Tensor]) -> None:
        self.model.load_trimap_network(weights)


# --- AlphaGAN


@dataclass(frozen=True)
class AlphaGANConfig(PhotoConfig):
    side: int = Field(160, ge=64)
    late_side: int = Field(160, ge=64)
    accumulate: Literal[1] = 1  # two networks step by turns
    adversary: float = Field(1e-3, ge=0, description="weight of the adversarial loss; 0 = no discriminator")
    adversary_from: float = Field(0.3, ge=0, description="share of the steps after which it counts")
    discriminator_lr: float = Field(2e-4, ge=0)
    composition: float = Field(0.5, ge=0, description="weight of the compositional loss")
    laplacian: float = Field(0.25, ge=0, description="weight of the Laplacian loss")


class AlphaGANTask(PhotoTask):
    """Generator and discriminator by turns. train_fooled, train_told: mean answers to generated and to true composites."""

    name = "alphagan"
    encoder_name = "generator.encoder"
    unit = "crops"
    config: AlphaGANConfig
    log_names = ("train_alpha", "train_composition", "train_laplacian", "train_fooled", "train_told")

    def build(self) -> nn.Module:
        return alphagan.small()

    def make_optimizers(self) -> list[torch.optim.Optimizer]:
        """The generator's, and the discriminator's if there is an adversary."""
        generator = self.two_rates(self.model.generator)
        if not self.config.adversary:
            return [generator]
        group = [{"params": list(self.model.discriminator.parameters()), "lr": self.config.discriminator_lr}]
        return [generator, make_optimizer(group, self.config, self.runtime.device)]

    def dataset(self, side: int, late: bool) -> Dataset:
        return TrimapCrops(self.assets, self.images, side, self.config.seed)

    def training_step(self, batches: list, optimizers: list[torch.optim.Optimizer], step: int) -> torch.Tensor:
        """A step of the discriminator, if there is an adversary, then one of the generator."""
        [batch], config = batches, self.config
        generator, discriminator = self.model.generator, self.model.discriminator
        image, foreground, background, alpha, trimap = crop_layers(batch)
        with self.runtime.autocast():
            predicted = generator(image, trimap)
        answers, adversarial = predicted.new_full((2,), float("nan")), predicted.new_zeros(())
        if config.adversary:
            # Both composites on other pictures' backgrounds: else the background would tell them apart.
            fake = predicted * foreground + (1 - predicted) * background.roll(1, 0)
            real = alpha * foreground + (1 - alpha) * background.roll(2, 0)
            on_real, on_fake = discriminator(real, trimap), discriminator(fake.detach(), trimap)
            optimizers[1].zero_grad(set_to_none=True)
            losses.discriminator_loss(on_real, on_fake).backward()
            optimizers[1].step()
            answers = torch.stack([on_fake.mean(), on_real.mean()]).detach()
            if step >= config.adversary_from * (config.steps or config.epochs * self.steps_per_epoch()):
                adversarial = losses.generator_loss(discriminator(fake, trimap))
        unknown, composite = trimap == 0.5, alpha * foreground + (1 - alpha) * background
        parts = [
            losses.alpha_prediction_loss(predicted, alpha, unknown),
            losses.compositional_loss(predicted, composite, foreground, background, unknown),
            unknown_laplacian(predicted, alpha, unknown),
        ]
        loss = parts[0] + config.composition * parts[1] + config.laplacian * parts[2]
        optimizers[0].zero_grad(set_to_none=True)
        (loss + config.adversary * adversarial).backward()
        nn.utils.clip_grad_norm_(generator.parameters(), config.clip)
        optimizers[0].step()
        return torch.cat([torch.stack(parts).detach(), answers])[None]

    def score(self, model: nn.Module, sample: Sample) -> dict[str, float]:
        """MSE and Grad of the unknown pixels at 600x800."""
        trimap = make_trimap(sample.alpha, TEST_RADIUS)
        alpha = predict_trimap(model, sample.image / 255, trimap, precision=self.runtime.precision)
        return {name: getattr(metrics, name)(alpha, sample.alpha, trimap) for name in ("mse", "grad")}


# --- Background Matting V2


@dataclass(frozen=True)
class BackgroundConfig(PhotoConfig):
    disturbances: tuple[Literal["jitter", "misalignment", "shadow", "noise"], ...] = Field(
        DISTURBANCES, description="differences between plate and background"
    )


class BackgroundTask(PhotoTask):
    """Base and refiner together, on pictures with plates of the empty place."""

    name = "background"
    encoder_name = "base.encoder"
    config: BackgroundConfig
    log_names = ("train_alpha", "train_foreground", "train_error")

    def build(self) -> nn.Module:
        return bgmv2.small("full")

    def dataset(self, side: int, late: bool) -> Dataset:
        scenes = PortraitComposites(self.assets, self.images, side, side * 3 // 4, self.config.seed)
        return PlatePairs(scenes, self.config.disturbances)

    def loss(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the fine matte and of the coarse one: L1 and Sobel of alpha, L1 of the foreground; and of the error map."""
        floats = batch.float() / 255
        image, plate, foreground, alpha = floats.split((3, 3, 3, 1), dim=1)
        with self.runtime.autocast():
            output = self.model(image, plate, clamp=False)
        low = F.interpolate(floats[:, 6:], output.coarse_alpha.shape[-2:], mode="area")
        low_foreground, low_alpha = low.split((3, 1), dim=1)
        fine, coarse = keep_saturated(output.alpha, alpha), keep_saturated(output.coarse_alpha, low_alpha)
        pairs = (fine, alpha), (coarse, low_alpha)
        alphas = sum((guess - true).abs().mean() + losses.sobel_loss(guess, true) for guess, true in pairs)
        foregrounds = losses.foreground_loss(output.foreground, foreground, alpha)
        foregrounds = foregrounds + losses.foreground_loss(output.coarse_foreground, low_foreground, low_alpha)
        errors = losses.error_loss(output.error, coarse.detach(), low_alpha)
        return alphas + foregrounds + errors, torch.stack([alphas, foregrounds, errors]).detach()

    def held_out(self) -> Iterator[Sample]:
        return held_out_people(self.config.tests, (self.config.late_side, self.config.late_side * 3 // 4))

    def score(self, model: nn.Module, sample: Sample) -> dict[str, float]:
        """Mean absolute error of alpha with the very background as plate, and with one photographed otherwise."""
        pairs = {"exact": (sample.image, sample.background), "retaken": handheld(sample)}
        precision = self.runtime.precision
        return {
            name: metrics.mad(predict_with_plate(model, *pair, precision=precision)[0], sample.alpha)
            for name, pair in pairs.items()
        }


# --- Robust Video Matting


@dataclass(frozen=True)
class VideoConfig(PhotoConfig):
    batch_size: int = Field(3, ge=2)
    images: int = Field(300, ge=2, description="clips an epoch")
    side: int = Field(192, ge=64)
    frames: int = Field(6, ge=2, description="of a clip")
    late_frames: int = Field(6, ge=2, description="of a clip in the last third of the epochs")
    temporal: float = Field(5.0, ge=0, description="weight of the losses over changes from frame to frame")
    memories: int = Field(3, ge=0, description="scales with a recurrent unit, from the coarsest on")
    tests: int = Field(6, ge=0)


class VideoTask(PhotoTask):
    """The recurrent network on clips."""

    name = "video"
    unit = "clips"
    config: VideoConfig
    log_names = ("train_alpha", "train_laplacian", "train_temporal", "train_foreground")

    def __init__(self, config: VideoConfig, runtime: Runtime):
        super().__init__(config, runtime)
        self.clips = rendered_clips()

    def build(self) -> nn.Module:
        return rvm.small(self.config.memories)

    def dataset(self, side: int, late: bool) -> Dataset:
        width, frames = side * 3 // 4, self.config.late_frames if late else self.config.frames
        scenes = PortraitComposites(self.assets, self.images, with_margin(side), with_margin(width), self.config.seed)
        return ComposedClips(scenes, self.clips, frames, side, width)

    def loss(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """L1, Laplacian and temporal loss of alpha; L1 and temporal loss of the foreground where there is one."""
        clip, foreground, alpha = (batch.float() / 255).split((3, 3, 1), dim=2)
        with self.runtime.autocast():
            output = self.model(clip, clamp=False)
        fine = keep_saturated(output.alpha, alpha)
        parts = [
            (fine - alpha).abs().mean(),
            losses.laplacian_loss(fine, alpha, 5 if batch.shape[-1] >= 128 else 4),
            losses.temporal_loss(fine, alpha),
            losses.foreground_loss(output.foreground, foreground, alpha),
        ]
        temporal = parts[2] + losses.temporal_loss(output.foreground, foreground, alpha > 0)
        return parts[0] + parts[1] + parts[3] + self.config.temporal * temporal, torch.stack(parts).detach()

    def held_out(self) -> list[list[Sample]]:
        return held_out_clips(self.config.tests, (self.config.late_side, self.config.late_side * 3 // 4))

    def score(self, model: nn.Module, frames: list[Sample]) -> dict[str, float]:
        """MAD, MSE and dtSSD with recurrent state and, as forgetful_*, frame by frame without."""
        images, true = np.stack([frame.image for frame in frames]), np.stack([frame.alpha for frame in frames])
        scores = {}
        for prefix, recurrent in (("", True), ("forgetful_", False)):
            alpha, _ = predict_clip(model, images, recurrent=recurrent, precision=self.runtime.precision)
            scores |= {f"{prefix}{name}": value for name, value in clip_errors(alpha, true).items()}
        return scores
