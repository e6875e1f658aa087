"""Hooks for mkdocs. They add the generated pages and those from the top of the repository, and rewrite links."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tools.site.commands import commands_page
from tools.site.links import TOP, rewritten, source_of, with_reference
from tools.site.markdown import ROOT
from tools.site.python_api import python_page
from tools.site.rules import index_page, rules_by_engine, rules_page
from tools.site.settings import settings_page
from tools.site.tables import codes_page, tables_page


def generated() -> dict[str, Callable[[], str]]:
    """Path in the site to the function that writes the page."""
    pages = {
        "reference/commands.md": commands_page,
        "reference/configuration.md": settings_page,
        "reference/tables.md": tables_page,
        "reference/reason-codes.md": codes_page,
        "reference/python.md": python_page,
        "reference/rules/index.md": index_page,
    }
    return pages | {f"reference/rules/{engine}.md": partial(rules_page, engine) for engine in rules_by_engine()}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for page, write in generated().items():
        files.append(File.generated(config, page, content=write()))
    for source, page in TOP.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links of hand-written pages, which are meant for the repository. A page with its own tab has no list of pages beside it."""
    where = page.file.src_uri
    if page.parent is None:
        page.meta.setdefault("hide", ["navigation"])
    if where in generated():
        return markdown
    return with_reference(where, rewritten(markdown, PurePosixPath(source_of(where)), PurePosixPath(where)), generated())
