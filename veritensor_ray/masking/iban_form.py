"""The form of IBANs: a country, two digits and as many characters as the country has, with spaces or hyphens anywhere, in one case."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

_LENGTHS = {
    code[:2]: int(code[2:])
    for code in (  # noqa: SIM905  # a list takes a line for each
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18"
        " FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25"
        " MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24"
        " SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
    ).split()
}
IBAN_COUNTRIES = tuple(_LENGTHS)
_BEGIN = re.compile(r"[A-Z]{2}[0-9]{2}", re.IGNORECASE | re.ASCII)


def plain_iban(written: str) -> str:
    """Return an IBAN without what groups it, in upper case."""
    return re.sub("[ -]", "", written).upper()


def iban_form_at(text: str, start: int) -> str:
    """Return what has the form of an IBAN at a position, as it is written; empty if nothing has. Its checksum may be wrong."""
    length = _LENGTHS.get(text[start : start + 2].upper())
    found = _of_length(length).match(text, start) if length else None
    written = found.group() if found else ""
    return written if written.isupper() or written.islower() else ""


def ibans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where IBANs with a valid checksum are, whatever stands around them."""
    done = 0
    for begin in _BEGIN.finditer(text):
        start = begin.start()
        if start >= done and (written := iban_form_at(text, start)) and _remainder(plain_iban(written)) == 1:
            done = start + len(written)
            yield start, done


@functools.cache
def _of_length(length: int) -> re.Pattern[str]:
    return re.compile(rf"[A-Z]{{2}}[0-9]{{2}}(?:[ -]?[A-Z0-9]){{{length - 4}}}", re.IGNORECASE | re.ASCII)


def _remainder(plain: str) -> int:
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97
