"""Characters that nobody sees in a text, by the properties that Unicode gives them.

They are the code points with the property Default_Ignorable_Code_Point (Unicode 16, DerivedCoreProperties.txt), the marks of interlinear
annotations, noncharacters, and control characters other than white space and the separators of records. Of the C1 controls, only those that
no Windows code page uses: the others are letters that somebody decoded wrongly.
"""

from __future__ import annotations

_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_ANNOTATION = "\ufff9-\ufffb"
_NO_CHARACTERS = "\ufdd0-\ufdef" + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
CONTROLS = "\x01-\x08\x0e-\x1b\x7f"
_UPPER_CONTROLS = "\x81\x8d\x8f\x90\x9d"
# The inside of a character class of regular expressions. NUL is not among them: it separates names in lists.
INVISIBLE = f"{CONTROLS}{_UPPER_CONTROLS}{_IGNORABLE}{_ANNOTATION}{_NO_CHARACTERS}"
