"""Pseudonyms keep kind and form, agree wherever the value occurs, belong to nobody, and are not findings themselves."""

from __future__ import annotations

import ipaddress
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import iban as stdnum_iban
from stdnum import luhn
from stdnum.iso7064 import mod_97_10

from tests.engines.pii.helpers import ENGINE
from veritensor_ray.cleaning.pseudonyms import PSEUDONYMS, pseudonym
from veritensor_ray.cleaning.pseudonyms.draw import Draw, permuted
from veritensor_ray.cleaning.replacements import mask
from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.engines.pii import validators
from veritensor_ray.engines.pii.national import ALPHANUMERIC, NUMERIC
from veritensor_ray.engines.pii.reserved import bank_part
from veritensor_ray.masking.iban_form import IBAN_COUNTRIES
from veritensor_ray.testing import text_batch

KEY = b"a key of the tests, 32 bytes    "
RULES = {rule.id: rule for rule in ENGINE.rules()}
FEW = settings(max_examples=60, deadline=None, derandomize=True)


def made(rule: str, text: str) -> str:
    result = pseudonym(KEY, f"pii.{rule}", text)
    assert result is not None, f"{text} has no pseudonym"
    return result


def reported(text: str) -> list[tuple[int, int, str]]:
    """The findings of severity medium and higher, in order."""
    hits = ENGINE.scan_text(text_batch([text]))
    severe = [hit for hit in hits if SEVERITIES.index(hit.severity or RULES[hit.rule].severity) >= 2]
    return sorted((hit.start, hit.end, hit.rule) for hit in severe)


def cleaned(text: str) -> str:
    """The text with a pseudonym in place of every finding, or a mask."""
    pieces, at = [], 0
    for start, end, rule in reported(text):
        if start >= at:
            pieces += [text[at:start], pseudonym(KEY, rule, text[start:end]) or mask(rule)]
            at = end
    return "".join([*pieces, text[at:]])


def shape(text: str) -> str:
    """The form of a text: 9 for a digit, a and A for letters, everything else as it is."""
    return re.sub("[0-9]", "9", re.sub("[a-z]", "a", re.sub("[A-Z]", "A", text)))


# --- the same form

VALUES = [
    ("phone", "+49 30 12345678"),
    ("phone", "(212) 456-7890"),
    ("phone", "0049/30/1234567"),
    ("phone", "+44 (0)20 7946-1234 ext. 12"),
    ("phone", "98765 43210"),
    ("payment-card", "4532 0151 1283 0366"),
    ("payment-card", "5425-2334-3010-9903"),
    ("payment-card", "374245455400126"),
    ("payment-card", "36227206271667"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "gb29nwbk60161331926819"),
    ("iban", "FR1420041010050500013M02606"),
    ("us-ssn", "536-22-8726"),
    ("us-ssn", "536 22 8726"),
    ("national-id", "943 476 5919"),
    ("national-id", "AB 12 34 56 C"),
    ("national-id", "RSSMRA85T10A562S"),
    ("national-id", "12345678Z"),
    ("national-id", "529.982.247-25"),
    ("national-id", "ABCPE1234F"),
    ("medical", "1234567893"),
    ("mac-address", "3C-22-FB-12-34-56"),
    ("date-of-birth", "1987-05-04"),
    ("date-of-birth", "04.05.1987"),
    ("date-of-birth", "19870504"),
]


