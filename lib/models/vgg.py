"""The study's network (its section 2.4.1), variants of it, and both stages of Deep Image Matting (Xu et al. 2017).

Image and trimap (4 channels) go through a head convolution to 3. The 13 convolutions of VGG-16 with four max-poolings
encode. Six convolutions with four unpoolings, which put each value back to where its maximum was, decode. A last
convolution predicts alpha. Options add what the study left out of Deep Image Matting's stage 1: the fifth pooling, the
14th convolution (conv6), and the trimap as a fourth channel of VGG-16's first convolution.
"""

import pickle
import urllib.error
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from lib.base import UserError, file_sha256
from lib.models.layers import Normalise, Pool, PoolIndices, SamePadConv2d, Unpool, convolutions, initialise
from lib.models.resunet import ResidualUNet

WIDTH = 64  # channels of VGG-16's first block (Simonyan and Zisserman 2014, configuration D)
# (kernel size, stride, padding). The study writes "size two, one stride, one padding": such a pooling makes
# the map one pixel LARGER each time (28 -> 32 after four), so nothing is encoded at a coarser scale, and its
# overlapping windows send several values to one pixel when they are unpooled. DIM's pooling halves.
POOLING = {"halving": (2, 2, 0), "as_written": (2, 1, 1)}


class VGG16Matting(nn.Module):
    """VGG-16 encoder-decoder that predicts alpha from an image and its trimap.

    batch_norm: after each convolution but the head and the last one. decoder_kernel: odd; the decoder's first
    convolution is 1x1 (DIM's deconv6). pooling: "halving", or "as_written" in the study; only "halving" is
    bit-reproducible on a GPU, since windows that overlap unpool several values to one pixel. pools: 4 (the study) or 5
    (VGG-16, DIM). conv6_kernel: odd, 0 for no conv6. four_channels: no head; the trimap is VGG-16's fourth input
    channel. width: channels of the first block; all layers scale with it. skips: the encoder's maps are added to the
    unpooled ones of their size (Ronneberger et al. 2015 concatenate; a sum needs no other decoder).
    """

    def __init__(
        self,
        batch_norm: bool = True,
        decoder_kernel: int = 5,
        pooling: str = "halving",
        pools: int = 4,
        conv6_kernel: int = 0,
        four_channels: bool = False,
        width: int = WIDTH,
        skips: bool = False,
    ):
        super().__init__()
        if pooling not in POOLING:
            raise UserError(f"pooling: expected one of {', '.join(POOLING)}, found {pooling!r}; choose one.")
        if pools not in (4, 5):
            raise UserError(f"pools: expected 4 or 5, found {pools!r}; choose one.")
        self.pools, self.skips, c = pools, skips, width
        encode = {"batch_norm": batch_norm, "kind": nn.Conv2d}
        decode = {"batch_norm": batch_norm, "kernel": decoder_kernel}
        self.normalise, self.pool, self.unpool = Normalise(), Pool(*POOLING[pooling]), Unpool(*POOLING[pooling])
        self.head = nn.Identity() if four_channels else nn.Conv2d(4, 3, 3, padding=1)
        self.encoder1 = convolutions(4 if four_channels else 3, c, c, **encode)
        self.encoder2 = convolutions(c, 2 * c, 2 * c, **encode)
        self.encoder3 = convolutions(2 * c, 4 * c, 4 * c, 4 * c, **encode)
        self.encoder4 = convolutions(4 * c, 8 * c, 8 * c, 8 * c, **encode)
        self.encoder5 = convolutions(8 * c, 8 * c, 8 * c, 8 * c, **encode)
        conv6 = {"kernel": conv6_kernel, "batch_norm": batch_norm}
        self.conv6 = convolutions(8 * c, 8 * c, **conv6) if conv6_kernel else nn.Identity()
        self.decoder6 = convolutions(8 * c, 8 * c, kernel=1, batch_norm=batch_norm)
        self.decoder5 = convolutions(8 * c, 8 * c, **decode)
        self.decoder4 = convolutions(8 * c, 4 * c, **decode)
        self.decoder3 = convolutions(4 * c, 2 * c, **decode)
        self.decoder2 = convolutions(2 * c, c, **decode)
        self.decoder1 = convolutions(c, c, **decode)
        self.alpha = SamePadConv2d(c, 1, decoder_kernel, padding=decoder_kernel // 2)
        initialise(self)

    @property
    def encoder(self) -> tuple[nn.Sequential, ...]:
        """VGG-16's five blocks."""
        return self.encoder1, self.encoder2, self.encoder3, self.encoder4, self.encoder5

    def logits(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """Alpha before the sigmoid, (N,1,H,W); same inputs as forward. Behind each line: channels, height."""
        smallest = 2**self.pools  # what the halvings take to one pixel
        if min(image.shape[-2:]) < smallest:
            raise UserError(
                f"size: expected at least {smallest}x{smallest} px ({self.pools} poolings), found "
                f"{image.shape[-2]}x{image.shape[-1]}; choose a larger size."
            )
        x = self.head(torch.cat([self.normalise(image), trimap], dim=1))  # 3, H
        x, level1 = self._pool(self.encoder1(x))  # 64, H/2
        x, level2 = self._pool(self.encoder2(x))  # 128, H/4
        x, level3 = self._pool(self.encoder3(x))  # 256, H/8
        x, level4 = self._pool(self.encoder4(x))  # 512, H/16
        x = self.encoder5(x)  # 512, H/16: a fifth pooling would leave 0 of 28
        if self.pools == 5:
            x, level5 = self._pool(x)  # 512, H/32
        x = self.decoder6(self.conv6(x))  # 512
        if self.pools == 5:
            x = self._unpool(x, *level5)  # 512, H/16
        x = self.decoder5(x)  # 512, H/16
        x = self.decoder4(self._unpool(x, *level4))  # 256, H/8
        x = self.decoder3(self._unpool(x, *level3))  # 128, H/4
        x = self.decoder2(self._unpool(x, *level2))  # 64, H/2
        x = self.decoder1(self._unpool(x, *level1))  # 64, H
        return self.alpha(x)  # 1, H

    def _pool(self, x: torch.Tensor) -> tuple[torch.Tensor, tuple[PoolIndices, torch.Tensor | None]]:
        """The pooled map, and what the way up needs: where the maxima were, and the map itself where there are skips."""
        pooled, positions = self.pool(x)
        return pooled, (positions, x if self.skips else None)

    def _unpool(self, x: torch.Tensor, positions: PoolIndices, skip: torch.Tensor | None) -> torch.Tensor:
        x = self.unpool(x, positions)
        return x if skip is None else x + skip

    def forward(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """image (N,3,H,W) float RGB in [0,1], trimap (N,1,H,W) float 0, 0.5 or 1 -> alpha (N,1,H,W) float32.

        The image is normalised with ImageNet's mean and standard deviation. Any size from 16x16 up (32x32 with
        five poolings).
        """
        return self.logits(image, trimap).float().sigmoid()

    def unclamped(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """As forward, under the name that PortraitMatting's training calls: a sigmoid needs no clamp."""
        return self(image, trimap)


class TwoStage(nn.Module):
    """A stage 1 with `logits` and `normalise`, and behind it the refinement of section 3.2 of Deep Image Matting.

    width: channels of the refinement's three hidden convolutions (64 in the paper). batch_norm: after each of them.
    """

    def __init__(self, stage1: VGG16Matting, width: int = WIDTH, batch_norm: bool = False):
        super().__init__()
        self.stage1 = stage1
        hidden = convolutions(4, width, width, width, batch_norm=batch_norm)
        self.refinement = nn.Sequential(*hidden, SamePadConv2d(width, 1, 3, padding=1))
        initialise(self.refinement)
        nn.init.zeros_(self.refinement[-1].weight)  # no correction at first: stage 2 begins where stage 1 ended

    def stages(self, image: torch.Tensor, trimap: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(alpha of stage 1, refined alpha), each (N,1,H,W) float32 in [0,1]; inputs as in forward."""
        logits = self.stage1.logits(image, trimap)  # (N, 1, H, W)
        rough = logits.float().sigmoid()
        correction = self.refinement(torch.cat([self.stage1.normalise(image), rough], dim=1))  # (N, 1, H, W)
        # Added before the sigmoid: a sigmoid of its own could only add to alpha, never take away.
        return rough, (logits.float() + correction.float()).sigmoid()

    def forward(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """image (N,3,H,W) float RGB in [0,1], trimap (N,1,H,W) float 0, 0.5 or 1 -> alpha (N,1,H,W) float32."""
        return self.stages(image, trimap)[1]


def deep_image_matting(width: int = WIDTH, batch_norm: bool = False, conv6_kernel: int = 1) -> TwoStage:
    """The paper's network: five poolings, conv6, the trimap as fourth channel, decoder of 5x5 convolutions.

    width: 64 in the paper. batch_norm: not in the paper, which starts from trained weights. conv6_kernel: 1 as in mmagic;
    others read the paper, whose conv6 stems from VGG-16's first fully connected layer, as 3 or 7.
    """
    stage1 = VGG16Matting(batch_norm, pools=5, conv6_kernel=conv6_kernel, four_channels=True, width=width)
    return TwoStage(stage1, width, batch_norm)


# ---------------------------------------------------------------------------------- the study's network and its variants

# Its channels at full size, as a multiple of the study's network's. At 28 px, in bfloat16 on two cores, a step of the
# second takes as long as one of the study's network, a step of the first five times as long (`make bench`).
RESIDUAL = {"residual, as many weights": 1.5, "residual, as long a step": 0.5}


STUDY = {  # the study's network; a training's config.json may lack a field that came later
    "network": "study's",
    "batch_norm": True,
    "pooling": "halving",
    "unpooling": "places",
    "skips": False,
    "four_channels": False,
    "normalisation": "imagenet",
    "decoder_kernel": 5,
}


def build_study_network(config) -> VGG16Matting | ResidualUNet:
    """The study's network, or one with some of its parts exchanged; random weights.

    config: lib.training.thumbnail's, or any object with network ("study's" or a name in RESIDUAL, which has none of the
    other parts), width, batch_norm, pooling, skips, four_channels, decoder_kernel, unpooling ("places" of the maxima, as
    in DIM, "bilinear" or "transposed") and normalisation ("imagenet", "centred" or "none").
    """
    if config.network in RESIDUAL:
        return ResidualUNet(round(config.width * RESIDUAL[config.network]))
    model = VGG16Matting(
        config.batch_norm,
        config.decoder_kernel,
        config.pooling,
        four_channels=config.four_channels,
        width=config.width,
        skips=config.skips,
    )
    if config.unpooling == "bilinear":
        model.unpool = BilinearUpsample()
    elif config.unpooling == "transposed":
        model.unpool = TransposedUpsample(*(config.width * 2**level for level in range(4)))
    if config.normalisation != "imagenet":
        model.normalise = CentreNormalise() if config.normalisation == "centred" else nn.Identity()
    return model


class BilinearUpsample(nn.Module):
    """Bilinear to the size before the pooling, instead of an unpooling."""

    def forward(self, x: torch.Tensor, positions: PoolIndices) -> torch.Tensor:
        return F.interpolate(x, size=positions[1], mode="bilinear", align_corners=False)


class TransposedUpsample(nn.Module):
    """Transposed convolutions (kernel and stride 2) instead of unpoolings, one for each number of channels."""

    def __init__(self, *channels: int):
        super().__init__()
        self.by_channels = nn.ModuleDict({str(c): nn.ConvTranspose2d(c, c, 2, stride=2) for c in channels})

    def forward(self, x: torch.Tensor, positions: PoolIndices) -> torch.Tensor:
        return self.by_channels[str(x.shape[1])](x, output_size=positions[1])


class CentreNormalise(nn.Module):
    """[0,1] -> [-1,1], the same for all channels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x - 1


# -------------------------------------------------------------------------------------------- trained weights of VGG-16


def load_vgg_weights(model: VGG16Matting, weights: str = "") -> None:
    """Fill the 13 encoder convolutions, in place.

    weights: "" leaves the random ones; "imagenet" downloads torchvision's once (vgg16_bn for a model with batch norm,
    else vgg16); else the path of a safetensors file with torchvision's names, of either, fp16 or fp32. A vgg16 file
    leaves norms as they are. The head starts as the identity on RGB, and all weights of the trimap as 0, so that the
    encoder sees what it was trained on. UserError where the file is missing, unreadable, or of another model.
    """
    if not weights:
        return
    layers = [layer for block in model.encoder for layer in (*block, "pool")]  # as torchvision numbers them
    normed = any(isinstance(layer, nn.BatchNorm2d) for layer in layers)
    state = _torchvision_weights(normed) if weights == "imagenet" else _read_weights(weights)
    if not any(key.endswith("running_mean") for key in state):
        layers = [layer for layer in layers if not isinstance(layer, nn.BatchNorm2d)]
    named = {str(n): layer for n, layer in enumerate(layers) if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)}
    unused = ("classifier.", "num_batches_tracked")
    state = {key: value for key, value in state.items() if not any(part in key for part in unused)}
    first = "features.0.weight"
    try:
        if first in state:  # a fourth channel is the trimap's
            state[first] = F.pad(state[first], (0, 0, 0, 0, 0, layers[0].in_channels - 3))
        nn.ModuleDict({"features": nn.ModuleDict(named)}).load_state_dict(state)  # the model's own layers
    except RuntimeError as error:
        raise UserError(
            f"encoder_weights: {weights} holds another model than torchvision's VGG-16 features "
            f"({' '.join(str(error).split())[:300]}); give a vgg16 file, or a vgg16_bn file for a network with batch norm, "
            "and set width to 64."
        ) from error
    if isinstance(model.head, nn.Conv2d):
        nn.init.zeros_(model.head.bias)
        nn.init.dirac_(model.head.weight)  # RGB as it is, nothing of the trimap


def _torchvision_weights(batch_norm: bool) -> dict[str, torch.Tensor]:
    from torchvision.models import VGG16_BN_Weights, VGG16_Weights

    choice = (VGG16_BN_Weights if batch_norm else VGG16_Weights).IMAGENET1K_V1
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(choice.url).name
    expected = file.stem.rsplit("-", 1)[1]  # torchvision's names end with the SHA-256's first digits
    if (sha256 := file_sha256(file)) and not sha256.startswith(expected):  # PyTorch checks only what it downloads
        raise UserError(
            f"encoder_weights: {file}: expected a SHA-256 that begins with {expected}, found {sha256[: len(expected)]}: it "
            "was altered or damaged; delete it, and it is downloaded again."
        )
    try:
        return choice.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (pickle.UnpicklingError, urllib.error.URLError, OSError, RuntimeError) as error:
        raise UserError(
            f"encoder_weights: could not load {choice.url} ({error}); give the path of a safetensors file instead, or '' "
            "for random weights."
        ) from error


def _read_weights(path: str) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"encoder_weights: {path}: expected '', 'imagenet' or a safetensors file, found none that can be read "
            f"({error}); correct the path."
        ) from error
