"""What is told of a run, to whom, and that a run neither fails nor waits long for it. The servers are real ones on loopback."""

from __future__ import annotations

import hashlib
import hmac
import json
import shlex
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.docs.blocks import ROOT, blocks
from veritensor_ray.core import retry
from veritensor_ray.core.config import Settings, load_settings
from veritensor_ray.core.errors import DeadlineReached, StoreError, UsageError
from veritensor_ray.jobs.announce import notify as module
from veritensor_ray.jobs.announce.message import message_of, message_of_failure
from veritensor_ray.jobs.announce.notify import notify

RUN: dict[str, Any] = {
    "scan_id": "20261124T220000Z-abc123",
    "job": "sweep",
    "started_at": "2026-11-24T22:00:00+00:00",
    "finished_at": "2026-11-24T23:30:00+00:00",
    "output": "s3://MARKER-bucket/state",
    "profile": "standard",
    "previous": "20261123T220000Z-abc123",
    "totals": {"artifacts": 12, "bytes": 3400, "bytes_scanned": 900, "segments": 40, "gaps": 1},
    "status": {"scanned": 11, "partial": 1, "unlisted": 0},
    "severity": {"high": 2, "low": 1},
    "severity_new": {"high": 1},
    "suppressed": 4,
    "states": {"new": 1, "persisting": 2, "resolved": 1},
    "plan": {"unchanged": 9, "changed": 2, "new": 1},
}
HOSTILE: dict[str, Any] = {
    "sources": ["/MARKER/corpus"],
    "rules": {"MARKER": 3},
    "not_covered": [{"reason": "MARKER", "artifacts": 1}],
    "engines": {"MARKER": {"missing": "MARKER"}},
    "fingerprint_parts": {"sources": ["/MARKER"]},
    "policy": {"file": "/MARKER/policy.yaml", "expired": ["MARKER"]},
    "roots": ["MARKER"],
}


