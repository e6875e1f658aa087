"""Keys, signatures and the list of trusted keys."""

from __future__ import annotations

import base64
import json
import shutil
import stat
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, PublicFormat

from veritensor_ray.core.errors import CannotRunError, SignatureError, UsageError
from veritensor_ray.core.signing import (
    Signature,
    TrustedKey,
    TrustList,
    change,
    key_id,
    load_private_key,
    load_public_key,
    new_key,
    pre_authentication,
    revoke,
    sign,
    signatures_of,
    trust,
    trust_list,
    verify,
)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with the keys a and b."""
    for name in ("a", "b"):
        new_key(tmp_path / name, f"key {name}")
    return tmp_path


def signature(keys: Path, name: str, payload: bytes = b"payload", kind: str = "kind") -> Signature:
    return sign(kind, payload, load_private_key(f"file:{keys / name}"))


def trusting(keys: Path, *names: str, not_after: str | None = None) -> TrustList:
    trusted = TrustList(keys / "trusted.json")
    for name in names:
        trusted = trust(trusted, *load_public_key(keys / f"{name}.pub"), not_after)
    return trusted


def test_keys_in_files(tmp_path: Path) -> None:
    made = new_key(tmp_path / "key", " two\nlines ")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    public, name = load_public_key(tmp_path / "key.pub")
    assert (key_id(public), name) == (made, "two lines")
    for path in (tmp_path / "key", tmp_path / "key.pub"):
        before = path.read_bytes()
        with pytest.raises(UsageError, match="keys are never overwritten"):
            new_key(tmp_path / "key")
        assert path.read_bytes() == before
        path.unlink()
        (tmp_path / "other").write_bytes(before)
    with pytest.raises(CannotRunError, match="cannot be written: No such file or directory"):
        new_key(tmp_path / "none/key")
    new_key(tmp_path / "plain")
    assert load_public_key(tmp_path / "plain.pub")[1] == "plain"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_takes_our_keys_and_we_take_its(keys: Path) -> None:
    (keys / "data").write_bytes(b"data")
    for command in (
        "pkeyutl -sign -rawin -inkey a -in data -out data.sig",
        "pkeyutl -verify -rawin -pubin -inkey a.pub -in data -sigfile data.sig",
        "genpkey -algorithm ed25519 -out theirs",
        "pkey -in theirs -pubout -out theirs.pub",
    ):
        subprocess.run(["openssl", *command.split()], cwd=keys, check=True, capture_output=True)
    public, name = load_public_key(keys / "theirs.pub")
    assert name == "theirs"
    assert signature(keys, "theirs").keyid == key_id(public)


def pem(key: Any, password: bytes | None = None) -> bytes:
    protection = BestAvailableEncryption(password) if password else NoEncryption()
    data: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
    return data


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: pem(rsa.generate_private_key(65537, 2048)), "is not an ed25519 key"),
        (lambda: pem(ec.generate_private_key(ec.SECP256R1())), "is not an ed25519 key"),
        (lambda: pem(ed448.Ed448PrivateKey.generate()), "is not an ed25519 key"),
        (lambda: pem(ed25519.Ed25519PrivateKey.generate(), b"secret"), "is encrypted with a password"),
        (lambda: b"", "is not a private key in PEM format; make one with `veritensor-ray keys new PATH`"),
        (lambda: b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "is not a private key in PEM format"),
        (
            lambda: ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "is not a private key in PEM format",
        ),
    ],
)
def test_private_keys_that_are_refused(tmp_path: Path, content: Callable[[], bytes], message: str) -> None:
    (tmp_path / "key").write_bytes(content())
    with pytest.raises(UsageError, match=message):
        load_private_key(f"file:{tmp_path / 'key'}")


def test_keys_are_named(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGN_KEY", (keys / "a").read_text())
    assert sign("kind", b"payload", load_private_key("env:SIGN_KEY")) == signature(keys, "a")
    with pytest.raises(UsageError, match="write --sign-key file:a"):
        load_private_key("a")
    with pytest.raises(UsageError, match="env:NO_KEY is not set"):
        load_private_key("env:NO_KEY")


def test_public_keys_that_are_refused(keys: Path) -> None:
    with pytest.raises(UsageError, match=r"this is the private key, which must stay where it is: give its .pub"):
        load_public_key(keys / "a")
    with pytest.raises(UsageError, match="cannot be read"):
        load_public_key(keys / "none.pub")
    (keys / "x.pub").write_bytes(
        rsa.generate_private_key(65537, 2048).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(UsageError, match="is not an ed25519 key"):
        load_public_key(keys / "x.pub")


def test_the_encoding_is_that_of_dsse() -> None:
    """The example of the specification."""
    assert pre_authentication("http://example.com/HelloWorld", b"hello world") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def _names(found: tuple[Any, ...]) -> list[str]:
    return [key.name for key in found]


def test_one_trusted_signature_suffices(keys: Path) -> None:
    both = [signature(keys, "a"), signature(keys, "b")]
    assert _names(verify("it", "kind", b"payload", both, trusting(keys, "a"))) == ["key a"]
    assert _names(verify("it", "kind", b"payload", both, trusting(keys, "a", "b"))) == ["key a", "key b"]
    revoked = revoke(trusting(keys, "a", "b"), both[0].keyid, "lost")
    assert _names(verify("it", "kind", b"payload", both, revoked)) == ["key b"]


@pytest.mark.parametrize(
    ("not_after", "moment", "counts"),
    [
        ("2026-03-01", "2026-03-01T23:59:59", True),  # a date is inclusive
        ("2026-03-01", "2026-03-02T00:00:01", False),
        ("2026-03-01T12:00:00", "2026-03-01T12:00:00", True),
        ("2026-03-01T12:00:00", "2026-03-01T12:00:01", False),
        (None, "9999-01-01T00:00:00", True),
    ],
)
def test_when_a_key_expires(not_after: str | None, moment: str, counts: bool) -> None:
    key = TrustedKey("id", "", "name", not_after)
    assert key.objection(datetime.fromisoformat(moment).replace(tzinfo=UTC)) == ("" if counts else f"expired on {not_after}")


@pytest.mark.parametrize(
    ("trusted", "signatures", "message"),
    [
        (lambda k: trusting(k), "a", r"it has no valid signature. key {a} is not in /.*/trusted.json: compare the id"),
        (lambda k: trusting(k, "b"), "a", "key {a} is not in"),
        (lambda k: trusting(k, "a"), "", "it has no valid signature. Have it signed"),
        (
            lambda k: revoke(trusting(k, "a"), signature(k, "a").keyid, "stolen"),
            "a",
            r"key {a} \(key a\) is revoked \(stolen\): get a copy",
        ),
        (lambda k: revoke(trusting(k, "a"), signature(k, "a").keyid, "stolen"), "ab", r"is revoked \(stolen\): .*; key {b} is not in"),
        (lambda k: trusting(k, "a", not_after="2020-01-01"), "a", r"key {a} \(key a\) expired on \d{{4}}-"),
        (lambda k: trusting(k, "a", not_after="2020-01-01T00:00:00"), "a", "expired on 2020-01-01T00:00:00"),
    ],
)
def test_signatures_that_do_not_count(keys: Path, trusted: Callable[[Path], TrustList], signatures: str, message: str) -> None:
    ids = {name: signature(keys, name).keyid for name in "ab"}
    with pytest.raises(SignatureError, match=message.format(**ids)) as error:
        verify("it", "kind", b"payload", [signature(keys, name) for name in signatures], trusted(keys))
    assert error.value.exit_code == 4


@pytest.mark.parametrize(("kind", "payload"), [("kind", b"payloae"), ("kine", b"payload"), ("kind", b""), ("kin", b"dpayload")])
def test_what_was_changed_is_refused_whoever_else_signed(keys: Path, kind: str, payload: bytes) -> None:
    good, bad = sign(kind, payload, load_private_key(f"file:{keys / 'a'}")), signature(keys, "b")
    for signatures in ([bad], [good, bad], [bad, good]):
        with pytest.raises(SignatureError, match=rf"it is not what key {bad.keyid} \(key b\) signed"):
            verify("it", kind, payload, signatures, trusting(keys, "a", "b"))
    assert verify("it", kind, payload, [good, bad], trusting(keys, "a"))


GOOD = {"keyid": "0" * 16, "sig": base64.b64encode(bytes(64)).decode()}


@pytest.mark.parametrize(
    "value",
    [
        None, {}, [], "x", [GOOD] * 33, [None], [{}], [GOOD | {"more": "x"}], [GOOD | {"keyid": None}], [GOOD | {"keyid": "0" * 15}],
        [GOOD | {"keyid": "G" * 16}], [GOOD | {"sig": ""}], [GOOD | {"sig": "A" * 88}], [GOOD | {"sig": GOOD["sig"] + "\n"}],
        [GOOD | {"sig": GOOD["sig"][:-3] + "B=="}], [GOOD | {"sig": "ä"}], [GOOD | {"sig": base64.b64encode(bytes(63)).decode()}],
    ],
)  # fmt: skip
def test_signatures_of_another_form(value: object) -> None:
    with pytest.raises(ValueError):  # the caller names the file
        signatures_of(value)
    assert signatures_of([GOOD]) == (Signature(**GOOD),)


# ---- the list


def test_the_list_is_kept_and_only_for_its_owner(keys: Path) -> None:
    path = keys / "configuration/trusted.json"
    with pytest.raises(UsageError, match=r"there is no list of trusted keys .*/configuration/trusted.json; correct its path, or create it"):
        trust_list(str(path))
    for name in "ab":
        change(str(path), lambda trusted, name=name: trust(trusted, *load_public_key(keys / f"{name}.pub"), "2999-01-01"))  # type: ignore[misc]
    first, second = trust_list(str(path)).keys
    assert (first.name, second.name, second.not_after) == ("key a", "key b", "2999-01-01")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    change(str(path), lambda trusted: revoke(trusted, first.id, " lost "))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644, "what was opened to others stays open"
    assert trust_list(str(path)).keys[0].revoked == "lost"
    assert {one.name for one in path.parent.iterdir()} == {"trusted.json", ".trusted.json.lock"}
    with pytest.raises(UsageError, match=r"is revoked \(lost\), which cannot be undone"):
        change(str(path), lambda trusted: trust(trusted, *load_public_key(keys / "a.pub")))
    change(str(path), lambda trusted: trust(trusted, load_public_key(keys / "b.pub")[0], "renamed"))
    assert [key.name for key in trust_list(str(path)).keys] == ["key a", "renamed"]


def test_what_cannot_be_changed(keys: Path) -> None:
    trusted = trusting(keys, "a")
    with pytest.raises(UsageError, match=rf"no key 'x' in .*; it lists: {trusted.keys[0].id}"):
        revoke(trusted, "x", "lost")
    with pytest.raises(UsageError, match="needs a reason"):
        revoke(trusted, trusted.keys[0].id, "  ")
    with pytest.raises(UsageError, match="'soon' is not a date; write YYYY-MM-DD"):
        trusting(keys, "b", not_after="soon")
    (keys / "file").write_text("")
    with pytest.raises(CannotRunError, match=r"cannot be written: .*set trusted_keys to another file"):
        change(str(keys / "file/trusted.json"), lambda trusted: trusted)


def entry(keys: Path, **more: Any) -> dict[str, Any]:
    public, name = load_public_key(keys / "a.pub")
    return {"id": key_id(public), "public_key": base64.b64encode(public).decode(), "name": name} | more


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda k: "", "is not a list of trusted keys"),
        (lambda k: "[]", "is not a list of trusted keys"),
        (lambda k: "[" * 100_000, "is not a list of trusted keys"),
        (lambda k: "{}", "'keys'"),
        (lambda k: {"keys": [{}]}, "missing 3 required"),
        (lambda k: {"keys": ["x"]}, "is not a list of trusted keys"),
        (lambda k: {"keys": [entry(k, id="0" * 16)]}, "the id '0{16}' does not belong to its public_key"),
        (lambda k: {"keys": [entry(k, public_key="AAAA")]}, "does not belong to its public_key"),
        (lambda k: {"keys": [entry(k, name=7)]}, "must be text"),
        (lambda k: {"keys": [entry(k, revoked=False)]}, "must be text"),
        (lambda k: {"keys": [entry(k, expires="2030-01-01")]}, "unknown field 'expires'"),
        (lambda k: {"keys": [entry(k, not_after="soon")]}, "Invalid isoformat"),
        (lambda k: {"keys": [entry(k), entry(k, name="again")]}, "names a key twice"),
    ],
)
def test_lists_that_are_refused(keys: Path, content: Callable[[Path], Any], message: str) -> None:
    value = content(keys)
    (keys / "trusted.json").write_text(value if isinstance(value, str) else json.dumps(value))
    with pytest.raises(UsageError, match=message):
        trust_list(str(keys / "trusted.json"))


def test_a_list_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CannotRunError, match="cannot be read: Is a directory; make it readable for this user, or set trusted_keys"):
        trust_list(str(tmp_path))