@pytest.mark.parametrize(("rule", "value"), VALUES)
def test_numbers_keep_their_length_punctuation_and_case(rule: str, value: str) -> None:
    hexadecimal: Callable[[str], str] = lambda text: re.sub("[A-Fa-f]", "9", text)  # noqa: E731
    one, other = (hexadecimal(text) if rule == "mac-address" else text for text in (made(rule, value), value))
    assert one != other
    assert shape(one) == shape(other)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("John Smith", r"[A-Z][a-z]+ [A-Z][a-z]+"),
        ("JOHN SMITH", r"[A-Z]+ [A-Z]+"),
        ("john smith", r"[a-z]+ [a-z]+"),
        ("Dr. John A. Smith, PhD", r"Dr\. [A-Z][a-z]+ [A-Z]\. [A-Z][a-z]+, PhD"),
        ("Vincent van Gogh", r"[A-Z][a-z]+ van [A-Z][a-z]+"),
        ("Anne-Marie O'Neill", r"[A-Z][a-z]+-[A-Z][a-z]+ [A-Z][a-z]+"),
        ("Smith's", r"[A-Z][a-z]+'s"),
        ("José Müller", r"[A-Z][a-z]+ [A-Z][a-z]+"),
    ],
)
def test_a_person_keeps_titles_initials_particles_and_case(value: str, form: str) -> None:
    assert re.fullmatch(form, made("person", value))


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("john.smith@mailhaus.de", r"[a-z]+\.[a-z]+@[a-z]+\.example\.(com|org|net)"),
        ("j_smith42@mail.mailhaus.co.uk", r"[a-z]_[a-z]+\d\d@[a-z]+\.[a-z]+\.example\.(com|org|net)"),
        ("MÜLLER+news@bücher.de", r"[A-Z]+\+[a-z]+@[a-z]+\.example\.(com|org|net)"),
    ],
)
def test_an_address_keeps_its_form_under_a_reserved_domain(value: str, form: str) -> None:
    assert re.fullmatch(form, made("email", value))


def test_an_organization_keeps_its_legal_form() -> None:
    assert re.fullmatch(r"[A-Z][a-z]+ & [A-Z][a-z]+ GmbH", made("organization", "Meyer & Schulz GmbH"))


@pytest.mark.parametrize(
    "value", ["4 May 1987", "4th of May 1987", "May 4, 1987", "4. Mai 1987", "1er janvier 1980", "12/31/1999", "31.12.1999"]
)
def test_a_date_of_birth_keeps_its_format_in_another_century(value: str) -> None:
    words = [re.sub(r"[A-Za-zéû]{3,}", "month", re.sub(r"\d+(st|nd|rd|th)?", "9", text)) for text in (value, made("date-of-birth", value))]
    assert words[0] == words[1]
    assert re.search(r"18\d\d", made("date-of-birth", value))


# --- valid where the original is valid, and nobody's

digits = st.text("0123456789", min_size=20, max_size=20)


@FEW
@given(
    digits,
    st.sampled_from(
        [("4", 16), ("4", 13), ("4", 19), ("51", 16), ("2221", 16), ("34", 15), ("6011", 16), ("3528", 16), ("300", 14), ("62", 16)]
    ),
)
def test_a_card_stays_valid_and_of_its_brand(random: str, prefix: tuple[str, int]) -> None:
    first, length = prefix
    body = first + random[: length - len(first) - 1]
    number = body + luhn.calc_check_digit(body)
    new = made("payment-card", number)
    assert validators.payment_card(new)
    assert len(new) == length
    assert reported(f"card number {new} exp 12/27") == []


@pytest.mark.parametrize("country", sorted(IBAN_COUNTRIES))
def test_an_account_stays_valid_in_its_country(country: str) -> None:
    structure = stdnum_iban._ibandb.info(country)[0][1]["bban"]
    body = "".join(
        "1234567890"[: int(n)].ljust(int(n), "7") if kind != "a" else "B" * int(n) for n, kind in re.findall(r"(\d+)!([nac])", structure)
    )
    number = country + mod_97_10.calc_check_digits(body + country) + body
    assert validators.iban(number)
    new = pseudonym(KEY, "pii.iban", number)
    if bank_part(country) is None:
        assert (country, new) == ("BE", None)
        return
    assert new is not None
    assert new != number
    assert new[:2] == country
    assert validators.iban(new)
    assert reported(f"IBAN: {new}") == []


REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS - {"TJ"})  # the plan of Tajikistan admits any digits


@pytest.mark.parametrize("form", [phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.NATIONAL])
def test_a_phone_number_is_possible_in_its_country_and_in_no_plan(form: int) -> None:
    wrong = []
    for region in REGIONS:
        example = phonenumbers.example_number(region)
        if example is None or len(str(example.national_number)) < 7:
            continue
        text = phonenumbers.format_number(example, form)
        new = pseudonym(KEY, "pii.phone", text)
        country = re.match(r"\+\d+", text)
        good = (
            new is not None
            and new != text
            and shape(new) == shape(text)
            and (country is None or new.startswith(country.group()))
            and not any(_valid(new, one) for one in (region, "US", "GB", "DE", "FR", "IN", "AU"))
            and not reported(f"phone: {new}")
        )
        if not good:
            wrong.append((region, text, new))
    assert wrong == []


def _valid(text: str, region: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text, region))
    except phonenumbers.NumberParseException:
        return False


@FEW
@given(st.integers(0, 10**9 - 1))
def test_a_social_security_number_becomes_one_that_is_never_assigned(number: int) -> None:
    new = made("us-ssn", f"{number:09d}")
    assert not validators.us_ssn(new)
    assert reported(f"SSN: {new[:3]}-{new[3:5]}-{new[5:]}") == []


def identified(text: str) -> list[str]:
    kinds = (*NUMERIC, *ALPHANUMERIC)
    return [kind.name for kind in kinds if not kind.weak and kind.shape.fullmatch(text) and kind.check(re.sub(r"[^A-Za-z0-9+]", "", text))]


@pytest.mark.parametrize("value", [value for rule, value in VALUES if rule in ("national-id", "medical")])
def test_an_identifier_is_valid_as_no_kind(value: str) -> None:
    assert identified(value) != []
    assert identified(made("national-id", value)) == []


@FEW
@given(st.integers(1 << 24, (224 << 24) - 1))
def test_an_ip_address_stays_one_and_is_in_a_reserved_range(number: int) -> None:
    text = str(ipaddress.IPv4Address(number))
    assert ipaddress.ip_address(made("ip-address", text)) in ipaddress.ip_network("198.18.0.0/15")
    assert validators.ip_scope(made("ip-address", text)) is None


@pytest.mark.parametrize("text", ["2001:4860:4860::8888", "2001:4860:4860:0000:0000:0000:0000:8888", "2A00:1450::200E"])
def test_an_ip_address_of_version_six_too(text: str) -> None:
    new = made("ip-address", text)
    assert ipaddress.ip_address(new) in ipaddress.ip_network("2001:db8::/32")
    assert ("::" in new, new.isupper()) == ("::" in text, text.isupper())


def test_a_device_address_is_locally_administered() -> None:
    assert int(made("mac-address", "3c:22:fb:12:34:56")[:2], 16) & 3 == 2


