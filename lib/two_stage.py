"""Deep Image Matting in full (Xu et al. 2017): the encoder-decoder of stage 1, then a refinement of its alpha."""

import torch
from torch import nn

from lib.model import SamePadConv2d, VGG16Matting, initialise


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