class Server:
    """Answers each request with the next of `answers` (status, headers), then 200; keeps what came."""

    def __init__(self, *answers: tuple[int, Mapping[str, str]]) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.url = ""

    def __call__(self, *args: Any) -> BaseHTTPRequestHandler:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None: ...

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                status, headers = server.answers.pop(0) if server.answers else (200, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

        return Handler(*args)


@contextmanager
def serving(*answers: tuple[int, Mapping[str, str]], tls: Path | None = None) -> Iterator[Server]:
    server = Server(*answers)
    http = ThreadingHTTPServer(("127.0.0.1", 0), server)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls / "cert.pem", tls / "key.pem")
        http.socket = context.wrap_socket(http.socket, server_side=True)
    server.url = f"http{'s' if tls else ''}://127.0.0.1:{http.server_port}/hooks/private"
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, which are noted and not made."""
    made: list[float] = []
    monkeypatch.setattr(retry, "time", SimpleNamespace(time=time.time, monotonic=time.monotonic, sleep=made.append))
    return made


def settings(**given: Any) -> Settings:
    return load_settings(None, {"notify": given}, {})


def told(given: Settings, message: Mapping[str, Any] | None = None) -> list[str]:
    notes: list[str] = []
    notify(given, message or message_of(RUN), notes.append)
    return notes


@pytest.mark.parametrize("named", ["env:WHERE_TO", "file:{}/where"])
def test_an_address_that_is_a_secret_is_named(named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = named.format(tmp_path)
    with serving((500, {})) as server:
        monkeypatch.setenv("WHERE_TO", f"{server.url}\n")
        (tmp_path / "where").write_text(f"{server.url}\n")
        assert told(settings(url=named, retries=0)) == [f"notify.url ({named}) could not be notified of the end of the run: it answers 500"]
        assert told(settings(url=named)) == []
    assert [path for path, _, _ in server.requests] == ["/hooks/private"] * 2


def test_a_signature_is_verified_as_the_documentation_says(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n")
    with serving() as server:
        assert told(settings(url=server.url, secret=f"file:{tmp_path}/secret")) == []
    [(path, headers, body)] = server.requests
    assert path == "/hooks/private" and headers["content-type"] == "application/json"
    assert json.loads(body) == message_of(RUN)
    expected = hmac.new(b"hush", headers["x-veritensor-timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["x-veritensor-signature"] == f"sha256={expected}"
    documented: dict[str, Any] = {}
    exec(next(block.text for block in blocks(ROOT / "docs" / "schedules.md") if block.info == "python"), documented)  # noqa: S102  # our own page
    verified = documented["verified"]
    assert verified(headers, body, b"hush")
    assert not verified(headers, body + b" ", b"hush") and not verified(headers, body, b"other")
    assert not verified({}, body, b"hush")
    assert not verified(headers | {"x-veritensor-timestamp": str(int(headers["x-veritensor-timestamp"]) + 1)}, body, b"hush")
    for age, accepted in ((0, True), (3600, False), (-3600, False)):
        again = {name.lower(): value for name, value in module.signed(body, "hush", int(time.time()) - age).items()}
        assert verified(again, body, b"hush") is accepted


def test_without_a_secret_there_is_no_signature() -> None:
    with serving() as server:
        assert told(settings(url=server.url)) == []
    assert "x-veritensor-signature" not in server.requests[0][1]


@pytest.mark.parametrize(
    ("answers", "requests", "says"),
    [
        ([(503, {})], 2, ""),
        ([(500, {}), (502, {})], 3, ""),
        ([(429, {"Retry-After": "1"})], 2, ""),
        ([(204, {})], 1, ""),
        ([(503, {})] * 4, 4, "it answers 503"),
        ([(404, {})], 1, "it answers 404"),
        ([(400, {})], 1, "it answers 400"),
        ([(302, {"Location": "/elsewhere"})], 1, "it answers 302, and redirects are not followed"),
        ([(307, {"Location": "/elsewhere"})], 1, "it answers 307, and redirects are not followed"),
    ],
)
def test_answers(answers: list[tuple[int, Mapping[str, str]]], requests: int, says: str, pauses: list[float]) -> None:
    with serving(*answers) as server:
        notes = told(settings(url=server.url))
    assert len(server.requests) == requests
    assert len(pauses) == requests - 1
    if "Retry-After" in answers[0][1]:
        assert pauses == [1.0]
    assert len(notes) == bool(says)
    for note in notes:
        assert says in note and note.startswith("notify.url (127.0.0.1) could not be notified of the end of the run: ")
        assert "/hooks/private" not in note


def test_a_long_retry_after_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> None:
    monkeypatch.setattr(module, "SECONDS", 5)
    with serving((429, {"Retry-After": "86400"})) as server:
        assert "it answers 429" in told(settings(url=server.url, timeout=1))[0]
    assert pauses == [] and len(server.requests) == 1


def test_a_port_that_refuses() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        [note] = told(settings(url=f"http://user:hush@127.0.0.1:{bound.getsockname()[1]}/private"))
    assert "refused" in note and "private" not in note and "hush" not in note


@pytest.mark.parametrize("drips", [False, True])
def test_a_server_that_hangs_or_drips_is_left(drips: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 3)
    over = threading.Event()

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not over.wait(0.1):
                if drips:
                    connection.sendall(b"X-Y: z\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        notes = told(settings(url=f"http://127.0.0.1:{listening.getsockname()[1]}/", timeout=1.0, retries=0))
        over.set()
        thread.join()
    assert len(notes) == 1
    assert ("it did not finish within 3 s" if drips else "ReadTimeout") in notes[0]


def test_neither_proxies_nor_credentials_of_the_environment_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password hush")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serving() as proxy, serving() as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert told(settings(url=server.url)) == []
    assert len(server.requests) == 1 and "authorization" not in server.requests[0][1] and proxy.requests == []


def test_certificates_are_checked(tmp_path: Path) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=hook"
    subprocess.run([*command.split(), "-addext", "subjectAltName=IP:127.0.0.1"], cwd=tmp_path, check=True, capture_output=True)
    with serving(tls=tmp_path) as server:
        [note] = told(settings(url=server.url))
        assert note.endswith("; set notify.ca_bundle") and server.requests == []
        assert told(settings(url=server.url, ca_bundle=str(tmp_path / "cert.pem"))) == []
        [note] = told(settings(url=server.url.replace("127.0.0.1", "localhost"), ca_bundle=str(tmp_path / "cert.pem")))
        assert "Hostname mismatch" in note and len(server.requests) == 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"url": "http://127.0.0.1:1/", "secret": "env:NOT_THERE"}, "the secret env:NOT_THERE is not set"),
        ({"url": "https://127.0.0.1:1/", "ca_bundle": "/nowhere/ca.pem"}, "No such file"),
        ({"url": "http://[::1/"}, "notify.url"),
        ({"command": "/nowhere/tell"}, "No such file"),
        ({"command": "'unbalanced"}, "No closing quotation"),
        ({"command": " "}, "the command is empty"),
    ],
)
def test_wrong_settings_are_a_note(given: dict[str, Any], says: str) -> None:
    notes = told(settings(**given))
    assert len(notes) == 1 and says in notes[0] and "could not be notified of the end of the run" in notes[0]


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def test_a_command_gets_the_message_and_no_shell(tmp_path: Path) -> None:
    file = tmp_path / "a file; touch x"
    code = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read()); print('unread ' * 100_000)"
    assert told(settings(command=f"{python(code)} {shlex.quote(str(file))} $HOME")) == []
    assert json.loads(file.read_text()) == message_of(RUN)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import sys; print('first', flush=True); print('\\x1b[2Jthe last', file=sys.stderr); sys.exit(3)", "it ended with 3: "),
        ("import os; os.kill(os.getpid(), 9)", "it ended with -9"),
        ("import time; time.sleep(60)", "it took longer than 0.5 s and was ended"),
        ("import subprocess, sys; subprocess.Popen(['sleep', '11']); sys.exit(1)", "it ended with 1"),
    ],
)
def test_a_command_that_fails_is_a_note(code: str, says: str) -> None:
    [note] = told(settings(command=python(code), timeout=0.5 if "60" in code else 10))
    assert note.startswith("notify.command could not be notified of the end of the run: ") and says in note
    assert "\x1b" not in note and "first" not in note


def test_a_message_has_counts_and_nothing_of_the_corpus() -> None:
    message = message_of(RUN | HOSTILE, 3)
    assert message == {
        "version": 1,
        "event": "finished",
        "job": "sweep",
        "id": "20261124T220000Z-abc123",
        "previous": "20261123T220000Z-abc123",
        "output_id": message["output_id"],
        "profile": "standard",
        "started_at": "2026-11-24T22:00:00+00:00",
        "finished_at": "2026-11-24T23:30:00+00:00",
        "seconds": 5400.0,
        "exit_code": 3,
        "complete": False,
        "totals": {"artifacts": 12, "bytes": 3400, "bytes_scanned": 900, "segments": 40, "gaps": 1},
        "status": {"scanned": 11, "partial": 1, "skipped": 0, "quarantined": 0, "unreadable": 0, "unlisted": 0},
        "severity": {"info": 0, "low": 1, "medium": 0, "high": 2, "critical": 0},
        "severity_new": {"info": 0, "low": 0, "medium": 0, "high": 1, "critical": 0},
        "suppressed": 4,
        "states": {"new": 1, "persisting": 2, "reopened": 0, "resolved": 1, "unverified": 0},
        "plan": {"unchanged": 9, "changed": 2, "new": 1, "moved": 0, "copied": 0, "deleted": 0, "again": 0},
    }
    assert message["output_id"].startswith("veritensor-") and "MARKER" not in json.dumps(message)


def everywhere(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for key, below in value.items() if isinstance(value, dict) else ():
        yield from everywhere(below, (*path, key))


@pytest.mark.parametrize("marker", ["/data/MARKER secret.txt", ["MARKER/x"], {"MARKER/x": "MARKER/y"}], ids=["text", "list", "map"])
@pytest.mark.parametrize("path", [path for path in everywhere(RUN) if path], ids=".".join)
def test_what_does_not_belong_into_a_field_does_not_come_through(path: tuple[str, ...], marker: Any) -> None:
    run = json.loads(json.dumps(RUN))
    run["output"] = "s3://bucket/state"
    target = run
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = marker
    target["MARKER/z"] = 1
    assert "MARKER" not in json.dumps(message_of(run))


@pytest.mark.parametrize(
    ("error", "event", "code"),
    [
        (StoreError("cannot read s3://MARKER/x"), "failed", 4),
        (UsageError("no /MARKER"), "failed", 2),
        (DeadlineReached("MARKER"), "deadline", 3),
        (ValueError("MARKER"), "failed", 4),
    ],
)
def test_a_failure_tells_its_kind_and_not_its_text(error: Exception, event: str, code: int) -> None:
    given = Settings(job="sweep", sources=["/MARKER"], output="/MARKER/state", profile="standard")
    message = message_of_failure(given, error)
    assert (message["event"], message["exit_code"], message["error"]) == (event, code, type(error).__name__)
    assert message["output_id"] == message_of(RUN | {"output": "/MARKER/state"})["output_id"]
    assert "MARKER" not in json.dumps(message)
    assert message_of_failure(Settings(output="s3://k:MARKER@bucket"), error)["output_id"] is None
