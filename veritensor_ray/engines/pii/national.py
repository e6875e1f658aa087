"""Defines national and health identifiers: their shapes, checksums and the words that must be nearby."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from stdnum import luhn

from veritensor_ray.engines.pii.validators import stdnum_valid

_KR = importlib.import_module("stdnum.kr.rrn")
_CN = importlib.import_module("stdnum.cn.ric")
Check = Callable[[str], bool]
_BEFORE, _BEHIND = r"(?<![\w])", r"(?![\w])"


@dataclass(frozen=True, slots=True)
class Identifier:
    """One kind of number. `alone` is the confidence without a nearby word; 0 means that one of `words` is required."""

    name: str
    shape: re.Pattern[str]
    check: Check
    words: tuple[str, ...]
    alone: float = 0.0
    rule: str = "national-id"
    weak: bool = False  # no checksum: the nearby word is the only evidence

    @property
    def form(self) -> str:
        """The shape without its conditions on the surrounding characters."""
        return self.shape.pattern.removeprefix(_BEFORE).removesuffix(_BEHIND)


def _stdnum(module: str) -> Check:
    loaded = importlib.import_module(f"stdnum.{module}")
    return lambda text: stdnum_valid(loaded, text)


def _any(_: str) -> bool:
    return True


def _date6(text: str, order: str = "ymd") -> bool:
    """Return whether the first six digits may be a date of birth."""
    pairs = dict(zip(order, (text[0:2], text[2:4], text[4:6]), strict=True))
    month, day = int(pairs["m"]), int(pairs["d"])
    return 1 <= month <= 12 and 1 <= day <= 31


def _nino(text: str) -> bool:
    text = text.upper()
    return text[0] not in "DFIQUV" and text[1] not in "DFIQUVO" and text[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")


def _nric(text: str) -> bool:
    text = text.upper()
    total = sum(int(d) * w for d, w in zip(text[1:8], (2, 7, 6, 5, 4, 3, 2), strict=True))
    first = text[0]
    total += {"T": 4, "G": 4, "M": 3}.get(first, 0)
    table = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "G": "XWUTRQPNMLK", "M": "XWUTRQPNJLK"}[first]
    return table[total % 11] == text[8]


def _german_id(text: str) -> bool:
    """Verify the check digit of the document number, with weights 7, 3, 1."""
    values = [int(c, 36) for c in text.upper()]
    return sum(v * (7, 3, 1)[i % 3] for i, v in enumerate(values[:9])) % 10 == values[9] if len(values) == 10 else True


def _german_pension(text: str) -> bool:
    text = text.upper()
    if not _date6(text[2:8], "dmy"):
        return False
    expanded = text[:8] + f"{ord(text[8]) - 64:02d}" + text[9:]
    digits = [int(c) for c in expanded]
    total = sum(sum(divmod(d * w, 10)) for d, w in zip(digits[:12], (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True))
    return total % 10 == digits[12]


def _german_health(text: str) -> bool:
    digits = [int(c) for c in f"{ord(text[0].upper()) - 64:02d}{text[1:]}"]
    return sum(sum(divmod(d * (1 + i % 2), 10)) for i, d in enumerate(digits[:10])) % 10 == digits[10]


def _rrn_date(text: str) -> bool:
    return _date6(text) and text[6] in "123456789"


def _rrn(text: str) -> bool:
    recent = text[:2] >= "20" and text[6] in "3478"  # no check digit since October 2020
    return _date6(text) and text[6] in "123456789" and (recent or stdnum_valid(_KR, text))


def _hetu(text: str) -> bool:
    return _date6(text, "dmy") and "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(text[:6] + text[7:10]) % 31] == text[10].upper()


def _npi(text: str) -> bool:
    return bool(luhn.is_valid("80840" + text))


def _taiwan(text: str) -> bool:
    code = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(text[0].upper()) + 10
    digits = [code // 10, code % 10, *(int(c) for c in text[1:])]
    return sum(d * w for d, w in zip(digits, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1), strict=True)) % 10 == 0


def _hong_kong(text: str) -> bool:
    body, last = text[:-1].upper(), text[-1].upper()
    values = [36] * (8 - len(body) - 1 + 1) + [int(c, 36) for c in body]
    total = sum(v * w for v, w in zip(values[-8:], range(9, 1, -1), strict=True))
    return (11 - total % 11) % 11 == (10 if last == "A" else int(last, 36))


def _medicare_au(text: str) -> bool:
    return text[0] in "23456" and sum(int(d) * w for d, w in zip(text, (1, 3, 7, 9, 1, 3, 7, 9), strict=False)) % 10 == int(text[8])


def _personnummer(text: str) -> bool:
    digits = text[2:] if len(text) == 12 else text
    day = int(digits[4:6])
    full = len(text) == 10 or text[:2] in ("18", "19", "20")
    return full and 1 <= int(digits[2:4]) <= 12 and 1 <= day - 60 * (day > 60) <= 31 and luhn.is_valid(digits)


def _birth8(text: str) -> bool:
    try:
        return date(int(text[6:10]), int(text[10:12]), int(text[12:14])) > date(1900, 1, 1)
    except ValueError:
        return False


def _id(
    name: str, shape: str, check: Check | str, words: str, alone: float = 0.0, rule: str = "national-id", weak: bool = False
) -> Identifier:
    compiled = re.compile(f"{_BEFORE}{shape}{_BEHIND}", re.IGNORECASE)
    return Identifier(name, compiled, _stdnum(check) if isinstance(check, str) else check, tuple(words.split()), alone, rule, weak)


# Digits and separators only. Shapes are matched at the beginning of a run of digits.
NUMERIC = (
    _id("US ITIN", r"9\d\d[- ]?[5-9]\d[- ]?\d{4}", "us.itin", "itin tax ssn"),
    _id("German tax number", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", "de.idnr", "tax nid"),
    _id("French social security number", r"[12] \d{2} (?:0[1-9]|1[0-2]) \d{2} \d{3} \d{3} \d{2}", "fr.nir", "nir nid", 0.85),
    _id("French social security number", r"[12] ?\d{2} ?\d{2} ?\d{2} ?\d{3} ?\d{3} ?\d{2}", "fr.nir", "nir nid"),
    _id("NHS number", r"\d{3}[ -]?\d{3}[ -]?\d{4}", "gb.nhs", "nhs"),
    _id("Dutch BSN", r"\d{3}[. ]?\d{2,3}[. ]?\d{3}", "nl.bsn", "bsn"),
    _id("Belgian national number", r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", "be.nn", "be nid", 0.85),
    _id("Belgian national number", r"\d{11}", "be.nn", "be nid"),
    _id("Polish PESEL", r"\d{11}", "pl.pesel", "pesel nid"),
    _id("Portuguese tax number", r"\d{3} ?\d{3} ?\d{3}", "pt.nif", "nif"),
    _id("Brazilian CPF", r"\d{3}\.\d{3}\.\d{3}-\d{2}", "br.cpf", "cpf", 0.9),
    _id("Brazilian CPF", r"\d{11}", "br.cpf", "cpf"),
    _id("Canadian SIN", r"\d{3}([- ])\d{3}\1\d{3}", "ca.sin", "sin nid ssn"),
    _id("Canadian SIN", r"\d{9}", "ca.sin", "sin"),
    _id("Australian tax file number", r"\d{3} ?\d{3} ?\d{2,3}", "au.tfn", "tfn tax"),
    _id("Indian Aadhaar", r"[2-9]\d{3}[- ]?\d{4}[- ]?\d{4}", "in_.aadhaar", "aadhaar nid"),
    _id("Swedish personnummer", r"(?:19|20)\d{6}[-+]\d{4}", _personnummer, "personnummer nid", 0.65),
    _id("Swedish personnummer", r"\d{6}[-+]\d{4}", _personnummer, "personnummer nid"),
    _id("Swedish personnummer", r"(?:(?:19|20)\d{6}|\d{6})\d{4}", _personnummer, "personnummer"),
    _id("Korean registration number", r"\d{6}-[1-9]\d{6}", _rrn, "rrn nid", 0.75),
    _id("Korean registration number", r"\d{6}-[1-9]\d{6}", _rrn_date, "rrn", weak=True),
    _id("Korean registration number", r"\d{13}", _rrn_date, "rrn", weak=True),
    _id("Danish CPR number", r"\d{6}-?\d{4}", "dk.cpr", "cpr"),
    _id("Norwegian birth number", r"\d{6} ?\d{5}", "no.fodselsnummer", "fodsel personnummer nid"),
    _id("Swiss AHV number", r"756\.\d{4}\.\d{4}\.\d{2}", "ch.ssn", "ahv", 0.95),
    _id("Swiss AHV number", r"756\d{10}", "ch.ssn", "ahv"),
    _id("Austrian insurance number", r"\d{4} ?\d{6}", "at.vnr", "svnr"),
    _id("Chilean RUT", r"\d{1,2}\.\d{3}\.\d{3}-[\dK]", "cl.rut", "nid tax", 0.75),
    _id("South African ID", r"\d{6} ?\d{4} ?\d{3}", "za.idnr", "za nid"),
    _id("Turkish ID", r"[1-9]\d{10}", "tr.tckimlik", "tr nid"),
    _id("Thai ID", r"\d-\d{4}-\d{5}-\d{2}-\d", "th.pin", "thai nid", 0.8),
    _id("Thai ID", r"\d{13}", "th.pin", "thai nid"),
    _id("Japanese My Number", r"\d{4}[- ]?\d{4}[- ]?\d{4}", "jp.in_", "mynumber"),
    _id("Israeli ID", r"\d{8}-?\d", "il.idnr", "teudat"),
    _id("Romanian CNP", r"[1-8]\d{12}", "ro.cnp", "cnp nid"),
    _id("Czech or Slovak birth number", r"\d{6}/\d{3,4}", "cz.rc", "cz nid"),
    _id("Croatian OIB", r"\d{11}", "hr.oib", "oib"),
    _id("Bulgarian EGN", r"\d{10}", "bg.egn", "egn"),
    _id("Greek AMKA", r"\d{11}", "gr.amka", "amka"),
    _id("Estonian or Lithuanian personal code", r"[1-6]\d{10}", "ee.ik", "isikukood nid"),
    _id("Pakistani CNIC", r"[1-7]\d{4}-\d{7}-\d", "pk.cnic", "cnic nid"),
    _id("Malaysian NRIC", r"\d{6}-\d{2}-\d{4}", "my.nric", "nric nid"),
    _id("Chinese resident number", r"[1-9]\d{16}[\dX]", lambda t: _birth8(t) and stdnum_valid(_CN, t), "nid", 0.9),
    _id("Nigerian NIN", r"\d{11}", _any, "ng_nin", weak=True),
    _id("Australian Medicare number", r"[2-6]\d{3} ?\d{5} ?\d", _medicare_au, "au_medicare", rule="medical"),
    _id("US provider number (NPI)", r"[12]\d{3}[- ]?\d{3}[- ]?\d{3}", _npi, "medical", rule="medical"),
    _id("medical record number", r"\d{6,10}", _any, "medical", rule="medical", weak=True),
    _id("driver licence", r"\d{7,12}", _any, "licence", weak=True),
    _id("passport number", r"\d{8,9}", _any, "passport", rule="passport", weak=True),
    _id("bank routing number", r"\d{4}-?\d{4}-?\d", "us.rtn", "routing bank", rule="iban"),
    _id("bank account number", r"\d{7,17}", _any, "bank", rule="iban", weak=True),
)  # fmt: skip

# Letters and digits. Shapes are matched at the beginning of a token.
ALPHANUMERIC = (
    _id("UK National Insurance number", r"[A-Z]{2} \d{2} \d{2} \d{2} [A-D]", _nino, "nino nid tax", 0.75),
    _id("UK National Insurance number", r"[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]", _nino, "nino nid tax"),
    _id("Italian codice fiscale", r"[A-Z]{6}\d{2}[A-EHLMPR-T]\d{2}[A-Z]\d{3}[A-Z]", "it.codicefiscale", "id_it tax nid", 0.95),
    _id("Spanish DNI", r"\d{8}-?[A-Z]", "es.dni", "nif nid"),
    _id("Spanish NIE", r"[XYZ]-?\d{7}-?[A-Z]", "es.nie", "nif nid"),
    _id("Finnish personal identity code", r"\d{6}[-+ABCDEFUVWXY]\d{3}[0-9A-Y]", _hetu, "nid", 0.8),
    _id("Singapore NRIC or FIN", r"[STFGM]\d{7}[A-Z]", _nric, "nric nid"),
    _id("Mexican CURP", r"[A-Z]{4}\d{6}[HM][A-Z]{5}[0-9A-Z]\d", "mx.curp", "nid", 0.95),
    _id("Indian PAN", r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]", _any, "pan tax nid"),
    _id("Indian voter number", r"[A-Z]{3}\d{7}", _any, "voter", weak=True),
    _id("German pension number", r"\d{8}[A-Z]\d{3}", _german_pension, "svnr nid", 0.8),
    _id("German health insurance number", r"[A-Z]\d{9}", _german_health, "medical", rule="medical"),
    _id("German identity card", r"[CFGHJKLMNPRTVWXYZ][CFGHJKLMNPRTVWXYZ0-9]{7}\d{1,2}", _german_id, "nid", weak=True),
    _id("Irish PPS number", r"\d{7}[A-W][A-IW]?", "ie.pps", "pps nid tax"),
    _id("Taiwanese ID", r"[A-Z][12]\d{8}", _taiwan, "nid"),
    _id("Hong Kong ID", r"[A-Z]{1,2}\d{6}\([0-9A]\)", _hong_kong, "nid", 0.75),
    _id("US Medicare number (MBI)", r"[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y]{2}\d{2}",
        _any, "medical nid", rule="medical"),
    _id("US Medicare number (MBI)", r"[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-[AC-HJKMNP-RT-Y]{2}\d{2}",
        _any, "medical nid", 0.75, "medical"),
    _id("Chinese resident number", r"[1-9]\d{16}X", lambda t: _birth8(t) and stdnum_valid(_CN, t), "nid", 0.9),
    _id("UK driving licence", r"[A-Z9]{5}\d[0156]\d(?:[0-2]\d|3[01])\d[A-Z9]{2}\d[A-Z]{2}", _any, "licence nid", 0.8),
    _id("Italian driving licence", r"(?:[A-Z]{2}\d{7}[A-Z]|U1[A-Z0-9]{7}[A-Z])", _any, "licence", weak=True),
    _id("Italian identity card", r"C[A-Z]\d{5}[A-Z]{2}|[A-Z]{2} ?\d{7}", _any, "id_it", weak=True),
    _id("passport number", r"(?=(?:[A-Z]*\d){4})[A-Z]{1,3}[A-Z0-9]{6,8}|\d{2}[A-Z]{2}\d{5}", _any, "passport", rule="passport", weak=True),
    _id("driver licence", r"(?=[A-Z0-9-]*\d{5})[A-Z]{1,3}-?[A-Z0-9-]{5,17}", _any, "licence", weak=True),
    _id("medical record number", r"[A-Z]{1,3}-?\d{5,10}", _any, "medical", rule="medical", weak=True),
)  # fmt: skip


_PLAIN = re.compile(r"[^A-Za-z0-9+]")
_GOES_ON = re.compile(r"[ .-]\d")
_AS_WRITTEN = ("Finnish", "Danish")


class Table:
    """Identifiers indexed by the words they require, so that few shapes are tried on each candidate."""

    def __init__(self, kinds: Sequence[Identifier]) -> None:
        self.alone = tuple(kind for kind in kinds if kind.alone)
        self.by_word: dict[str, list[Identifier]] = {}
        for kind in kinds:
            for word in kind.words:
                self.by_word.setdefault(word, []).append(kind)

        self._any = re.compile("|".join(f"(?:{kind.shape.pattern})" for kind in kinds if "\\1" not in kind.shape.pattern), re.IGNORECASE)

    def fits(self, text: str) -> bool:
        """Return whether any shape matches, in a table without back-references. This is cheaper than examining the nearby words."""
        return self._any.match(text) is not None

    def identify(self, text: str, near: Mapping[str, int], inside: bool = False) -> tuple[Identifier, int, float] | None:
        """Return the likeliest kind of a candidate, its length and its confidence. One that is `inside` more digits needs a nearby word."""
        best: tuple[Identifier, int, float] | None = None
        plain_digits = text.isdigit() and len(text) not in (15, 18)
        for kind in () if plain_digits or inside else self.alone:
            match = kind.shape.match(text)
            if match and not _GOES_ON.match(text, match.end()) and holds(kind, match.group()):
                score = kind.alone - 0.1 * match.group().islower()
                if best is None or score > best[2]:
                    best = (kind, match.end(), score)
        for word, distance in near.items():
            for kind in self.by_word.get(word, ()):
                if distance > (4 if kind.weak else 8):
                    continue
                match = kind.shape.match(text)
                if match and holds(kind, match.group()):
                    score = (0.75 if kind.weak else 0.97) - 0.01 * distance
                    if best is None or score > best[2]:
                        best = (kind, match.end(), score)
        return best


def holds(kind: Identifier, text: str) -> bool:
    """Return whether the check of an identifier accepts a text that has its shape."""
    return kind.check(text if kind.name.startswith(_AS_WRITTEN) else _PLAIN.sub("", text))


NUMBERS, TOKENS = Table(NUMERIC), Table(ALPHANUMERIC)
