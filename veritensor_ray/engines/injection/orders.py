"""Whether a text has words enough to be an order at all; it knows no model, and nothing of what words mean.

An order takes a verb, what is to be done, and as a rule somebody to do it. Labels of an interface, headings, answers of a survey, names
of places, identifiers, addresses and paths have fewer words than that. The question is asked of every cell of every table, so one pass of
a regular expression answers it, and ends at the third word.
"""

from __future__ import annotations

import re
from itertools import islice

_ENOUGH = 3
_HAN = r"\u3040-\u309f\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002ffff"  # and Hiragana: two characters stand for a word
_KATAKANA = r"\u30a0-\u30ff\u31f0-\u31ff"  # a run of it is a loanword
_JOINED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese and Khmer: four characters
# What ends a word. A full stop, a slash, an underscore, a hyphen, an at sign and a colon do not, so that paths, hosts and identifiers are one.
_ENDS = r"\s,;!?…|()\[\]{}<>\"«»„“”、。，！？；：「」『』（）؟،" + _HAN + _KATAKANA + _JOINED
_WORD = re.compile(
    rf"[{_HAN}]{{2}}|[{_KATAKANA}]+|[{_JOINED}]{{4}}|[^\W\d_{_HAN}{_KATAKANA}{_JOINED}](?:[\w+.-]{{1,20}}://\S*|[^{_ENDS}]*)"
)
_ABBREVIATION = re.compile(r"[A-Z]{2}[.:]?")  # of a state, a country, a subject


def can_be_an_order(text: str) -> bool:
    """Whether a text has three words, or six characters of Chinese or Japanese. Two capitals count only where there are no small letters."""
    found = _WORD.finditer(text)
    words = found if text.isupper() else (word for word in found if not _ABBREVIATION.fullmatch(word[0]))
    return sum(1 for _ in islice(words, _ENOUGH)) == _ENOUGH
