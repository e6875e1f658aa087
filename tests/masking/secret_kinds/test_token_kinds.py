"""Every kind of token that is reported is hidden, whatever it is glued to."""

from __future__ import annotations

import random

import pytest

from tests.masking.drawing import drawn
from veritensor_ray.masking.redaction import mask, name_safe
from veritensor_ray.masking.secret_kinds.token_form import Token
from veritensor_ray.masking.secret_kinds.token_kinds import TOKENS
from veritensor_ray.masking.sensitive_values import Values


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


@pytest.mark.parametrize("token", [token for token in TOKENS if token.exact], ids=lambda token: token.name)
def test_an_exact_token_has_its_literal_at_a_fixed_place(token: Token) -> None:
    chance = random.Random(token.name)
    for _ in range(20):
        text = drawn(token.source, chance)
        assert text.startswith(tuple(token.literals.split()), token.back), text
