"""Sign the results of a run, and verify that they are unchanged.

`attestation.json` is a DSSE envelope around an in-toto Statement v1. Its subjects are run.json and every object below the folders of
tables, at any depth: everything that a reader of these folders would take for a table. `_work/` holds no results and is left out. It does
not depend on engines, and reads no table.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from veritensor_ray.core.errors import IncompleteOutput, SignatureError, StoreError
from veritensor_ray.core.signing import Signature, TrustedKey, TrustList, load_private_key, sign, signatures_of, verify
from veritensor_ray.findings.schema import ALL_TABLES
from veritensor_ray.findings.sweep_state import LATEST, folder_of, latest
from veritensor_ray.stores.filesystems import denied, filesystem
from veritensor_ray.stores.outputs import OutputStore

NAME = "attestation.json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"  # an identifier from the specification; nothing is fetched
PREDICATE_TYPE = "urn:veritensor-ray:audit:v1"
RUN = "run.json"
FOLDERS = tuple(ALL_TABLES)  # an audit has some of them; any other object that appears there is extra
_MOST = 64 << 20  # bytes, the largest attestation; a subject takes about 130
_ABOUT = ("scan_id", "fingerprint", "package_version", "bundle_id", "profile", "site_key_id", "finished_at")
_OF_SOME = ("advisories", "previous", "states")  # with an advisory database; of sweeps


@dataclass(frozen=True, slots=True)
class VerifiedResults:
    """Results that match the signature of a trusted key."""

    keys: tuple[TrustedKey, ...]
    predicate: Mapping[str, Any]
    objects: int


def attest(store: OutputStore, key_named: str, run: Mapping[str, Any]) -> None:
    """Write attestation.json next to an existing run.json. If there is a signature already, add one by another key.

    Raises UsageError for a bad key, and SignatureError if the results differ from those signed before, because signing again would hide
    that.
    """
    put_statement(store, key_named, _statement(store, run))


def put_statement(store: OutputStore, key_named: str, statement: Mapping[str, Any]) -> None:
    """Write attestation.json with a signed statement, or add another key's signature to the same one. Raises UsageError, SignatureError."""
    key = load_private_key(key_named)
    payload = json.dumps(statement, separators=(",", ":"), sort_keys=True).encode()
    mine = sign(PAYLOAD_TYPE, payload, key)
    others: tuple[Signature, ...] = ()
    if store.exists(NAME):
        before, others = _opened(store)
        if before != payload:
            raise SignatureError(
                f"the results in {store.uri} differ from those signed before and are not signed again. `veritensor-ray verify` lists the "
                "differences; --fresh scans again"
            )
    store.put(NAME, _envelope(payload, [*(one for one in others if one.keyid != mine.keyid), mine]))


def _statement(store: OutputStore, run: Mapping[str, Any]) -> dict[str, Any]:
    names = [*sorted(_present(store)), RUN]
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": sha256_of(store, name)}} for name in names],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            **{name: run.get(name) for name in _ABOUT},
            **{name: run[name] for name in _OF_SOME if name in run},
            "counts": {name: run.get(name) for name in ("totals", "status", "severity")},
        },
    }


def _envelope(payload: bytes, signatures: Sequence[Signature]) -> bytes:
    words = [signature.as_json() for signature in signatures]
    envelope = {"payload": base64.b64encode(payload).decode(), "payloadType": PAYLOAD_TYPE, "signatures": words}
    return json.dumps(envelope, indent=1).encode() + b"\n"


def check(store: OutputStore, trusted: TrustList) -> VerifiedResults:
    """Compare the results with the signature of a trusted key.

    Raises IncompleteOutput, or a SignatureError that names the first object that differs and how.
    """
    _refuse_links(store)
    _check_ended(store)
    with _asked(store.uri, "read"):
        signed_by_someone = store.exists(NAME)
    if not signed_by_someone:
        raise SignatureError(
            f"{store.uri} has no {NAME}: it is not signed. Repeat the submit with --sign-key file:/path or env:NAME "
            "to sign a finished audit"
        )
    keys, statement = signed_statement(store, trusted, PREDICATE_TYPE)
    return VerifiedResults(keys, statement["predicate"], _compare(store, statement))


