"""Which files are worth parsing: the answer does not depend on how they are searched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import each
from veritensor_ray.engines import automaton
from veritensor_ray.engines.modelfiles.configuration import config_words

_SIGNS = b". : = ' \" , [ { ( \n / -- \\u0041 \\x41 \\101 \\\n \0 ! !x {%-for {%\x20if &a ${a: $".split(b" ")
_WORDS = b"module _path model_file library size path os.system os subprocess builtins eval( exec( https: /etc/ .so 12345678901".split()


@pytest.mark.skipif(not automaton.available(), reason="there is nothing to compare without Hyperscan")
@given(st.lists(st.sampled_from([*_SIGNS, *_WORDS, b"a", b" ", *config_words._roots()]), max_size=8).map(b"".join))
def test_a_search_finds_what_the_automaton_finds(data: bytes) -> None:
    assert config_words.searched(data) == config_words._automaton().holds(data)


@each("word", [*config_words._WORDS])
def test_every_word_is_worth_it(word: str) -> None:
    assert config_words.worth_parsing(b"some text, " + word.encode() + b" and more")


def test_plain_text_is_not() -> None:
    assert not config_words.worth_parsing(b"A text about nothing in particular.\n" * 100)
