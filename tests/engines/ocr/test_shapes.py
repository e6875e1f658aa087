"""Our networks are EasyOCR's: with the same weights they answer the same, number for number until normalizations are folded."""

from __future__ import annotations

from typing import Any

import pytest

from veritensor_ray.engines.ocr.shapes import CHARACTERS, answers, detector, fold, heat, recogniser

pytestmark = pytest.mark.slow


def filled(theirs: Any, ours: Any) -> tuple[Any, Any]:
    """Both with the same random numbers, those of normalisation among them."""
    import torch

    torch.manual_seed(0)
    random = {
        name: value if value.dtype == torch.int64 else torch.rand_like(value) * 0.02 + 0.01 for name, value in theirs.state_dict().items()
    }
    for one in (theirs, ours):
        one.load_state_dict(random)
        one.eval()
    return theirs, ours


def folded(layers: Any) -> Any:
    """The same network without its normalizations."""
    import torch

    assert any(isinstance(layer, torch.nn.BatchNorm2d) for layer in layers.modules())
    with torch.no_grad():
        fold(layers)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in layers.modules())
    return layers


@pytest.mark.parametrize(("height", "width"), [(32, 64), (96, 32), (64, 160)])
def test_the_detector(height: int, width: int) -> None:
    import torch
    from easyocr.craft import CRAFT

    theirs, ours = filled(CRAFT(), detector())
    pictures = torch.rand(2, 3, height, width)
    with torch.inference_mode():
        expected = theirs(pictures)[0]
        assert torch.equal(heat(ours, pictures), expected)
        torch.testing.assert_close(heat(folded(ours), pictures), expected)


@pytest.mark.parametrize("width", [16, 200])
def test_the_recogniser(width: int) -> None:
    import torch
    from easyocr.config import recognition_models
    from easyocr.model.vgg_model import Model

    assert recognition_models["gen2"]["english_g2"]["characters"] == CHARACTERS
    theirs, ours = filled(Model(1, 256, 256, len(CHARACTERS) + 1), recogniser())
    lines = torch.rand(3, 1, 64, width) * 2 - 1
    with torch.inference_mode():
        expected = theirs(lines, None)
        assert torch.equal(answers(ours, lines), expected)
        torch.testing.assert_close(answers(folded(ours), lines), expected)
