"""Who may talk to the server: one browser that opened the printed link, from this page, under this name.

Every request passes `SessionGuard`. It does not depend on results.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from veritensor_ray.core.media_types import JSON

MOST_BYTES = 64 << 10  # of a request's body
_SECONDS = 10.0  # for a request's body to arrive
HEADER = "x-veritensor-token"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_AGAIN = "Stop the command and start it again for a new link"


def _secret() -> str:
    return secrets.token_urlsafe(32)


@dataclass(slots=True)
class Keys:
    """The secrets of one server. None of them appears in a log, and the link's token is worthless after its first use.

    The page lives below `folder`, which nobody can guess, and the cookie is sent only there. Cookies do not distinguish ports, so without this
    the browser would send the cookie to every other server on this machine.
    """

    token: str = field(default_factory=_secret, repr=False)
    folder: str = field(default_factory=_secret, repr=False)
    cookie: str = field(default_factory=_secret, repr=False)
    header: str = field(default_factory=_secret, repr=False)
    name: str = field(default_factory=lambda: f"veritensor-{secrets.token_hex(4)}")
    used: bool = False

    @property
    def page(self) -> str:
        """The path of the page."""
        return f"/{self.folder}/"

    def exchange(self, token: object) -> str | None:
        """Use up the token of the link, and return None, or a sentence that says why it does not open the page."""
        if not isinstance(token, str) or not _equal(token, self.token):
            return f"This link is not the one that the command printed. {_AGAIN}."
        if self.used:
            return f"This link has been used already, and it works only once. {_AGAIN}; do so at once if it was not you who used it."
        self.used = True
        return None


class SessionGuard:
    """Refuses every request that the page itself, in the browser with the session, would not send. `host` is the name and port of the server."""

    def __init__(self, app: ASGIApp, keys: Keys, host: str) -> None:
        self._app, self._keys, self._host = app, keys, host

    def holds(self, scope: Scope) -> bool:
        """Whether a request for the page comes from the browser with the session."""
        return str(scope["path"]).startswith(self._keys.page) and _equal(_Asked(scope).cookie(self._keys.name), self._keys.cookie)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks WebSocket
            await send({"type": "websocket.close", "code": 1008})
            return

        body = _Body(receive, _Asked(scope))

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                await body.rest()
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((name.lower().encode(), value.encode()) for name, value in _HEADERS.items() if name.lower().encode() not in given),
                    *([] if self.holds(scope) else [(b"connection", b"close")]),  # those that wait may end at any time
                ]
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            sentence, status = refusal
            answer = said(sentence, status) if scope["method"] == "POST" else PlainTextResponse(f"{sentence}\n", status)
            await answer(scope, body.receive, sending)
            return
        await self._app(scope, body.receive, sending)

    def _refusal(self, scope: Scope) -> tuple[str, int] | None:
        method, path, asked = scope["method"], scope["path"], _Asked(scope)
        if asked.all("host") != [self._host]:
            return f"This server answers only to http://{self._host}. Open the link as it was printed, with the same port.", 403
        if method not in ("GET", "HEAD", "POST"):
            return "This server answers only GET and POST.", 405
        if method == "POST":
            if asked.all("origin") != [f"http://{self._host}"] or asked.one("sec-fetch-site") not in ("", "same-origin"):
                return "This request comes from a different page, so it was refused.", 403
            if asked.one("content-type").partition(";")[0].strip().lower() != JSON:
                return "This server accepts only application/json.", 400
            if not asked.one("content-length").isdecimal() or int(asked.one("content-length")) > MOST_BYTES:
                return f"The request is larger than {MOST_BYTES >> 10} KiB, or does not give its length.", 400
        if path in ("/", "/session"):
            return None
        if not path.startswith(self._keys.page):
            return "There is nothing here. Open the link that the command printed.", 404
        if not _equal(asked.cookie(self._keys.name), self._keys.cookie):
            return f"This browser has no session. {_AGAIN}.", 403
        if asked.one("sec-fetch-site") not in ("", "same-origin", "none"):
            return "This request comes from a different page, so it was refused.", 403
        if method == "POST" and not _equal(asked.one(HEADER), self._keys.header):
            return "This request does not come from the page. Reload the page.", 403
        return None


class _Asked:
    """The headers of a request."""

    def __init__(self, scope: Scope) -> None:
        self._headers: Sequence[tuple[bytes, bytes]] = scope["headers"]

    def all(self, name: str) -> list[str]:
        return [value.decode("latin-1") for key, value in self._headers if key.lower() == name.encode()]

    def one(self, name: str) -> str:
        """The value of a header that is there once, else an empty text or, of several, one that matches nothing."""
        values = self.all(name)
        return values[0] if len(values) == 1 else "\0" if values else ""

    def cookie(self, name: str) -> str:
        parsed = SimpleCookie()
        try:
            parsed.load(self.one("cookie"))
        except CookieError:
            return ""
        return parsed[name].value if name in parsed else ""


def _equal(given: str, expected: str) -> bool:
    return secrets.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


class _Body:
    """A request's body as it arrives, with limits on its bytes and its time."""

    def __init__(self, receive: Receive, asked: _Asked) -> None:
        length = asked.one("content-length")
        self._receive, self._size, self._until = receive, 0, asyncio.get_running_loop().time() + _SECONDS
        self._complete = not length.isdecimal() or not 0 < int(length) <= MOST_BYTES

    async def receive(self) -> Message:
        """Return the next message, or the end of the connection where a limit is reached."""
        if self._complete:  # from here on only the end of the connection can come
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        self._size += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        return message if self._size <= MOST_BYTES else {"type": "http.disconnect"}

    async def rest(self) -> None:
        """Receive what is left. A connection that closes over bytes that nobody received is reset, and the answer with it."""
        while not self._complete and (await self.receive())["type"] != "http.disconnect":
            pass


def said(sentence: str, status: int) -> Response:
    """Return an error as the page expects it."""
    return JSONResponse({"error": sentence}, status)
