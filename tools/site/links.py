"""Turn links that are written for the repository into links between pages of the site.

A link to a file that is not a page becomes the path of that file, because the repository has no public address.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Container
from pathlib import PurePosixPath

# Pages from the top of the repository, and where the site has them.
TOP = {
    "README.md": "project/overview.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "CHANGELOG.md": "project/changelog.md",
}
# Pages that a hand-written page leads to when it is part of the site; in the repository they do not exist.
REFERENCE = {
    "configuration.md": (("all keys, with flags and variables", "reference/configuration.md"),),
    "results.md": (("all columns", "reference/tables.md"), ("reason codes", "reference/reason-codes.md")),
    "notebook.md": (("Python API", "reference/python.md"),),
}

_FENCE = re.compile(r"^( *)(```+|~~~+)([^\n`]*)\n(.*?)^\1\2[ \t]*$", re.MULTILINE | re.DOTALL)
_LINK_OR_CODE = re.compile(
    r"(?<!\\)(?P<picture>!?)\[(?P<text>(?:`[^`]*`|[^\[\]`])*)\]\((?P<target>[^()\s]+)\)|(?P<code>`+)(?:(?!(?P=code)).)+(?P=code)", re.DOTALL
)


def rewritten(markdown: str, source: PurePosixPath, page: PurePosixPath) -> str:
    """Return `markdown` of the file `source` (a path in the repository) for the site's page `page`: links, and fences that tests mark.

    Links are left alone in code. `sh test=closed` behind a fence marks a block for a test and becomes `sh`.
    """
    out, end = [], 0
    for fence in _FENCE.finditer(markdown):
        out += [_links(markdown[end : fence.start()], source, page), _plain_fence(fence)]
        end = fence.end()
    return "".join((*out, _links(markdown[end:], source, page)))


def _plain_fence(fence: re.Match[str]) -> str:
    indent, marks, info, body = fence.groups()
    language = info.split()[0] if info.split() else ""
    return f"{indent}{marks}{language}\n{body}{indent}{marks}"


def _links(markdown: str, source: PurePosixPath, page: PurePosixPath) -> str:
    def turned(match: re.Match[str]) -> str:
        if match["code"] or re.match(r"[a-z][a-z0-9+.-]*:", match["target"]):
            return match[0]
        return picture(match, source, page) if match["picture"] else link(match["text"], match["target"], source, page)

    return _LINK_OR_CODE.sub(turned, markdown)


def picture(match: re.Match[str], source: PurePosixPath, page: PurePosixPath) -> str:
    """One picture of the file `source` as the site's page `page` shows it. Only pictures below docs/ are part of the site."""
    named = posixpath.normpath(posixpath.join(source.parent, match["target"]))
    where = posixpath.relpath(named.removeprefix("docs/"), page.parent) if named.startswith("docs/") else match["target"]
    return f"![{match['text']}]({where})"


def link(words: str, target: str, source: PurePosixPath, page: PurePosixPath) -> str:
    """One link of the file `source` as the site's page `page` has it."""
    path, hash_mark, anchor = target.partition("#")
    named = posixpath.normpath(posixpath.join(source.parent, path)) if path else str(source)
    leads_to = page_of(named)
    if leads_to is None:
        shown = words.replace("`", "")
        return f"`{named}`" if named.endswith(shown) else f"{words} (`{named}`)"
    if leads_to == str(page):
        return f"[{words}](#{anchor})" if anchor else f"[{words}]({page.name})"
    return f"[{words}]({posixpath.relpath(leads_to, page.parent)}{hash_mark}{anchor})"


def with_reference(page: str, markdown: str, generated: Container[str]) -> str:
    """Return the page with a line below its title that leads to those of the generated pages that are about the same, if there are any."""
    engine = re.fullmatch(r"engines/(\w+)\.md", page)
    entries = [(f"rules of {engine[1]}", f"reference/rules/{engine[1]}.md")] if engine else list(REFERENCE.get(page, ()))
    links = ", ".join(
        f"[{words}]({posixpath.relpath(where, posixpath.dirname(page) or '.')})" for words, where in entries if where in generated
    )
    if not links:
        return markdown
    return re.sub(r"\A(\s*# [^\n]*\n)", lambda title: f"{title[1]}\n*Reference: {links}.*\n", markdown, count=1)


def page_of(path: str) -> str | None:
    """The site's page of a file in the repository; None for a file that is not a page."""
    if path.startswith("docs/") and path.endswith(".md"):
        return path.removeprefix("docs/")
    return TOP.get(path)


def source_of(page: str) -> str:
    """The file in the repository that a page of the site is made of."""
    return next((source for source, where in TOP.items() if where == page), f"docs/{page}")
