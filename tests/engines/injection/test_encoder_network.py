"""Whatever the format of the weights: a window has one score, equal windows are computed once, and a score is a number."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.engines.injection.building import ATTACK, random_ids, save_model, save_network
from veritensor_ray.core.errors import ModelError
from veritensor_ray.engines.injection.encoder_network import Network
from veritensor_ray.engines.injection.windows import TokenWindow
from veritensor_ray.engines.word_forms import Array
from veritensor_ray.models.model_store import ONNX, SAFETENSORS

pytestmark = pytest.mark.slow


def windows(*sizes: int, seed: int = 1) -> list[TokenWindow]:
    """Of random tokens."""
    return [TokenWindow(0, 0, 1, 0.0, ids) for ids in random_ids(*sizes, seed=seed)]


MANY = windows(*(3 + 7 * i % 60 for i in range(30)))


class Counted:
    """A network, and the sizes of the windows that its weights were asked about."""

    def __init__(self, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
        self.network, self.asked = network, []
        self._scores = network.backend.scores
        monkeypatch.setattr(network.backend, "scores", self)

    asked: list[int]

    def __call__(self, ids: Sequence[Sequence[int]]) -> Array:
        self.asked += [len(one) for one in ids]
        return self._scores(ids)


@pytest.fixture(scope="module", params=[ONNX, SAFETENSORS])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_network(tmp_path_factory.mktemp("network"), request.param)


@pytest.fixture
def counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(Network(folder, 4096), monkeypatch)


def test_a_window_alone_has_its_score(counted: Counted) -> None:
    network = counted.network
    together = network.score(MANY)
    assert np.ptp(together) > 0.1, "random weights tell these windows apart"
    alone = np.array([network.alone(window) for window in MANY])
    if network.exact:
        assert alone.tolist() == together.tolist()
    else:
        assert np.abs(alone - together).max() < 0.1  # bfloat16 where the processor has it


def test_the_order_of_windows_changes_nothing(folder: Path) -> None:
    mixed = random.Random(1).sample(MANY, len(MANY))
    scores = dict(zip(map(id, mixed), Network(folder, 256).score(mixed), strict=True))
    assert Network(folder, 4096).score(MANY) == pytest.approx([scores[id(window)] for window in MANY], abs=0.1)


def test_equal_windows_are_computed_once(counted: Counted) -> None:
    network = counted.network
    one, other = windows(20, 30)
    scores = network.score([one, other, one, TokenWindow(7, 8, 9, 1.0, list(one.ids))])
    assert counted.asked == [20, 30]
    assert scores[0] == scores[2] == scores[3] != scores[1]
    assert network.score([other, one]).tolist() == [scores[1], scores[0]]
    network.score([*windows(25, seed=2), one])
    assert counted.asked == [20, 30, 25]


def test_a_call_may_have_more_windows_than_are_remembered(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("veritensor_ray.models.shared_answers._KNOWN", 3)
    assert len(counted.network.score(MANY)) == len(MANY)


def test_no_windows(counted: Counted) -> None:
    assert counted.network.score([]).tolist() == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_scores_that_are_no_numbers_are_an_error_and_not_clean(counted: Counted, monkeypatch: pytest.MonkeyPatch, value: float) -> None:
    backend = counted.network.backend
    monkeypatch.setattr(backend, "scores", lambda ids: np.array([1.0, value]))
    monkeypatch.setattr(backend, "alone", lambda ids: value)
    with pytest.raises(ModelError, match=r"returned scores that are not numbers\. Reinstall the pinned model"):
        counted.network.score(windows(20, 30))
    with pytest.raises(ModelError, match="are not numbers"):
        counted.network.alone(windows(20)[0])


def test_a_model_in_onnx_needs_neither_pytorch_nor_transformers(tmp_path: Path) -> None:
    """And ONNX Runtime is told to be silent before it is imported, in a process whose environment says nothing of that."""
    home = save_model(tmp_path / "models")
    code = (
        "import json, os, sys\n"
        "from pathlib import Path\n"
        "from veritensor_ray.core.config import Settings\n"
        "from veritensor_ray.engines.injection import Injection\n"
        "from veritensor_ray.models.model_store import ModelStore\n"
        "from veritensor_ray.testing import text_batch\n"
        "store = ModelStore('embedded', Path(sys.argv[1]))\n"
        "ModelStore.of = lambda settings: store\n"
        "engine = Injection(Settings())\n"
        "engine.load(store)\n"
        "hits = engine.scan_text(text_batch([sys.argv[2]]))\n"
        "print(json.dumps([len(hits), [name for name in ('torch', 'transformers', 'onnx', 'onnxruntime') if name in sys.modules]]))\n"
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "user"), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(home), ATTACK]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [1, ["onnxruntime"]]
    assert not (tmp_path / "user").exists(), "it would have made a folder there for what it reports"
