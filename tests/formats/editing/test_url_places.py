"""A secret in a URL is replaced so that programs still read its scheme, its host and the rest of it."""

from __future__ import annotations

from urllib.parse import urlsplit

from tests.cases import each
from veritensor_ray.formats.editing.actions import Action
from veritensor_ray.formats.editing.edits import Order, Orders, Unit, applied
from veritensor_ray.formats.editing.marks import Mark

LOGIN, HOOK, TOKEN, ADDRESS, OTHER = (
    "secrets.url-credentials",
    "secrets.webhook",
    "secrets.github-token",
    "pii.ip-address",
    "indicators.address",
)


def replaced(value: str, found: str, rule: str, action: Action = Action.MASK) -> str:
    start = value.index(found)
    mark = Mark(rule, "high", None, None, None, None, None, "visible", None, start, start + len(found), found, straight=True)
    return applied(value, Orders([Order(0, mark, action, False)], frozenset(), lambda *_: "[X]").edits(Unit(), value))


@each(
    ("value", "found", "rule", "expected"),
    [
        (
            "db postgres://app:pw@db.kaldor.io:5432/main?ssl=on",
            "postgres://app:pw@",
            LOGIN,
            "db postgres://(X)@db.kaldor.io:5432/main?ssl=on",
        ),
        ("https://bob:a@b/c@host.io/x", "https://bob:a@b/c@", LOGIN, "https://(X)@host.io/x"),
        (r"postgres:\/\/app:pw@db\/main", r"postgres:\/\/app:pw@", LOGIN, r"postgres:\/\/(X)@db\/main"),
        ("postgres%3A%2F%2Fapp%3Apw%40db%2Fmain", "postgres%3A%2F%2Fapp%3Apw%40", LOGIN, "postgres%3A%2F%2F(X)%40db%2Fmain"),
        ("https://ghp_1@github.com/a.git", "ghp_1", TOKEN, "https://(X)@github.com/a.git"),
        ("https://bob:p.ss/w@host.io/x", "p.ss/w", TOKEN, "https://bob:(X)@host.io/x"),
        ("https://hooks.kaldor.io/services/T0/B0", "hooks.kaldor.io/services/T0/B0", HOOK, "https://hooks.kaldor.io/[X]"),
        ("https://a.webhook.kaldor.io/w/8f@9", ".webhook.kaldor.io/w/8f@9", HOOK, "https://a.webhook.kaldor.io/[X]"),
        ("https://kaldor.io/api/webhooks/1/h", "/api/webhooks/1/h", HOOK, "https://kaldor.io/[X]"),
        ("https://x.io/cb?token=hG7k&x=1", "hG7k", TOKEN, "https://x.io/cb?token=[X]&x=1"),
        ("http://81.2.69.142:8080/x", "81.2.69.142", ADDRESS, "http://(X):8080/x"),
        ("http://evil.io/x", "evil.io/x", OTHER, "http://(X)"),  # not a secret: the host is what was found
        ("see http://evil.io/x now", "http://evil.io/x", OTHER, "see [X] now"),
        ("https://x.io/ and hG7k", "hG7k", TOKEN, "https://x.io/ and [X]"),
        ("hooks.kaldor.io/services/T0", "hooks.kaldor.io/services/T0", HOOK, "[X]"),
    ],
)
def test_what_is_replaced(value: str, found: str, rule: str, expected: str) -> None:
    assert replaced(value, found, rule) == expected
    urlsplit(expected)  # which raises ValueError for brackets in front of a path


def test_what_is_stripped_goes_as_a_whole() -> None:
    assert replaced("a postgres://app:pw@db b", "postgres://app:pw@", LOGIN, Action.STRIP) == "a db b"
