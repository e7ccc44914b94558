"""Deep Image Matting (Xu et al. 2017): stage 1 as the 2021 study cut it (its section 2.4.1), and both stages in full.

A head convolution takes image and trimap (4 channels) to 3; the 13 convolutions of VGG-16 (the tests compare them with
torchvision's, whose weight files fit) with four max-poolings encode; six convolutions with four unpoolings, which put
each value back where its maximum was found, decode; a last convolution predicts alpha. What the study left out of the
paper's stage 1 are options: the fifth pooling, the fourteenth convolution (conv6) and the trimap as a fourth channel of
VGG-16's first convolution. The refinement of section 3.2 follows (see `deep_image_matting`).
"""

import torch
import torch.nn.functional as F
from torch import nn

from lib.base import UserError
from lib.models.layers import IMAGENET_MEAN, IMAGENET_STD, SamePadConv2d, _convolution, initialise

# VGG-16 (Simonyan and Zisserman 2014, configuration D): channels of the convolutions between the poolings. Written out,
# since importing torchvision takes longer than importing PyTorch.
VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
# (kernel size, stride, padding). The study writes "size two, one stride, one padding": such a pooling makes
# the map one pixel LARGER each time (28 -> 32 after four), so nothing is encoded at a coarser scale, and its
# overlapping windows send several values to one pixel when they are unpooled. DIM's pooling halves.
POOLING = {"halving": (2, 2, 0), "as_written": (2, 1, 1)}


