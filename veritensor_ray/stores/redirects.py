"""Restrict redirects of an HTTP source to its own origin, or to stores that the configuration names."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from veritensor_ray.core.errors import StoreError
from veritensor_ray.stores.store_errors import causes


def names(prefix: str, uri: str) -> bool:
    """Return whether a prefix from the configuration's `stores` covers a URI.

    `http://a` covers `http://a/b`, but not `http://a.example` or a different port.
    """
    whole = "/" in prefix.partition("://")[2] or prefix.endswith("://")  # a host, bucket or protocol must be given in full
    return uri.startswith(prefix) and (whole or uri[len(prefix) :][:1] in ("", "/" if "://" in prefix else ":"))


def leading(error: BaseException) -> str | None:
    """Return the refused redirect that caused an error, because fsspec turns it into a missing file."""
    return next((str(one) for one in causes(error) if isinstance(one, StoreError)), None)


@functools.cache
def refused_but_for(prefixes: tuple[str, ...]) -> tuple[Any, ...]:
    """Return trace configurations for an aiohttp session that raise StoreError at other redirects.

    Equal prefixes share one object, because fsspec keeps a session for each different one. Raises ImportError without aiohttp.
    """
    import aiohttp
    from yarl import URL

    async def check(_session: Any, _context: Any, seen: Any) -> None:
        location = seen.response.headers.get("Location") or seen.response.headers.get("URI") or ""
        source, target = seen.response.url, seen.response.url.join(URL(location))
        if target.is_absolute() and source.origin() != target.origin() and not _named(str(target), prefixes):
            raise StoreError(
                f"{source.origin()} redirects to {target.origin()}, which is not followed. Add that address under `stores:` in the "
                "configuration if it belongs to the corpus"
            )

    tracing = aiohttp.TraceConfig()
    tracing.on_request_redirect.append(check)
    return (tracing,)


def _named(uri: str, prefixes: Iterable[str]) -> bool:
    return any(names(prefix, uri) for prefix in prefixes)
