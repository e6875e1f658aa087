"""Recognizes words that indicate the meaning of a number, in English, German, French, Spanish and other languages."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping, Sequence

from veritensor_ray.engines.pii.joining import JoinedBatch, words_of, words_of_name

_WIDTH = 64
_BEHIND = 24

# Words in lower case; phrases are joined by spaces. A key is the kind that `context` reports.
_KINDS = {
    "card": "cc card cards visa mastercard amex maestro creditcard ccnum ccnumber cardnumber kreditkarte karte kartennummer carte tarjeta pan"
    " discover jcb diners",
    "iban": "iban bban kontonummer bankkonto sepa virement",
    "bank": "account number|bank account|acct|bankleitzahl|account no|account nr|konto|kontonr|kontonummer|bankkonto|cuenta|compte bancaire"
    "|checking account|checking acct",
    "routing": "routing number|routing no|routing nr|routing code|routing transit|bank routing|aba|rtn",
    "ssn": "ssn|ssns|social security|socialsecurity|soc sec|social insurance",
    "phone": "phone phones telephone tel tlf mobile cellphone fax telefon handy mobil rufnummer telefonnummer phonenumber téléphone telephone"
    " teléfono telefono móvil movil whatsapp sms hotline handynummer durchwahl",
    "call": "call calls calling cell ring dial contact office answering messages anrufen portable appeler llamar",  # ambiguous
    "dob": "dob|birth|born|birthday|birthdate|dateofbirth|geburtsdatum|geboren|geburtstag|naissance|né|née|nacimiento|nacido|nacida|fechanacimiento"
    "|cumpleaños|bday|geb|d o b|date of birth|fecha de nacimiento",
    "passport": "passport passports passnummer reisepass passeport pasaporte passaporto passportnumber paspoort 여권",
    "licence": "license licence|driver license|drivers license|driver licence|driving licence|driving license|driver s|dl number|dl|führerschein"
    "|führerscheinnummer|permis de|carnet de|permiso de|patente|license number|licence number|driverslicense",
    "medical": "mrn|medical record|patient id|patient number|npi|mbi|medicare|krankenversicherung|krankenversichertennummer|versichertennummer|krankenkasse"
    "|medicaid|health insurance|provider number|patientennummer|kvnr|sécurité sociale",
    "crypto": "wallet btc bitcoin eth ethereum crypto erc bsc usdt usdc metamask ether donate donations portefeuille",
    "mac": "mac macs macaddress ethernet bssid wifi hwaddr hwaddress",
    "ip": "ip|ips|ipv4|ipv6|ip address|ipaddress|client|remote|host|server|addr",
    "version": "version versions ver v release build sdk python node npm chrome firefox safari driver firmware assembly assemblyversion",
    "counter": "id ids uuid order sku isbn ean issn timestamp ts offset hash seed nonce size bytes tracking invoice build serial imei port pid count"
    " total row line ticket ref doi barcode upc gtin asin commit duration elapsed epoch length rechnung bestellung receipt case docket passcode"
    " meeting isin page revision article arn",
    # national identifiers
    "nid": "national|identity|identification|id card|identifier|citizen|personalausweis|ausweis|ausweisnummer|carte nationale|cni|documento|identidad|govt id"
    "|national id|id number|id no|personal number|identity number|resident|kennitala",
    "tax": "tax|tin|steuer|steuernummer|steueridentifikationsnummer|idnr|steuerid|fiscal|impôt|fiscale|fiscalité|impuestos|taxpayer|steuer id|tax id|taxid",
    "itin": "itin taxpayer",
    "nhs": "nhs",
    "nino": "nino|national insurance|ni number|insurance number",
    "bsn": "bsn burgerservicenummer sofinummer",
    "be": "rijksregisternummer|registre national|national register|niss|insz|rijksregister|nationalregister",
    "pesel": "pesel",
    "nif": "nif dni nie contribuinte cif",
    "cpf": "cpf",
    "sin": "sin|nas|social insurance|canadian sin",
    "tfn": "tfn|tax file",
    "aadhaar": "aadhaar aadhar uidai adhaar uid",
    "pan": "pan|permanent account",
    "personnummer": "personnummer|samordningsnummer|personal identity|personnr",
    "rrn": "rrn 주민등록번호 frn|resident registration|foreigner registration",
    "cpr": "cpr",
    "fodsel": "fødselsnummer fodselsnummer",
    "ahv": "ahv avs ahvn",
    "svnr": "sozialversicherungsnummer svnr rentenversicherungsnummer rvnr sozialversicherung|sv nummer",
    "pps": "pps ppsn",
    "za": "rsa|south african|sa id|za id|south africa",
    "tr": "tckn|tc kimlik|kimlik|turkish id|turkish",
    "thai": "thai thailand tnin เลขประจำตัวประชาชน",
    "mynumber": "mynumber|my number|マイナンバー|個人番号",
    "teudat": "teudat|israeli id|mispar zehut",
    "cnp": "cnp",
    "oib": "oib",
    "egn": "egn егн",
    "amka": "amka αμκα",
    "isikukood": "isikukood|asmens kodas|asmens",
    "nric": "nric fin singapore",
    "nir": "nir|sécurité sociale|sécu|numéro de sécurité|insee",
    "au_medicare": "medicare",
    "voter": "voter|epic|election",
    "id_it": "codice fiscale|codicefiscale|carta identità|carta d",
    "ng_nin": "nin",
    "cz": "rodné číslo|rodne cislo|rodné|rč",
    "cnic": "cnic",
}


def _table() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for kind, listed in _KINDS.items():
        for phrase in (part for group in listed.split("|") for part in ([group] if "|" in listed else group.split())):
            table[phrase.strip()] = (*table.get(phrase.strip(), ()), kind)
    return table


_PHRASES = _table()
_LAST = frozenset(phrase.rpartition(" ")[2] for phrase in _PHRASES if " " in phrase)
_KNOWN = _LAST | {phrase for phrase in _PHRASES if " " not in phrase}


# Words for birth with each case spelled out, because a pattern that ignores case is tried at every character.
BIRTH = re.compile(
    r"[bBdDgGnNfFcC](?<![^\W_].)(?:(?<=[bB])(?:irth(?:day|date)?|orn|day|IRTH(?:DAY|DATE)?|ORN|DAY)"
    r"|(?<=[dD])(?:ob|OB|\.? ?[oO]\.? ?[bB]|ate[ _]?[oO]f[ _]?[bB]irth|ATE[ _]?OF[ _]?BIRTH)"
    r"|(?<=[gG])(?:eb|EB|eburtsdatum|eboren|eburtstag|EBURTSDATUM|EBOREN)|(?<=[nN])(?:ée?|É|aissance|AISSANCE|acimiento|acid[oa]|ACIMIENTO)"
    r"|(?<=[fF])echa[ _]?(?:de )?[nN]acimiento|(?<=[cC])umplea[ñn]os)(?![^\W_])"
)


@functools.lru_cache(1024)
def speaks_of(column: str, kind: str) -> bool:
    """Return whether a column's name says that its cells are of a kind."""
    return kind in kinds_of(words_of_name(column))