@pytest.mark.parametrize(
    "text",
    ["1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "0x52908400098527886E0F7030069857D2E4169EE7"],
)
def test_nothing_can_be_sent_to_a_cryptocurrency_address(text: str) -> None:
    assert reported(f"wallet {text}") != []
    new = made("crypto-address", text)
    assert len(new) == len(text)
    assert reported(f"wallet {new}") == []


# --- consistent


@pytest.mark.parametrize(
    ("rule", "spellings"),
    [
        ("phone", ["+49 30 12345678", "+493012345678", "0049 30 12345678", "+49 (0)30 / 123 456 78"]),
        ("phone", ["(212) 456-7890", "212-456-7890", "212.456.7890"]),
        ("payment-card", ["4532 0151 1283 0366", "4532015112830366", "4532-0151-1283-0366"]),
        ("iban", ["DE89 3704 0044 0532 0130 00", "DE89370400440532013000", "de89370400440532013000"]),
        ("us-ssn", ["536-22-8726", "536228726"]),
        ("national-id", ["943 476 5919", "943-476-5919", "9434765919"]),
        ("mac-address", ["3C-22-FB-12-34-56", "3c:22:fb:12:34:56", "3c22.fb12.3456"]),
        ("person", ["John Smith", "JOHN SMITH", "john  smith"]),
        ("email", ["john.smith@mailhaus.de", "John.Smith@MAILHAUS.DE"]),
        ("date-of-birth", ["1987-05-04", "1987/05/04", "1987.05.04"]),
    ],
)
def test_spellings_of_a_value_agree(rule: str, spellings: list[str]) -> None:
    assert len({re.sub(r"[^a-z0-9@]", "", re.sub(r"\(0\)|^00(?=49)", "", made(rule, text).lower())) for text in spellings}) == 1


def test_names_agree_word_by_word_and_with_addresses() -> None:
    first, last = made("person", "John Smith").split()
    assert made("person", "Smith") == last
    assert made("person", "Dr. SMITH, John") == f"Dr. {last.upper()}, {first}"
    assert made("email", "john.smith@mailhaus.de").split("@")[0] == f"{first}.{last}".lower()
    assert made("mail-header", "John Smith") == f"{first} {last}"


def test_one_domain_becomes_one_domain() -> None:
    domains = [
        made("email", f"{name}@{domain}").split("@")[1]
        for name, domain in (("a", "mailhaus.de"), ("bob", "MAILHAUS.de"), ("a", "mailhaus.at"))
    ]
    assert domains[0] == domains[1] != domains[2]
    assert made("email", "a@mail.mailhaus.de").endswith(f".{domains[0]}")


@pytest.mark.parametrize(("rule", "value"), [*VALUES, ("person", "John Smith"), ("email", "a.b@mailhaus.de"), ("ip-address", "8.8.8.8")])
def test_the_key_decides(rule: str, value: str) -> None:
    others = {pseudonym(bytes([number]) * 32, f"pii.{rule}", value) for number in range(4)}
    assert len(others) >= 3
    assert made(rule, value) == made(rule, value)


def test_another_process_makes_the_same_pseudonyms() -> None:
    values = [("person", "John Smith"), *VALUES]
    code = "import sys; from veritensor_ray.cleaning.pseudonyms import pseudonym; print([pseudonym(%r, 'pii.' + r, v) for r, v in %r])"
    printed = subprocess.run([sys.executable, "-c", code % (KEY, values)], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == str([made(rule, value) for rule, value in values])


@pytest.mark.parametrize(
    ("rule", "value", "least"),
    [
        ("person", "Person {}", 1960),
        ("email", "person{}@mailhaus.de", 2000),
        ("phone", "+49 30 1234{:04d}", 1990),
        ("payment-card", "card {}", 1990),
        ("us-ssn", "536-22-{:04d}", 1990),
        ("ip-address", "8.8.{}.{}", 1960),
        ("mac-address", "3c:22:fb:12:{:02x}:{:02x}", 2000),
        ("iban", "iban {}", 1990),
    ],
)
def test_few_of_two_thousand_values_share_a_pseudonym(rule: str, value: str, least: int) -> None:
    assert len({made(rule, _number(value, number)) for number in range(2000)}) >= least


def _number(value: str, number: int) -> str:
    if value == "card {}":
        body = f"45320151128{number:04d}"
        return body + str(luhn.calc_check_digit(body))
    if value == "iban {}":
        body = f"37040044{number:010d}"
        return "DE" + str(mod_97_10.calc_check_digits(body + "DE")) + body
    if value.startswith("Person"):
        return "Person " + "".join(chr(ord("a") + int(c)) for c in f"{number:04d}") + "son"
    if value.count("{") == 2:
        return value.format(number >> 8, number & 255)
    return value.format(number)


@pytest.mark.parametrize(("rule", "value"), [(rule, value) for rule, value in VALUES if rule in ("payment-card", "iban")])
def test_what_is_nobodys_already_stays(rule: str, value: str) -> None:
    """These are still reported, with severity info, so that a rule of a policy may act on them again."""
    assert made(rule, made(rule, value)) == made(rule, value)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_permutation_gives_different_digits_for_different_digits(count: int) -> None:
    given = [f"{number:0{count}d}" for number in range(10**count)]
    new = [permuted(KEY, "a kind", one) for one in given]
    assert sorted(new) == given != new


def test_a_draw_is_below_its_limit_and_even() -> None:
    draw = Draw(KEY, "a kind", "a value")
    counts = Counter(draw.below(10) for _ in range(10_000))
    assert set(counts) == set(range(10))
    assert max(counts.values()) < 1.15 * min(counts.values()) + 100
    assert 0 <= draw.below(1 << 300) < 1 << 300
    assert [draw.below(1), draw.digits(0), len(draw.digits(7))] == [0, "", 7]


# --- no finding

DOCUMENTS = {
    "a letter": """Dear John Smith, call me at +49 30 12345678 or (212) 456-7890. My SSN is 536-22-8726, born on 4 May 1987, card number
4532 0151 1283 0366, IBAN DE89 3704 0044 0532 0130 00. Write to john.smith@mailhaus.de. NHS number 943 476 5919.""",
    "a vCard": "FN:John Smith\nTEL:+49 30 12345678\nEMAIL:john.smith@mailhaus.de\nBDAY:1987-05-04\nNOTE:phone 030 1234567\n",
    "a row": "John,+1 212-456-7890,536-22-8726,1987-05-04,4532015112830366,john.smith@mailhaus.de",
    "a form": """Phone: 020 7123 4567
Date of birth: 19870504
Tax ID (codice fiscale): RSSMRA85T10A562S
Social security number: 536-22-8726
NINO: AB 12 34 56 C
Wallet: 1BoatSLRHtKNngkdXEeobR76b53LETtpyT
Insurance number (SVNR): 65170839J003
CPF 529.982.247-25, DNI 12345678Z, PAN ABCPE1234F, AHV 756.9217.0769.85
Passport no. C01X00T47, driver license 12345678, patient id 123456, bank account 1234567890
""",
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_of_pseudonyms_and_masks_has_no_findings(name: str) -> None:
    text = DOCUMENTS[name]
    assert len(reported(text)) >= 3
    assert reported(cleaned(text)) == []
    assert not re.search(r"536-22-8726|12345678|0366|smith@", cleaned(text))


@FEW
@given(
    st.lists(st.sampled_from([value for _, value in VALUES]), min_size=1, max_size=5),
    st.sampled_from(["phone", "SSN", "id", "born", "card", "tax id"]),
)
def test_values_beside_each_other_become_no_findings(values: list[str], word: str) -> None:
    text = f"{word}: " + "; ".join(values)
    assert reported(cleaned(text)) == []


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("address", "12 High Street"),  # the model reports a made-up address as well
        ("medical", "diabetes"),
        ("passport", "C01X00T47"),
        ("national-id", "12345678"),  # a driver's license only because of the word before it
        ("medical", "123456"),
        ("iban", "1234567890"),
        ("iban", "BE68539007547034"),
        ("email", "john (at) acme (dot) com"),
        ("date-of-birth", "04/05/87"),
        ("custom-badge", "B-123456"),
        ("person", "x" * 500),
        ("person", "  "),
    ],
)
def test_there_is_none_for_what_could_be_anyones(rule: str, value: str) -> None:
    assert pseudonym(KEY, f"pii.{rule}", value) is None


@FEW
@given(st.sampled_from(sorted(PSEUDONYMS)), st.text(max_size=60))
def test_any_text_has_a_pseudonym_of_one_line_or_none(rule: str, text: str) -> None:
    new = pseudonym(KEY, rule, text)
    assert new is None or (new != text and new.count("\n") <= text.count("\n"))
