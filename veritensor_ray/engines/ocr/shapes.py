"""Defines the layers of EasyOCR's two networks, under the names of its weights.

EasyOCR's own modules build the same layers, but they import torchvision, SciPy and scikit-image, which takes longer than everything else
that a model process does when it starts.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

# The characters that the recognizer's outputs represent, in the order of its weights. Output 0 means none of them.
CHARACTERS = "0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ €ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_POOL = 0  # in the list of widths: halve the picture
_TRUNK = (64, 64, _POOL, 128, 128, _POOL, 256, 256, 256, _POOL, 512, 512, 512, _POOL, 512, 512, 512)
_CUTS = (0, 13, 20, 30, 39)  # layers of the trunk that delimit its slices
_JOINTS = ((1536, 512, 256), (768, 256, 128), (384, 128, 64), (192, 64, 32))


def detector() -> nn.ModuleDict:
    """Return the layers of CRAFT: a trunk as in VGG-16, and an upward path that reuses the trunk's outputs."""
    from torch import nn

    trunk = [*_trunk()]
    base = {f"slice{number}": _named(trunk, start, end) for number, (start, end) in enumerate(itertools.pairwise(_CUTS), 1)}
    base["slice5"] = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(512, 1024, 3, padding=6, dilation=6), nn.Conv2d(1024, 1024, 1))
    joints = {
        f"upconv{number}": nn.ModuleDict({"conv": nn.Sequential(*_normal(wide, narrow, 1), *_normal(narrow, out, 3))})
        for number, (wide, narrow, out) in enumerate(_JOINTS, 1)
    }
    widths = ((32, 32, 3), (32, 32, 3), (32, 16, 3), (16, 16, 1), (16, 2, 1))
    last = [layer for wide, out, size in widths for layer in (nn.Conv2d(wide, out, size, padding=size // 2), nn.ReLU(inplace=True))]
    return nn.ModuleDict({"basenet": nn.ModuleDict(base), **joints, "conv_cls": nn.Sequential(*last[:-1])})


def heat(layers: Any, pictures: Tensor) -> Tensor:
    """Map pictures [n, 3, height, width] to two maps of half the size, [n, height / 2, width / 2, 2]."""
    import torch
    from torch.nn.functional import interpolate

    seen = [pictures]
    for number in range(1, 6):
        seen.append(layers["basenet"][f"slice{number}"](seen[-1]))
    found = seen.pop()
    for number, beside in enumerate(reversed(seen[1:]), 1):
        if found.shape[2:] != beside.shape[2:]:
            found = interpolate(found, size=beside.shape[2:], mode="bilinear", align_corners=False)
        found = layers[f"upconv{number}"]["conv"](torch.cat([found, beside], dim=1))
    return layers["conv_cls"](found).permute(0, 2, 3, 1)  # type: ignore[no-any-return]


def recogniser() -> nn.ModuleDict:
    """Return the layers of the line recognizer: pictures to columns, two bidirectional passes over the columns, and an output for each."""
    from torch import nn

    seen = nn.Sequential(
        *(nn.Conv2d(1, 32, 3, 1, 1), nn.ReLU(inplace=True), nn.MaxPool2d(2, 2)),
        *(nn.Conv2d(32, 64, 3, 1, 1), nn.ReLU(inplace=True), nn.MaxPool2d(2, 2)),
        *(nn.Conv2d(64, 128, 3, 1, 1), nn.ReLU(inplace=True), nn.Conv2d(128, 128, 3, 1, 1), nn.ReLU(inplace=True)),
        *(nn.MaxPool2d((2, 1), (2, 1)), *_normal(128, 256, 3, bias=False), *_normal(256, 256, 3, bias=False)),
        *(nn.MaxPool2d((2, 1), (2, 1)), nn.Conv2d(256, 256, 2), nn.ReLU(inplace=True)),
    )
    passes = [
        nn.ModuleDict({"rnn": nn.LSTM(256, 256, bidirectional=True, batch_first=True), "linear": nn.Linear(512, 256)}) for _ in range(2)
    ]
    return nn.ModuleDict(
        {
            "FeatureExtraction": nn.ModuleDict({"ConvNet": seen}),
            "SequenceModeling": nn.ModuleList(passes),
            "Prediction": nn.Linear(256, len(CHARACTERS) + 1),
        }
    )


def answers(layers: Any, lines: Tensor) -> Tensor:
    """Map pictures of lines [n, 1, 64, width] to an output for each column, [n, columns, characters plus one for none]."""
    columns = layers["FeatureExtraction"]["ConvNet"](lines).permute(0, 3, 1, 2).mean(3)
    for one in layers["SequenceModeling"]:
        columns = one["linear"](one["rnn"](columns)[0])
    return layers["Prediction"](columns)  # type: ignore[no-any-return]


def fold(layers: nn.Module) -> None:
    """Fold each normalization into the convolution before it, in place: a pass over all values less, for the same result."""
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    before: tuple[str, Any] = "", None
    for name, layer in dict(layers.named_children()).items():
        if isinstance(layer, nn.BatchNorm2d):
            layers.set_submodule(before[0], fuse_conv_bn_eval(before[1], layer))
            layers.set_submodule(name, nn.Identity())
        fold(layer)
        before = name, layer


def _trunk() -> Any:
    from torch import nn

    wide = 3
    for width in _TRUNK:
        if width == _POOL:
            yield nn.MaxPool2d(2, 2)
        else:
            yield from _normal(wide, width, 3)
            wide = width


def _normal(wide: int, out: int, size: int, bias: bool = True) -> Sequence[nn.Module]:
    from torch import nn

    return nn.Conv2d(wide, out, size, padding=size // 2, bias=bias), nn.BatchNorm2d(out), nn.ReLU(inplace=True)


def _named(layers: Sequence[nn.Module], start: int, end: int) -> nn.Sequential:
    """Return a range of layers under their original numbers."""
    from torch import nn

    some = nn.Sequential()
    for number in range(start, end):
        some.add_module(str(number), layers[number])
    return some
