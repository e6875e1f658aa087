"""Provider tokens are found by their form, wherever they stand, and what only resembles them is not."""

from __future__ import annotations

import base64
import json

import pytest

from tests.cases import each
from tests.engines.secrets.building import ALNUM, HEX, batch, engine, found, letters, with_checksum
from veritensor_ray.engines.secrets import secret_search
from veritensor_ray.masking.secret_kinds import checksums
from veritensor_ray.masking.secret_kinds.token_kinds import TOKENS

UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
UUID = "7f3e9a52-81c4-4d0b-9e66-0a1b7c55d2f8"


def jwt(header: dict[str, str], payload: dict[str, object]) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, payload)]
    return ".".join([*parts, letters(ALNUM, 43)])


EXAMPLES = [
    ("aws-access-key", "AKIA" + letters(UPPER, 16)),
    ("aws-access-key", "ASIA" + letters(UPPER, 16)),
    ("github-token", with_checksum("ghp_")),
    ("github-token", with_checksum("ghs_")),
    ("github-token", f"github_pat_{letters(ALNUM, 22)}_{letters(ALNUM, 59)}"),
    ("npm-token", with_checksum("npm_")),
    ("gitlab-token", "glpat-" + letters(ALNUM, 20)),
    ("gitlab-token", "glptt-" + letters(HEX, 40)),
    ("slack-token", f"xoxb-{letters('0123456789', 12)}-{letters('0123456789', 13)}-{letters(ALNUM, 24)}"),
    ("webhook", f"hooks.slack.com/services/T{letters(UPPER, 8)}/B{letters(UPPER, 8)}/{letters(ALNUM, 24)}"),
    ("stripe-key", "sk_live_" + letters(ALNUM, 24)),
    ("google-key", "AIza" + letters(ALNUM, 35)),
    ("google-key", "GOCSPX-" + letters(ALNUM, 28)),
    ("openai-key", f"sk-{letters(ALNUM, 20)}T3BlbkFJ{letters(ALNUM, 20, 8)}"),
    ("openai-key", f"sk-proj-{letters(ALNUM, 74)}T3BlbkFJ{letters(ALNUM, 73)}"),
    ("anthropic-key", f"sk-ant-api03-{letters(ALNUM, 93)}AA"),
    ("huggingface-token", "hf_" + letters(ALNUM[:52], 34)),
    ("ai-service-key", "r8_" + letters(ALNUM, 37)),
    ("ai-service-key", "gsk_" + letters(ALNUM, 52)),
    ("pypi-token", "pypi-AgEIcHlwaS5vcmc" + letters(ALNUM, 150)),
    ("docker-token", "dckr_pat_" + letters(ALNUM, 27)),
    ("databricks-token", "dapi" + letters(HEX, 32)),
    ("digitalocean-token", "dop_v1_" + letters(HEX, 64)),
    ("mail-service-key", f"SG.{letters(ALNUM, 22)}.{letters(ALNUM, 43)}"),
    ("mail-service-key", letters(HEX, 32) + "-us12"),
    ("telegram-token", f"{letters('123456789', 10)}:AA{letters(ALNUM, 33)}"),
    ("discord-token", f"{base64.b64encode(b'719281928371928374').decode()}.{letters(ALNUM, 6)}.{letters(ALNUM, 38)}"),
    ("shopify-token", "shpat_" + letters(HEX, 32)),
    ("vault-token", "hvs." + letters(ALNUM, 90)),
    ("vault-token", f"{letters(ALNUM, 14)}.atlasv1.{letters(ALNUM, 67)}"),
    ("vault-token", "dp.pt." + letters(ALNUM, 43)),
    ("database-token", "pscale_tkn_" + letters(ALNUM, 43)),
    ("provider-token", "lin_api_" + letters(ALNUM, 40)),
    ("provider-token", f"PMAK-{letters(HEX, 24)}-{letters(HEX, 34)}"),
    ("provider-token", f"glsa_{letters(ALNUM, 32)}_{letters(HEX, 8)}"),
    ("provider-token", f"pat{letters(ALNUM, 14)}.{letters(HEX, 64)}"),
    ("provider-token", f"pat-na1-{UUID}"),
    ("age-secret-key", "AGE-SECRET-KEY-1" + letters("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58)),
    ("jwt", jwt({"alg": "HS256", "typ": "JWT"}, {"sub": "4711", "iat": 1700000000})),
    ("vault-token", "SUAHKEAZOJR24QH4LDJUJN3DKMZC75JR3O4NEF7VT2NJGD5S7GTVMBC5U4"),
    ("aws-secret-key", "IQoJb3JpZ2lu" + letters(ALNUM, 200)),
    ("ai-service-key", "tvly-" + letters(ALNUM, 32)),
    ("ai-service-key", "fc-" + letters(HEX, 32)),
    ("mail-service-key", f"re_{letters(ALNUM, 8)}_{letters(ALNUM, 24)}"),
    ("payment-key", "nsec1" + letters("acdefghjklmnpqrstuvwxyz023456789", 58)),
    ("provider-token", f"1000.{letters(HEX, 32)}.{letters(HEX, 32, 8)}"),
    ("cloud-key", f"SWMTKN-1-{letters('abcdefghijklmnopqrstuvwxyz0123456789', 50)}-{letters('abcdefghijklmnopqrstuvwxyz0123456789', 25)}"),
    ("azure-key", f"AccountKey={base64.b64encode(bytes(range(17, 81))).decode()}"),
]


@each(("rule", "token"), EXAMPLES, ids=[f"{rule}-{token[:8]}" for rule, token in EXAMPLES])
@each("around", ["{}", 'x = "{}"', "see {} there", "é漢 ({})", "a\n{}\nb"])
def test_a_token_is_found_wherever_it_stands(rule: str, token: str, around: str) -> None:
    assert (rule, token) in found(around.format(token))


@each(("rule", "token"), [row for row in EXAMPLES if row[0] not in ("mail-service-key", "webhook", "azure-key")])
def test_a_token_within_a_longer_word_is_none(rule: str, token: str) -> None:
    assert (rule, token) not in found(f"q9{token}q9")


@each(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "AKIAXXXXXXXXXXXXXXXX",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "pk_live_" + letters(ALNUM, 24),  # publishable
        "task-force-sk-learn",
        "eyJhbGciOiJIUzI1NiJ9",
        "eyJub3QianNvbg.eyJub3QianNvbg.x",
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.eyJsb2dpbiI6InpiaXQiLCJpYXQiOjkyMDkwNDM5NTd9.",  # nothing signs it
        "sk_live_4f9a8b7c6d5e4f3a...",  # cut short
        "hooks.slack.com/services/XXXXXXXXX/XXXXXXXXX/XXXXXXXXXXXXXXXXXXXXXXXX",
    ],
)
def test_documented_examples_and_stand_ins_are_left_alone(text: str) -> None:
    assert found(text) == []


def test_a_right_checksum_is_proof_and_a_wrong_one_is_not() -> None:
    right = with_checksum("ghp_")
    wrong = right[:-1] + ("a" if right[-1] != "a" else "b")
    first, second = engine().scan_text(batch([right, wrong]))
    assert (first.score, first.severity) == (0.98, None)
    assert (second.score, second.severity) == (0.6, "medium")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (f"key: AKC2{letters(ALNUM, 40)}", True),
        (f"https://h.example/api/v1/AKC2{letters(ALNUM, 40)}", True),
        (f"{letters(ALNUM, 60)}/AKC2{letters(ALNUM, 40)}+{letters(ALNUM, 60)}", False),
        (f"{letters(ALNUM, 9)}+AKC2{letters(ALNUM, 40)}/{letters(ALNUM, 22)}\n{letters(ALNUM, 76)}", True),
        (f"\nAKC2{letters(ALNUM, 20)}/{letters(ALNUM, 50)}\n{letters(ALNUM, 76)}", False),
        (f"{letters(ALNUM, 50)}+AKC2{letters(ALNUM, 20)}\n{letters(ALNUM, 76)}", False),
    ],
)
def test_letters_in_the_middle_of_base64_are_no_token(text: str, is_one: bool) -> None:
    assert ("package-token" in [rule for rule, _ in found(text)]) is is_one


