"""Forms of providers' tokens: each with one that was made up in its form, and one that misses it by a character or a place."""

from __future__ import annotations

import base64
import hashlib
import random
import string

import pytest

from tests.cases import each
from tests.engines.secrets.building import ALNUM, HEX, batch, engine, found, letters
from veritensor_ray.masking.secret_kinds import checksums

LOWER, UPPER, DIGITS, URL, B64 = (
    string.ascii_lowercase + string.digits,
    string.ascii_uppercase + string.digits,
    string.digits,
    ALNUM + "_-",
    ALNUM + "+/",
)
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
UUID = "7f3e9a52-81c4-4d0b-9e66-0a1b7c55d2f8"
X = letters


def bech32(prefix: str, seed: int = 3) -> str:
    """32 bytes as age and Nostr write them, with the checksum searched for rather than computed as the engine does."""
    bits = "".join(f"{byte:08b}" for byte in random.Random(seed).randbytes(32)) + "0000"
    data = [int(bits[at : at + 5], 2) for at in range(0, 260, 5)]

    def polymod(values: list[int]) -> int:
        check = 1
        for value in values:
            top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
            for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
                check ^= generator * (top >> bit & 1)
        return check

    known = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    total = polymod([*known, *data, *[0] * 6]) ^ 1
    return prefix + "1" + "".join(BECH32[five] for five in [*data, *(total >> 5 * (5 - at) & 31 for at in range(6))])


def base58(payload: bytes) -> str:
    data = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return text


WALLET = base58(bytes.fromhex("0488ade4") + random.Random(5).randbytes(41) + b"\0" + random.Random(6).randbytes(32))

