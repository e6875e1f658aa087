"""Checkpoints with tensors and nothing else become safetensors in the copy, if the policy says so, and say so in the manifest."""

from __future__ import annotations

import gzip
import pickle
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cleaning.in_process import InProcess, write
from tests.cleaning.marked import rewritten
from tests.formats.model_files.numpy import test_pickled_arrays as numpy_pickles
from tests.formats.model_files.torch.checkpoints import PAYLOAD, Command, planted, saved, with_pickle
from veritensor_ray.cleaning.cleaning_policy import parse
from veritensor_ray.cleaning.copy_manifest import Result

MODELS = {"engines": ["modelfiles"]}
CONVERT = "convert: safetensors"
REASON = "findings of modelfiles.dangerous-pickle"


@cache
def weights() -> Any:
    import torch

    return {"layer": {"weight": torch.arange(12.0).reshape(3, 4)}, "bias": torch.ones(3, dtype=torch.bfloat16)}


def with_command() -> bytes:
    """Return a checkpoint that runs a command before it builds its tensors."""
    return with_pickle(saved(weights()), planted)


def loaded(path: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(path)


def cleaned(tmp_path: Path, files: dict[str, Any], policy: str = CONVERT) -> dict[str, dict[str, Any]]:
    """Clean a corpus, and return the rows of the manifest by artifact."""
    write(tmp_path / "corpus", files)
    run = InProcess(str(tmp_path / "corpus"), str(tmp_path / "copy"), policy, dict(MODELS))
    run.scan().publish()
    return run.manifest()


def test_the_copy_has_tensors_and_says_what_they_were(tmp_path: Path) -> None:
    rows = cleaned(
        tmp_path, {"m/a.pt": with_command(), "good.pt": saved(weights()), "bad.bin": saved({"w": weights(), "x": Command()}, in_zip=False)}
    )
    row = rows["m/a.pt"]
    assert (row["result"], row["path"], row["reason"]) == ("cleaned", "corpus/m/a.pt.safetensors", "it became safetensors with 2 tensors")
    assert row["actions"] == [{"rule": "modelfiles.dangerous-pickle", "action": "convert", "count": 1}]
    copy = loaded(tmp_path / "copy" / row["path"])
    assert copy["layer.weight"].equal(weights()["layer"]["weight"]) and copy["bias"].equal(weights()["bias"])
    assert (rows["good.pt"]["result"], rows["good.pt"]["path"]) == ("copied", "corpus/good.pt")
    assert rows["bad.bin"]["result"] == "quarantined"
    assert rows["bad.bin"]["reason"] == f"{REASON}; it does not become safetensors: 'x' is a result of posix.system, not a tensor"
    assert (tmp_path / "copy" / "quarantine" / "bad.bin").exists()


def test_arrays_of_numpy_and_joblib(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {"w": np.arange(6.0).reshape(2, 3), "layers": [np.ones(2, "i4")]}
    dump = numpy_pickles.planted(numpy_pickles.dumped(arrays))
    files = {
        "a.pkl": numpy_pickles.planted(pickle.dumps(arrays)),
        "b.joblib": dump,
        "c.joblib": zlib.compress(dump),
        "d.joblib.gz": gzip.compress(dump),
        "e.npy": numpy_pickles.saved(arrays).replace(b"\x80\x04\x95", b"\x80\x04" + PAYLOAD + b"tR0\x95", 1),
        "good.joblib": numpy_pickles.dumped(arrays),
    }
    bad = {"bad.joblib": numpy_pickles.planted(numpy_pickles.dumped(arrays | {"n": 3})), "bad.gz": gzip.compress(pickle.dumps(Command()))}
    rows = cleaned(tmp_path, files | bad)
    assert rows.pop("good.joblib")["result"] == "copied"
    assert rows.pop("bad.joblib")["reason"] == f"{REASON}; it does not become safetensors: 'n' is a value of type int, not an array"
    assert rows.pop("bad.gz")["result"] == "quarantined"
    assert len(rows) == 5
    for name, row in rows.items():
        assert (row["path"], row["reason"]) == (f"corpus/{name}.safetensors", "it became safetensors with 2 arrays"), row
        copy = loaded(tmp_path / "copy" / row["path"])
        assert (copy["w"].numpy() == arrays["w"]).all() and (copy["layers.0"].numpy() == arrays["layers"][0]).all()


def test_another_artifact_of_that_name_keeps_it(tmp_path: Path) -> None:
    rows = cleaned(tmp_path, {"a.pt": with_command(), "a.pt.safetensors": b"", "b.pt": with_command()})
    assert (rows["a.pt.safetensors"]["path"], rows["b.pt"]["path"]) == ("corpus/a.pt.safetensors", "corpus/b.pt.safetensors")
    name = rows["a.pt"]["path"].removeprefix("corpus/a.pt~")
    assert len(name) == len("0123456789ab.safetensors") and name.endswith(".safetensors")
    assert len(loaded(tmp_path / "copy" / rows["a.pt"]["path"])) == 2


def test_a_dry_run_converts_and_writes_nothing(tmp_path: Path) -> None:
    write(tmp_path / "corpus", {"a.pt": with_command()})
    run = InProcess(str(tmp_path / "corpus"), str(tmp_path / "copy"), CONVERT, dict(MODELS), dry_run=True)
    assert run.scan().publish()["results"] == {"cleaned": 1}
    assert not (tmp_path / "copy" / "corpus").exists()


@pytest.mark.parametrize(
    ("policy", "result", "reason"),
    [
        ("level: medium", Result.QUARANTINED, REASON),
        ("convert: office", Result.QUARANTINED, REASON),
        (
            CONVERT + "\nrules: [{rule: modelfiles.dangerous-pickle, action: quarantine}]",
            Result.CLEANED,
            "it became safetensors with 2 tensors",
        ),
        (CONVERT + "\nrules: [{rule: modelfiles.dangerous-pickle, action: drop-file}]", Result.DROPPED, REASON),
        (CONVERT + "\nrules: [{rule: modelfiles.*, action: keep}]", Result.COPIED, None),
    ],
)
def test_only_a_file_that_would_not_be_in_the_copy_is_converted(policy: str, result: Result, reason: str | None) -> None:
    found = rewritten(with_command(), "a.pt", parse(policy), ("modelfiles",)).cleaned
    assert (found.result, found.reason) == (result, reason)


def test_a_file_in_which_a_value_would_stay_is_not_converted() -> None:
    """The address stands in the name of a tensor, too, which stays."""
    import torch

    mail = "ada.lindqvist@kaldor-mail.com"
    checkpoint = with_pickle(saved({mail: torch.ones(1)}), planted)
    found = rewritten(checkpoint, "a.pt", parse(CONVERT), ("modelfiles", "pii")).cleaned
    assert found.result is Result.QUARANTINED
    assert "; it does not become safetensors: " in (found.reason or "") and mail not in (found.reason or "")