AWS_ID, AWS_SECRET = "AKIA" + letters(UPPER, 16), letters(ALNUM + "/+", 40)


@pytest.mark.parametrize(
    "between",
    ["\naws_secret_access_key = ", '", "', ":", '\n  secretAccessKey: "', " and then, in the same paragraph, "],
)
def test_the_secret_near_a_key_id_is_high_and_names_the_id_masked(between: str) -> None:
    for first, second in ((AWS_ID, AWS_SECRET), (AWS_SECRET, AWS_ID)):
        text = f"id = {first}{between}{second}\n"
        hits = engine().scan_text(batch([text], "credentials"))
        assert {(text[hit.start : hit.end], hit.rule, hit.severity, hit.message) for hit in hits} == {
            (AWS_ID, "secrets.aws-access-key", "medium", "AWS access key id"),
            (AWS_SECRET, "secrets.aws-secret-key", "high", f"AWS secret key near the id AK{'*' * 18}"),
        }
        assert len(hits) == 2


@each("before", range(960, 1040, 7))
def test_the_secret_is_found_wherever_in_the_text_it_begins(before: int) -> None:
    text = f"{'x ' * before}{AWS_ID} {AWS_SECRET} {AWS_ID[::-1]}"
    assert ("aws-secret-key", AWS_SECRET) in found(text, "a.txt")