def phrases_of(kinds: Collection[str]) -> set[str]:
    """Return all phrases that indicate one of the kinds, in lower case."""
    return {phrase for phrase, some in _PHRASES.items() if not set(kinds).isdisjoint(some)}


@functools.lru_cache(1024)
def speaks_of_any(column: str, kinds: frozenset[str]) -> bool:
    """Return whether a column's name says that its cells are of any of the kinds."""
    return not kinds.isdisjoint(kinds_of(words_of_name(column)))


def kinds_of(words: Sequence[str]) -> dict[str, int]:
    """Map each kind to the distance of its word from the end, in words."""
    found: dict[str, int] = {}
    if _KNOWN.isdisjoint(words):
        return found
    last = len(words) - 1
    for i, word in enumerate(words):
        for kind in _PHRASES.get(word, ()):
            found[kind] = last - i
        if word in _LAST and i:
            for phrase in (f"{words[i - 1]} {word}", " ".join(words[max(0, i - 2) : i + 1])):
                for kind in _PHRASES.get(phrase, ()):
                    found[kind] = last - i
    return found


@functools.lru_cache(4096)
def _kinds_in(text: str) -> Mapping[str, int]:
    return kinds_of(words_of(text))


_MASK = re.compile(r"\[[A-Z][A-Z_]*\]")
_MASK_BEFORE = re.compile(_MASK.pattern + r"(?![ \t:=#-]*\Z)")  # directly before a number it may be a label


def without_masks(before: str) -> str:
    """Return the text before a number without masks such as [PHONE]: they stand for other values and say nothing about this one."""
    return _MASK_BEFORE.sub(" ", before) if "]" in before else before


def context(joined: JoinedBatch, start: int, end: int) -> Mapping[str, int]:
    """Map the kinds indicated by the words around a range to their distance in words. A column's name counts as adjacent."""
    before = joined.before(start, _WIDTH)
    if len(before) == _WIDTH:
        before = before.partition(" ")[2] or before
    found = dict(_kinds_in(without_masks(before)))
    after = joined.after(end, _BEHIND)
    for kind in _kinds_in(_MASK.sub(" ", after) if "[" in after else after):
        if kind not in ("counter", "version"):
            found.setdefault(kind, 4)
    for kind in kinds_of(joined.column_words(start)):
        found[kind] = 0
    return found
