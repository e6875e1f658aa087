"""The transformer's scores belong to a window and not to its batch; every window has one, or the model is refused."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engines.injection.building import save_network
from veritensor_ray.engines.injection.network import Network
from veritensor_ray.engines.injection.windows import TokenWindow
from veritensor_ray.errors import ModelError

pytestmark = pytest.mark.slow


def windows(*sizes: int, seed: int = 1) -> list[TokenWindow]:
    """Random tokens, framed."""
    rng = random.Random(seed)
    return [TokenWindow(0, 0, 1, 0.0, [1, *(rng.randrange(4, 64) for _ in range(size - 2)), 2]) for size in sizes]


MANY = windows(*(3 + 7 * i % 60 for i in range(30)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    torch.set_num_threads(1)  # as an engine does
    return save_network(tmp_path_factory.mktemp("network"))


@pytest.fixture
def network(folder: Path) -> Network:
    """In full precision, so that scores can be compared."""
    made = Network(folder, 4096)
    made._half = False
    return made


@pytest.mark.parametrize("labels", [("SAFE", "UNSAFE"), ("LABEL_0", "LABEL_1")])
def test_a_model_that_does_not_name_the_label_is_refused(tmp_path: Path, labels: tuple[str, ...]) -> None:
    save_network(tmp_path, labels)
    with pytest.raises(ModelError, match=rf"{tmp_path}/config.json names no label INJECTION; it has \['{labels[0]}', '{labels[1]}'\]"):
        Network(tmp_path, 4096)


@pytest.mark.parametrize("labels", [("SAFE", "INJECTION"), ("injection", "safe"), ("SAFE", "Injection", "JAILBREAK")])
def test_scores_are_log_odds_against_all_other_labels(tmp_path: Path, labels: tuple[str, ...]) -> None:
    import torch

    made = Network(save_network(tmp_path, labels), 4096)
    made._half = False
    (window,) = windows(20)
    with torch.inference_mode():
        logits = made._network(input_ids=torch.tensor([window.ids]).to(made._device)).logits[0]
    share = logits.double().softmax(-1)[[label.upper() for label in labels].index("INJECTION")].item()
    assert made.score([window])[0] == pytest.approx(np.log(share / (1 - share)), abs=1e-4)


def test_scores_do_not_depend_on_the_batch(network: Network, folder: Path) -> None:
    together = network.score(MANY)
    assert together.shape == (30,)
    assert np.ptp(together) > 0.1, "random weights tell these windows apart"
    alone = np.array([network.alone(window) for window in MANY])
    assert np.abs(together - alone).max() < 1e-4
    small = Network(folder, 512)
    small._half = False
    assert np.abs(small.score(MANY[::-1])[::-1] - together).max() < 1e-4


def test_alone_is_the_same_to_the_last_bit(network: Network, folder: Path) -> None:
    first = [network.alone(window) for window in MANY[:9]]
    network.score(MANY)
    again = Network(folder, 512)
    assert [network.alone(window) for window in MANY[:9]] == first
    assert [again.alone(window) for window in MANY[8::-1]] == first[::-1]


def test_equal_windows_are_computed_once(network: Network) -> None:
    one, other = windows(20, 30)
    scores = network.score([one, other, one, one])
    assert network.tokens == 50
    assert scores[0] == scores[2] == scores[3] != scores[1]
    assert network.score([other, one]).tolist() == [scores[1], scores[0]]
    assert network.tokens == 50
    network.score([*windows(25, seed=2), one])
    assert network.tokens == 75


def test_what_is_remembered_is_bounded(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veritensor_ray.engines.injection.network._KNOWN", 10)
    assert len(network.score(MANY)) == 30
    assert len(network._known) == 10
    before = network.tokens
    network.score(MANY[-10:])
    assert network.tokens == before
    network.score(MANY[:1])
    assert network.tokens > before


def test_padding_is_counted(network: Network) -> None:
    network.score(windows(10, 40))
    assert (network.tokens, network.computed) == (50, 80)


def test_no_windows(network: Network) -> None:
    assert network.score([]).tolist() == []


class Cramped:
    """A device that holds `room` tokens, padding included; it notes the batches that it was given."""

    def __init__(self, network: Network, room: int) -> None:
        self._forward, self._room = network._forward, room
        self.batches: list[int] = []

    def __call__(self, ids: Sequence[Sequence[int]], half: bool) -> Any:
        import torch

        size = len(ids) * max(map(len, ids))
        self.batches.append(size)
        if size > self._room:
            raise torch.OutOfMemoryError("told to")
        return self._forward(ids, half)


@pytest.mark.parametrize(("room", "budget"), [(1024, 1024), (700, 512), (100, 512)])
def test_where_memory_runs_out_batches_are_halved_and_stay_smaller(
    folder: Path, monkeypatch: pytest.MonkeyPatch, room: int, budget: int
) -> None:
    many, more = windows(*[32] * 160), windows(*[32] * 160, seed=2)  # 5120 tokens: three batches
    network, other = Network(folder, 2048), Network(folder, 4096)
    network._half = other._half = False
    expected = other.score(many)
    device = Cramped(network, room)
    monkeypatch.setattr(network, "_forward", device)
    assert np.abs(network.score(many) - expected).max() < 1e-4
    assert network._budget == budget, "halved once where once is enough, whatever the number of batches"
    device.batches.clear()
    assert np.abs(network.score(more) - other.score(more)).max() < 1e-4
    assert max(device.batches) <= budget


def test_one_window_that_does_not_fit_is_an_error(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(network, "_forward", Cramped(network, 30))
    with pytest.raises(torch.OutOfMemoryError):
        network.score(windows(*[32] * 9))
    assert network.score(windows(20)).shape == (1,), "the next batch is scored as if nothing had been"


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.safetensors holds weights that are no numbers"):
        Network(save_network(tmp_path, fill=float("nan")), 4096)


def test_scores_that_are_no_numbers_are_an_error_and_not_clean(network: Network) -> None:
    import torch

    torch.nn.init.constant_(network._network.classifier.weight, float("nan"))
    with pytest.raises(ModelError, match="no numbers"):
        network.score(windows(20))
    with pytest.raises(ModelError, match="no numbers"):
        network.alone(windows(20)[0])


def without_classifier(file: Path) -> None:
    from safetensors.numpy import load_file, save_file

    save_file({name: array for name, array in load_file(file).items() if name != "classifier.weight"}, file, {"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (without_classifier, r"model\.safetensors lacks classifier\.weight"),
        (lambda file: file.write_bytes(file.read_bytes()[:-9]), r"model\.safetensors cannot be loaded: .*Bring the pinned model"),
        (lambda file: file.write_bytes(b""), r"model\.safetensors cannot be loaded"),
    ],
)
def test_damaged_weights_are_refused(tmp_path: Path, damage: Callable[[Path], object], says: str) -> None:
    damage(save_network(tmp_path) / "model.safetensors")
    with pytest.raises(ModelError, match=says):
        Network(tmp_path, 4096)
