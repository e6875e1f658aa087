"""Makes mails as programs make them, with the standard library: every transfer encoding, charsets, alternatives, files and mails inside.

The same seed gives the same mails. `planted` values stand in header fields, texts, pages, names of files and files.
"""

from __future__ import annotations

import io
import json
import random
import zipfile
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy

_WORDS = {
    "utf-8": ["Grüße", "数据", "привет", "plain", "and", "naïve", "emoji 😀"],
    "iso-8859-1": ["Größe", "naïve", "plain", "señor", "words"],
    "iso-8859-15": ["Größe", "10 €", "plain", "words"],
    "windows-1252": ["“quoted”", "Größe", "plain", "words"],
    "koi8-r": ["привет", "слова", "plain"],
    "shift_jis": ["表示ソ", "日本語", "plain"],
    "iso-2022-jp": ["日本語", "表示", "plain"],
    "gb2312": ["数据", "文字", "plain"],
    "big5": ["功許", "文字", "plain"],
    "euc-kr": ["한국", "plain"],
    "us-ascii": ["plain", "words", "only", "From here", ".", "= 1"],
}
_EIGHT_BIT = ("8bit", "quoted-printable", "base64")
_FIRST = ("ada", "zoe", "otto", "nils", "marta", "igor", "lena", "tom")
_LAST = ("lindqvist", "brandt", "okafor", "silva", "petrov", "tanaka", "moreau", "kowalski")


@dataclass
class MadeMail:
    """A mail and what was planted in it."""

    data: bytes
    planted: list[str] = field(default_factory=list)


def mails(count: int, seed: int = 7) -> list[MadeMail]:
    """Return that many mails."""
    dice = random.Random(seed)  # the same mails in every run
    return [_Maker(dice, number).mail() for number in range(count)]


class _Maker:
    def __init__(self, dice: random.Random, number: int) -> None:
        self._dice, self._number = dice, number
        self._planted: list[str] = []
        self._policy = SMTP if dice.random() < 0.5 else EmailPolicy()

    def mail(self) -> MadeMail:
        message = self._message(0)
        for number, part in enumerate(message.walk()):
            if part.is_multipart() and part.get_content_maintype() == "multipart":
                part.set_boundary(f"=_{number} {self._number}")
        data = message.as_bytes(policy=self._policy)
        return MadeMail(data, self._planted)

    def _value(self) -> str:
        dice = self._dice
        name = f"{dice.choice(_FIRST)}.{dice.choice(_LAST)}{self._number}x{len(self._planted)}"
        self._planted.append(f"{name}@kaldor-mail.com")
        return self._planted[-1]

    def _words(self, charset: str, planting: float = 0.5) -> str:
        """Return some lines, perhaps with a value in one of them."""
        dice, known = self._dice, _WORDS[charset]
        lines = [" ".join(dice.choices(known, k=dice.randrange(1, 25))) for _ in range(dice.randrange(1, 6))]
        if dice.random() < planting:
            at = dice.randrange(len(lines))
            lines[at] = f"{lines[at]} {self._value()} {dice.choice(known)}"
        return "\n".join(lines) + "\n"

    def _message(self, depth: int) -> EmailMessage:
        dice = self._dice
        message = EmailMessage(policy=self._policy)
        message["Received"] = f"from a by b for <{self._value()}>; Thu, 1 Jan 2024 10:00:00 +0000"
        message["From"] = f"{dice.choice(['Zoë', 'Ann', '王'])} <{self._value()}>"
        message["To"] = ", ".join(self._value() for _ in range(dice.randrange(1, 4)))
        message["Subject"] = f"{dice.choice(_WORDS['utf-8'])} {self._words('utf-8', 0).split(chr(10))[0]}" + (
            f" {self._value()} {dice.choice(_WORDS['utf-8'])}" if dice.random() < 0.4 else ""
        )
        message["Message-ID"] = f"<{self._number}.{depth}@host.example>"
        message["X-Note"] = f"seen by {self._value()}"
        if dice.random() < 0.3:
            message["DKIM-Signature"] = "v=1; a=rsa-sha256; d=example.com; b=" + "Ab9+" * 20
        self._text(message, "plain")
        if dice.random() < 0.6:
            self._text(message, "html", message.add_alternative)
        for _ in range(dice.randrange(0, 4)):
            self._file(message, depth)
        return message

    def _text(self, message: EmailMessage, subtype: str, add: object = None) -> None:
        dice = self._dice
        charset = dice.choice([*_WORDS])
        text = self._words(charset, 0.7)
        if subtype == "html":
            text = f"<html><body><p title='x'>{text.replace(chr(10), '<br>')}</p>\n<b>{self._words(charset)}</b></body></html>\n"
        encoding = dice.choice(_EIGHT_BIT if charset != "us-ascii" else ("7bit", "quoted-printable", "base64"))
        if charset == "iso-2022-jp":
            encoding = dice.choice(("7bit", "base64", "quoted-printable"))
        (add or message.set_content)(text, subtype=subtype, charset=charset, cte=encoding)  # type: ignore[operator]

    def _file(self, message: EmailMessage, depth: int) -> None:
        dice = self._dice
        name = f"{dice.choice(['table', 'Größe', '数据'])} {len(self._planted)}"
        kind = dice.choice(("csv", "json", "zip", "text", "mail" if depth < 2 else "text"))
        if kind != "mail" and dice.random() < 0.3:
            name = f"{self._value()} {name}"  # the other way round, the extension would look like a domain
        if kind == "csv":
            message.add_attachment(f"a;b\n1;{self._value()}\n", subtype="csv", filename=f"{name}.csv", cte=dice.choice(("base64", "8bit")))
        elif kind == "json":
            data = json.dumps({"to": self._value(), "n": [1, 2.50]}).encode()
            message.add_attachment(data, maintype="application", subtype="json", filename=f"{name}.json")
        elif kind == "zip":
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(zipfile.ZipInfo("inner.txt"), self._words("utf-8", 1))
            message.add_attachment(packed.getvalue(), maintype="application", subtype="zip", filename=f"{name}.zip")
        elif kind == "text":
            message.add_attachment(self._words("utf-8", 1), filename=f"{name}.txt", cte=dice.choice(_EIGHT_BIT))
        else:
            message.add_attachment(self._message(depth + 1))
