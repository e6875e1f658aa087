"""Judges the source of a macro: whether it starts automatically, and whether it reaches outside its document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from veritensor_ray.core.segments import Block
from veritensor_ray.formats.office.shared.text_blocks import EVIDENCE

_ITSELF = re.compile(
    r"\b(?:Auto_?(?:Open|Exec|Close|New|Exit|Activate|Deactivate)"
    r"|(?:Document|Workbook|DocumentX|Presentation|Slide_?Show|Worksheet|App)_?"
    r"(?:Open|New|Close|BeforeClose|BeforeSave|BeforePrint|Activate|Deactivate|Calculate|SheetActivate|ContentControlOnEnter)"
    r"|On(?:Load|SlideShowPageChange|DocumentOpen)|\w+_(?:Layout|Painted|GotFocus|MouseMove|Resize))\b",
    re.IGNORECASE,
)
_REACHES = re.compile(
    r"\bShell(?:Execute\w*)?\b[ (\"]|\bCreateObject\s*\(\s*(?![\" ]*(?:Scripting\.|Excel\.|Word\.|Outlook\.|PowerPoint\.|VBScript\.RegExp|ADODB\.(?:Conn|Rec|Comm)))"
    r"|\bGetObject\s*\(|\bCallByName\b|\bURLDownloadToFile|\bpower\s?shell\b|\bcmd(?:\.exe)?\s*/[ck]\b|\bmshta\b|\bcertutil\b|\bbitsadmin\b"
    r"|\bregsvr32\b|\brundll32\b|\bXMLHTTP\b|\bWinHttp\w*|\bVirtualAlloc\w*|\bRtlMoveMemory\b|\bCreateThread\b|\bWinExec\b"
    r"|\bExecuteExcel4Macro\b|\bMacScript\b|\bRegWrite\b|\bSendKeys\b|\bWScript\.|\bcom\.sun\.star\.system\.SystemShellExecute\b"
    r"|\bos\.system\b|\bsubprocess\b|\bRuntime\.getRuntime\b",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"^(?:Attribute VB_.*|VERSION .*|BEGIN|END|\s+MultiUse.*|Option (?:Explicit|Base.*|Compare.*|Private.*)|\s*(?:'|Rem\b).*|\s*)$",
    re.IGNORECASE,
)


def macro_blocks(modules: Iterable[tuple[str, str]]) -> Iterator[Block]:
    """Yield the modules of a project, given as name and source. Modules without a statement do not count as macros."""
    kept = [(name, source) for name, source in modules if has_statement(source)]
    itself = any(_ITSELF.search(source) for _, source in kept)
    reaches = any(_REACHES.search(source) for _, source in kept)
    for name, source in kept:
        worst = itself and reaches and (_ITSELF.search(source) or _REACHES.search(source))
        yield from _source(f"macro {name[:100]}", source, "macro-suspicious" if worst else "macro")


def _source(part: str, source: str, notice: str) -> Iterator[Block]:
    """Yield the source. The notice is on its beginning, or on the later place that makes the macro suspicious."""
    cut = len(source)
    if cut > EVIDENCE:
        cut = source.rfind("\n", 0, EVIDENCE) + 1 or EVIDENCE
    yield Block([source[:cut]], part=part, start=0, line=1, notice=notice)
    if source[cut:]:
        yield Block([source[cut:]], part=part, start=cut, line=1 + source.count("\n", 0, cut))


def has_statement(source: str) -> bool:
    """Whether the source contains anything but a module's header and comments."""
    return any(not _HEADER.match(line) for line in source.splitlines())
