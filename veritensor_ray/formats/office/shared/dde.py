"""Judges DDE links: a service, which is a program that is started if it does not run, and a topic, which it is given. It depends on no format."""

from __future__ import annotations

import re

# Programs that only open the document that a topic names. A link between two of their documents is ordinary.
_OFFICE = frozenset({"excel", "winword", "msaccess", "powerpnt", "soffice", "scalc", "swriter"})
_DOCUMENT = re.compile(
    r"""(?ix) (?:\[ [^\[\]]+ \] [^\[\]]* | system |                        # an open workbook and its sheet; the program itself
    (?:file:///)? (?:[a-z]:)? [^:*?"<>|\r\n\[\]]+ \. (?:csv|docm?x?|accdb|mdb|od[pst]|ot[pst]|pptx?|rtf|txt|xls[bmx]?) (?:[!\#] [^:.]*)?) \Z"""
)
# What makes more of a topic than the name of one document: a way out of its folder, a server, a switch, or a second argument.
_MORE = re.compile(r"""(?ix) \.\. | \A(?:file:///|[\\/])[\\/] | \s[-/] | \.\w{1,5}\s | [&^%`$;'\x00-\x1f]""")
_FIELD = re.compile(r"""(?ix) \s* DDE(?:AUTO)? \s+ ("[^"]*"|\S+) \s+ ("[^"]*"|\S+)""")


def dde_notice(service: str, topic: str) -> str:
    """The notice for a link: `dde` if it can start a program that does what the document says, otherwise that of any external reference."""
    ordinary = service.strip().lower() in _OFFICE and _DOCUMENT.match(topic.strip()) and not _MORE.search(topic.strip())
    return "external-relation" if ordinary else "dde"


def field_dde(instruction: str) -> str:
    """The notice for the instruction of a DDE field of Word, in which backslashes are doubled."""
    found = _FIELD.match(instruction)
    return dde_notice(*(part.strip('"').replace("\\\\", "\\") for part in found.groups())) if found else "dde"
