"""Rewrites files that are one text: plain text, Markdown, source code, YAML, TOML, LaTeX and subtitles."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from veritensor_ray.core import bounds, media_types
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError, Strippable
from veritensor_ray.formats.editing.edits import Edit, Orders, applied
from veritensor_ray.formats.editing.placing import combined, placed, removed
from veritensor_ray.formats.editing.spans import NEEDLESS, Range
from veritensor_ray.formats.editing.splice import spliced, text_of
from veritensor_ray.formats.editing.views import Views
from veritensor_ray.formats.format_registry import reader_for
from veritensor_ray.formats.text.markdown_rewriting import fit_markdown, markdown_comments
from veritensor_ray.formats.text.read import read_text
from veritensor_ray.formats.text.toml_rewriting import fit_toml, toml_comments
from veritensor_ray.formats.text.yaml_rewriting import fit_yaml, yaml_comments

Fit = Callable[[str, Sequence[Edit], Callable[[], None]], list[Edit]]
Comments = Callable[[str, Callable[[], None]], list[Range]]


def rewrite_text(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Write the text with the ordered changes. Raises CannotRewriteError, ReadError."""
    media_type = source.kind.media_type
    text = text_of(source, bounds.HELD)
    views = Views(source, reader_for(source.kind) or read_text) if media_type in _READ_AGAIN else None
    comments = markdown_comments(text, orders.pulse) if media_type == media_types.MARKDOWN and orders.units else ()
    edits = placed(source, text, orders, views.whole if views else None, comments=comments)
    fit = _FITS.get(media_type)
    removals = removed(_strips(text, media_type, views, orders))
    kept = [edit for edit in combined(edits, removals) if edit not in removals]
    if kept and not source.first_part and fit in (fit_yaml, fit_toml):
        raise CannotRewriteError(f"files of type {media_type} that are read in parts are not rewritten")  # a part is not valid by itself
    if (kept or removals) and (active := _ACTIVE.get(media_type)):
        _check_inert(active, text, applied(text, combined(kept, removals)))
    spliced(source, out, itertools.chain(fit(text, kept, orders.pulse) if fit else kept, removals), orders.pulse)


def _check_inert(active: re.Pattern[str], before: str, after: str) -> None:
    """Raise CannotRewriteError if a removal joined characters to something that programs execute or follow."""
    known, now = (Counter(found.lower() for found in active.findall(text)) for text in (before, after))
    if now - known:
        raise CannotRewriteError("the changes would join characters to a tag, a link or a command that was not there")


def _strips(text: str, media_type: str, views: Views | None, orders: Orders) -> Iterator[Range]:
    """Yield what is to be removed whether or not anything was found in it."""
    if Strippable.COMMENTS in orders.strip:
        found = _COMMENTS[media_type](text, orders.pulse) if media_type in _COMMENTS else []
        found += [one for ranges in (views.all_of("comment") if views else ()) for one in ranges]
        orders.stripped(Strippable.COMMENTS, len(found)) if found else None
        yield from found
    if Strippable.HIDDEN_TEXT in orders.strip:
        unseen = [found.span() for found in NEEDLESS.finditer(text)]
        unseen += [one for ranges in (views.all_of("hidden") if views else ()) for one in ranges]
        orders.stripped(Strippable.HIDDEN_TEXT, len(unseen)) if unseen else None
        yield from unseen


_TEX_SPECIAL = re.compile(r"[#$%&_]")
_TEX_SIGNS = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "{": r"\{", "}": r"\}"}
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)


def _fit_latex(text: str, edits: Sequence[Edit], pulse: Callable[[], None]) -> list[Edit]:
    """Return the edits so that TeX prints their texts: braces keep brackets from being arguments, and braces without a partner stay."""
    fitted = []
    for edit in edits:
        kept = _unpaired(text[edit.start : edit.end])
        new = _TEX_SPECIAL.sub(r"\\\g<0>", "".join(_TEX_SIGNS.get(char, char) for char in edit.text))
        fitted.append(edit._replace(text=(f"{{{new}}}" if new[:1] in ("[", "*") else new) + kept))
    pulse()
    return fitted


def _unpaired(text: str) -> str:
    """Return the braces of a piece of TeX that have no partner in it."""
    closing, opening = 0, 0
    for found in _BRACE.finditer(text):
        if found.group() == "{":
            opening += 1
        elif found.group() == "}":
            closing, opening = (closing, opening - 1) if opening else (closing + 1, 0)
    return "}" * closing + "{" * opening


def _fit_cues(text: str, edits: Sequence[Edit], pulse: Callable[[], None]) -> list[Edit]:
    """Return the edits without characters that begin a tag or end a cue. The first line of a WebVTT file stays."""
    pulse()
    first = re.match(r"\ufeff?WEBVTT", text)
    least = first.end() if first else 0
    return [
        Edit(max(edit.start, least), max(edit.end, least), re.sub(r"\s*[\r\n]\s*", " ", re.sub(r"[<>&{}|]", "", edit.text)))
        for edit in edits
    ]


_CUES = (media_types.SUBRIP, media_types.VTT, media_types.SSA, media_types.MICRODVD)
_TAGS = r"</?[A-Za-z!?][^\s/>]*"
# What a viewer of the format may execute or follow: `<scr` and `ipt>` around removed characters would make a script.
_ACTIVE: dict[str, re.Pattern[str]] = {
    media_types.MARKDOWN: re.compile(rf"{_TAGS}|(?:javascript|vbscript|data|file)\s*:", re.IGNORECASE),
    media_types.TEX: re.compile(r"\\[A-Za-z@]+"),
    **dict.fromkeys(_CUES, re.compile(_TAGS)),
}
_READ_AGAIN = (media_types.TEX, *_CUES)  # their readers find hidden texts and comments
_FITS: dict[str, Fit] = {
    media_types.MARKDOWN: fit_markdown,
    media_types.YAML: fit_yaml,
    media_types.TOML: fit_toml,
    media_types.TEX: _fit_latex,
    **dict.fromkeys(_CUES, _fit_cues),
}
_COMMENTS: dict[str, Comments] = {media_types.MARKDOWN: markdown_comments, media_types.YAML: yaml_comments, media_types.TOML: toml_comments}
