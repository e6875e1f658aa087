"""Results that are what was signed, and every way in which they are not."""

from __future__ import annotations

import base64
import io
import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import s3_server
from veritensor_ray import api
from veritensor_ray.core.config import Store
from veritensor_ray.core.errors import IncompleteOutput, SignatureError, StoreError
from veritensor_ray.core.signing import TrustList, load_public_key, new_key, revoke, trust
from veritensor_ray.findings.schema import OF_AUDIT
from veritensor_ray.results import attestation
from veritensor_ray.results.attestation import NAME, attest, check
from veritensor_ray.stores.outputs import OutputStore

RUN: dict[str, Any] = {
    "scan_id": "run-1",
    "fingerprint": "f",
    "package_version": "0.1.0",
    "profile": "embedded",
    "bundle_id": "b" * 16,
    "advisories": {"advisories": "2026-01-30", "kev": "2026-01-29", "epss": None},
    "site_key_id": "abc",
    "finished_at": "2026-01-31T00:00:00+00:00",
    "totals": {"artifacts": 2},
    "status": {"scanned": 2},
    "severity": {"high": 1},
    "sources": ["/data"],
    "engines": {},
    "rules": [],
    "not_covered": [],
    "coverage": {},
}
OBJECTS = ("run.json", *(f"{name}/part-00000.parquet" for name in OF_AUDIT))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the private keys mine and other."""
    folder = tmp_path_factory.mktemp("keys")
    new_key(folder / "mine", "the auditor")
    new_key(folder / "other")
    return folder


@pytest.fixture(scope="module")
def trusted(keys: Path) -> TrustList:
    """A list with `mine` alone."""
    return trust(TrustList(keys / "trusted.json"), *load_public_key(keys / "mine.pub"))


def write(store: OutputStore, run: dict[str, Any] = RUN) -> OutputStore:
    """An output of a run, unsigned, with a commit that is not a result."""
    for number, name in enumerate(OBJECTS[1:]):
        file = io.BytesIO()
        pq.write_table(pa.table({"artifact": ["a", f"{number}"]}), file)
        store.put(name, file.getvalue())
    store.put("_work/run-1/plan.parquet", b"not a result")
    store.put("run.json", json.dumps(run).encode())
    return store


@pytest.fixture(scope="module")
def signed(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed output; tests change copies of it."""
    folder = tmp_path_factory.mktemp("signed") / "out"
    attest(write(OutputStore(str(folder))), f"file:{keys / 'mine'}", RUN)
    return folder


@pytest.fixture
def output(signed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(signed, tmp_path / "out"))


def refused(output: Path, trusted: TrustList) -> str:
    with pytest.raises(SignatureError) as caught:
        check(OutputStore(str(output)), trusted)
    message = str(caught.value)
    assert message.count("\n") == 0
    return message


def test_an_output_that_nobody_touched(output: Path, trusted: TrustList) -> None:
    shutil.rmtree(output / "_work")  # no result
    found = check(OutputStore(str(output)), trusted)
    assert [key.name for key in found.keys] == ["the auditor"]
    assert found.objects == len(OBJECTS)
    counts = ("totals", "status", "severity")
    left_out = (*counts, "sources", "engines", "rules", "not_covered", "coverage")
    assert found.predicate == {name: value for name, value in RUN.items() if name not in left_out} | {
        "counts": {name: RUN[name] for name in counts}
    }


def test_the_envelope_is_one_that_other_tools_read(output: Path) -> None:
    envelope = json.loads((output / NAME).read_bytes())
    statement = json.loads(base64.b64decode(envelope["payload"]))
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert [one["name"] for one in statement["subject"]] == [*sorted(OBJECTS[1:]), "run.json"]
    assert set(envelope["signatures"][0]) == {"keyid", "sig"}


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("at", [0, 0.5, -1])
def test_a_flipped_bit(name: str, at: float, output: Path, trusted: TrustList) -> None:
    data = bytearray((output / name).read_bytes())
    data[int(at * len(data)) if at > 0 else int(at)] ^= 4
    (output / name).write_bytes(data)
    message = refused(output, trusted)
    assert f"{name} has changed" in message
    assert "SHA-256" in message
    assert "Copy the output again" in message