FORMS = [
    ("cloud-key", f"napi_{X(LOWER, 64)}", f"napi_{X(LOWER, 63)}"),
    ("cloud-key", f"ddp_{X(ALNUM, 36)}", f"ddp_{X(ALNUM, 35)}"),
    ("cloud-key", f"nfc_{X(ALNUM, 40)}", f"nfc_{X(ALNUM, 30)}"),
    ("cloud-key", f"essu_{X(B64, 80)}=", f"essu_{X(ALNUM, 30)}"),
    ("cloud-key", f"token-{X(LOWER, 5)}:{X(LOWER, 54)}", f"token-{X(LOWER, 5)}:{X(LOWER, 50)}"),
    ("cloud-key", f"K10{X(HEX, 64)}::server:{X(HEX, 32)}", f"K10{X(HEX, 63)}::server:{X(HEX, 32)}"),
    ("google-key", f"AAAA{X(URL, 7)}:APA91b{X(URL, 134)}", f"AAAA{X(URL, 7)}:APA91b{X(URL, 120)}"),
    ("google-key", f"AQ.Ab{X(URL, 48)}", f"AQ.Ab{X(ALNUM, 30)}"),
    ("database-token", f"prod:quick-otter-123|eyJ2MiI6Ij{X(B64, 60)}", f"prod:quick-otter-123|eyJ2MiI6Ij{X(ALNUM, 20)}"),
    ("database-token", f"dbtc_{X(ALNUM, 44)}", f"dbtc_{X(ALNUM, 20)}"),
    ("database-token", f"mb_{X(B64, 43)}=", f"mb_{X(ALNUM, 40)}="),
    ("database-token", f"hxtp_{X(HEX, 96)}", f"hxtp_{X(HEX, 40)}"),
    ("database-token", f"cflt{X(B64, 60)}", f"cflt{X(ALNUM, 50)}"),
    ("gitlab-token", f"glrtr-{X(ALNUM, 20)}", f"glrtr-{X(ALNUM, 12)}"),
    ("package-token", f"ovsxat_{UUID}", f"ovsxat_{UUID[:-1]}"),
    ("ai-service-key", f"as-{X(ALNUM, 22)}", f"as-{X(ALNUM, 21)}"),
    ("ai-service-key", f"pat_{X(ALNUM, 64)}", f"pat_{X(ALNUM, 60)}"),
    ("ai-service-key", f"m0-{X(ALNUM, 40)}", f"m0-{X(ALNUM, 39)}"),
    ("ai-service-key", f"nk-{X(URL, 43)}", f"nk-{X(ALNUM, 42)}"),
    ("ai-service-key", f"ck-{X(ALNUM, 44)}", f"ck-{X(ALNUM, 43)}"),
    ("ai-service-key", f"tpuf_{X(ALNUM, 32)}", f"tpuf_{X(ALNUM, 31)}"),
    ("ai-service-key", f"ctx7sk-{UUID}", f"ctx7sk-{UUID[:-1]}"),
    ("ai-service-key", f"bb_live_{X(URL, 27)}", f"bb_live_{X(ALNUM, 20)}"),
    ("ai-service-key", f"key_{X(HEX, 64)}", f"key_{X(HEX, 63)}"),
    ("ai-service-key", f"sk-let-{X(B64, 80)}", f"sk-let-{X(ALNUM, 20)}"),
    ("provider-token", f"secret-token:{X(ALNUM, 30)}", "secret-token:the-secret-of-bob"),
    ("jwt", f"v4.local.{X(URL, 120)}", f"v4.local.{X(ALNUM, 40)}"),
    ("slack-token", f"xwfp-{X(DIGITS, 12)}-{X(ALNUM, 40)}", f"xwfp-{X(ALNUM, 10)}"),
    ("webhook", f"chat.googleapis.com/v1/spaces/AAAA{X(URL, 7)}/messages?token={X(URL, 43)}", f"chat.googleapis.com/v1/spaces/AAAA{X(ALNUM, 7)}/messages"),
    ("webhook", f"/open-apis/bot/v2/hook/{UUID}", "/open-apis/bot/v2/hook/abc"),
    ("webhook", f"oapi.dingtalk.com/robot/send?access_token={X(HEX, 64)}", "oapi.dingtalk.com/robot/send?access_token=xxx"),
    ("webhook", f"qyapi.weixin.qq.com/cgi-bin/webhook/send?key={UUID}", "qyapi.weixin.qq.com/cgi-bin/webhook/send?key=xxx"),
    ("webhook", f"maker.ifttt.com/trigger/x/with/key/{X(URL, 43)}", "maker.ifttt.com/trigger/x/with/key/xxx"),
    ("webhook", f".tines.com/webhook/{X(HEX, 32)}/{X(HEX, 32, 8)}", ".tines.com/webhook/path/secret"),
    ("mail-service-key", f"pk_{X(HEX, 34)}", f"pk_{X(HEX, 33)}"),
    ("payment-key", f"APP_USR-{X(DIGITS, 16)}-{X(DIGITS, 6)}-{X(HEX, 32)}-{X(DIGITS, 9)}", f"APP_USR-{UUID}"),
    ("payment-key", f"xnd_production_{X(ALNUM, 64)}", f"xnd_production_{X(ALNUM, 20)}"),
    ("payment-key", f"SB-Mid-server-{X(URL, 24)}", f"SB-Mid-client-{X(ALNUM, 16)}"),
    ("payment-key", f"live_{X(HEX, 35)}", f"live_{X(HEX, 34)}"),
    ("payment-key", f"live_{X(ALNUM, 30)}", f"live_{X(ALNUM, 29)}"),
    ("payment-key", f"bxt_{X(ALNUM, 40)}", f"bxt_{X(ALNUM, 12)}"),
    ("payment-key", f"AQE{X(B64, 90)}==-{X(B64, 43)}=-{X(ALNUM + '!#(,', 16)}", f"AQE{X(ALNUM, 90)}"),
    ("payment-key", f"PRD-{X(HEX, 12)}-{UUID[9:23]}-{X(HEX, 4)}", f"PRD-{X(HEX, 11)}-{UUID[9:23]}-{X(HEX, 4)}"),
    ("shopify-token", f"shpua_{X(HEX, 32)}", f"shpua_{X(HEX, 31)}"),
    ("provider-token", f"ddapp_{X(ALNUM, 34)}", f"ddapp_{X(ALNUM, 33)}"),
    ("provider-token", f"configcat-sdk-1/{X(URL, 22)}/{X(URL, 22, 8)}", f"configcat-sdk-1/{X(ALNUM, 22)}"),
    ("provider-token", f"secret-{X(ALNUM, 43)}", f"secret-{X(ALNUM, 20)}"),
    ("provider-token", f"sc_{X(LOWER, 12)}.{X(LOWER, 4)}.acc-{X(LOWER, 16)}.{X(ALNUM, 43)}", f"sc_{X(LOWER, 12)}.acc-{X(LOWER, 16)}"),
    ("provider-token", f"dnkey-{X(UPPER, 26)}-{X(UPPER, 52)}", f"dnkey-{X(UPPER, 26)}"),
    ("provider-token", f"s-s4t2ud-{X(HEX, 64)}", f"s-s4t2ud-{X(HEX, 63)}"),
    ("provider-token", f"p8e-{X(ALNUM, 32)}", f"p8e-{X(ALNUM, 31)}"),
    ("provider-token", f"{X(ALNUM, 6)}_{X(ALNUM, 29)}_mmk", f"{X(ALNUM, 6)}_{X(ALNUM, 28)}_mmk"),
    ("provider-token", f"sm_aat_{X(ALNUM, 16)}", f"sm_aat_{X(ALNUM, 15)}"),
    ("provider-token", f"retool_{X(LOWER, 26)}", f"retool_{X(LOWER, 25)}"),
    ("provider-token", f"zpka_{X(LOWER, 32)}_{X(HEX, 8)}", f"zpka_{X(LOWER, 32)}"),
    ("provider-token", f"rootly_{X(HEX, 64)}", f"rootly_{X(HEX, 63)}"),
    ("provider-token", f"pylf_v1_us_{X(ALNUM, 43)}", f"pylf_v1_us_{X(ALNUM, 42)}"),
]  # fmt: skip


