"""Files that nothing can change in their own format are converted, and their findings are followed into the new file."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterable, Sequence
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from tests.cleaning.in_process import InProcess, write
from tests.cleaning.marked import rewritten
from tests.formats.mail import ole_builder
from tests.formats.mail.test_outlook import message, prop, within
from tests.formats.office.ole.biff_building import label, xls
from veritensor_ray.cleaning.cleaning_policy import parse
from veritensor_ray.cleaning.copy_manifest import Result
from veritensor_ray.cleaning.followed_findings import SoughtText, followed
from veritensor_ray.formats.editing.actions import Action, CannotRewriteError
from veritensor_ray.formats.editing.edits import Order
from veritensor_ray.formats.editing.marks import Mark

CARD, ADDRESS = "4929 4212 3456 7897", "ada.lindqvist@kaldor-mail.com"
PATTERNS = {"engines": ["pii", "secrets"], "pii": {"free_text": False}}
HEADERS = f"Received: by x\r\nDKIM-Signature: v=1\r\nFrom: Ada <{ADDRESS}>\r\n\r\n"
MAIL = ole_builder.write(
    message(x007D=HEADERS, x1000=f"Paid with {CARD}\r\n> From: {ADDRESS}\r\nKind regards, Größe")
    | {"__substg1.0_10130102": f"<p>Größe <b>{CARD}</b></p>".encode()}
    | within("__attach_version1.0_#00000000", prop("3707", "list.csv") | {"__substg1.0_37010102": f"a,{ADDRESS}\n".encode()})
    | within("__attach_version1.0_#00000001", within("__substg1.0_3701000D", message(24, x0037="Inner", x1000=f"inner {CARD}")))
)
SHEET = xls({"One": label(0, 0, "Card") + label(1, 0, CARD)})
HELD = "files of type application/vnd.ms-excel can only be rewritten as XLSX: add `convert: [office]` to the cleaning policy"
ABSENT = "LibreOffice is not on this machine: install it, so that `soffice` is on the PATH of the workers"


def test_an_outlook_message_with_findings_becomes_a_mail_without_them() -> None:
    found = rewritten(MAIL, "letter.msg")
    assert found.data is not None
    assert found.cleaned.actions == [
        {"rule": "clean.converted", "action": "eml", "count": 1},
        {"rule": "clean.signature", "action": "invalid", "count": 1},
        {"rule": "pii.email", "action": "mask", "count": 3},
        {"rule": "pii.payment-card", "action": "mask", "count": 3},
    ]
    mail = message_from_bytes(found.data, policy=policy.default)
    assert mail["from"] == "Ada <EMAIL@masked.invalid>"
    texts: list[Any] = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
    assert [text.decode().split("\r\n")[0] for text in texts] == [
        "Paid with [PAYMENT_CARD]",
        "<p>Größe <b>[PAYMENT_CARD]</b></p>",
        "a,[EMAIL]\n",
        "inner [PAYMENT_CARD]",
    ]
    assert rewritten(found.data, "letter.eml").marks == []


def test_one_without_findings_stays_as_it_is() -> None:
    found = rewritten(ole_builder.write(message()), "letter.msg", parse("strip: [metadata]"))
    assert (found.data, found.cleaned.result) == (None, Result.COPIED)


def test_the_copy_gets_another_extension_and_the_manifest_has_both_names(tmp_path: Path) -> None:
    write(
        tmp_path / "corpus", {"mail/letter.msg": MAIL, "mail/letter.eml": "Subject: x\n\nplain", "plain.msg": ole_builder.write(message())}
    )
    run = InProcess(str(tmp_path / "corpus"), str(tmp_path / "dest"), "", PATTERNS)
    run.scan().publish()
    assert {name: (row["result"], row["path"]) for name, row in run.manifest().items()} == {
        "mail/letter.eml": ("copied", "corpus/mail/letter.eml"),
        "mail/letter.msg": ("cleaned", "corpus/mail/letter.msg.eml"),
        "plain.msg": ("copied", "corpus/plain.msg"),
    }
    assert (tmp_path / "dest/corpus/mail/letter.msg.eml").read_bytes() == rewritten(MAIL, "letter.msg").data


def test_a_message_inside_another_file_holds_it() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("letter.msg", MAIL)
    found = rewritten(out.getvalue(), "x.zip").cleaned
    assert (found.result, found.reason) == (Result.HELD, "letter.msg: files of type application/vnd.ms-outlook are not rewritten")


# Old office files


@pytest.mark.parametrize(
    ("text", "reason"), [("", HELD), ("convert: office", ABSENT), ("convert: [office]", ABSENT), ("strip: [metadata]", HELD)]
)
def test_without_leave_or_libreoffice_an_old_file_is_held(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, reason: str) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = rewritten(SHEET, "x.xls", parse(text)).cleaned
    assert (found.result, found.reason) == (Result.HELD, reason)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 1", "LibreOffice cannot convert it"),
        ("ln -s /etc/hostname out/it.xlsx", "LibreOffice cannot convert it"),
        ("echo text > out/it.xlsx", "1 finding cannot be found again in the converted file: pii.payment-card"),
        ("sleep 600", "rewriting it takes too long (limits.artifact_seconds: 300)"),
        ("sleep 600 & sleep 600", "rewriting it takes too long (limits.artifact_seconds: 300)"),
    ],
)
def test_whatever_the_program_does_the_file_is_held(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, reason: str) -> None:
    program = tmp_path / "soffice"
    os.mkfifo(tmp_path / "alive")
    alive = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    program.write_text(f"#!/bin/sh\nexec 9> '{tmp_path}/alive'\necho started > '{tmp_path}/started'\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def clock() -> float:
        return 1000.0 if (tmp_path / "started").exists() else 0.0

    found = rewritten(SHEET, "x.xls", parse("convert: office"), clock=clock if "sleep" in script else lambda: 0.0).cleaned
    assert (found.result, found.reason) == (Result.HELD, reason)
    os.set_blocking(alive, True)
    assert os.read(alive, 1) == b""  # which waits until every process has closed its end
    os.close(alive)


def _office(folder: Path, name: str, becomes: str, texts: dict[str, str]) -> bytes:
    """Have LibreOffice write an old file of one of the hand-written ones, with other texts."""
    source = Path(__file__).parents[1] / "formats/office/files" / name
    content = source.read_text()
    for old, new in texts.items():
        assert f">{old}<" in content
        content = content.replace(f">{old}<", f">{new}<")
    (folder / name).write_text(content)
    command = ["soffice", "--headless", f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--convert-to", becomes]
    subprocess.run([*command, "--outdir", str(folder), str(folder / name)], check=True, capture_output=True, timeout=300)
    return (folder / name).with_suffix(f".{becomes}").read_bytes()


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
@pytest.mark.parametrize(
    ("name", "becomes", "texts", "part"),
    [
        ("letter.fodt", "doc", {"mooring": CARD, "HX-2041": ADDRESS, "Fees for moorings": f"From {ADDRESS}"}, "word/document.xml"),
        ("sheets.fods", "xls", {"Captain": CARD, "Bob": ADDRESS, "He never pays.": f"Ask {ADDRESS}"}, "xl/sharedStrings.xml"),
        ("slides.fodp", "ppt", {"Boats of the year": CARD, "Say hello first.": f"Greet {ADDRESS}"}, "ppt/slides/slide1.xml"),
    ],
)
def test_an_old_file_becomes_a_new_one_without_its_findings(
    tmp_path: Path, name: str, becomes: str, texts: dict[str, str], part: str
) -> None:
    data = _office(tmp_path, name, becomes, texts)
    found = rewritten(data, f"x.{becomes}", parse("convert: office"), ("secrets", "pii", "structure"))
    assert (found.cleaned.result, found.cleaned.reason) == (Result.CLEANED, None)
    assert {"rule": "clean.converted", "action": f"{becomes}x", "count": 1} in found.cleaned.actions
    with zipfile.ZipFile(io.BytesIO(found.data or b"")) as archive:
        content = {one: archive.read(one) for one in archive.namelist()}
    assert b"[PAYMENT_CARD]" in content[part]
    assert [one for one, inside in content.items() if CARD.encode() in inside or b"lindqvist" in inside] == []
    assert [mark.rule for mark in rewritten(found.data or b"", f"x.{becomes}x").marks if mark.severity in ("medium", "high")] == []


# Following


def order(number: int, text: str | None, **about: Any) -> Order:
    given: dict[str, Any] = {
        "member": None,
        "part": None,
        "page": None,
        "row": None,
        "column": None,
        "view": "visible",
        "decoded_via": None,
    } | about
    mark = Mark("pii.email", "medium", **given, start=0, end=len(text or ""), text=text, straight=True)
    return Order(number, mark, Action.MASK, False)


def looking(*texts: str) -> Callable[[Sequence[SoughtText]], Iterable[Mark]]:
    """Return what finds these texts, each as often as it is given."""

    def look(sought: Sequence[SoughtText]) -> Iterable[Mark]:
        wanted = {one.text for one in sought}
        return [order(0, text).mark for text in texts if " ".join(text.split()) in wanted]

    return look


@pytest.mark.parametrize(
    ("orders", "texts", "made", "gone"),
    [
        ([order(0, "a@b.de")], ["a@b.de"], ["a@b.de"], []),
        ([order(0, "a@b.de"), order(1, "a@b.de")], ["a@b.de"] * 3, ["a@b.de"] * 3, []),
        ([order(0, "one\ntwo words")], ["one two\twords"], ["one two\twords"], []),
        ([order(0, "first line\n\nlast line")], ["first line", "last line"], ["first line", "last line"], []),
        ([order(0, "gone", view="metadata"), order(1, "there")], ["there"], ["there"], [0]),
        ([order(0, "gone", view="residue"), order(1, "code", part="macro Module1")], [], [], [0, 1]),
    ],
)
def test_orders_follow_their_texts(orders: list[Order], texts: list[str], made: list[str], gone: list[int]) -> None:
    found = followed(orders, io.BytesIO(), looking(*texts), 10)
    assert [one.mark.text for one in found.orders] == made
    assert [one.number for one in found.orders] == [*range(10, 10 + len(made))]
    assert [one.number for one in found.gone] == gone


@pytest.mark.parametrize(
    ("orders", "said"),
    [
        ([order(0, "a@b.de")], "1 finding cannot be found again in the converted file: pii.email"),
        ([order(0, "first line\nlast line")], "1 finding cannot be found again in the converted file: pii.email"),
        (
            [order(0, "note", view="comment"), order(1, "x", view="hidden")],
            "2 findings cannot be found again in the converted file: pii.email",
        ),
        ([order(0, None)], "a finding of pii.email cannot be followed into the converted file"),
        (
            [order(number, f"a{number}@b.de") for number in range(2001)],
            "it has more than 2,000 different findings to follow into the converted file (followed)",
        ),
    ],
)
def test_what_cannot_be_followed_is_refused(orders: list[Order], said: str) -> None:
    with pytest.raises(CannotRewriteError) as caught:
        followed(orders, io.BytesIO(), looking("first line"), 10)
    assert str(caught.value) == said