def test_a_secret_in_the_next_value_is_high_too() -> None:
    columns = ["AccessKeyId", "Status", "SecretAccessKey"]
    hits = engine().scan_text(batch([AWS_ID, "Active", AWS_SECRET], "a.json", columns))
    assert [(hit.row, hit.rule, hit.severity) for hit in hits] == [
        (0, "secrets.aws-access-key", "medium"),
        (2, "secrets.aws-secret-key", "high"),
    ]


def test_a_key_id_alone_is_medium_and_far_from_a_secret_too() -> None:
    hits = engine().scan_text(batch([f'"id": "{AWS_ID}"' + " " * 400 + AWS_SECRET], "a.json"))
    assert [(hit.rule, hit.severity) for hit in hits] == [("secrets.aws-access-key", "medium")]


@pytest.mark.parametrize("prefix", ["AIDA", "AROA", "AGPA", "AIPA", "ANPA", "ANVA"])
def test_other_ids_of_aws_are_low(prefix: str) -> None:
    (hit,) = engine().scan_text(batch([f'{{"UserId": "{prefix}{letters(UPPER, 17)}:session"}}'], "a.json"))
    assert (hit.rule, hit.severity) == ("secrets.aws-access-key", "low")


@pytest.mark.parametrize(
    "text", ["AIDACKCEVSQ6C2EXAMPLE", "AIDAXXXXXXXXXXXXXXXXX", "AROA" + "A" * 17, "ANPARTICULARLYLONGWORDS", "AKIA" + "Q" * 16 + "EXAMPLE"]
)
def test_examples_of_aws_are_silent(text: str) -> None:
    assert found(f'"id": "{text}"', "a.json") == []


@pytest.mark.parametrize(
    ("token", "is_one"),
    [
        (f"eyJ{letters(ALNUM, 60)}.{letters(ALNUM, 40, 8)}.{letters(ALNUM, 43, 9)}", True),  # changed, so that it does not decode
        (f"eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0.{letters(ALNUM, 22)}.{letters(ALNUM, 16)}.{letters(ALNUM, 60)}", False),  # a message
        (f"eyJ1c2VyIjoxMjM0NTY3ODkwMTIzNH0.{letters(ALNUM, 6)}.{letters(ALNUM, 27)}", False),  # a signed value that anyone can read
        (f"eyJ{letters('abcdef', 60)}.{letters('abcdef', 60)}.js", False),
    ],
)
def test_a_token_that_cannot_be_read_is_low(token: str, is_one: bool) -> None:
    hits = engine().scan_text(batch([f"x {token} y"]))
    assert [(hit.rule, hit.severity) for hit in hits] == ([("secrets.jwt", "low")] if is_one else [])


@pytest.mark.parametrize("token", ["ghp_" + "A" * 36, "npm_short", "ghp_", "", "_"])
def test_checksums_of_anything_are_computed_without_error(token: str) -> None:
    assert not checksums.crc_of_token(token)


def test_every_pattern_has_a_rule() -> None:
    known = {rule.id for rule in engine().rules()}
    assert {f"secrets.{token.rule}" for token in TOKENS} <= known


def test_a_token_is_judged_once_however_often_it_stands_there() -> None:
    secret_search._graded.cache_clear()
    hits = found(f"{with_checksum('ghp_')} and " * 500)
    assert len(hits) == 500
    assert secret_search._graded.cache_info().misses == 1
