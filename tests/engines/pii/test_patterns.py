"""Structured identifiers: what is found in a text, and what is not."""

from __future__ import annotations

import pytest

from tests.cases import each
from tests.engines.pii.helpers import engine, found
from veritensor_ray.core.config import Limits
from veritensor_ray.core.segments import Block, Identity, to_batch
from veritensor_ray.testing import text_batch

Expected = list[tuple[str, str]]


@each(
    ("text", "expected"),
    [
        # e-mail
        ("write to anna.becker@posteo.de.", [("email", "anna.becker@posteo.de")]),
        ("<a href='mailto:j.o'neil+news@mail.co.uk'>", [("email", "j.o'neil+news@mail.co.uk")]),
        ("kontakt: jürgen@müller-bäckerei.de", [("email", "jürgen@müller-bäckerei.de")]),
        ("почта: иван@почта.рф", [("email", "иван@почта.рф")]),
        ("user@xn--80ak6aa92e.com", [("email", "user@xn--80ak6aa92e.com")]),
        ("a@b.io, c.d@e-f.org", [("email", "a@b.io"), ("email", "c.d@e-f.org")]),
        # cards
        ("card 4532015112830366 exp 12/27", [("payment-card", "4532015112830366")]),
        ("paid with 5425-2334-3010-9903", [("payment-card", "5425-2334-3010-9903")]),
        ("Amex 3782 822463 10005", [("payment-card", "3782 822463 10005")]),
        ("Kreditkarte: 4532 0151 1283 0366.", [("payment-card", "4532 0151 1283 0366")]),
        ("4111 1111 1111 1111", [("payment-card", "4111 1111 1111 1111")]),
        ("Please charge my card 4532 0151 1283\n0366 today.", [("payment-card", "4532 0151 1283\n0366")]),
        ("we were paid with 4532-0151\r\n1283-0366 on Monday", [("payment-card", "4532-0151\r\n1283-0366")]),
        ("my card number is 4222222222222", [("payment-card", "4222222222222")]),
        # bank
        ("IBAN DE89 3704 0044 0532 0130 00, danke", [("iban", "DE89 3704 0044 0532 0130 00")]),
        ("GB82WEST12345698765432", [("iban", "GB82WEST12345698765432")]),
        ("fr1420041010050500013m02606", [("iban", "fr1420041010050500013m02606")]),
        ("routing number 121042882", [("iban", "121042882")]),
        ("checking account 812345678", [("iban", "812345678")]),
        ("Kontonummer: 532013000", [("iban", "532013000")]),
        # United States
        ("SSN: 536-22-8726", [("us-ssn", "536-22-8726")]),
        ("his social security number is 536228726", [("us-ssn", "536228726")]),
        ("536-22-8726 was on the form", [("us-ssn", "536-22-8726")]),
        ("ITIN 911-70-1234", [("national-id", "911-70-1234")]),
        ("driver's license number: D1234567", [("national-id", "D1234567")]),
        # elsewhere
        ("Steuer-ID 36 574 261 809", [("national-id", "36 574 261 809")]),
        ("RVNR: 15070649C103", [("national-id", "15070649C103")]),
        ("NIR 2 95 10 99 126 111 93", [("national-id", "2 95 10 99 126 111 93")]),
        ("DNI 12345678Z", [("national-id", "12345678Z")]),
        ("mi NIE es X9613851N", [("national-id", "X9613851N")]),
        ("CF: RCCMNL83S18D969H", [("national-id", "RCCMNL83S18D969H")]),
        ("National Insurance AA 12 34 56 C", [("national-id", "AA 12 34 56 C")]),
        ("NHS number 943 476 5919", [("national-id", "943 476 5919")]),
        ("BSN 111222333", [("national-id", "111222333")]),
        ("PESEL: 44051401458", [("national-id", "44051401458")]),
        ("CPF 390.533.447-05", [("national-id", "390.533.447-05")]),
        ("SIN 130 692 544", [("national-id", "130 692 544")]),
        ("TFN 876 543 210", [("national-id", "876 543 210")]),
        ("Aadhaar 2341 2341 2346", [("national-id", "2341 2341 2346")]),
        ("hetu 131052-308T", [("national-id", "131052-308T")]),
        ("personnummer 811228-9874", [("national-id", "811228-9874")]),
        ("NRIC S2740116C", [("national-id", "S2740116C")]),
        ("AHV 756.9217.0769.85", [("national-id", "756.9217.0769.85")]),
        ("RRN 971013-9019902", [("national-id", "971013-9019902")]),
        ("身份证 11010519491231002X", [("national-id", "11010519491231002X")]),
        ("passport number C01X00T47", [("passport", "C01X00T47")]),
        ("Reisepass: C01X00T47", [("passport", "C01X00T47")]),
        ("pasaporte AAA123456", [("passport", "AAA123456")]),
        ("MRN 00482913", [("medical", "00482913")]),
        ("MBI 1EG4-TE5-MK73", [("medical", "1EG4-TE5-MK73")]),
        # telephone
        ("call +49 30 901820", [("phone", "+49 30 901820")]),
        ("+14155552671", [("phone", "+14155552671")]),
        ("(415) 555-2671", [("phone", "(415) 555-2671")]),
        ("415-555-2671 ext. 22", [("phone", "415-555-2671 ext. 22")]),
        ("Tel. 021 013 029", [("phone", "021 013 029")]),  # not numbers of regions
        ("Tel. 030 901820", [("phone", "030 901820")]),
        ("teléfono 612 34 56 78", [("phone", "612 34 56 78")]),
        ("mein Handy: 0151 23456789", [("phone", "0151 23456789")]),
        ("Ring me back on 020 7946 0018 please", [("phone", "020 7946 0018")]),
        ("call:4155552671", [("phone", "4155552671")]),
        # behind an escaped line break or tab
        ('x: "phone\\n415-555-2671\\nthanks"', [("phone", "415-555-2671")]),
        ('"pay to\\nDE89370400440532013000\\n"', [("iban", "DE89370400440532013000")]),
        ('"card\\t4532015112830366"', [("payment-card", "4532015112830366")]),
        ('"ssn\\r\\n536-22-8726"', [("us-ssn", "536-22-8726")]),
        ('"from\\n81.2.69.142 ok"', [("ip-address", "81.2.69.142")]),
        # machines
        ("client 81.2.69.142 connected", [("ip-address", "81.2.69.142")]),
        ("from 2a02:2f0b:8010::1f2", [("ip-address", "2a02:2f0b:8010::1f2")]),
        ("hw 3c:22:fb:0a:91:e4 up", [("mac-address", "3c:22:fb:0a:91:e4")]),
        ("MAC 00-1A-2B-3C-4D-5E", [("mac-address", "00-1A-2B-3C-4D-5E")]),
        ("MAC 001a.2b3c.4d5e", [("mac-address", "001a.2b3c.4d5e")]),
        # crypto currencies
        ("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", [("crypto-address", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2")]),
        ("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", [("crypto-address", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq")]),
        (
            "my eth wallet 0x52908400098527886E0F7030069857D2E4169EE7",
            [("crypto-address", "0x52908400098527886E0F7030069857D2E4169EE7")],
        ),
        # birth
        ("born on 3 March 1984 in Leeds", [("date-of-birth", "3 March 1984")]),
        ("DOB: 03/04/1984", [("date-of-birth", "03/04/1984")]),
        ("geboren am 03.04.1984", [("date-of-birth", "03.04.1984")]),
        ("né le 3 avril 1984", [("date-of-birth", "3 avril 1984")]),
        ("fecha de nacimiento: 1984-04-03", [("date-of-birth", "1984-04-03")]),
        ("Birthday: March 3, 1984", [("date-of-birth", "March 3, 1984")]),
    ],
)
def test_finds(text: str, expected: Expected) -> None:
    assert found(text) == expected


@each(
    "text",
    [
        # documentation, files, remotes, versions
        "name@example.com or x@mail.example.org",
        "icon@2x.png",
        "git@github.com:owner/repo.git",
        "npm i lodash@4.17.21 react@18.2.0-beta",
        "root@localhost and root@web01.internal",
        "https://user:secret@host.net/x",
        "@alice@mastodon.social",
        "@pytest.fixture",
        # numbers that are not cards or ids
        "order id 4532015112830366",
        "4532015112830367",
        "4532 0151\n1283 0366",
        "4532 0151 1283\n0366 7721",
        "a table of years and counts\n4532 0151 1283\n0366 7721 0153",
        "ISBN 978-3-16-148410-0",
        "1732456789012 1732456789013",
        "0.4532015112830366",
        "550e8400-e29b-41d4-a716-446655440000",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "000-12-3456 and 666-12-3456 and 987-65-4321",
        "123456789",
        "GB82WEST12345698765433",
        "44051401458",
        "ABC1234567",
        "INFO checking 812345678 of 900000000 rows",
        "DEBUG routing 812345678 to queue 4",
        # no telephone
        "101376330+name@users.noreply.github.com",
        "phone 49699333+dependabot[bot]@users.noreply.github.com",
        "thanks @15583032000, call me",
        "2024-01-15 10:32:11",
        "15.01.2024",
        "the regions 001 019 419 of UN M.49",
        "the regions 002 015 011 017 014 018 of UN M.49",
        "* fix httpsession close call\n\n2.1.1 (2022-02-10)",
        "vms=67608576, text=2310144",
        "types-setuptools ==67.2.0.1",
        "52.520008, 13.404954",
        "x = 415555267",
        "1.000.000,00 EUR and 12 500 000",
        "pages 101-120, 204-210",
        "(1, 2, 3, 4, 5, 6, 7, 8)",
        # no address of anybody's machine
        "127.0.0.1 0.0.0.0 255.255.255.0 192.0.2.7 198.51.100.3 203.0.113.9",
        "192.168.1.10 10.0.0.5",
        "version 1.2.3.4",
        "Chrome/91.0.4472.124 Safari",
        "section 4.3.2.1",
        "::1 and fe80::1 and 2001:db8::1",
        "std::vector<a::b>",
        "12:34:56",
        "00:00:00:00:00:00 ff:ff:ff:ff:ff:ff",
        "SHA256:ab:cd:ef:01:23:45:67:89:ab:cd:ef:01",
        "0x52908400098527886E0F7030069857D2E4169EE7",
        # no birth
        "released on 3 March 1984",
        "2024-03-04 INFO started",
    ],
)
def test_leaves_alone(text: str) -> None:
    assert found(text) == []


@each(
    ("column", "text", "expected"),
    [
        ("card_number", "4532015112830366.0", [("payment-card", "4532015112830366")]),
        ("card_number", "4.532015112830366E15", [("payment-card", "4.532015112830366E15")]),
        ("value", "4.532015112830366e+15", [("payment-card", "4.532015112830366e+15")]),
        ("account_number", "12345678.0", [("iban", "12345678")]),
        ("account_number", "1.2345678E7", [("iban", "1.2345678E7")]),
        ("ssn", "536228726.0", [("us-ssn", "536228726")]),
        ("phone", "4155552671.0", [("phone", "4155552671")]),
        ("card_number", "4.532015112830367E15", []),
        ("account_balance", "12345678.25", []),
        ("views", "1.5E9", []),
        (None, "a mass of 4.532015112830366E15 grams", []),
    ],
)
def test_numbers_of_columns_in_the_form_of_fractions(column: str | None, text: str, expected: Expected) -> None:
    batch = to_batch(Block([text], column=column), Identity(0, "a", "text/csv"), Limits())
    assert [(hit.rule.removeprefix("pii."), text[hit.start : hit.end]) for hit in engine().scan_text(batch)] == expected


@pytest.mark.parametrize(
    ("text", "settings", "expected"),
    [
        ("host 192.168.1.10", {"private_addresses": True}, [("ip-address", "192.168.1.10")]),
        ("4111 1111 1111 1111", {"min_confidence": 0.7}, []),
        ("mail info@firma.de", {"min_confidence": 0.7}, []),
        ("Tel. 0412 345 678", {"regions": ["AU"]}, [("phone", "0412 345 678")]),
    ],
)
def test_settings(text: str, settings: dict[str, object], expected: Expected) -> None:
    assert found(text, engine(**settings)) == expected


@pytest.mark.parametrize(
    ("text", "severity", "why"),
    [
        ("card 4111 1111 1111 1111 exp 12/27", "info", "published test number"),
        ("card 4532 0151 1283 0366 exp 12/27", None, None),
    ],
)
def test_a_published_card_is_nobodys(text: str, severity: str | None, why: str | None) -> None:
    (hit,) = engine().scan_text(text_batch([text]))
    assert (hit.rule, hit.severity, hit.message) == ("pii.payment-card", severity, why)
