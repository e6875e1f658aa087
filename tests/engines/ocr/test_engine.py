"""The engine's manners: locations, odd images, bounds, no network, no pickle, a home that cannot be written."""

from __future__ import annotations

import hashlib
import pickle
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.engines.ocr.conftest import SETTINGS, batch, drawn, file
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import LimitExceeded, ModelError, ReadError, UsageError
from veritensor_ray.core.segments import SEGMENTS
from veritensor_ray.engines.base import FileInfo, TextEngine, Transcriber
from veritensor_ray.engines.ocr import Ocr
from veritensor_ray.models.model_store import Model, ModelStore

pytestmark = pytest.mark.slow


def _noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8))


class _Fixed(ModelStore):
    """A store with one model."""

    def __init__(self, model: Model) -> None:
        super().__init__("embedded")
        self._model = model

    def model(self, role: str) -> Model:
        return self._model


def _bounded(ocr: Ocr, **values: Any) -> Ocr:
    engine = Ocr(Settings.model_validate({"ocr": values}))
    engine._networks, engine._model = ocr._networks, ocr._model  # loading takes seconds
    return engine


def test_a_transcriber_for_images() -> None:
    engine = Ocr(Settings())
    assert isinstance(engine, Transcriber)
    assert not isinstance(engine, TextEngine)
    assert engine.applies(FileInfo("a", 1, "image/png"))
    assert not engine.applies(FileInfo("a.png", 1, "text/plain"))
    assert engine.rules() == []


def test_it_tells_without_its_networks_what_takes_long() -> None:
    engine = Ocr(Settings())
    shown = Image.new("RGB", (2000, 1500), "white"), drawn("word"), drawn("a line of words\n" * 9, size=9)
    blank, word, page = (engine.foreseen(file(picture)) for picture in shown)
    assert 0 < blank < word < page / 5
    with pytest.raises(ReadError, match="not a complete image"):
        engine.foreseen(file(_noise())[:500])


def test_rows_keep_their_location_and_images_without_text_give_none(ocr: Ocr) -> None:
    images = batch(
        file(Image.new("RGB", (200, 100), "white")), file(drawn("some words")), row=[3, 4], page=9, part="slide 2", view="hidden"
    )
    found = ocr.read_images(images)
    assert found.schema == SEGMENTS
    found.validate(full=True)
    row = {key: value for key, value in found.to_pylist()[0].items() if value is not None}
    assert row.pop("boxes")
    assert row == {
        "artifact": 7,
        "path": "scan.png",
        "media_type": "image/png",
        "member": "in.zip",
        "row": 4,
        "page": 9,
        "part": "slide 2",
        "start": 0,
        "view": "ocr",
        "decoded_via": "ocr",
        "text": "some words",
    }
    assert found.num_rows == 1
    assert ocr.read_images(images.slice(0, 0)).num_rows == 0
    assert ocr.read_images(images.slice(1)).to_pylist() == found.to_pylist()


