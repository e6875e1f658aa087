"""Who may talk to the server: every request that does not come from the page, in the browser that opened the link, is refused."""

from __future__ import annotations

import json
import socket
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.exports.report.outputs import mixed
from tests.view.serving import API, Served, served
from veritensor_ray.view import session
from veritensor_ray.view.session import HEADER, MOST_BYTES, Keys

pytestmark = pytest.mark.slow  # a server for some of them

ENDPOINTS = [f"api/{name}" for name in API]


def sentence(answer: httpx.Response) -> str:
    """The words of a refusal, which is one sentence or two on one line, however it is packed."""
    said: str = answer.json()["error"] if answer.headers["content-type"] == "application/json" else answer.text.removesuffix("\n")
    assert "\n" not in said
    assert said.endswith(".")
    return said


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Served]:
    """A server whose link has not been used."""
    mixed(tmp_path / "out")
    with served(tmp_path / "out") as one:
        yield one


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("kept")
    mixed(folder / "out")
    with served(folder / "out") as one:
        yield one


@pytest.fixture
def unused(kept: Served) -> Served:
    """A server for all tests of tokens that open nothing. Its link is as if nobody had used it."""
    kept.site.keys.used = False
    kept.client.cookies.clear()
    return kept


def test_the_link_opens_the_page_once(fresh: Served, capfd: pytest.CaptureFixture[str]) -> None:
    assert fresh.client.get("/").status_code == 200
    assert fresh.client.get(fresh.page).status_code == 403
    entered = fresh.enter()
    assert entered.json() == {"page": fresh.site.keys.page}
    cookie = entered.headers["set-cookie"]
    assert f"Path={fresh.site.keys.page}" in cookie  # cookies do not distinguish ports: other servers here must not get it
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert fresh.client.get(fresh.page).status_code == 200
    again = fresh.enter()
    assert again.status_code == 403
    assert sentence(again).startswith("This link has been used already, and it works only once. ")
    assert "set-cookie" not in again.headers
    fresh.client.cookies.clear()
    assert fresh.enter().status_code == 403
    said = "".join(capfd.readouterr())
    assert all(
        secret not in said for secret in (fresh.site.keys.token, fresh.site.keys.cookie, fresh.site.keys.folder, fresh.site.keys.header)
    )


@pytest.mark.parametrize(
    "body", [{"token": "wrong"}, {"token": ""}, {"token": "\ud800"}, {"token": "é"}], ids=["wrong", "empty", "surrogate", "accent"]
)
def test_a_wrong_token_opens_nothing_and_uses_nothing_up(unused: Served, body: dict[str, str]) -> None:
    answer = unused.client.post("/session", content=json.dumps(body), headers=unused.headers)
    assert answer.status_code in (400, 403)
    sentence(answer)
    assert unused.enter().status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"token": 1}', b'{"token": null}', b"{}", b'{"token": "a", "b": 1}', b"\xff"])
def test_a_malformed_token_is_refused(unused: Served, body: bytes) -> None:
    answer = unused.client.post("/session", content=body, headers=unused.headers)
    assert answer.status_code == 400
    sentence(answer)


@pytest.mark.parametrize(
    "name",
    [
        "localhost:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.1:{port}",
        "[::1]:{port}",
        "attacker.example:{port}",
        "attacker.example",
        "127.0.0.1:{port}.attacker.example",
        "127.0.0.1:{port}@attacker.example",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/", "page", "api/query"])
def test_another_host_is_refused(shared: Served, name: str, path: str) -> None:
    """A name that an attacker rebinds to loopback makes the browser send this name."""
    headers = shared.headers | shared.cookie | {"Host": name.format(port=shared.host.rpartition(":")[2])}
    where = {"/": "/", "page": shared.page}.get(path, f"{shared.page}{path}")
    answer = shared.client.request("POST" if "api" in path else "GET", where, headers=headers, content=b"{}" if "api" in path else None)
    assert answer.status_code == 403
    assert shared.host in sentence(answer)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_endpoint_needs_the_session_and_the_page(shared: Served, endpoint: str) -> None:
    where, good = f"{shared.page}{endpoint}", shared.headers
    name, value = shared.site.keys.name, shared.site.keys.cookie
    refused = {
        "no cookie": (good, {}),
        "an empty cookie": (good, {"Cookie": f"{name}="}),
        "a wrong cookie": (good, {"Cookie": f"{name}={value[:-1]}"}),
        "a cookie of another name": (good, {"Cookie": f"other={value}"}),
        "a damaged cookie": (good, {"Cookie": f'{name}="\\'}),
        "no token of the page": ({key: one for key, one in good.items() if key != HEADER}, shared.cookie),
        "a wrong token of the page": (good | {HEADER: "x"}, shared.cookie),
        "no origin": ({key: one for key, one in good.items() if key != "Origin"}, shared.cookie),
        "another origin": (good | {"Origin": "http://attacker.example"}, shared.cookie),
        "an origin on another port": (good | {"Origin": "http://127.0.0.1:1"}, shared.cookie),
        "an origin with https": (good | {"Origin": f"https://{shared.host}"}, shared.cookie),
        "a null origin": (good | {"Origin": "null"}, shared.cookie),
        "a request from another site": (good | {"Sec-Fetch-Site": "cross-site"}, shared.cookie),
        "a request from another port": (good | {"Sec-Fetch-Site": "same-site"}, shared.cookie),
        "a form": (good | {"Content-Type": "application/x-www-form-urlencoded"}, shared.cookie),
        "plain text": (good | {"Content-Type": "text/plain"}, shared.cookie),
    }
    shared.client.cookies.clear()
    for what, (headers, cookie) in refused.items():
        answer = shared.client.post(where, content=b"{}", headers=headers | cookie)
        assert answer.status_code in (400, 403), what
        sentence(answer)
    assert shared.client.post(where, content=b"{}", headers=good | shared.cookie).status_code != 403 or endpoint.removeprefix("api/") in (
        "preview",
        "suppress",
        "label",
    )


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_other_methods_are_refused_and_nothing_is_allowed_to_others(shared: Served, method: str) -> None:
    answer = shared.client.request(
        method, f"{shared.page}api/query", headers=shared.headers | shared.cookie | {"Access-Control-Request-Method": "POST"}
    )
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_endpoints_do_not_answer_get(shared: Served, endpoint: str) -> None:
    assert shared.client.get(f"{shared.page}{endpoint}", headers=shared.cookie).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "{page}../etc/passwd",
        "{page}%2e%2e/%2e%2e/etc/passwd",
        "{page}assets/live.js",
        "/etc/passwd",
        "//etc/passwd",
        "/..;/",
        "{page}..%5c..%5cwindows",
        "/session/",
        "/favicon.ico",
        "{page}api/",
        "{page}api/query/",
        "/\x00",
        "{bare}",
    ],
)
def test_there_is_nothing_else(shared: Served, path: str) -> None:
    raw = path.format(page=shared.site.keys.page, bare=shared.site.keys.page.rstrip("/"))
    reply = raw_request(
        shared,
        f"GET {urllib.parse.quote(raw, safe='/%;')} HTTP/1.1\r\nHost: {shared.host}\r\nCookie: {shared.cookie['Cookie']}\r\nConnection: close\r\n\r\n".encode(),
    )
    assert reply.split(b" ")[1] in (b"404", b"403", b"405", b"307"), reply
    assert b"root:" not in reply


