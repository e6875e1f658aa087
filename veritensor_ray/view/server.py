"""The server of the live page: it listens only on loopback, and serves one browser. It draws the page of the report with live rows."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from veritensor_ray.core.errors import CannotRunError, UsageError, VeritensorError
from veritensor_ray.exports.report import page
from veritensor_ray.exports.report.documents import digest
from veritensor_ray.findings.rule_texts import RuleText
from veritensor_ray.masking.redaction import visible
from veritensor_ray.masking.secret_kinds.uri_credentials import without_credentials
from veritensor_ray.results.labels import Labels
from veritensor_ray.results.place_names import within
from veritensor_ray.view.copied_files import file_facets, files_page
from veritensor_ray.view.http_requests import (
    EmptyRequest,
    FileQuery,
    LabelRequest,
    OpenRequest,
    PassageRequest,
    Query,
    SuppressionRequest,
    parsed,
)
from veritensor_ray.view.page_decisions import Deciding
from veritensor_ray.view.queries import Queries
from veritensor_ray.view.row_conditions import ConditionEnded
from veritensor_ray.view.session import HEADER, Keys, SessionGuard, said
from veritensor_ray.view.table_copy import Copy

if TYPE_CHECKING:
    import uvicorn

    from veritensor_ray.pipeline.passages.passage import Passage

HOST = "127.0.0.1"
QUERY_SECONDS = 60.0
_POLL = 0.2  # seconds between looks at whether the browser still waits
_THREADS = 6
_BACKLOG = 256  # connections that the kernel holds until the server takes them
_T = TypeVar("_T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Serving:
    """What a server does and what it refuses. `deciding` is None if it is read-only; `reveal` allows unmasked passages."""

    copy: Copy
    rules: Mapping[str, RuleText]
    labels: Labels
    deciding: Deciding | None
    reveal: bool = False
    config: str | None = None
    seconds: float = QUERY_SECONDS


class Site:
    """The application: the page that opens the session, the live page, and the answers to its requests."""

    def __init__(self, serving: Serving, host: str, keys: Keys | None = None) -> None:
        self.keys = keys or Keys()
        self._serving, self._copy = serving, serving.copy
        self._queries = Queries(serving.copy, serving.labels)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="view")
        self._pool.submit(serving.copy.conditions.start)
        self._reading, self._changing = asyncio.Lock(), asyncio.Lock()
        self._page, self._policy = self._drawn()
        self._entry = _entry()
        routes = [
            Route("/", self._open),
            Route("/session", self._session, methods=["POST"]),
            Route(self.keys.page, self._live),
            *(
                Route(f"{self.keys.page}api/{name}", function, methods=["POST"])
                for name, function in (
                    ("query", self._query),
                    ("facets", self._facets),
                    ("passage", self._passage),
                    ("preview", self._preview),
                    ("suppress", self._suppress),
                    ("label", self._label),
                    ("files", self._files),
                    ("file-facets", self._file_facets),
                )
            ),
        ]
        app = Starlette(routes=routes, exception_handlers={VeritensorError: _error, ClientDisconnect: _gone, Exception: _bug})
        self.app = SessionGuard(app, self.keys, host)

    def close(self) -> None:
        """End all queries and wait for their threads."""
        self._copy.interrupt()
        _end_reading()
        self._pool.shutdown(wait=True, cancel_futures=True)

    # ── pages

    def _drawn(self) -> tuple[bytes, str]:
        """Return the page and its content security policy."""
        serving, file = self._serving, io.BytesIO()
        about = {
            "header": HEADER,
            "token": self.keys.header,
            "reveal": serving.reveal,
            "decide": serving.deciding is not None,
            "policy": visible(str(serving.deciding.place)) if serving.deciding else None,
        }
        live = page.Live(_asset("live.js") + _asset("copied_files.js"), _asset("live.css"), "'self'", about)
        written = page.write(serving.copy, serving.rules, file, live=live)
        return file.getvalue(), written.policy

    async def _open(self, request: Request) -> Response:
        text, policy = self._entry
        return HTMLResponse(text, headers={"Content-Security-Policy": policy})

    async def _session(self, request: Request) -> Response:
        refusal = self.keys.exchange((await _body(request, OpenRequest)).token)
        if refusal is not None:
            return said(refusal, 403)
        answer = JSONResponse({"page": self.keys.page})
        answer.set_cookie(self.keys.name, self.keys.cookie, path=self.keys.page, httponly=True, samesite="strict")
        return answer

    async def _live(self, request: Request) -> Response:
        policy = f"{self._policy}; frame-ancestors 'none'"
        return HTMLResponse(self._page, headers={"Content-Security-Policy": policy})

    # ── answers

    async def _query(self, request: Request) -> Response:
        asked = await _body(request, Query)
        return await self._asked(request, lambda cursor: self._queries.page(cursor, asked))

    async def _facets(self, request: Request) -> Response:
        await _body(request, EmptyRequest)
        return await self._asked(request, self._queries.facets)

    async def _files(self, request: Request) -> Response:
        asked = await _body(request, FileQuery)
        return await self._asked(request, lambda cursor: files_page(cursor, asked))

    async def _file_facets(self, request: Request) -> Response:
        await _body(request, EmptyRequest)
        return await self._asked(request, file_facets)

    async def _passage(self, request: Request) -> Response:
        asked, serving = await _body(request, PassageRequest), self._serving
        if asked.reveal and not serving.reveal:
            return said("Passages are shown masked only. Start the command with --reveal to show them unmasked.", 403)

        def read(_: Any) -> dict[str, Any]:
            found = serving.copy.context(
                asked.finding_id, place=asked.place, lines=asked.lines, reveal=asked.reveal, reason=asked.reason, config=serving.config
            )
            return _shown(found)

        async with self._reading:  # there is one process for it
            return await self._asked(request, read, limited=False)

    async def _preview(self, request: Request) -> Response:
        asked, deciding = await _body(request, SuppressionRequest), self._deciding()
        return await self._asked(request, lambda cursor: deciding.preview(cursor, asked))

    async def _suppress(self, request: Request) -> Response:
        asked, deciding = await _body(request, SuppressionRequest), self._deciding()
        async with self._changing:
            return await self._asked(request, lambda cursor: deciding.suppress(cursor, asked), limited=False)

    async def _label(self, request: Request) -> Response:
        asked, deciding = await _body(request, LabelRequest), self._deciding()
        async with self._changing:
            return await self._asked(request, lambda cursor: deciding.label(cursor, asked), limited=False)

    def _deciding(self) -> Deciding:
        if self._serving.deciding is None:
            raise _Forbidden("This page is read-only. Start the command without --read-only to decide here.")
        return self._serving.deciding

    async def _asked(self, request: Request, answer: Callable[[Any], dict[str, Any]], *, limited: bool = True) -> Response:
        """Answer in a thread. A query ends when it takes too long, or when nobody waits for it any longer."""
        import duckdb

        loop, until, late = asyncio.get_running_loop(), time.monotonic() + self._serving.seconds, False
        with self._copy.connection() as cursor:
            work = loop.run_in_executor(self._pool, answer, cursor)
            try:
                while not (await asyncio.wait({work}, timeout=_POLL))[0]:
                    late = time.monotonic() > until
                    if limited and (late or await request.is_disconnected()):
                        self._copy.interrupt(cursor)
                return JSONResponse(await work)
            except (duckdb.InterruptException, ConditionEnded):
                seconds = f"{self._serving.seconds:g} seconds"
                raise _Late(f"The query took longer than {seconds}. Narrow it with further filters." if late else "Ended.") from None
            except duckdb.Error as error:
                raise UsageError(f"The query is not valid: {str(error).partition(chr(10))[0]}.") from None
            finally:
                if not work.done():
                    self._copy.interrupt(cursor)
                    with contextlib.suppress(Exception):
                        await asyncio.wait({work}, timeout=1)


class _Forbidden(VeritensorError):
    """The server does not do this."""


class _Late(VeritensorError):
    """A query was interrupted."""


# ── errors, each one sentence


async def _error(request: Request, error: Exception) -> Response:
    status = 400 if isinstance(error, UsageError) else 403 if isinstance(error, _Forbidden) else 409
    return said(visible(without_credentials(str(error))), status)


async def _gone(request: Request, error: Exception) -> Response:
    return said("The request did not arrive completely.", 400)


async def _bug(request: Request, error: Exception) -> Response:
    sys.stderr.write(f"{''.join(traceback.format_exception(error))}veritensor-ray: this is a bug; the lines above show where\n")
    return said("This is a bug; the terminal of the command shows where.", 500)


async def _body(request: Request, model: type[_T]) -> _T:
    return parsed(model, await request.body())


# ── parts


def _asset(name: str) -> str:
    return (files("veritensor_ray.view") / "assets" / name).read_text(encoding="utf-8")


def _entry() -> tuple[str, str]:
    """Return the page that exchanges the token for a session, and its content security policy. It holds no data."""
    script = _asset("open.js")
    policy = (
        f"default-src 'none'; script-src {digest(script)}; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
    return _asset("open.html").replace("{{ script }}", script), policy


def _shown(passage: Passage) -> dict[str, Any]:
    """Return a passage as text that is safe to show."""
    return {
        "kind": passage.kind,
        "location": visible(within({**passage.finding, "location": passage.location})),
        "lines": [{"number": line.number, "pieces": line.pieces} for line in passage.lines()],
        "cells": [(visible(name), visible(text)) for name, text in passage.cells],
        "masked": not passage.revealed,
        "blind": passage.blind,
        "places": len(passage.finding["places"] or ()) or 1,
    }


def _end_reading() -> None:
    """End the process that reads passages, so that nothing waits for it."""
    from veritensor_ray.pipeline.bounded.process import SHARED

    SHARED.kill()


# ── listening


def listening(port: int) -> socket.socket:
    """Return a socket that listens on loopback; port 0 is any free one. Raises CannotRunError."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, so that asyncio sends answers without delay
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((HOST, port))
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise CannotRunError(
            f"port {port} of {HOST} cannot be used ({error.strerror}); choose a different --port, or leave it out"
        ) from None
    return made


def server(site: Site, patience: float | None = None) -> uvicorn.Server:
    """Return the server of a site. It trusts no header of a proxy, and logs nothing, because addresses contain secrets.

    A connection has `patience` seconds to show the session.
    """
    import uvicorn

    from veritensor_ray.view.waiting_room import SECONDS, Connection, WaitingRoom

    waiting = WaitingRoom(site.app.holds, SECONDS if patience is None else patience)
    config = uvicorn.Config(
        site.app,
        http=functools.partial(Connection, waiting),  # type: ignore[arg-type]  # it is only called
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)
