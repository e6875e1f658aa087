"""Every kind of token that is reported is hidden, whatever it is glued to."""

from __future__ import annotations

import random
import re
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from veritensor_ray.masking.redaction import mask, name_safe
from veritensor_ray.masking.secret_kinds.token_form import Token
from veritensor_ray.masking.secret_kinds.token_kinds import TOKENS
from veritensor_ray.masking.sensitive_values import Values


def drawn(source: str, chance: random.Random) -> str:
    """A text that a pattern matches, drawn by chance."""
    return "".join(_drawn(one, chance) for one in parser.parse(source, re.ASCII))


def _drawn(one: Any, chance: random.Random) -> str:
    op, value = one
    if op is sre.LITERAL:
        return chr(value)
    if op is sre.IN:
        return _of_class(chance.choice(value), chance)
    if op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        least, most, inner = value
        times = chance.randint(least, min(most, least + 3))
        return "".join(_drawn(one, chance) for _ in range(times) for one in inner)
    if op is sre.SUBPATTERN:
        return "".join(_drawn(one, chance) for one in value[3])
    if op is sre.BRANCH:
        return "".join(_drawn(one, chance) for one in chance.choice(value[1]))
    assert op in (sre.ASSERT_NOT, sre.CATEGORY), op
    return "" if op is sre.ASSERT_NOT else " "


def _of_class(one: Any, chance: random.Random) -> str:
    op, value = one
    return chr(chance.randint(*value)) if op is sre.RANGE else chr(value) if op is sre.LITERAL else " "


@pytest.mark.parametrize("token", TOKENS, ids=[f"{i}-{token.name}" for i, token in enumerate(TOKENS)])
def test_every_token_is_hidden_and_noted(token: Token) -> None:
    chance = random.Random(token.name)
    for around in ("{}", "x_{}", "my{}x", "{}_id", "'{}',", "é{}漢", "a\x1e{}\x1e"):
        value = drawn(token.source, chance)
        text = around.format(value)
        values = Values()
        masked, noted = mask(text, values.note), values.kinds
        assert len(masked) == len(text)
        longest = max(range(len(value) - 7), key=lambda at: len(set(value[at : at + 8])), default=0)
        assert value[longest + 2 : longest + 10] not in masked
        assert any(value[4:] in one or one[4:] in value for one in noted)
        assert value[longest + 2 : longest + 10] not in name_safe(text.replace("\x1e", " "))


def test_a_prefilter_lets_every_token_through() -> None:
    for token in TOKENS:
        value = drawn(token.source, random.Random(token.name))
        assert any(hint in value for hint in token.hints), token.name