def signed_statement(store: OutputStore, trusted: TrustList, predicate_type: str) -> tuple[tuple[TrustedKey, ...], dict[str, Any]]:
    """Return the statement in attestation.json and the trusted keys that signed it. Raises SignatureError."""
    payload, signatures = _opened(store)
    keys = verify(f"{store.uri}/{NAME}", PAYLOAD_TYPE, payload, signatures, trusted)
    statement: dict[str, Any] = json.loads(payload)  # the signature is valid, so this is what we wrote
    if (statement.get("_type"), statement.get("predicateType")) != (STATEMENT_TYPE, predicate_type):
        raise SignatureError(
            f"{store.uri}/{NAME} is signed but describes something else: {statement.get('predicateType')}. Copy the output again"
        )
    return keys, statement


def check_unchanged(store: OutputStore) -> None:
    """Compare signed results with their own list of digests, whoever signed it. Results without a signature pass.

    This finds damage and careless edits; only `check` finds a forger. Raises SignatureError that names the first object that differs.
    """
    with _asked(store.uri, "read"):
        signed_by_someone = store.exists(NAME)
    if not signed_by_someone:
        return
    _refuse_links(store)
    with _well_formed(store):
        _compare(store, json.loads(_opened(store)[0]))


def check_listed(store: OutputStore, *names: str) -> None:
    """Compare some objects with the list of digests beside them, as `check_unchanged` does for all. Without a list, they pass."""
    if not store.exists(NAME):
        return
    with _well_formed(store):
        signed = {one["name"]: one["digest"]["sha256"] for one in json.loads(_opened(store)[0])["subject"]}
        for name in names:
            if signed[name] != sha256_of(store, name):
                raise SignatureError(f"{store.uri}/{name} has changed: its SHA-256 differs from the signed one. Copy it again")


@contextlib.contextmanager
def _well_formed(store: OutputStore) -> Iterator[None]:
    """Turn what a damaged statement raises in this block into a SignatureError."""
    try:
        yield
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise SignatureError(f"{store.uri}/{NAME} is damaged: {error}. Copy the output again") from None


def _compare(store: OutputStore, statement: Mapping[str, Any]) -> int:
    """Compare all objects with the digests of a statement, and return their number. Raises SignatureError."""
    signed = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    found = list(_faults(store, signed, statement["predicate"]))
    if found:
        more = f" (and {len(found) - 1:,} more objects differ)" if len(found) > 1 else ""
        raise SignatureError(f"{found[0]}{more}. Copy the output again from its origin, or scan again with --fresh")
    return len(signed)


def _check_ended(store: OutputStore) -> None:
    """Raise IncompleteOutput if there is no run.json."""
    with _asked(store.uri, "read"):
        if store.exists(RUN):
            return
        begun = store.names("_work")
    raise IncompleteOutput(
        f"{store.uri} has no run.json: {'the audit has not finished. Run the same submit again' if begun else 'no audit was written there'}"
    )


def _refuse_links(store: OutputStore) -> None:
    """Refuse links among the files of results."""
    folder = store.local
    if folder is not None:
        below = (str(path.relative_to(folder)) for name in FOLDERS for path in (folder / name).rglob("*"))
        refuse_links(store, (RUN, NAME, *FOLDERS, *below))


def check_output(store: OutputStore, trusted: TrustList) -> tuple[str | None, VerifiedResults]:
    """Check an audit, or the last complete sweep of a state. For a state, also return where the sweep is.

    latest.json is not signed. It can point to an older sweep, which is reported by the signed content, but not to any other folder.
    """
    folder, sweep = _results(store)
    verified = check(folder, trusted)
    if sweep is None:
        return None, verified
    if verified.predicate.get("scan_id") != sweep:
        raise SignatureError(f"{folder.uri} is not the signed sweep, {verified.predicate.get('scan_id')}. Copy the state again")
    return folder.uri, verified


