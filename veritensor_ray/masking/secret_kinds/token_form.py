"""What a token with a recognizable form is: the literals to search for, the pattern that confirms a match, and its proof."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

from veritensor_ray.core.config import Severity

B64 = "[A-Za-z0-9+/]"
URL = "[A-Za-z0-9_-]"
HEX = "[0-9a-fA-F]"
AN = "[A-Za-z0-9]"
# What may stand before a token: no letter or digit, unless an escape ends with it, as in `\\nghp_` or `%3Dghp_`.
_ALONE = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2})|(?<=\\x[0-9A-Fa-f]{2})|(?<=\\u00[0-9A-Fa-f]{2}))"
_BEHIND = re.compile(r"\(\?<!\[[^\]]*\]\)")
_LONGEST = 400  # characters behind a literal that a token may have
UUID = f"{HEX}{{8}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{12}}"


@dataclass(frozen=True)
class Token:
    """One kind of token.

    The prefilter searches for `literals`, which spaces separate (one in slashes is a pattern of fixed length). `source` matches at a
    literal, or begins up to `back` characters before it, or exactly so many if `exact`. A passed `check` proves the token; after a failed one, it is rejected if
    `strict` and merely likely otherwise. `loose` is a pattern that is redacted but not reported: a truncated token, or an older form.
    """

    rule: str
    name: str
    literals: str
    source: str
    _: KW_ONLY
    score: float = 0.9
    severity: Severity | None = None
    check: Callable[[str], bool] | None = None
    strict: bool = False
    back: int = 0
    exact: bool = False
    end: str = r"(?![A-Za-z0-9_-])"
    loose: str | None = None

    @functools.cached_property
    def pattern(self) -> re.Pattern[str]:
        """The pattern for reporting, which requires that the token stands by itself."""
        before = "" if self.back else _ALONE
        return _compiled(f"{before}(?:{self.source}){self.end}")

    def around(self, text: str, at: int, start_of_text: int) -> re.Match[str] | None:
        """Return the token around a literal at `at`, if it begins before the literal."""
        first, last = max(start_of_text, at - self.back), at - self.back if self.exact else at
        ahead = self._ahead.match(text, first, at + _LONGEST) if first <= last else None
        if ahead is None:
            return None
        found = next((one for one in self.pattern.finditer(text, ahead.start("token"), at + _LONGEST) if one.end() > at), None)
        return found if found and found.start() <= last else None

    @functools.cached_property
    def _ahead(self) -> re.Pattern[str]:
        """The pattern for reporting behind what it may skip, so that it is not tried far behind a literal."""
        return _compiled(rf"[\s\S]{{0,{0 if self.exact else self.back}}}?(?P<token>{self.pattern.pattern})")

    @functools.cached_property
    def glued(self) -> re.Pattern[str]:
        """The pattern for redaction, which ignores the surrounding text."""
        return _compiled(f"(?:{_BEHIND.sub('', self.source)})" + (f"|(?<![A-Za-z0-9])(?:{self.loose})" if self.loose else ""))

    @property
    def hints(self) -> tuple[str, ...]:
        """Plain words, one of which occurs in every token of this kind."""
        return tuple(word[1:].partition("[")[0] if "[" in word else word for word in self.literals.split())


@functools.cache
def _compiled(source: str) -> re.Pattern[str]:
    return re.compile(source, re.ASCII)
