"""Decides whether a text has enough words to be an instruction at all.

An instruction needs a verb, an object and usually an addressee. Interface labels, headings, survey answers, place names, identifiers,
addresses and paths have fewer words than that. The question is asked of every cell of every table, so one pass of a regular expression
answers it and stops at the third word.
"""

from __future__ import annotations

import re
from itertools import islice

_ENOUGH = 3
_HAN = r"\u3040-\u309f\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0002ffff"  # with Hiragana: two characters count as a word
_KATAKANA = r"\u30a0-\u30ff\u31f0-\u31ff"  # a run of Katakana is a loanword and counts as a word
_JOINED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese and Khmer: four characters count as a word
# Characters that end a word. Period, slash, underscore, hyphen, at sign and colon do not, so that a path, host or identifier is one word.
_ENDS = r"\s,;!?…|()\[\]{}<>\"«»„“”、。，！？；：「」『』（）؟،" + _HAN + _KATAKANA + _JOINED
_WORD = re.compile(
    rf"[{_HAN}]{{2}}|[{_KATAKANA}]+|[{_JOINED}]{{4}}|[^\W\d_{_HAN}{_KATAKANA}{_JOINED}](?:[\w+.-]{{1,20}}://\S*|[^{_ENDS}]*)"
)
# Three words of a text in ASCII, or more, with addresses and abbreviations among them. No alternative is tried twice, so that it is fast to fail.
_PERHAPS = re.compile(rf"[^A-Za-z]*+[A-Za-z][^{_ENDS}]*+(?:[{_ENDS}][^A-Za-z]*+[A-Za-z][^{_ENDS}]*+){{{_ENOUGH - 1}}}")
_ABBREVIATION = re.compile(r"[A-Z]{2}[.:]?")  # such as that of a state, a country or a subject


def can_be_an_order(text: str) -> bool:
    """Return whether a text has three words, or six Chinese or Japanese characters. Two capitals count only if there is no lower case."""
    if text.isascii() and not _PERHAPS.match(text):  # most cells of tables
        return False
    found = _WORD.finditer(text)
    words = found if text.isupper() else (word for word in found if not _ABBREVIATION.fullmatch(word[0]))
    return sum(1 for _ in islice(words, _ENOUGH)) == _ENOUGH
