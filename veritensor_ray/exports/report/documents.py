"""HTML in one file that loads nothing, in which text of any origin stays text; and documents in one style, without scripts."""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from veritensor_ray.masking.redaction import visible

if TYPE_CHECKING:
    import jinja2


def html_document(template: str, **values: Any) -> str:
    """Return a document of this template, which extends `document.html`."""
    style = asset("document.css")
    return environment().get_template(template).render(style=raw(style), policy=f"default-src 'none'; style-src {digest(style)}", **values)


@functools.cache
def asset(name: str) -> str:
    """Return the text of a file in `assets`."""
    return (files("veritensor_ray.exports.report") / "assets" / name).read_text(encoding="utf-8")


def digest(text: str) -> str:
    """Return what allows a script or a style in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def raw(text: str) -> Any:
    """Mark a part of the page itself as HTML."""
    from markupsafe import Markup

    if "</script" in text.lower() or "</style" in text.lower():
        raise ValueError("a script or style of the page would end its own element")
    return Markup(text)  # noqa: S704  # assets of this package, and JSON in which every < is escaped


def environment() -> jinja2.Environment:
    """Return what draws the templates in `assets`."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FunctionLoader(asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )


def _shown(value: Any) -> Any:
    """Return text of any origin with its invisible characters made visible; autoescaping follows."""
    return visible(value) if type(value) is str else "" if value is None else value