def test_another_reading_sees_the_same_in_the_same_places(ocr: Ocr) -> None:
    images = batch(file(drawn("some words")))
    (one,), (other,) = ocr.read_images(images).to_pylist(), ocr.read_again(images).to_pylist()
    assert one["text"] == other["text"]
    for box, again in zip(one["boxes"], other["boxes"], strict=True):
        assert all(abs(box[edge] - again[edge]) <= 6 for edge in ("left", "top", "right", "bottom")), (box, again)


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (20_000, 3), (9, 9), (3000, 9), (31, 2000)])
@pytest.mark.parametrize("kind", ["plain", "noisy"])
def test_odd_shapes_give_nothing_and_raise_nothing(size: tuple[int, int], kind: str, ocr: Ocr) -> None:
    image = Image.new("RGB", size, "white")
    if kind == "noisy":
        image.putpixel((size[0] // 2, size[1] // 2), (0, 0, 0))
    assert ocr.read_images(batch(file(image))).num_rows == 0


def test_noise_is_no_text_worth_mentioning(ocr: Ocr) -> None:
    found = ocr.read_images(batch(file(_noise()))).to_pylist()
    assert len("".join(row["text"] for row in found)) < 60


@pytest.mark.parametrize("cut", [0, 10, 60, -200])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
def test_broken_images_raise(kind: str, cut: int, ocr: Ocr) -> None:
    with pytest.raises(ReadError):
        ocr.read_images(batch(file(drawn("some words that make the file a little longer\n" * 4).convert("RGB"), kind)[:cut]))


def test_the_other_rows_of_a_batch_can_be_had_one_by_one(ocr: Ocr) -> None:
    images = batch(b"no image", file(drawn("some words")))
    with pytest.raises(ReadError):
        ocr.read_images(images)
    assert ocr.read_images(images.slice(1)).column("text").to_pylist() == ["some words"]


def test_bounds_have_names(ocr: Ocr) -> None:
    page = file(drawn("some words"))
    animation = file(drawn("first one"), "GIF", save_all=True, append_images=[drawn("second"), drawn("third")])
    with pytest.raises(LimitExceeded, match="pixels") as error:
        _bounded(ocr, pixels=1000).read_images(batch(page))
    assert error.value.bound == "ocr.pixels"
    with pytest.raises(LimitExceeded) as error:
        _bounded(ocr, seconds=1e-9).read_images(batch(page))
    assert error.value.bound == "ocr.seconds"
    engine = _bounded(ocr, frames=1)
    assert engine.read_images(batch(page, animation)).column("text").to_pylist() == ["some words", "first one"]
    assert [(row, gap.bound, gap.engine) for row, gap in engine.gaps()] == [(1, "ocr.frames", "ocr")]
    engine.read_images(batch(page))
    assert engine.gaps() == []
    assert _bounded(ocr, min_side=4000).read_images(batch(page)).num_rows == 0


def test_large_images_are_shrunk_to_a_bound(ocr: Ocr) -> None:
    image = Image.new("RGB", (9000, 400), "white")
    image.paste(drawn("far to the right", size=40), (8300, 100))
    assert "right" in ocr.read_images(batch(file(image))).column("text")[0].as_py()


def test_turning_can_be_left_out(ocr: Ocr) -> None:
    page = file(drawn("some words\nand more").rotate(180, expand=True))
    assert "words" not in "".join(_bounded(ocr, turned=False).read_images(batch(page)).column("text").to_pylist())


def test_the_same_again(ocr: Ocr) -> None:
    images = batch(file(drawn("some words")), file(drawn("other words\nhere", size=12)))
    first = ocr.read_images(images).to_pylist()
    assert ocr.read_images(images).to_pylist() == first
    assert [row for i in range(2) for row in ocr.read_images(images.slice(i, 1)).to_pylist()] == first


def test_fingerprint_follows_settings_and_pickling_works_before_loading() -> None:
    engine = pickle.loads(pickle.dumps(Ocr(Settings())))  # noqa: S301  # our own bytes
    assert engine.fingerprint() == Ocr(Settings()).fingerprint()
    assert engine.fingerprint() != Ocr(Settings.model_validate({"ocr": {"turned": False}})).fingerprint()
    assert engine.model_name


def test_unknown_languages_are_refused() -> None:
    with pytest.raises(UsageError, match="xx"):
        Ocr(Settings.model_validate({"ocr": {"languages": ["en", "xx"]}}))


def test_loads_without_pickle_network_or_home(ocr: Ocr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torch

    model = ocr._described()  # converted by now

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("not allowed here")

    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    for place, name in ((torch, "load"), (pickle, "Unpickler"), (socket.socket, "connect"), (socket, "getaddrinfo"), (Path, "mkdir")):
        monkeypatch.setattr(place, name, refuse)
    monkeypatch.setenv("HOME", str(home))
    engine = Ocr(SETTINGS)
    engine.load(_Fixed(model))
    assert engine.read_images(batch(file(drawn("some words")))).column("text").to_pylist() == ["some words"]
    assert not list(home.iterdir())


def test_weights_with_the_prefix_of_data_parallel_load_and_others_fail_the_self_test(ocr: Ocr, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    model = ocr._described()
    for name in ("craft_mlt_25k.safetensors", "english_g2.safetensors"):
        save_file({f"module.{key}": value for key, value in load_file(model.folder / name).items()}, tmp_path / name)
    copied = Model("ocr", tmp_path, model.name, model.settings)
    Ocr(Settings()).load(_Fixed(copied))
    tensors = load_file(tmp_path / "english_g2.safetensors")
    tensors["module.Prediction.weight"] = tensors["module.Prediction.weight"].flip(0).contiguous()
    save_file(tensors, tmp_path / "english_g2.safetensors")
    with pytest.raises(ModelError, match="self-test") as error:
        Ocr(Settings()).load(_Fixed(copied))
    assert str(tmp_path) in str(error.value)
    (tmp_path / "english_g2.safetensors").write_bytes(hashlib.sha256(b"").digest())
    with pytest.raises(ModelError, match="english_g2"):
        Ocr(Settings()).load(_Fixed(copied))
