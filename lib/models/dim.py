"""Deep Image Matting (Xu et al. 2017): stage 1 as the 2021 study cut it (its section 2.4.1), and both stages in full.

Image and trimap (4 channels) go through a head convolution to 3; the 13 convolutions of VGG-16 (the tests compare them
with torchvision's, whose weight files fit) with four max-poolings encode; six convolutions with four unpoolings, which
put each value back where its maximum was found, decode; a last convolution predicts alpha. What the study left out of
the paper's stage 1 are options: the fifth pooling, the fourteenth convolution (conv6) and the trimap as a fourth channel
of VGG-16's first convolution. The refinement of section 3.2 follows (see `deep_image_matting`).
"""

import torch
from torch import nn

from lib.base import UserError
from lib.models.layers import Normalise, Pool, SamePadConv2d, Unpool, convolutions, initialise

WIDTH = 64  # channels of VGG-16's first block (Simonyan and Zisserman 2014, configuration D)
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

    def __init__(
        self,
        batch_norm: bool = True,
        head_kernel: int = 3,
        decoder_kernel: int = 5,
        pooling: str = "halving",
        pools: int = 4,
        conv6_kernel: int = 0,
        four_channels: bool = False,
        width: int = WIDTH,
    ):
        super().__init__()
        if pooling not in POOLING:
            raise UserError(f"pooling: expected one of {', '.join(POOLING)}, found {pooling!r}; choose one.")
        if pools not in (4, 5):
            raise UserError(f"pools: expected 4 or 5, found {pools!r}; choose one.")
        self.pools, c = pools, width
        encode = {"batch_norm": batch_norm, "kind": nn.Conv2d}
        decode = {"batch_norm": batch_norm, "kernel": decoder_kernel}
        self.normalise, self.pool, self.unpool = Normalise(), Pool(*POOLING[pooling]), Unpool(*POOLING[pooling])
        self.head = nn.Identity() if four_channels else nn.Conv2d(4, 3, head_kernel, padding=head_kernel // 2)
        self.encoder1 = convolutions(4 if four_channels else 3, c, c, **encode)
        self.encoder2 = convolutions(c, 2 * c, 2 * c, **encode)
        self.encoder3 = convolutions(2 * c, 4 * c, 4 * c, 4 * c, **encode)
        self.encoder4 = convolutions(4 * c, 8 * c, 8 * c, 8 * c, **encode)
        self.encoder5 = convolutions(8 * c, 8 * c, 8 * c, 8 * c, **encode)
        self.conv6 = (
            convolutions(8 * c, 8 * c, kernel=conv6_kernel, batch_norm=batch_norm) if conv6_kernel else nn.Identity()
        )
        self.decoder6 = convolutions(8 * c, 8 * c, **decode | {"kernel": 1})
        self.decoder5 = convolutions(8 * c, 8 * c, **decode)
        self.decoder4 = convolutions(8 * c, 4 * c, **decode)
        self.decoder3 = convolutions(4 * c, 2 * c, **decode)
        self.decoder2 = convolutions(2 * c, c, **decode)
        self.decoder1 = convolutions(c, c, **decode)
        self.alpha = SamePadConv2d(c, 1, decoder_kernel)
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
        x, place1 = self.pool(self.encoder1(x))  # 64, H/2
        x, place2 = self.pool(self.encoder2(x))  # 128, H/4
        x, place3 = self.pool(self.encoder3(x))  # 256, H/8
        x, place4 = self.pool(self.encoder4(x))  # 512, H/16
        x = self.encoder5(x)  # 512, H/16: a fifth pooling would leave 0 of 28
        if self.pools == 5:
            x, place5 = self.pool(x)  # 512, H/32
        x = self.decoder6(self.conv6(x))  # 512
        if self.pools == 5:
            x = self.unpool(x, place5)  # 512, H/16
        x = self.decoder5(x)  # 512, H/16
        x = self.decoder4(self.unpool(x, place4))  # 256, H/8
        x = self.decoder3(self.unpool(x, place3))  # 128, H/4
        x = self.decoder2(self.unpool(x, place2))  # 64, H/2
        x = self.decoder1(self.unpool(x, place1))  # 64, H
        return self.alpha(x)  # 1, H

    def forward(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """image (N,3,H,W) float RGB in [0,1], trimap (N,1,H,W) float 0, 0.5 or 1 -> alpha (N,1,H,W) float32.

        The image is normalised with ImageNet's mean and standard deviation here. Any size from 16x16 up (32x32
        with five poolings).
        """
        return self.logits(image, trimap).float().sigmoid()

    def unclamped(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """The same, as the training of lib.models.portrait asks for it: a sigmoid needs no clamp."""
        return self(image, trimap)


class TwoStage(nn.Module):
    """Stage 1 and the refinement of section 3.2 behind it, as one network.

    stage1: any network with `logits` and `normalise`. width: channels of the refinement's three hidden convolutions (64
    in the paper). batch_norm: after each of them.
    """

    def __init__(self, stage1: VGG16Matting, width: int = WIDTH, batch_norm: bool = False):
        super().__init__()
        self.stage1 = stage1
        self.refinement = nn.Sequential(
            *convolutions(4, width, width, width, batch_norm=batch_norm), SamePadConv2d(width, 1, 3)
        )
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
        correction = self.refinement(torch.cat([self.stage1.normalise(image), rough], dim=1))
        return rough, (logits.float() + correction.float()).sigmoid()

    def forward(self, image: torch.Tensor, trimap: torch.Tensor) -> torch.Tensor:
        """image (N,3,H,W) float RGB in [0,1], trimap (N,1,H,W) float 0, 0.5 or 1 -> alpha (N,1,H,W) float32."""
        return self.stages(image, trimap)[1]


def deep_image_matting(width: int = WIDTH, batch_norm: bool = False, conv6_kernel: int = 1) -> TwoStage:
    """The paper's network: five poolings, conv6, the trimap as fourth channel, decoder of 5x5 convolutions.

    width 64 is the paper's size; another one scales every layer. The paper has no batch norm; networks that start from
    random weights need it. Its conv6 stems from VGG-16's first fully connected layer; kernel 1 is mmagic's reading of
    it, 3 and 7 are others'.
    """
    stage1 = VGG16Matting(batch_norm=batch_norm, pools=5, conv6_kernel=conv6_kernel, four_channels=True, width=width)
    return TwoStage(stage1, width, batch_norm)
