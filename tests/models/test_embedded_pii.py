"""The embedded PII model is whole, loads without a network and reads what it was made for."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from veritensor_ray.engines.pii.free_text.passages_read import labels_of, thresholds_of, window_words_of
from veritensor_ray.models.model_store import ONNX, ModelStore

_READ = """
import json, socket, sys
def refuse(*_, **__): raise OSError("no network in this test")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from veritensor_ray.core.config import Settings
from veritensor_ray.engines.pii.free_text.passages_read import FreeText
from veritensor_ray.models.model_store import ModelStore
print(json.dumps([[s.rule, sys.argv[1][s.start : s.end]] for s in FreeText(ModelStore("embedded").model("pii"), Settings()).read([sys.argv[1]])[0]]))
"""


def test_it_is_sealed_and_small() -> None:
    model = ModelStore("embedded").model("pii")
    assert sum(path.stat().st_size for path in model.folder.iterdir()) <= 24_000_000
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in model.folder.iterdir())
    if not (model.folder / ONNX).exists():
        config = (model.folder / "gliner_config.json").read_text("utf-8")
        assert '"/' not in config  # no path of the machine that made it
        assert json.loads(config)["encoder_config"]["model_type"] == "deberta-v2"


def test_its_calibration_is_what_the_engine_reads() -> None:
    settings = ModelStore("embedded").model("pii").settings
    assert set(labels_of(settings).values()) == {"person", "organization", "address", "medical"}
    assert all(0.1 < threshold < 1 for threshold in thresholds_of(settings, {}).values())
    assert 20 <= window_words_of(settings) <= 100


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Please send the signed contract to Maria Schneider before Friday.", ["person", "Maria Schneider"]),
        ("hi, can you call thomas miller back today? thanks", ["person", "thomas miller"]),
        ("Ship it to 42 Station Road, Leeds LS1 4DY by Monday.", ["address", "42 Station Road, Leeds LS1 4DY"]),
    ],
)
def test_it_reads_without_a_network(text: str, found: list[str]) -> None:
    command = [sys.executable, "-c", _READ, text]
    answer = subprocess.run(command, env=os.environ | {"HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, timeout=120, check=True)
    assert found in json.loads(answer.stdout.splitlines()[-1])
