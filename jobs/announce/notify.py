"""Sends the message about a run to a URL and a command. A run neither fails because of this nor waits long for it."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import shlex
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from typing import IO, Any
from urllib.parse import urlsplit

from veritensor_ray.core.config import Notify, Settings, resolve_secret
from veritensor_ray.core.media_types import JSON
from veritensor_ray.core.retry import Again, persistent, retry_after
from veritensor_ray.masking.redaction import visible

SECONDS = 60.0  # for URL and command together
COMMAND_SECONDS = 30.0  # of these, at most this many for the command
_BACKOFF = 1.0  # seconds before the first retry, doubled for each further one


def notify(settings: Settings, message: Mapping[str, Any], note: Callable[[str], None]) -> None:
    """Send the message to `notify.url` and `notify.command`; failures become notes. Never raises, and returns within SECONDS."""
    given, began = settings.notify, time.monotonic()
    body = json.dumps(message, separators=(",", ":")).encode()
    if given.command:
        _told(note, "notify.command", lambda: _run(str(given.command), body, min(given.timeout, COMMAND_SECONDS)), COMMAND_SECONDS + 5)
    if given.url:
        where = f"notify.url ({given.url if _named(given.url) else _host(given.url)})"
        left = SECONDS - (time.monotonic() - began)
        _told(note, where, lambda: _post(given, body, time.monotonic() + left), left)


def _told(note: Callable[[str], None], where: str, send: Callable[[], None], seconds: float) -> None:
    """Sends in a thread that is abandoned when time is up: a name lookup, or a server that answers byte by byte, ignores timeouts."""
    failed: list[str] = []

    def work() -> None:
        try:
            send()
        except Exception as error:  # noqa: BLE001  # a run that has ended must not fail because of its notification
            failed.append(" ".join(str(error).split()) or type(error).__name__)

    thread = threading.Thread(target=work, name="notify", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        failed.append(f"it did not finish within {seconds:.0f} s")
    for reason in failed[:1]:
        note(f"{where} could not be notified of the end of the run: {visible(reason)[:300]}")


class _Failed(Exception):
    """The message was not delivered, and another attempt would not help."""


def _post(given: Notify, body: bytes, until: float) -> None:
    """Tries as often as configured, while time is left. Raises the error of the last attempt."""
    import httpx

    url = str(resolve_secret(given.url) if _named(given.url) else given.url)
    secret = resolve_secret(given.secret)
    # uses the system's certificates, which an administrator may extend, but neither proxies nor credentials from the environment:
    # on a closed network the address is an internal one, and only what the user configured may be contacted
    tls = ssl.create_default_context(cafile=given.ca_bundle)
    with httpx.Client(verify=tls, trust_env=False, follow_redirects=False) as client:
        persistent(
            lambda: _once(client, url, body, secret, min(given.timeout, until - time.monotonic())),
            given.retries,
            _BACKOFF,
            until - given.timeout,  # even an attempt that takes its whole timeout has to fit
        )


def _named(url: str | None) -> bool:
    """Whether a URL is given by reference: in an environment variable or a file."""
    return str(url).startswith(("env:", "file:"))


def _once(client: Any, url: str, body: bytes, secret: str | None, timeout: float) -> None:
    import httpx

    headers = {"Content-Type": JSON, "User-Agent": "veritensor-ray"} | signed(body, secret, int(time.time()))
    try:
        with client.stream("POST", url, content=body, headers=headers, timeout=max(timeout, 0.1)) as response:
            status = response.status_code  # the body of the answer is ignored
            wait = retry_after(response.headers.get("retry-after"))
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        raise _Failed("it is not a usable URL; set notify.url to http(s)://HOST/PATH") from None
    except (httpx.HTTPError, OSError) as error:
        reason = f"{type(error).__name__}: {error}".replace(url, "")
        if "certificate" in reason.lower():
            raise _Failed(f"{reason}; set notify.ca_bundle") from None
        raise Again(reason) from None
    if 300 <= status < 400:
        raise _Failed(f"it answers {status}, and redirects are not followed; set notify.url to the final address")
    if status == 429 or status >= 500:
        raise Again(f"it answers {status}", wait)
    if not 200 <= status < 300:
        raise _Failed(f"it answers {status}")


def signed(body: bytes, secret: str | None, timestamp: int) -> dict[str, str]:
    """Returns the headers for a body: when it was sent and, if there is a secret, a signature over both."""
    headers = {"X-Veritensor-Timestamp": str(timestamp)}
    if secret is not None:
        digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
        headers["X-Veritensor-Signature"] = f"sha256={digest}"
    return headers


def _host(url: str) -> str:
    """Returns only the host: path and user may hold a secret."""
    try:
        return urlsplit(url).hostname or "?"
    except ValueError:
        return "?"


def _run(command: str, body: bytes, timeout: float) -> None:
    """Runs the command without a shell. If it takes too long, it is ended with its child processes."""
    words = shlex.split(command)
    if not words:
        raise _Failed("the command is empty")
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0, start_new_session=True
    )
    # each thread closes its own end: a process that the command left running may keep the other open forever
    last = bytearray()
    threading.Thread(target=_write, args=(process.stdin, body), daemon=True).start()
    reader = threading.Thread(target=_read, args=(process.stdout, last), daemon=True)
    reader.start()
    try:
        code = process.wait(timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise _Failed(f"it took longer than {timeout:g} s and was ended; see notify.timeout") from None
    if code:
        reader.join(1)
        lines = bytes(last).decode("utf-8", "replace").strip().splitlines()
        raise _Failed(f"it ended with {code}" + (f": {lines[-1][:200]}" if lines else ""))


def _write(pipe: IO[bytes], body: bytes) -> None:
    """Writes the body; a command is free not to read it."""
    with contextlib.suppress(OSError), pipe:
        pipe.write(body)


def _read(pipe: IO[bytes], last: bytearray) -> None:
    """Reads all output, so that nothing waits for a full pipe; only the end of it is kept."""
    with contextlib.suppress(OSError), pipe:
        while data := pipe.read(65_536):
            last += data
            del last[:-4096]