@each(("rule", "token", "other"), FORMS, ids=[f"{rule}-{token[:9]}" for rule, token, _ in FORMS])
@each("around", ["x: {} y", '"{}",', "a\n{}\nb"])
def test_the_form_of_a_provider_is_found_and_what_misses_it_is_not(rule: str, token: str, other: str, around: str) -> None:
    assert (rule, token) in found(around.format(token))
    assert rule not in dict(found(around.format(other)))


@pytest.mark.parametrize(
    ("rule", "token"),
    [("age-secret-key", bech32("age-secret-key-").upper()), ("payment-key", bech32("nsec")), ("payment-key", WALLET)],
)
def test_a_checksum_proves_a_key_and_a_wrong_one_makes_it_medium(rule: str, token: str) -> None:
    changed = token[:-8] + ("Q" if token[-8] == "P" else "P" if token.isupper() else "q" if token[-8] == "z" else "z") + token[-7:]
    proven, doubtful = engine().scan_text(batch([f"k {token} k", f"k {changed} k"]))
    assert (proven.rule, proven.severity, proven.score) == (f"secrets.{rule}", None, 0.98)
    assert (doubtful.rule, doubtful.severity, doubtful.score) == (f"secrets.{rule}", "medium", 0.6)


@pytest.mark.parametrize("text", ["", "1", "nsec1", "nsec1b", "é", "AGE", base64.b64encode(b"\xff" * 40).decode()])
def test_checksums_of_other_texts_are_wrong(text: str) -> None:
    assert not checksums.is_bech32(text)
    assert not checksums.is_base58_checked(text)


def test_a_known_key_has_a_right_checksum() -> None:
    assert checksums.is_bech32("A12UEL5L")  # of BIP 173
    assert checksums.is_base58_checked("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2")  # an address in the documentation of Bitcoin
