"""The signed statement about a cleaned corpus, and the check that the copy is still what was written.

`attestation.json` is a DSSE envelope around an in-toto Statement v1. Its subjects are the manifest, the dropped rows and run.json. The
manifest holds the SHA-256 of every file of the copy and of its source, and run.json those of both audits, so the signature covers them all.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from veritensor_ray.cleaning.copy_manifest import AFTER, BEFORE, CORPUS, MANIFEST, MANIFEST_NAME, QUARANTINE, ROWS_NAME
from veritensor_ray.cleaning.copy_places import object_name, paths_below
from veritensor_ray.core.errors import IncompleteOutput, SignatureError, StoreError, told
from veritensor_ray.core.signing import TrustedKey, TrustList
from veritensor_ray.findings.run_file import CLEAN_KIND, check
from veritensor_ray.masking.redaction import visible
from veritensor_ray.results.attestation import (
    NAME,
    RUN,
    STATEMENT_TYPE,
    put_statement,
    refuse_links,
    results_digest,
    sha256_of,
    signed_statement,
)
from veritensor_ray.stores.outputs import OutputStore

PREDICATE_TYPE = "urn:veritensor-ray:clean:v1"
VERDICTS = ("clean", "findings-left", "incomplete", "empty")
PLACES = frozenset((BEFORE, AFTER, CORPUS, QUARANTINE, MANIFEST_NAME, ROWS_NAME, RUN, NAME, "_work"))  # all that a destination holds
_AGAIN = "Copy it again from its origin, or clean again with --fresh"
_ABOUT = (
    "sources",
    "destination",
    "policy",
    "clean",
    "before",
    "after",
    "results",
    "rows_dropped",
    "level",
    "left",
    "below",
    "verdict",
    "finished_at",
)


@dataclass(frozen=True, slots=True)
class VerifiedCopy:
    """A copy that is exactly what its manifest and its run.json say. `keys` signed both; none if the copy is not signed."""

    run: Mapping[str, Any]
    files: int
    keys: tuple[TrustedKey, ...]


def attest_copy(store: OutputStore, key_named: str, run: Mapping[str, Any], data: bytes) -> None:
    """Write attestation.json. `data` is the content of run.json, which may not be there yet. Raises UsageError, SignatureError."""
    subjects = [{"name": name, "digest": {"sha256": sha256_of(store, name)}} for name in (MANIFEST_NAME, ROWS_NAME)]
    subjects.append({"name": RUN, "digest": {"sha256": hashlib.sha256(data).hexdigest()}})
    store.remove([NAME])  # of a run that was interrupted
    put_statement(
        store,
        key_named,
        {
            "_type": STATEMENT_TYPE,
            "subject": subjects,
            "predicateType": PREDICATE_TYPE,
            "predicate": {name: run.get(name) for name in _ABOUT},
        },
    )


def verify_copy(store: OutputStore, trusted: TrustList | None) -> VerifiedCopy:
    """Compare a copy with its manifest, both audits with run.json, and manifest and run.json with their signature.

    With a list of trusted keys, the copy must be signed by one of them; without one, it must not be signed at all. Raises IncompleteOutput,
    StoreError, or a SignatureError that names the first thing that differs.
    """
    refuse_links(store, PLACES)
    run = _run(store)
    keys = _signers(store, trusted)
    expected = {row["path"]: row for row in _manifest(store) if row["path"]}
    faults = [*_faults_around(store, run), *_faults(store, expected)]
    if faults:
        more = f" (and {len(faults) - 1:,} more things differ)" if len(faults) > 1 else ""
        raise SignatureError(f"{faults[0]}{more}. {_AGAIN}")
    return VerifiedCopy(run, len(expected), keys)


def _signers(store: OutputStore, trusted: TrustList | None) -> tuple[TrustedKey, ...]:
    """Return the trusted keys that signed the manifest, the dropped rows and run.json. Raises SignatureError if none did."""
    signed = store.exists(NAME)
    if trusted is None:
        if signed:
            raise SignatureError(f"{store.uri} is signed, but there is no list of trusted keys to check it with; see `veritensor-ray keys`")
        return ()
    if not signed:
        raise SignatureError(
            f"{store.uri} has no {NAME}: the copy is not signed, or its signature was removed. Copy it again from its origin, sign it by "
            "repeating the clean with --sign-key, or check it without --trusted-keys and `trusted_keys`, which proves less"
        )
    keys, statement = signed_statement(store, trusted, PREDICATE_TYPE)
    for subject in statement["subject"]:
        if sha256_of(store, subject["name"]) != subject["digest"]["sha256"]:
            raise SignatureError(f"{store.uri}/{subject['name']} has changed: its SHA-256 differs from the signed one. Copy it again")
    return keys


def _faults_around(store: OutputStore, run: Mapping[str, Any]) -> Iterator[str]:
    """Yield what differs beside the files: audits that are missing, extra or changed, and names that no cleaning writes."""
    for name in (BEFORE, AFTER):
        about, where = run[name], f"{store.uri}/{name}"
        if about is None:
            if store.exists(name):
                yield f"{where} is extra: run.json names no such audit"
        elif not store.exists(name):
            yield f"{where} is missing"
        elif results_digest(store.under(name)) != about["sha256"]:
            yield f"{where} has changed: it is not the audit that run.json names"
    for name in sorted(set(store.names("")) - PLACES):
        yield f"{store.uri}/{visible(name)} is extra: no cleaning writes it"


def _run(store: OutputStore) -> dict[str, Any]:
    data = store.read(RUN)
    if data is None:
        hint = (
            "the cleaning has not finished. Run the same command again" if store.names("_work") else "no cleaned corpus was written there"
        )
        raise IncompleteOutput(f"{store.uri} has no run.json: {hint}")
    run = run_of(data, store.uri)
    check(run, store.uri)
    return run


def run_of(data: bytes, where: str) -> dict[str, Any]:
    """Return the content of the run.json of a cleaned corpus. Raises StoreError if it is not one."""
    try:
        run = json.loads(data)
    except (ValueError, RecursionError):
        run = None
    if not isinstance(run, dict) or run.get("kind") != CLEAN_KIND or run.get("verdict") not in VERDICTS:
        raise StoreError(f"{where} does not hold a cleaned corpus, or its run.json is damaged; name the folder that --to named")
    return run


def _manifest(store: OutputStore) -> list[dict[str, Any]]:
    data = store.read(MANIFEST_NAME)
    try:
        rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(data or b""), schema=MANIFEST).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StoreError(f"{store.uri}/{MANIFEST_NAME} is damaged or missing ({told(error)}). Copy it again") from None
    return rows


def _faults(store: OutputStore, expected: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    present = {path for place in (CORPUS, QUARANTINE) for path in paths_below(store, place)}
    for path in sorted(present | expected.keys()):
        shown = f"{store.uri}/{visible(path)}"
        if path not in expected:
            yield f"{shown} is extra: the manifest does not have it"
        elif path not in present:
            yield f"{shown} is missing"
        elif store.local is not None and (store.local / object_name(store, path)).is_symlink():
            yield f"{shown} is a link, but the copy has none"
        elif sha256_of(store, object_name(store, path)) != expected[path]["clean_sha256"]:
            yield f"{shown} has changed: its SHA-256 differs from that in the manifest"