def raw_request(one: Served, data: bytes, wait: float = 30) -> bytes:
    host, _, port = one.host.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=wait) as sock:
        sock.sendall(data)
        found = b""
        while piece := sock.recv(65536):
            found += piece
    return found


def post(one: Served, *headers: str) -> bytes:
    lines = [f"POST {one.site.keys.page}api/query HTTP/1.1", f"Host: {one.host}", f"Cookie: {one.cookie['Cookie']}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in one.headers.items()]
    return "\r\n".join([*lines, *headers, "", ""]).encode()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([f"Content-Length: {MOST_BYTES + 1}"], b""),
        (["Content-Length: 99999999999999999999"], b""),
        (["Content-Length: -1"], b""),
        (["Transfer-Encoding: chunked"], b"5\r\nhello\r\n0\r\n\r\n"),
        ([], b""),
    ],
    ids=["too long", "far too long", "negative", "of unknown length", "without a length"],
)
def test_bodies_are_limited(shared: Served, headers: list[str], body: bytes) -> None:
    assert raw_request(shared, post(shared, *headers) + body).startswith(b"HTTP/1.1 400 ")


def test_a_body_that_does_not_arrive_ends(shared: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_SECONDS", 0.2)
    reply = raw_request(shared, post(shared, "Content-Length: 100") + b'{"limit":')
    assert not reply or reply.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("where", ["/none", "{page}api/query", "{page}"])
def test_a_refusal_waits_for_the_body(shared: Served, where: str) -> None:
    """Whoever closes a connection over bytes that nobody received resets it, and the sentence of the refusal is lost."""
    host, _, port = shared.host.rpartition(":")
    lines = [f"POST {where.format(page=shared.page.removeprefix(f'http://{shared.host}'))} HTTP/1.1", f"Host: {shared.host}"]
    lines += [f"{name}: {value}" for name, value in shared.headers.items()]
    with socket.create_connection((host, int(port)), timeout=30) as sock:
        sock.sendall("\r\n".join([*lines, "Content-Length: 40000", "", ""]).encode())
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(30)
        sock.sendall(b" " * 40000)
        found = b"".join(iter(lambda: sock.recv(65536), b""))
    assert found.split(b" ")[1] in (b"403", b"404")
    assert b'{"error":' in found


def test_two_hosts_are_refused(shared: Served) -> None:
    data = f"GET / HTTP/1.1\r\nHost: {shared.host}\r\nHost: attacker.example\r\nConnection: close\r\n\r\n".encode()
    assert raw_request(shared, data).split(b" ")[1] in (b"400", b"403")


def test_answers_have_strict_headers(shared: Served) -> None:
    shared.client.cookies.clear()
    for answer in (
        shared.client.get("/"),
        shared.client.get(shared.page, headers=shared.cookie),
        shared.client.get("/none"),
        shared.client.post("/session", json={}),
    ):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["referrer-policy"] == "no-referrer"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "server" not in answer.headers
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_it_listens_on_loopback_only(shared: Served) -> None:
    assert shared.host.startswith("127.0.0.1:")


def test_secrets_are_long_and_not_in_reprs() -> None:
    keys = Keys()
    assert {len(one) for one in (keys.token, keys.folder, keys.cookie, keys.header)} == {43}  # 256 bits
    assert all(one not in repr(keys) for one in (keys.token, keys.folder, keys.cookie, keys.header))