def test_a_flipped_bit_in_the_attestation_itself(output: Path, trusted: TrustList) -> None:
    """Each is refused, wherever it is: the payload is signed, the signature is one of 2^512, and the rest has one spelling."""
    original = (output / NAME).read_bytes()
    for at in range(0, len(original) - 1, 7):
        data = bytearray(original)
        data[at] ^= 1
        (output / NAME).write_bytes(data)
        if data[at : at + 1].isspace() and original[at : at + 1].isspace():
            continue  # between two tokens
        assert NAME in refused(output, trusted)


FILES: tuple[tuple[str, str], ...] = (
    ("findings/part-00001.parquet", "extra"),
    ("ledger/deep/er/part.parquet", "extra"),
    ("rollup/notes.txt", "extra"),
    ("findings/.hidden", "extra"),
    ("findings/part-00000.parquet", "missing"),
    ("rollup/part-00000.parquet", "missing"),
    ("rules/part-00000.parquet", "missing"),
)


@pytest.mark.parametrize(("name", "fault"), FILES)
def test_files_that_are_extra_or_missing(name: str, fault: str, output: Path, trusted: TrustList) -> None:
    path = output / name
    if fault == "missing":
        path.unlink()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(output / "findings/part-00000.parquet", path)
    assert f"{name} is {fault}" in refused(output, trusted)


def test_what_commands_read_is_what_is_checked(output: Path, trusted: TrustList) -> None:
    """A table in a folder below would be read as findings; the signature does not cover it, so it is refused."""
    (output / "findings/below").mkdir()
    shutil.copy(output / "findings/part-00000.parquet", output / "findings/below/x.parquet")
    assert api.open(output).findings.num_rows == 4
    assert "findings/below/x.parquet is extra" in refused(output, trusted)


@pytest.mark.parametrize("name", ["findings", "run.json", "attestation.json", "ledger/part-00000.parquet"])
def test_a_link_is_not_what_was_signed(name: str, output: Path, trusted: TrustList, tmp_path: Path) -> None:
    """It leads to the same bytes now, and elsewhere once it was checked."""
    (output / name).rename(tmp_path / "moved")
    (output / name).symlink_to(tmp_path / "moved")
    assert f"{output / name} is a link" in refused(output, trusted)


@pytest.mark.parametrize("name", ["run.json", "attestation.json", "findings/more.parquet"])
def test_a_named_pipe_is_not_waited_for(name: str, output: Path, trusted: TrustList) -> None:
    (output / name).unlink(missing_ok=True)
    os.mkfifo(output / name)
    if name == "findings/more.parquet":
        assert "findings/more.parquet is extra" in refused(output, trusted)
        with pytest.raises(StoreError, match="is not a regular file"):
            OutputStore(str(output)).dataset("findings")
    else:
        with pytest.raises(StoreError, match=rf"{output / name} is not a regular file"):
            check(OutputStore(str(output)), trusted)


def test_several_faults_are_counted(output: Path, trusted: TrustList) -> None:
    for name in OBJECTS[1:3]:
        (output / name).unlink()
    assert "findings/part-00000.parquet is missing" in (message := refused(output, trusted))
    assert "(and 1 more objects differ)" in message


def test_the_run_json_of_another_run(output: Path, trusted: TrustList) -> None:
    (output / "run.json").write_text(json.dumps(RUN | {"scan_id": "run-2"}))
    assert "run.json has changed (it belongs to run run-2, but run run-1 was signed)" in refused(output, trusted)


def test_without_run_json(output: Path, trusted: TrustList) -> None:
    (output / "run.json").unlink()
    with pytest.raises(IncompleteOutput, match=r"no run\.json"):
        check(OutputStore(str(output)), trusted)


def test_without_an_attestation(output: Path, trusted: TrustList) -> None:
    (output / NAME).unlink()
    assert "it is not signed" in (message := refused(output, trusted))
    assert "--sign-key" in message


