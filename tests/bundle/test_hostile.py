"""Tars that somebody made to do harm, and tars that were damaged on the way: each is refused, and nothing of them stays."""

from __future__ import annotations

import json
import random
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bundle.building import Entries, Zone, entries_of, entry, manifest_of, packed, signed
from veritensor_ray.bundle import carrier
from veritensor_ray.bundle.bundle_import import import_bundle
from veritensor_ray.bundle.bundle_manifest import MANIFEST, SIGNATURE
from veritensor_ray.bundle.bundle_verification import contents, listed
from veritensor_ray.core.errors import BundleError, CannotRunError, SignatureError, UsageError
from veritensor_ray.core.signing import trust_list


def refused(here: Zone, tar: Path) -> str:
    """The message, the same for verify and import; afterwards the folder of bundles holds nothing."""
    with pytest.raises((BundleError, SignatureError)) as verifying:
        contents(listed(carrier.tar(tar), trust_list(here.flags["trusted_keys"])))
    with pytest.raises((BundleError, SignatureError)) as importing:
        import_bundle(here.settings(), tar)
    assert str(verifying.value) == str(importing.value)
    left = {path.name for path in here.folder.glob("bundles/*")} | {path.name for path in here.folder.glob("bundles/.*")}
    assert left <= {".lock"}
    return str(importing.value)


def at(position: int, *new: tuple[tarfile.TarInfo, bytes], instead: bool = False) -> Callable[[Entries], None]:
    def change(entries: Entries) -> None:
        entries[position : position + instead] = new

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            at(9, entry("rules/link.yar", kind=tarfile.SYMTYPE, link="/etc/passwd")),
            "'rules/link.yar' in .* is a symbolic link. A bundle contains only plain",
        ),
        (at(9, entry("rules/hard.yar", kind=tarfile.LNKTYPE, link="MANIFEST.json")), "is a hard link"),
        (at(9, entry("rules/null", kind=tarfile.CHRTYPE)), "is a device"),
        (at(9, entry("rules/disk", kind=tarfile.BLKTYPE)), "is a device"),
        (at(9, entry("rules/fifo", kind=tarfile.FIFOTYPE)), "is a pipe"),
        (at(9, entry("rules/more", kind=tarfile.DIRTYPE)), "is a folder"),
        (at(9, entry("rules/sparse", kind=tarfile.GNUTYPE_SPARSE)), "is a sparse file"),
        (at(9, entry("rules/old", kind=tarfile.AREGTYPE)), "is not a plain file"),
        (at(9, entry("rules/odd", kind=b"Z")), "is not a plain file"),
        (at(2, entry("x", b"30 path=rules/../../../evil.yar\n", tarfile.XHDTYPE)), "is an extended header"),
        (at(0, entry("pax_global_header", b"20 path=rules/x.yar\n", tarfile.XGLTYPE)), "is an extended header"),
        (at(2, entry("././@LongLink", b"rules/" + b"a" * 300 + b"\0", tarfile.GNUTYPE_LONGNAME)), "is an extended header"),
        (at(2, entry("x", size=1 << 40, kind=tarfile.XHDTYPE)), "is an extended header"),
        (at(9, entry("../evil.yar", b"x")), r"'\.\./evil.yar' is not a plain relative path and is not listed in the manifest"),
        (at(9, entry("rules/../../evil.yar", b"x")), "is not a plain relative path and is not listed in the manifest"),
        (at(9, entry("rules/./acme.yar", b"x")), "is not a plain relative path and is not listed in the manifest"),
        (at(9, entry("/etc/cron.d/evil", b"x")), "'/etc/cron.d/evil' is an absolute path and is not listed in the"),
        (at(9, entry("bin/evil", b"x")), "'bin/evil' is in none of the folders advisories, models, names, rules and is not listed in the"),
        (at(9, entry("rules/a\nb.yar", b"x")), r"'rules/a\\nb.yar' contains characters that are not allowed"),
        (at(9, entry("rules/evil.yar", b"x")), "evil.tar: 'rules/evil.yar' is extra and is not listed in the manifest"),
        (lambda entries: entries.append(entries[-1]), "'rules/more/other.yara' appears twice"),
        (lambda entries: entries.append(entries[0]), "'MANIFEST.json' is in none of the folders"),
        (lambda entries: entries.pop(), "'rules/more/other.yara' is missing"),
        (lambda entries: entries.pop(4), "is missing"),
        (lambda entries: entries.pop(0), "is not a bundle: it does not begin with MANIFEST.json and MANIFEST.json.sig"),
        (lambda entries: entries.pop(1), "is not a bundle: it does not begin"),
        (lambda entries: entries.reverse(), "is not a bundle: it does not begin"),
        (at(-1, entry("rules/more/other.yara", b"rule x { condition: true }"), instead=True), "has 26 bytes instead of 38"),
        (at(0, entry(MANIFEST, size=1 << 30), instead=True), "is truncated: 'MANIFEST.json' is incomplete"),
        (at(1, entry(SIGNATURE, b"[" * 70_000), instead=True), "has 70,000 bytes, more than 65,536"),
        (at(1, entry(SIGNATURE, b"[" * 60_000), instead=True), "MANIFEST.json.sig is not a signature"),
        (at(1, entry(SIGNATURE, b"{}"), instead=True), "MANIFEST.json.sig is not a signature"),
        (at(1, entry(SIGNATURE, b""), instead=True), "MANIFEST.json.sig is not a signature"),
        (at(3, entry("models/injection/config.json", size=-1)), "not a plain file|is not a tar|truncated"),
        (at(9, entry("rules/huge.yar", size=1 << 62)), "is truncated: 'rules/huge.yar' is incomplete"),
    ],
)
def test_tars_that_are_refused(here: Zone, change: Callable[[Entries], None], message: str) -> None:
    entries = entries_of(here.folder / "bundle.tar")
    change(entries)
    assert re.search(message, said := refused(here, packed(here.folder / "evil.tar", entries))), said


