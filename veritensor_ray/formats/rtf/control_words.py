"""The meaning of RTF control words for a reader of the text."""

from __future__ import annotations

from typing import NamedTuple

from veritensor_ray.formats.common.name_sets import names


class Destination(NamedTuple):
    """The destination of the text of a group."""

    view: str
    column: str | None = None
    part: str | None = None


HEX = frozenset({"objdata", "pict", "themedata", "datastore"})
INLINE = frozenset({"ud", "shppict", "shpinst", "cs", "ts", "ds", "ls"})  # their content is shown, even with a star
PARTS = {
    **dict.fromkeys(("header", "headerl", "headerr", "headerf"), Destination("visible", None, "header")),
    **dict.fromkeys(("footer", "footerl", "footerr", "footerf"), Destination("visible", None, "footer")),
    "footnote": Destination("visible", None, "footnote"),
    "annotation": Destination("comment"),
    "atnauthor": Destination("metadata", "atnauthor"),
    "atnid": Destination("metadata", "atnid"),
    "fldinst": Destination("metadata", "field"),
    "shptxt": Destination("visible", None, "text box"),
}
# Destinations that no program shows. The text of other destinations with a star is metadata too; without a star, it is text.
METADATA = names(
    "fonttbl colortbl stylesheet info title subject author manager company operator category keywords comment doccomm hlinkbase "
    "creatim revtim printim buptim listname revtbl bkmkstart bkmkend txe rxe tc xe template objclass objname filetbl pntxta pntxtb "
    "sn sv sp propname staticval linkval datafield formfield ffname ffdeftext ffhelptext ffstattext ffentrymcr ffexitmcr nesttableprops"
)
CHARACTERS = {
    "tab": "\t", "line": "\n", "lbr": "\n", "emdash": "\u2014", "endash": "\u2013", "emspace": "\u2003", "enspace": "\u2002",
    "qmspace": "\u2005", "bullet": "\u2022", "lquote": "\u2018", "rquote": "\u2019", "ldblquote": "\u201c", "rdblquote": "\u201d",
    "zwj": "\u200d", "zwnj": "\u200c", "ltrmark": "\u200e", "rtlmark": "\u200f", "zwbo": "\u200b",
}  # fmt: skip
SYMBOLS = {"~": "\xa0", "_": "\u2011", "-": "", ":": "", "|": "", "\\": "\\", "{": "{", "}": "}", "\t": "\t"}
BREAKS = names("par sect page column cell nestcell row nestrow")
