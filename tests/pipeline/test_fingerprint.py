"""What makes two runs comparable."""

from __future__ import annotations

from typing import Any

import pytest

from veritensor_ray.core.config import load_settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.engines.signatures import Signatures
from veritensor_ray.pipeline.fingerprint import describe, differences, digest
from veritensor_ray.testing import Obedient


def described(key_name: str = "k1", missing: tuple[str, ...] = (), bundle: str | None = None, **flags: Any) -> dict[str, Any]:
    settings = load_settings(flags={"sources": ["/data"]} | flags, environ={})
    engines = {"fake-local": None if "fake-local" in missing else Obedient(settings).fingerprint()}
    return describe(settings, engines, key_name, bundle)


@pytest.mark.parametrize(
    ("changes", "differing"),
    [
        ({}, []),
        ({"profile": "standard"}, ["settings.profile"]),
        ({"limits": {"json_depth": 7}}, ["settings.limits.json_depth"]),
        ({"injection": {"high": 0.9}}, ["settings.injection.high"]),
        ({"include": ["*.md"], "sample": "10%"}, ["settings.include", "settings.sample"]),
        ({"max_size": "1MB"}, ["settings.max_size"]),
        ({"locations": "all"}, ["settings.locations"]),
        ({"key": ["id"]}, ["settings.key"]),
        ({"follow_links": True}, ["settings.follow_links"]),
        ({"sources": ["/data", "/more"]}, ["sources"]),
        ({"sources": ["/data/"]}, []),
        ({"sources": ["file:///data"]}, []),
        ({"key_name": "k2"}, ["site_key"]),
        ({"missing": ("fake-local",)}, ["engines.fake-local"]),
        ({"bundle": "0123456789abcdef"}, ["bundle"]),
        # where, how fast, and how it is shown
        ({"output": "/elsewhere", "address": "auto", "verbose": True, "log_format": "json"}, []),
        ({"resources": {"model_actors": 4}, "fail_on": "high", "allow_partial": True, "fresh": True}, []),
        ({"stores": {"s3://a": {"key": "env:KEY"}}, "site_key": "env:OTHER"}, []),
    ],
)
def test_what_changes_results_changes_the_fingerprint(changes: dict[str, Any], differing: list[str]) -> None:
    one, two = described(), described(**changes)
    assert differences(one, two) == differing
    assert (digest(one) == digest(two)) == (not differing)


def test_digests_are_short_and_do_not_depend_on_order() -> None:
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})
    assert len(digest({})) == 16


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        ({}, {}, []),
        ({"a": 1}, {"a": 2}, ["a"]),
        ({"a": 1}, {}, ["a"]),
        ({"a": {"b": 1, "c": 1}}, {"a": {"b": 1, "c": 2, "d": 3}}, ["a.c", "a.d"]),
        ({"a": {"b": 1}}, {"a": None}, ["a"]),
    ],
)
def test_differences_are_named_down_to_the_setting(mine: dict[str, Any], theirs: dict[str, Any], expected: list[str]) -> None:
    assert differences(mine, theirs) == expected


def test_rules_of_the_user_are_part_of_it(tmp_path: Any) -> None:
    file = tmp_path / "own.yar"
    prints = []
    for word in ("one", "two", "one"):
        file.write_text(f'rule own {{ strings: $s = "{word}" condition: $s }}')
        prints.append(Signatures(load_settings(flags={"rules": [str(tmp_path)]}, environ={})).fingerprint())
    prints.append(Signatures(load_settings(environ={})).fingerprint())
    assert prints[0] == prints[2]
    assert len(set(prints)) == 3


def test_credentials_in_a_source_do_not_get_here() -> None:
    with pytest.raises(UsageError, match="must not contain credentials"):
        described(sources=["s3://key:secret@bucket/x"])
