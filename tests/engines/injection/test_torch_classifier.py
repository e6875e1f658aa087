"""PyTorch: scores belong to a window and not to its batch, memory may run out, and what is wrong with a model is said."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cases import each
from tests.engines.injection.building import random_ids, save_torch
from tests.engines.mapped import mapped_share
from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.injection.torch_classifier import TorchBackend, packed

pytestmark = pytest.mark.slow


MANY = random_ids(*(3 + 7 * i % 60 for i in range(30)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_torch(tmp_path_factory.mktemp("network"))


@pytest.fixture
def network(folder: Path) -> TorchBackend:
    """In full precision, so that scores can be compared."""
    made = TorchBackend(folder, 4096, 1)
    made._half = False
    return made


@pytest.mark.parametrize("labels", [("SAFE", "UNSAFE"), ("LABEL_0", "LABEL_1")])
def test_a_model_that_does_not_name_the_label_is_refused(tmp_path: Path, labels: tuple[str, ...]) -> None:
    save_torch(tmp_path, labels=labels)
    with pytest.raises(ModelError, match=rf"{tmp_path}/config.json has no label INJECTION, only \['{labels[0]}', '{labels[1]}'\]"):
        TorchBackend(tmp_path, 4096, 1)


@pytest.mark.parametrize("labels", [("SAFE", "INJECTION"), ("injection", "safe"), ("SAFE", "Injection", "JAILBREAK")])
def test_scores_are_log_odds_against_all_other_labels(tmp_path: Path, labels: tuple[str, ...]) -> None:
    import torch

    made = TorchBackend(save_torch(tmp_path, labels=labels), 4096, 1)
    made._half = False
    (ids,) = random_ids(20)
    with torch.inference_mode():
        logits = made._network(input_ids=torch.tensor([ids]).to(made._device)).logits[0]
    share = logits.double().softmax(-1)[[label.upper() for label in labels].index("INJECTION")].item()
    assert made.scores([ids])[0] == pytest.approx(np.log(share / (1 - share)), abs=1e-4)


def test_scores_do_not_depend_on_the_batch(network: TorchBackend, folder: Path) -> None:
    together = network.scores(MANY)
    assert together.shape == (30,)
    assert np.ptp(together) > 0.1, "random weights tell these windows apart"
    alone = np.array([network.alone(ids) for ids in MANY])
    assert np.abs(together - alone).max() < 1e-4
    small = TorchBackend(folder, 512, 1)
    small._half = False
    assert np.abs(small.scores(MANY[::-1])[::-1] - together).max() < 1e-4


def test_alone_is_the_same_to_the_last_bit(network: TorchBackend, folder: Path) -> None:
    first = [network.alone(ids) for ids in MANY[:9]]
    network.scores(MANY)
    again = TorchBackend(folder, 512, 1)
    assert [network.alone(ids) for ids in MANY[:9]] == first
    assert [again.alone(ids) for ids in MANY[8::-1]] == first[::-1]


def test_padding_is_counted(network: TorchBackend) -> None:
    network.scores(random_ids(10, 40))
    assert (network.tokens, network.computed) == (50, 80)


class Cramped:
    """A device that holds `room` tokens, padding included; it notes the batches that it was given."""

    def __init__(self, network: TorchBackend, room: int) -> None:
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
    many, more = random_ids(*[32] * 160), random_ids(*[32] * 160, seed=2)  # 5120 tokens: three batches
    network, other = TorchBackend(folder, 2048, 1), TorchBackend(folder, 4096, 1)
    network._half = other._half = False
    expected = other.scores(many)
    device = Cramped(network, room)
    monkeypatch.setattr(network, "_forward", device)
    assert np.abs(network.scores(many) - expected).max() < 1e-4
    assert network._budget == budget, "halved once where once is enough, whatever the number of batches"
    device.batches.clear()
    assert np.abs(network.scores(more) - other.scores(more)).max() < 1e-4
    assert max(device.batches) <= budget


def test_one_window_that_does_not_fit_is_an_error(network: TorchBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(network, "_forward", Cramped(network, 30))
    with pytest.raises(torch.OutOfMemoryError):
        network.scores(random_ids(*[32] * 9))
    assert network.scores(random_ids(20)).shape == (1,), "the next batch is scored as if nothing had been"


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.safetensors contains weights that are not numbers"):
        TorchBackend(save_torch(tmp_path, fill=float("nan")), 4096, 1)


def without_classifier(file: Path) -> None:
    from safetensors.numpy import load_file, save_file

    save_file({name: array for name, array in load_file(file).items() if name != "classifier.weight"}, file, {"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (without_classifier, r"model\.safetensors lacks classifier\.weight"),
        (lambda file: file.write_bytes(file.read_bytes()[:-9]), r"model\.safetensors cannot be loaded: .*Reinstall the pinned model"),
        (lambda file: file.write_bytes(b""), r"model\.safetensors cannot be loaded"),
    ],
)
def test_damaged_weights_are_refused(tmp_path: Path, damage: Callable[[Path], object], says: str) -> None:
    damage(save_torch(tmp_path) / "model.safetensors")
    with pytest.raises(ModelError, match=says):
        TorchBackend(tmp_path, 4096, 1)


def lengths(seed: int, count: int) -> list[int]:
    """Numbers of tokens as real windows have them: many short, some long."""
    rng = random.Random(seed)
    return [min(128, max(3, round(rng.lognormvariate(3.5, 1.0)))) for _ in range(count)]


@each("budget", [512, 2048, 4096])
@each("count", [1, 7, 400, 3000])
def test_packed_keeps_the_budget_and_every_window(budget: int, count: int) -> None:
    sizes = lengths(1, count)
    batches = list(packed(sizes, budget))
    assert sorted(i for batch in batches for i in batch) == list(range(count))
    assert all(len(batch) * max(sizes[i] for i in batch) <= budget for batch in batches)


@pytest.mark.parametrize("seed", range(5))
def test_packed_pads_little(seed: int) -> None:
    sizes = lengths(seed, 1000)
    computed = sum(len(batch) * max(sizes[i] for i in batch) for batch in packed(sizes, 4096))
    assert computed / sum(sizes) <= 1.5


def test_a_window_above_the_budget_stands_alone() -> None:
    assert list(packed([900, 3, 900], 512)) == [[1], [0], [2]]
    assert list(packed([], 512)) == []


def test_all_actors_of_a_node_share_one_set_of_weights(network: TorchBackend, folder: Path) -> None:
    assert mapped_share(network._network, folder / "model.safetensors") > 0.99