def test_keys_that_do_not_count(output: Path, trusted: TrustList, keys: Path) -> None:
    mine = trusted.keys[0]
    assert "keys trust" in (message := refused(output, TrustList(keys / "none.json")))
    assert mine.id in message
    assert "is revoked (stolen)" in refused(output, revoke(trusted, mine.id, "stolen"))
    assert "expired on 2020-01-01" in refused(output, replace(trusted, keys=(replace(mine, not_after="2020-01-01"),)))
    (output / NAME).unlink()
    attest(OutputStore(str(output)), f"file:{keys / 'other'}", RUN)
    assert "has no valid signature" in refused(output, trusted)


def test_another_key_adds_its_signature_and_hides_no_change(output: Path, trusted: TrustList, keys: Path) -> None:
    store = OutputStore(str(output))
    for name in ("other", "mine", "other"):
        attest(store, f"file:{keys / name}", RUN)
    assert len(json.loads((output / NAME).read_bytes())["signatures"]) == 2
    assert [key.name for key in check(store, trusted).keys] == ["the auditor"]
    (output / "findings/part-00000.parquet").write_bytes(b"nothing was found")
    with pytest.raises(SignatureError, match="differ from those signed before"):
        attest(store, f"file:{keys / 'mine'}", RUN)
    assert "findings/part-00000.parquet has changed" in refused(output, trusted)


DAMAGED: tuple[tuple[bytes, str], ...] = (
    (b"", "is damaged"),
    (b"[" * 100_000, "is damaged"),
    (b"[]", "not a DSSE envelope"),
    (b'{"payload": 1, "payloadType": "application/vnd.in-toto+json", "signatures": []}', "is damaged"),
    (b'{"payload": "e30=", "payloadType": "text/plain", "signatures": []}', "not a DSSE envelope"),
    (b'{"payload": "e30=", "payloadType": "application/vnd.in-toto+json", "signatures": []}', "signatures"),
)


@pytest.mark.parametrize(("data", "words"), DAMAGED)
def test_an_attestation_that_is_none(data: bytes, words: str, output: Path, trusted: TrustList) -> None:
    (output / NAME).write_bytes(data)
    assert words in refused(output, trusted)


def test_an_attestation_without_end(output: Path, trusted: TrustList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attestation, "_MOST", 100)
    assert "it is larger than" in refused(output, trusted)


def test_a_statement_of_another_kind_by_the_same_key(output: Path, trusted: TrustList, monkeypatch: pytest.MonkeyPatch, keys: Path) -> None:
    (output / NAME).unlink()
    with monkeypatch.context() as patch:
        patch.setattr(attestation, "PREDICATE_TYPE", "urn:other")
        attest(OutputStore(str(output)), f"file:{keys / 'mine'}", RUN)
    assert "describes something else: urn:other" in refused(output, trusted)


Change = Callable[[Any], Any]
CHANGES: tuple[tuple[Change, str], ...] = (
    (lambda s3: s3.put_object(Bucket="results", Key="one/findings/x.parquet", Body=b"x"), "findings/x.parquet is extra"),
    (lambda s3: s3.put_object(Bucket="results", Key="one/run.json", Body=b"{}"), "run.json has changed"),
    (lambda s3: s3.delete_object(Bucket="results", Key="one/ledger/part-00000.parquet"), "ledger/part-00000.parquet is missing"),
)


def test_in_an_object_store(endpoint: str, trusted: TrustList, keys: Path, tmp_path: Path) -> None:
    import boto3

    (tmp_path / "secret").write_text("s")
    settings = Store(
        endpoint=endpoint, region="us-east-1", path_style=True, key=f"file:{tmp_path}/secret", secret=f"file:{tmp_path}/secret"
    )
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="s", aws_secret_access_key="s")
    for change, words in CHANGES:
        s3_server.empty(endpoint)
        s3.create_bucket(Bucket="results")
        store = write(OutputStore("s3://results/one", {"s3://": settings}))
        attest(store, f"file:{keys / 'mine'}", RUN)
        assert check(store, trusted).objects == len(OBJECTS)
        change(s3)
        with pytest.raises(SignatureError, match=words):
            check(store, trusted)
    s3_server.check_permissions(endpoint, after=0)  # from now on the server asks for permissions
    try:
        with pytest.raises(StoreError, match=r"s3:GetObject is required on s3://results/one"):
            check(store, trusted)
    finally:
        s3_server.check_permissions(endpoint, after=math.inf)
    s3.close()
