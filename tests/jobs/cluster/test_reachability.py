"""What listens at an address is told in seconds: real sockets, and a gRPC server that wants a token."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import CannotRunError, UsageError, VeritensorError
from veritensor_ray.jobs.cluster import reachability
from veritensor_ray.jobs.cluster.ray_internals import CLUSTER_ID_METHOD

DASHBOARD = b"HTTP/1.1 401 Unauthorized\r\nServer: aiohttp\r\nContent-Length: 0\r\n\r\n"
NGINX = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\nThe plain HTTP request was sent to HTTPS port"
SSH = b"SSH-2.0-OpenSSH_9.6\r\n"
NOT_RAY = "the server there sends 'SSH-2.0-OpenSSH_9.6"


@contextlib.contextmanager
def listening(answer: bytes | None, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A port where each connection gets these bytes when it has asked something, or nothing at all; with a context, only over TLS."""
    server = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def serve() -> None:
        with contextlib.suppress(OSError):  # the test has ended
            while True:
                connection, _ = server.accept()
                held.append(connection)
                with contextlib.suppress(OSError):  # of TLS too
                    if context:
                        held.append(context.wrap_socket(connection, server_side=True))
                    elif answer is not None:
                        connection.recv(1000)
                        connection.sendall(answer)
                        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    yield int(server.getsockname()[1])
    server.shutdown(socket.SHUT_RDWR)
    for one in (server, *held):
        one.close()


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """What a server of TLS needs."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "head")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    pem = builder.add_extension(address, False).sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    own = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(own + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@contextlib.contextmanager
def gcs(token: str | None) -> Iterator[int]:
    """What a head listens with on 6379: gRPC, which turns away who has not this token."""
    import grpc

    class Asked(grpc.GenericRpcHandler):  # type: ignore[misc]  # ships no types
        def service(self, details: Any) -> Any:
            def answer(_request: bytes, context: Any) -> bytes:
                if token and ("authorization", f"Bearer {token}") not in [tuple(pair) for pair in context.invocation_metadata()]:
                    context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken")
                return b""

            return grpc.unary_unary_rpc_method_handler(answer) if details.method == CLUSTER_ID_METHOD else None

    server = grpc.server(ThreadPoolExecutor(1), handlers=[Asked()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is silent is silent for long enough."""
    monkeypatch.setattr(reachability, "_SECONDS", 0.5)
    monkeypatch.delenv("RAY_USE_TLS", raising=False)


def told(error: type[VeritensorError], says: str, ask: Callable[[], object]) -> None:
    with pytest.raises(error) as raised:
        ask()
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (DASHBOARD, UsageError, "is a dashboard, which accepts jobs and cannot be joined; write http://127.0.0.1:"),
        (NGINX, UsageError, "uses TLS; set RAY_USE_TLS=1"),
        (SSH, CannotRunError, NOT_RAY),
        (b"", CannotRunError, "the server there sends nothing"),
        (None, CannotRunError, "the server there sends nothing within 0.5 s; a head listens on port 6379"),
    ],
)
def test_what_cannot_be_joined(answer: bytes | None, error: type[VeritensorError], says: str) -> None:
    with listening(answer) as port:
        told(error, says, lambda: reachability.joinable(f"127.0.0.1:{port}", None))


@pytest.mark.parametrize(
    ("scheme", "answer", "error", "says"),
    [
        ("http", NGINX, UsageError, "uses TLS; write https://127.0.0.1:"),
        ("https", DASHBOARD, UsageError, "does not use TLS; write http://127.0.0.1:"),
        ("http", SSH, CannotRunError, NOT_RAY),
        ("http", None, CannotRunError, "the server there sends nothing within 0.5 s; give the head's http://HOST:8265"),
    ],
)
def test_what_takes_no_jobs(scheme: str, answer: bytes | None, error: type[VeritensorError], says: str) -> None:
    with listening(answer) as port:
        told(error, says, lambda: reachability.jobs_api(f"{scheme}://127.0.0.1:{port}"))


def test_tls(certified: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(b"", certified) as port:
        told(UsageError, f"uses TLS; write https://127.0.0.1:{port}/ray", lambda: reachability.jobs_api(f"http://127.0.0.1:{port}/ray"))
        told(UsageError, "uses TLS; set RAY_USE_TLS=1", lambda: reachability.joinable(f"127.0.0.1:{port}", None))
        reachability.jobs_api(f"https://127.0.0.1:{port}")
        monkeypatch.setenv("RAY_USE_TLS", "1")
        assert not reachability.joinable(f"127.0.0.1:{port}", "token")


@pytest.mark.parametrize("ask", [reachability.jobs_api, lambda address: reachability.joinable(address.removeprefix("http://"), None)])
@pytest.mark.parametrize(
    ("place", "error", "says"),
    [
        ("nobody.invalid:8265", CannotRunError, "nobody.invalid cannot be looked up"),
        ("127.0.0.1:CLOSED", CannotRunError, "(Connection refused); check host and port"),
        ("127.0.0.1:99999", UsageError, "is not an address"),
        (":6379", UsageError, "is not an address"),
    ],
)
def test_nobody_is_there(ask: Callable[[str], object], place: str, error: type[VeritensorError], says: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = str(server.getsockname()[1])
    told(error, says, lambda: ask(f"http://{place.replace('CLOSED', closed)}"))


def test_a_dashboard_takes_jobs() -> None:
    with listening(DASHBOARD) as port:
        reachability.jobs_api(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("wanted", "given", "wants"),
    [
        (None, None, False),
        (None, "any", False),
        ("right", "right", True),
        ("right", None, "requires a token"),
        ("right", "x", "refuses this token"),
    ],
)
def test_tokens(wanted: str | None, given: str | None, wants: bool | str) -> None:
    with gcs(wanted) as port:
        address = f"127.0.0.1:{port}"
        if isinstance(wants, bool):
            assert reachability.joinable(address, given) is wants
        else:
            told(CannotRunError, f"{address} {wants}: set cluster.token", lambda: reachability.joinable(address, given))
        told(UsageError, f"To join from one of the cluster's nodes, write {address}", lambda: reachability.jobs_api(f"http://{address}"))


def test_a_token_is_looked_for_where_ray_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = Settings.model_validate({"cluster": {"token": f"file:{tmp_path}/configured"}})
    for name, text in ((".ray/auth_token", "usual"), ("named", "named"), ("configured", "configured")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{text}\n")
    found = [reachability.cluster_token(Settings())]
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "named"))
    found.append(reachability.cluster_token(Settings()))
    monkeypatch.setenv("RAY_AUTH_TOKEN", "in the environment")
    found += [reachability.cluster_token(Settings()), reachability.cluster_token(settings)]
    assert found == ["usual", "named", "in the environment", "configured"]
    monkeypatch.setenv("HOME", str(tmp_path / "other"))
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")
    assert reachability.cluster_token(Settings()) is None