def test_a_manifest_of_a_gigabyte_is_not_read(here: Zone) -> None:
    tar = packed(here.folder / "evil.tar", [entry(MANIFEST, size=1 << 30)], end=b"")
    with tar.open("r+b") as file:
        file.truncate(2 << 30)  # a hole: no byte of it is on the disk
    assert "MANIFEST.json in" in (said := refused(here, tar)) and "has 1,073,741,824 bytes, more than 16,777,216" in said


def test_what_follows_the_end_is_refused(here: Zone) -> None:
    tar = here.folder / "bundle.tar"
    data = tar.read_bytes()
    for tail in (b"x", bytes(10_000) + b"x", bytes(100_000), data):
        (here.folder / "evil.tar").write_bytes(data + tail)
        assert "has data after its end" in refused(here, here.folder / "evil.tar")


def test_a_tar_that_gnu_tar_padded_is_taken(here: Zone) -> None:
    tar = here.folder / "bundle.tar"
    tar.write_bytes(tar.read_bytes() + bytes(-tar.stat().st_size % 10_240))
    assert import_bundle(here.settings(), tar).copied


def test_every_cut_is_refused(here: Zone) -> None:
    data = (here.folder / "bundle.tar").read_bytes()
    cuts = [0, 1, 511, 512, 513, len(data) - 513, len(data) - 1024, *random.Random(7).sample(range(len(data) - 1024), 25)]
    for cut in cuts:
        (here.folder / "cut.tar").write_bytes(data[:cut])
        with pytest.raises((BundleError, SignatureError)):
            import_bundle(here.settings(), here.folder / "cut.tar")
    assert not list(here.folder.glob("bundles/[0-9a-f.]*[0-9a-f]"))


def test_a_changed_byte_of_any_content_is_refused(here: Zone) -> None:
    entries = entries_of(here.folder / "bundle.tar")
    for position in range(2, len(entries)):
        about, data = entries[position]
        changed = [*entries]
        changed[position] = (about, bytes([data[0] ^ 1]) + data[1:])
        assert "has changed: its SHA-256" in refused(here, packed(here.folder / "evil.tar", changed))


@pytest.mark.parametrize(
    "name", ["../evil", "/evil", "rules/../../evil", "rules", "bin/x", "rules/a\0b", "rules//x", "rules/" + "ä" * 120, "rules/\udcff"]
)
def test_a_signed_manifest_may_not_name_what_leads_elsewhere(here: Zone, name: str) -> None:
    document = json.loads(manifest_of(here, {"rules/x.yar": b"x"}))
    document["files"] = {name: document["files"]["rules/x.yar"]}
    entries = [*signed(here, json.dumps(document).encode()), entry("rules/x.yar", b"x")]
    assert "MANIFEST.json has a format" in refused(here, packed(here.folder / "evil.tar", entries))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "veritensor-ray bundle 2"}, "format: Input should be 'veritensor-ray bundle 1'"),
        (
            {"files": {"rules/a": {"sha256": "0" * 64, "size": 0}, "rules/a/b": {"sha256": "0" * 64, "size": 0}}},
            "'rules/a/b' is inside a file",
        ),
        ({"files": {"rules/a": {"sha256": "0" * 64, "size": -1}}}, "greater than or equal to 0"),
        ({"files": {"rules/a": {"sha256": "0", "size": 1}}}, "should match pattern"),
        ({"more": 1}, "Extra inputs"),
        ({"parts": [{"name": "x"}]}, "parts.0.kind"),
    ],
)
def test_a_signed_manifest_of_another_form_is_refused(here: Zone, change: dict[str, object], message: str) -> None:
    document = json.loads(manifest_of(here, {"rules/x.yar": b"x"})) | change
    entries = [*signed(here, json.dumps(document).encode()), entry("rules/x.yar", b"x")]
    assert message in refused(here, packed(here.folder / "evil.tar", entries))


def test_nothing_of_an_unsigned_manifest_is_looked_at(here: Zone) -> None:
    entries = [entry(MANIFEST, b"[" * 100_000), entries_of(here.folder / "bundle.tar")[1]]
    assert "is not what key" in refused(here, packed(here.folder / "evil.tar", entries))


@pytest.mark.parametrize("path", ["nothing.tar", "rules", "/dev/null"])
def test_what_is_no_file(here: Zone, path: str) -> None:
    with pytest.raises(UsageError, match=r"cannot be read|is not a file"):
        import_bundle(here.settings(), here.folder / path)


def test_what_is_no_tar(here: Zone) -> None:
    (here.folder / "x.tar").write_bytes(random.Random(7).randbytes(5000))
    assert "is not a tar, or damaged at byte 0" in refused(here, here.folder / "x.tar")
    (here.folder / "x.tar").write_bytes(b"")
    assert "is truncated at byte 0" in refused(here, here.folder / "x.tar")
    assert issubclass(BundleError, CannotRunError)
    assert BundleError.exit_code == 4