class VGG16Matting(nn.Module):
    """VGG-16 encoder-decoder that predicts alpha from an image and its trimap.

    batch_norm: after each convolution but the head and the last one (torchvision's vgg16_bn layers).
    head_kernel, decoder_kernel: odd kernel sizes; the decoder's first convolution is 1x1 (DIM's deconv6).
    pooling: "halving" (2x2, stride 2, as in VGG and DIM) or "as_written" (2x2, stride 1, padding 1: the
    study's sentence taken literally). MaxUnpool2d lets one of several overlapping values win: on the CPU the
    last, on a GPU any. So only "halving", whose windows never overlap, is bit-reproducible on a GPU.
    pools: 4 (the study) or 5 (VGG-16, DIM), each with its unpooling. conv6_kernel: odd kernel size of a 14th
    convolution after the last pooling, 0 for none. four_channels: the trimap goes into VGG-16's first
    convolution as a fourth channel, without a head. width: channels of the first block; 64 is VGG-16, another
    one scales all layers alike.
    """

    def __init__(self, batch_norm: bool = True, head_kernel: int = 3, decoder_kernel: int = 5,
                 pooling: str = "halving", pools: int = 4, conv6_kernel: int = 0, four_channels: bool = False,
                 width: int = 64):
        super().__init__()
        if pooling not in POOLING:
            raise UserError(f"pooling: expected one of {', '.join(POOLING)}, found {pooling!r}; choose one.")
        if pools not in (4, 5):
            raise UserError(f"pools: expected 4 or 5, found {pools!r}; choose one.")
        self.window = dict(zip(("kernel_size", "stride", "padding"), POOLING[pooling], strict=True))
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        self.pools, w = pools, width
        self.head = nn.Identity() if four_channels else nn.Conv2d(4, 3, head_kernel, padding=head_kernel // 2)
        self.encoder = nn.ModuleList(_vgg16_blocks(batch_norm, 4 if four_channels else 3, w))
        self.conv6 = _convolution(8 * w, 8 * w, conv6_kernel, batch_norm) if conv6_kernel else nn.Identity()
        widths = [(8 * w, 8 * w, 1), (8 * w, 8 * w, decoder_kernel), (8 * w, 4 * w, decoder_kernel),
                  (4 * w, 2 * w, decoder_kernel), (2 * w, w, decoder_kernel), (w, w, decoder_kernel)]
        self.decoder = nn.ModuleList(_convolution(*each, batch_norm) for each in widths)
        self.alpha = SamePadConv2d(w, 1, decoder_kernel)
        initialise(self)

    def logits(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """Alpha before the sigmoid, (N,1,H,W); same inputs as forward."""
        smallest = 2**self.pools  # what the halvings take to one pixel
        if min(image.shape[-2:]) < smallest:
            raise UserError(f"size: expected at least {smallest}x{smallest} px ({self.pools} poolings), found "
                            f"{image.shape[-2]}x{image.shape[-1]}; choose a larger size.")
        x = self.head(torch.cat([(image - self.mean) / self.std, trimap], dim=1))
        pooled = []
        for number, block in enumerate(self.encoder):
            x = block(x)
            if number < self.pools:  # the fifth pooling of VGG-16 would leave 0 pixels of 28
                size = x.shape[-2:]
                x, indices = F.max_pool2d(x, **self.window, return_indices=True)
                pooled.append((indices, size))
        x = self.conv6(x)
        for number, block in enumerate(self.decoder):
            if number >= len(self.decoder) - self.pools:
                indices, size = pooled.pop()
                # output_size, since an odd side is not twice its half: 28 -> 14 -> 7 -> 3 -> 1
                x = F.max_unpool2d(x, indices, **self.window, output_size=size)
            x = block(x)
        return self.alpha(x)

    def forward(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """image (N,3,H,W) float RGB in [0,1], trimap (N,1,H,W) float 0, 0.5 or 1 -> alpha (N,1,H,W) float32.

        The image is normalised with ImageNet's mean and standard deviation here. Any size from 16x16 up (32x32
        with five poolings).
        """
        return self.logits(image, trimap).float().sigmoid()


def _vgg16_blocks(batch_norm: bool, inputs: int = 3, width: int = 64) -> list[nn.Sequential]:
    """VGG-16's convolutions, 3x3 with padding, in the order and with the layers of torchvision's features."""
    blocks = []
    for widths in VGG16:
        layers: list[nn.Module] = []
        for outputs in (width * each // 64 for each in widths):
            layers.append(nn.Conv2d(inputs, outputs, 3, padding=1))
            layers += [nn.BatchNorm2d(outputs)] if batch_norm else []
            layers.append(nn.ReLU(inplace=True))
            inputs = outputs
        blocks.append(nn.Sequential(*layers))
    return blocks


class TwoStage(nn.Module):
    """Stage 1 and the refinement of section 3.2 behind it, as one network.

    stage1: any network with `logits`, mean and std. width: channels of the refinement's three hidden convolutions (64
    in the paper). batch_norm: after each of them.
    """

    def __init__(self, stage1: VGG16Matting, width: int = 64, batch_norm: bool = False):
        super().__init__()
        self.stage1 = stage1
        layers: list[nn.Module] = []
        for inputs in (4, width, width):
            layers.append(SamePadConv2d(inputs, width, 3))
            layers += [nn.BatchNorm2d(width)] if batch_norm else []
            layers.append(nn.ReLU(inplace=True))
        self.refinement = nn.Sequential(*layers, SamePadConv2d(width, 1, 3))
        initialise(self.refinement)
        # The correction starts at zero, so that stage 2 begins where stage 1 ended.
        nn.init.zeros_(self.refinement[-1].weight)

    def stages(self, image: torch.Tensor, trimap: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(alpha of stage 1, refined alpha), each (N,1,H,W) float32 in [0,1]; inputs as in forward.

        The correction is added to stage 1's logits, and one sigmoid follows: a sigmoid of its own would let it only
        add, never take away.
        """
        logits = self.stage1.logits(image, trimap)
        rough = logits.float().sigmoid()
        normalised = (image - self.stage1.mean) / self.stage1.std
        correction = self.refinement(torch.cat([normalised, rough], dim=1))
        return rough, (logits.float() + correction.float()).sigmoid()

    def forward(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """image (N,3,H,W) float RGB in [0,1], trimap (N,1,H,W) float 0, 0.5 or 1 -> alpha (N,1,H,W) float32."""
        return self.stages(image, trimap)[1]


def deep_image_matting(width: int = 64, batch_norm: bool = False, conv6_kernel: int = 1) -> TwoStage:
    """The paper's network: five poolings, conv6, the trimap as fourth channel, decoder of 5x5 convolutions.

    width 64 is the paper's size; another one scales every layer. The paper has no batch norm; networks that start from
    random weights need it. Its conv6 stems from VGG-16's first fully connected layer; kernel 1 is mmagic's reading of
    it, 3 and 7 are others'.
    """
    stage1 = VGG16Matting(batch_norm=batch_norm, pools=5, conv6_kernel=conv6_kernel, four_channels=True, width=width)
    return TwoStage(stage1, width, batch_norm)
