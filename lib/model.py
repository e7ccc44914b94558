"""The network of section 2.4.1: stage 1 of Deep Image Matting (Xu et al. 2017), as the 2021 study cut it.

A head convolution takes image and trimap (4 channels) to 3; the 13 convolutions of VGG-16 (the tests compare them with
torchvision's, whose weight files fit) with four max-poolings encode; six convolutions with four unpoolings, which put
each value back where its maximum was found, decode; a last convolution predicts alpha.

What the study left out of the paper's stage 1 are options: the fifth pooling, the fourteenth convolution (conv6) and
the trimap as a fourth channel of VGG-16's first convolution (see `deep_image_matting` in lib.two_stage).
"""

import urllib.error
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from lib.errors import UserError

# VGG-16 (Simonyan and Zisserman 2014, configuration D): channels of the convolutions between the poolings. Written out,
# since importing torchvision takes longer than importing PyTorch.
VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
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


class SamePadConv2d(nn.Conv2d):
    """Convolution with an odd kernel and zero padding that leaves out the taps which only ever meet padding.

    On a map of h rows these are the taps h or more rows from the centre: at 28 px the first 5x5 kernel of the
    decoder sees a 1x1 map, that is, its centre. The result is the same; the work is a 25th, and the gradient
    of the other taps is exactly 0, where oneDNN's bf16 kernel (PyTorch 2.15, CPU) leaves them unwritten.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int):
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centre = self.padding[0]
        reach = [min(centre, side - 1) for side in x.shape[-2:]]
        rows, columns = (slice(centre - r, centre + r + 1) for r in reach)
        return F.conv2d(x, self.weight[:, :, rows, columns], self.bias, padding=reach)


def _convolution(inputs: int, outputs: int, kernel: int, batch_norm: bool) -> nn.Sequential:
    layers = [SamePadConv2d(inputs, outputs, kernel)]
    layers += [nn.BatchNorm2d(outputs)] if batch_norm else []
    return nn.Sequential(*layers, nn.ReLU(inplace=True))


def initialise(model: nn.Module, seed: int = 0) -> None:
    """Draw all convolution weights anew from `seed` (He et al. 2015, normal, fan-in), biases 0.

    The draws come from a generator of their own, so that they depend on nothing but the seed.
    """
    generator = torch.Generator().manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)


def load_encoder(model: VGG16Matting, weights: str = "") -> None:
    """Fill the 13 encoder convolutions from `weights`, in place.

    weights: "" leaves the random ones; "imagenet" is torchvision's ImageNet file (downloaded once: vgg16_bn
    for a model with batch norm, else vgg16); anything else is the path of a safetensors file with
    torchvision's names (`features.0.weight` ...), of vgg16 or vgg16_bn, fp16 or fp32; its classifier is not
    needed. A vgg16 file in a model with batch norm fills the convolutions and leaves the norms new: batch
    norm sets each channel's scale itself, only the filters are taken over.
    With weights the head starts as the identity on RGB and zero on the trimap (without a head: the fourth
    channel's weights are zero), so that the encoder sees what it was trained on. UserError when the file is
    missing, unreadable, or of another model.
    """
    if not weights:
        return
    state = _imagenet_state(_has_norm(model)) if weights == "imagenet" else _read_state(Path(weights))
    _fill(model, state, weights)
    if isinstance(model.head, nn.Identity):
        return
    with torch.no_grad():
        nn.init.zeros_(model.head.bias)
        nn.init.zeros_(model.head.weight)
        middle = model.head.kernel_size[0] // 2
        for channel in range(3):
            model.head.weight[channel, channel, middle, middle] = 1.0


def _has_norm(model: VGG16Matting) -> bool:
    return any(isinstance(layer, nn.BatchNorm2d) for layer in model.encoder.modules())


def _imagenet_state(batch_norm: bool) -> dict[str, torch.Tensor]:
    from torchvision.models import VGG16_BN_Weights, VGG16_Weights

    choice = (VGG16_BN_Weights if batch_norm else VGG16_Weights).IMAGENET1K_V1
    try:
        return choice.get_state_dict(progress=False, check_hash=True)
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise UserError(f"encoder_weights: could not download {choice.url} ({error}); give the path of a "
                        "safetensors file instead, or '' for random weights.") from error


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise UserError(f"encoder_weights: expected '', 'imagenet' or a safetensors file, found no file at "
                        f"{path}; correct the path.")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"encoder_weights: {path} is not a readable safetensors file ({error}); "
                        "save the weights with safetensors.torch.save_file.") from error


def _torchvision_layers(model: VGG16Matting, batch_norm: bool) -> dict[str, nn.Module]:
    """The encoder's layers under the names they have in torchvision's vgg16 (or vgg16_bn) features.

    With batch_norm False the norms of the model, if any, are passed over.
    """
    layers, position = {}, 0
    for block in model.encoder:
        for layer in block:
            if isinstance(layer, nn.BatchNorm2d) and not batch_norm:
                continue
            layers[f"features.{position}"] = layer
            position += 1
        position += 1  # the pooling
    return layers


def _fill(model: VGG16Matting, state: dict[str, torch.Tensor], name: str) -> None:
    found = {key: value for key, value in state.items()
             if not key.startswith("classifier.") and not key.endswith("num_batches_tracked")}
    with_norm = any("running_mean" in key for key in found)
    if with_norm and not _has_norm(model):
        raise UserError(f"encoder_weights: {name} is of a VGG-16 with batch norm, the model has none; "
                        "use a plain vgg16 file or a model with batch norm.")
    layers = _torchvision_layers(model, with_norm)
    wanted = {f"{name_}.{key}": tensor for name_, layer in layers.items()
              for key, tensor in layer.state_dict().items() if key != "num_batches_tracked"}
    problems = [f"{key} missing" for key in wanted if key not in found]
    problems += [f"{key} unexpected" for key in found if key not in wanted]
    first = next(iter(wanted))  # of the first convolution; a fourth input channel is the trimap's, not VGG-16's
    trimap, wanted[first] = wanted[first][:, 3:], wanted[first][:, :3]
    problems += [f"{key} has shape {tuple(found[key].shape)}, not {tuple(tensor.shape)}"
                 for key, tensor in wanted.items() if key in found and found[key].shape != tensor.shape]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise UserError(f"encoder_weights: {name} holds another model than torchvision's VGG-16 features "
                        f"({'; '.join(problems[:3])}{more}); give a vgg16 or vgg16_bn file.")
    with torch.no_grad():
        for key, tensor in wanted.items():
            tensor.copy_(found[key])  # state_dict tensors share memory with the layer; copy_ casts fp16
        trimap.zero_()


def summary(model: VGG16Matting, size: int | tuple[int, int] = 28) -> pd.DataFrame:
    """One row for each step of a forward pass on one image of `size` px, seen by hooks, not written by hand.

    Columns: layer (name in the model, or pool1 ... unpool1), kind (class name, MaxPool2d, MaxUnpool2d),
    channels, height, width (of the output), parameters.
    """
    height, width = (size, size) if isinstance(size, int) else size
    device = next(model.parameters()).device
    rows, blocks = [], {id(block): number for number, block in enumerate((*model.encoder, model.conv6), 1)}
    unpools = {id(block): number for number, block in enumerate(reversed(model.decoder), 1)}

    def add(name: str, kind: str, shape: torch.Size, parameters: int = 0) -> None:
        rows.append({"layer": name, "kind": kind, "channels": shape[1], "height": shape[2], "width": shape[3],
                     "parameters": parameters})

    def leaf(name: str):
        return lambda layer, inputs, output: add(
            name, "Conv2d" if isinstance(layer, nn.Conv2d) else type(layer).__name__, output.shape,
            sum(p.numel() for p in layer.parameters()))

    def unpooled(block, inputs):
        if unpools[id(block)] <= model.pools:
            add(f"unpool{unpools[id(block)]}", "MaxUnpool2d", inputs[0].shape)

    def pooled(block, inputs):
        if 2 <= blocks[id(block)] <= model.pools + 1:
            add(f"pool{blocks[id(block)] - 1}", "MaxPool2d", inputs[0].shape)

    handles = [layer.register_forward_hook(leaf(name)) for name, layer in model.named_modules()
               if not list(layer.children()) and not isinstance(layer, nn.Identity)]
    handles += [block.register_forward_pre_hook(pooled) for block in (*model.encoder, model.conv6)]
    handles += [block.register_forward_pre_hook(unpooled) for block in model.decoder]
    training = model.training
    try:
        model.eval()
        with torch.inference_mode():
            empty = torch.zeros(1, 4, height, width, device=device)
            model(empty[:, :3], empty[:, 3:])
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return pd.DataFrame(rows)
