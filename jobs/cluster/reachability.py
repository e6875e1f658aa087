"""Checks what listens at a cluster's address before Ray tries it, since Ray takes minutes to give up and explains little."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from veritensor_ray.core.config import Settings, resolve_secret
from veritensor_ray.core.errors import CannotRunError, UsageError
from veritensor_ray.jobs.cluster.ray_internals import CLUSTER_ID_METHOD

_SECONDS = 5.0
_HEAD = 4096  # bytes of an answer
_ALERT = b"\x15\x03"  # the beginning of every TLS alert
_TOKENS = (
    "set cluster.token to env:NAME or file:/path (VERITENSOR_CLUSTER__TOKEN) with the cluster's token; if the head was started without a "
    "token, it generated one in ~/.ray/auth_token of the user who started it"
)


def cluster_token(settings: Settings) -> str | None:
    """Returns the configured token, or the one that Ray itself would find, in Ray's order."""
    if token := resolve_secret(settings.cluster.token) or os.environ.get("RAY_AUTH_TOKEN"):
        return token
    named, usual = os.environ.get("RAY_AUTH_TOKEN_PATH"), Path.home() / ".ray" / "auth_token"
    if named is None and not usual.is_file():
        return None
    return resolve_secret(f"file:{Path(named).expanduser() if named else usual}")


def refused(address: str, token: str | None) -> CannotRunError:
    """Returns the error for a cluster that requires a token, or a different one."""
    return CannotRunError(f"{address} {'refuses this token' if token else 'requires a token'}: {_TOKENS}")


def jobs_api(address: str) -> None:
    """Check that http://HOST:PORT accepts jobs. Raises UsageError or CannotRunError if something else listens there, or nothing."""
    parts = urlsplit(address)
    host, port = _parts(parts.netloc.rpartition("@")[2], 443 if parts.scheme == "https" else 80)
    rest = f"{host}:{port}{parts.path}"
    answer = _answer(host, port, parts.path.rstrip("/") + "/api/version")
    kind = _kind(answer)
    if parts.scheme == "https" and kind == "http":
        raise UsageError(f"{host}:{port} does not use TLS; write http://{rest}")
    if parts.scheme == "http" and kind == "tls":
        raise UsageError(f"{host}:{port} uses TLS; write https://{rest}")
    if kind == "gcs":
        raise UsageError(
            f"{address} is where nodes and drivers join a Ray, and does not accept jobs; the head's dashboard does, usually at http://{host}:8265. "
            f"To join from one of the cluster's nodes, write {host}:{port}"
        )
    if kind == "other" and parts.scheme == "http":
        raise CannotRunError(f"no Ray dashboard answers at {address}: {_quoted(answer)}; give the head's http://HOST:8265")


def joinable(address: str, token: str | None) -> bool:
    """Whether the cluster at HOST:PORT requires a token; if so, the given one is correct. Raises UsageError or CannotRunError if it is not joinable."""
    host, port = _parts(address, None)
    answer = _answer(host, port, "/api/version")
    kind, tls = _kind(answer), os.environ.get("RAY_USE_TLS") == "1"
    if kind == "http":
        raise UsageError(
            f"{address} is a dashboard, which accepts jobs and cannot be joined; write http://{address} to submit the run, or HOST:6379 to join"
        )
    if kind == "tls" and not tls:
        raise UsageError(
            f"{address} uses TLS; set RAY_USE_TLS=1 and Ray's other TLS variables to join, or write https://{address} if it accepts jobs"
        )
    if kind == "other":
        raise CannotRunError(
            f"no Ray answers at {address}: {_quoted(answer)}; a head listens on port 6379 unless its --port says otherwise"
        )
    if kind == "tls" or not _unauthenticated(address, None):
        return False
    if token is None or _unauthenticated(address, token):
        raise refused(address, token)
    return True


def _parts(place: str, usual: int | None) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname, parts.port or usual
    except ValueError:
        host = port = None
    if not host or not port:
        raise UsageError(f"{place} is not an address; give HOST:6379 or auto to join a Ray, or http://HOST:8265 to submit the run")
    return host, port


def _answer(host: str, port: int, path: str) -> bytes:
    """Returns the first bytes of the answer to a page request; empty if nothing is sent. Raises CannotRunError."""
    at = f"{host}:{port}"
    try:
        connection = socket.create_connection((host, port), _SECONDS)
    except socket.gaierror as error:
        raise CannotRunError(f"{host} cannot be looked up ({error.strerror}); check its name, or give its IP address") from None
    except TimeoutError:
        raise CannotRunError(f"{at} does not answer within {_SECONDS:g} s; check the host, and any firewall on the way") from None
    except OSError as error:
        raise CannotRunError(
            f"nothing answers at {at} ({error.strerror}); check host and port, and that the head is up. `ray start --head` listens on 6379 for "
            "nodes, and on 8265 for jobs, which only its own machine can reach unless --dashboard-host is set"
        ) from None
    answer = b""
    with contextlib.suppress(OSError), connection:  # it hangs, or has closed the connection
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n".encode())
        answer = connection.recv(_HEAD)
    return answer or (_ALERT if _shakes_hands(host, port) else b"")


def _shakes_hands(host: str, port: int) -> bool:
    """Whether the server uses TLS: some servers close the connection on anything else."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # no data is sent
    with contextlib.suppress(OSError), socket.create_connection((host, port), _SECONDS) as connection:
        context.wrap_socket(connection).close()
        return True
    return False


def _kind(answer: bytes) -> str:
    """Returns what the first bytes show: http, tls, gcs (an HTTP/2 settings frame, as gRPC sends it), or other."""
    if answer.startswith(b"HTTP/1"):
        return "tls" if b" 400 " in answer[:16] and (b"HTTPS" in answer or b"SSL" in answer) else "http"
    if answer.startswith(_ALERT):
        return "tls"
    return "gcs" if answer[:2] == b"\0\0" and answer[3:9] == b"\x04\0\0\0\0\0" else "other"


def _quoted(answer: bytes) -> str:
    if not answer:
        return f"the server there sends nothing within {_SECONDS:g} s"
    return f"the server there sends {answer[:40].decode('latin-1')!r}"


def _unauthenticated(address: str, token: str | None) -> bool:
    """Whether the cluster rejects this token. False for any other problem, which Ray will report itself."""
    import grpc

    with grpc.insecure_channel(address) as channel:
        ask = channel.unary_unary(CLUSTER_ID_METHOD, request_serializer=bytes, response_deserializer=bytes)
        try:
            ask(b"", timeout=_SECONDS, metadata=[("authorization", f"Bearer {token}")] if token else None)
        except grpc.RpcError as error:
            return bool(error.code() is grpc.StatusCode.UNAUTHENTICATED)
    return False