def results_digest(output: OutputStore) -> str:
    """Return a SHA-256 over all objects of an audit, or of the last complete sweep of a state.

    Whoever signs or records it can tell later that the results are the same. Raises IncompleteOutput, SignatureError for a link, StoreError.
    """
    store, _ = _results(output)
    _refuse_links(store)
    _check_ended(store)
    lines = [f"{sha256_of(store, name)}  {name}\n" for name in sorted({*_present(store), RUN})]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def refuse_links(store: OutputStore, names: Iterable[str]) -> None:
    """Refuse names that are links: a link may point elsewhere later, so a check through it proves nothing. Raises SignatureError."""
    if store.local is None:
        return
    for path in (store.local / name for name in names):
        if path.is_symlink():
            raise SignatureError(f"{path} is a link, but what was written there had none. Copy the output again from its origin")


def _results(store: OutputStore) -> tuple[OutputStore, str | None]:
    """Return the folder of an audit, or that of the last complete sweep of a state, with its ID. Raises SignatureError."""
    with _asked(store.uri, "read"):
        audit, data = store.exists(RUN), store.read(LATEST)
    if audit or data is None:
        return store, None
    try:
        sweep = latest(store)
    except StoreError as error:
        raise SignatureError(f"{error}. To check a single sweep:  {store.uri}/sweeps/ID") from None
    folder = folder_of(store, str(sweep))
    if folder.local is not None and (folder.local.is_symlink() or folder.local.parent.is_symlink()):
        raise SignatureError(f"{folder.uri} is reached through a link, but the signed sweep was not. Copy the state again")
    return folder, sweep


def _opened(store: OutputStore) -> tuple[bytes, tuple[Signature, ...]]:
    """Return the payload and signatures of an envelope of unknown origin."""
    with _asked(f"{store.uri}/{NAME}", "read"), store.open(NAME) as file:
        data = file.read(_MOST + 1)
    try:
        return _parsed(data)
    except (ValueError, TypeError, RecursionError) as error:
        raise SignatureError(f"{store.uri}/{NAME} is damaged: {error}. Copy the output again") from None


def _parsed(data: bytes) -> tuple[bytes, tuple[Signature, ...]]:
    if len(data) > _MOST:
        raise ValueError(f"it is larger than {_MOST >> 20} MiB")
    envelope = json.loads(data)
    if set(envelope) != {"payload", "payloadType", "signatures"} or envelope["payloadType"] != PAYLOAD_TYPE:
        raise ValueError("it is not a DSSE envelope around an in-toto statement")
    return base64.b64decode(envelope["payload"], validate=True), signatures_of(envelope["signatures"])


def _faults(store: OutputStore, signed: Mapping[str, str], about: Mapping[str, Any]) -> Iterator[str]:
    present = {*_present(store), RUN}
    for name in sorted(present | signed.keys(), key=lambda one: (one != RUN, one)):
        if name not in signed:
            yield f"{store.uri}/{name} is extra: it did not exist when the results were signed"
        elif name not in present:
            yield f"{store.uri}/{name} is missing: it existed when the results were signed"
        elif sha256_of(store, name) != signed[name]:
            how = _other_run(store, about) if name == RUN else ""
            yield f"{store.uri}/{name} has changed{how}: its SHA-256 differs from the signed one"


def _other_run(store: OutputStore, about: Mapping[str, Any]) -> str:
    """Return a remark for a run.json that belongs to a different run."""
    try:
        other = json.loads(store.read(RUN) or b"")["scan_id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return "" if other == about.get("scan_id") else f" (it belongs to run {other}, but run {about.get('scan_id')} was signed)"


def _present(store: OutputStore) -> Iterator[str]:
    """Yield all objects of the tables, at any depth, as a reader of the folder would find them."""
    fs, root = filesystem(store.uri, store.stores)
    base = root.rstrip("/")
    for folder in FOLDERS:
        with _asked(store.uri, "list"):
            paths = fs.find(f"{base}/{folder}")
        yield from (str(path).removeprefix(f"{base}/") for path in paths)


def sha256_of(store: OutputStore, name: str) -> str:
    """Return the hexadecimal SHA-256 of an object. Raises StoreError."""
    with _asked(f"{store.uri}/{name}", "read"), store.open(name) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # it reads in blocks, as from any binary file


@contextlib.contextmanager
def _asked(uri: str, action: str) -> Iterator[None]:
    """Turn a store's refusal into an error message."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # every store raises its own kind
        raise StoreError(denied(uri, action, error)) from None
