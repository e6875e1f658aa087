"""Small models under the names and commits of the package's own catalog, for a hub on loopback: they give its known answers.

They are of the catalog's architectures, made in seconds: the embedded injection model made more certain, a tiny GLiNER that has learned one
sentence by heart, and EasyOCR's own weights. What they say of other texts means nothing.
"""

from __future__ import annotations

import importlib.util
import io
import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import yaml

from tests.scripts import tiny

ROOT = Path(__file__).resolve().parents[2] / "veritensor_ray/models"
CERTAIN = 10.0  # log odds of the known answers; both thresholds of the catalog lie within


def files() -> dict[str, dict[str, bytes]]:
    """As `Hub.files` wants them."""
    catalog: dict[str, Any] = yaml.safe_load((ROOT / "catalog.yaml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        injection, pii = catalog["injection"], catalog["pii"]
        _injection(folder / "injection", injection["selftest"])
        _pii(folder, pii["selftest"], list(pii["standard"]["labels"]))
        entries = {"injection": injection["standard"], "pii": pii["standard"], "backbone": pii["standard"]["backbone"]}
        return {
            f"{entry['repository']}@{entry['revision']}": {name: (folder / part / name).read_bytes() for name in entry["files"]}
            for part, entry in entries.items()
        }


def archives() -> dict[str, bytes]:
    """EasyOCR's own weights, from the package that brings them, zipped as its releases are."""
    spec = importlib.util.find_spec("easyocr_en_models")
    assert spec is not None
    assert spec.submodule_search_locations
    made = {}
    for stem in ("craft_mlt_25k", "english_g2"):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.write(Path(spec.submodule_search_locations[0]) / f"models/{stem}.pth", f"{stem}.pth")
        made[f"{stem}.zip"] = content.getvalue()
    return made


def _injection(folder: Path, answers: dict[str, str]) -> None:
    """The classifier's rows stretched and moved, so that the known answers get ±CERTAIN."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    shutil.copytree(ROOT / "embedded/injection", folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        attack, harmless = (
            float(torch.diff(model(**tokenizer(answers[name], return_tensors="pt")).logits[0])) for name in ("attack", "harmless")
        )
    assert attack > harmless
    stretch = 2 * CERTAIN / (attack - harmless)
    weights = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
    weights["classifier.weight"] *= stretch
    weights["classifier.bias"] = weights["classifier.bias"] * stretch + torch.tensor([0.0, -stretch * (attack + harmless) / 2])
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _pii(folder: Path, answers: dict[str, str], labels: list[str]) -> None:
    """The tiny model of the tests, trained until it finds the one person of the one sentence."""
    import torch

    torch.manual_seed(7)
    torch.set_num_threads(1)
    built = tiny.build_gliner(folder / "pii", folder / "backbone")
    words = [word for word, _, _ in built.data_processor.words_splitter(answers["text"])]
    first, *_, last = answers["span"].split()
    example = {"tokenized_text": words, "ner": [[words.index(first), words.index(last), answers["label"]]]}
    batch = built._create_data_collator()([example | {"ner_labels": labels}, example | {"ner_labels": [answers["label"]]}])
    inputs = {name: value for name, value in batch.items() if isinstance(value, torch.Tensor)}
    optimizer = torch.optim.Adam(built.model.parameters(), lr=5e-4)
    built.model.train()
    for _ in range(800):
        loss = built.model(**inputs, alpha=-1, gamma=0, reduction="sum").loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.save(built.model.state_dict(), folder / "pii/pytorch_model.bin")


if __name__ == "__main__":
    print(json.dumps({name: {file: len(content) for file, content in held.items()} for name, held in files().items()}, indent=1))
