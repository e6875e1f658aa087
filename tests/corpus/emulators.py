"""Stores on loopback for the tests of leases: S3 is moto's server; of GCS and Azure as much as one small object needs, and stubs that list."""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from werkzeug.serving import WSGIRequestHandler, make_server

Wsgi = Callable[[dict[str, Any], Any], Any]


class Quiet(WSGIRequestHandler):
    def log(self, *args: Any) -> None: ...


class S3App:
    """moto's, one request at a time: it compares and writes in two steps, which S3 does in one.

    `forget` conditions as old stores do; `lose` the answers of so many writes that arrived; `shut`: answer 403; `slow`: so many times,
    ask to slow down; `bad`: answer 400 with this code to whoever reads an object. `payers` are who pays for what is listed or read, and
    `asked` the methods, paths and ranges of all requests.
    """

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._app: Wsgi = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()
        self.forget, self.lose, self.shut, self.slow, self.bad = False, 0, False, 0, ""
        self.payers = list[str | None]()
        self.asked = list[tuple[str, str, str | None]]()

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        with self._lock:
            self.asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("HTTP_RANGE")))
            if environ["REQUEST_METHOD"] == "GET":
                self.payers.append(environ.get("HTTP_X_AMZ_REQUEST_PAYER"))
            if self.shut:
                start("403 Forbidden", [])
                return []
            if self.bad and environ["PATH_INFO"].count("/") > 1:
                said = f"<Error><Code>{self.bad}</Code><Message>No.</Message></Error>".encode()
                start("400 Bad Request", [("Content-Type", "application/xml"), ("Content-Length", str(len(said)))])
                return [] if environ["REQUEST_METHOD"] == "HEAD" else [said]
            if self.slow:
                self.slow -= 1
                said = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
                start("503 Slow Down", [("Content-Type", "application/xml"), ("Content-Length", str(len(said))), ("Retry-After", "7")])
                return [] if environ["REQUEST_METHOD"] == "HEAD" else [said]
            if self.forget:
                environ.pop("HTTP_IF_MATCH", None)
                environ.pop("HTTP_IF_NONE_MATCH", None)
            if self.lose and environ["REQUEST_METHOD"] == "PUT":
                self.lose -= 1
                list(self._app(environ, lambda *_: None))
                start("500 Internal Server Error", [])
                return []
            return list(self._app(environ, start))


@contextlib.contextmanager
def s3_server(app: S3App) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    with _served(server):
        yield f"http://127.0.0.1:{server.server_port}"


@contextlib.contextmanager
def _served(server: Any) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)  # each end waits for it
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Objects(BaseHTTPRequestHandler):
    """Objects with versions; a write compares and writes under a lock."""

    disable_nagle_algorithm = True  # else each answer waits 40 ms for the client's acknowledgement
    protocol_version = "HTTP/1.1"
    objects: dict[str, tuple[bytes, str]]
    lock: threading.Lock

    def log_message(self, format: str, *args: Any) -> None: ...

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def store(self, name: str, data: bytes, allowed: Callable[[str | None], bool], version: Callable[[str | None], str]) -> str | None:
        with self.lock:
            old = self.objects.get(name, (b"", None))[1]
            if not allowed(old):
                return None
            self.objects[name] = data, version(old)
            return self.objects[name][1]


class Gcs(_Objects):
    """Upload with a precondition on the generation, and download."""

    def do_POST(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        name, wanted = query["name"], query.get("ifGenerationMatch")
        made = self.store(name, self.body(), lambda old: wanted in (None, old or "0"), lambda old: str(int(old or 1000) + 1))
        if made is None:
            self.answer(412, b'{"error": {"message": "conditionNotMet"}}')
        else:
            self.answer(200, json.dumps({"name": name, "generation": made}).encode(), Content_Type="application/json")

    def do_GET(self) -> None:
        name = unquote(urlsplit(self.path).path.rpartition("/o/")[2])
        if name not in self.objects:
            self.answer(404, b'{"error": {"message": "Not Found"}}')
            return
        data, version = self.objects[name]
        self.answer(200, data, X_Goog_Generation=version)


class Azure(_Objects):
    """PutBlob with conditions on the ETag, its properties, and download."""

    def do_PUT(self) -> None:
        match, none = self.headers.get("If-Match"), self.headers.get("If-None-Match")
        name = urlsplit(self.path).path
        data = self.body()
        made = self.store(
            name, data, lambda old: (match is None or match == old) and (none != "*" or old is None), lambda _: f'"{uuid.uuid4()}"'
        )
        if made is not None:
            self.answer(201, ETag=made, Last_Modified="Mon, 01 Jan 2024 00:00:00 GMT")
        elif none:
            self.answer(409, x_ms_error_code="BlobAlreadyExists")
        else:
            self.answer(412, x_ms_error_code="ConditionNotMet")

    def do_HEAD(self) -> None:
        name = urlsplit(self.path).path
        if name not in self.objects:
            self.answer(404, x_ms_error_code="BlobNotFound")
            return
        data, version = self.objects[name]
        common = {"ETag": version, "Last_Modified": "Mon, 01 Jan 2024 00:00:00 GMT", "x_ms_blob_type": "BlockBlob"}
        if self.command == "HEAD" or "x-ms-range" not in self.headers:
            self.answer(200, data, **common)
        else:
            self.answer(206, data, Content_Range=f"bytes 0-{len(data) - 1}/{len(data)}", **common)

    def do_GET(self) -> None:
        if "comp=list" in self.path:
            self.answer(
                200, b'<?xml version="1.0"?><EnumerationResults><Blobs/><NextMarker/></EnumerationResults>', Content_Type="application/xml"
            )
        else:
            self.do_HEAD()


def _split(names: list[str], prefix: str, delimiter: str) -> tuple[list[str], list[str]]:
    """Return the names of objects and of folders that a listing has."""
    below = [name for name in sorted(names) if name.startswith(prefix)]
    folders = {
        prefix + name.removeprefix(prefix).partition(delimiter)[0] + delimiter
        for name in below
        if delimiter and delimiter in name[len(prefix) :]
    }
    return [name for name in below if not name.startswith(tuple(folders))], sorted(folders)


class GcsStub(Gcs):
    """Also lists objects, and reads ranges of them."""

    shut = False

    def do_GET(self) -> None:
        path, query = unquote(urlsplit(self.path).path), parse_qs(urlsplit(self.path).query)
        name = path.partition("/b/corpus/o/")[2]
        if type(self).shut:
            said = {"error": {"code": 403, "message": "nobody does not have access to the Google Cloud Storage bucket."}}
            self.answer(403, json.dumps(said).encode(), Content_Type="application/json")
        elif path.endswith("/b/corpus/o"):
            files, folders = _split([*self.objects], query.get("prefix", [""])[0], query.get("delimiter", [""])[0])
            page = {"items": [self.about(one) for one in files], "prefixes": folders}
            self.answer(200, json.dumps(page).encode(), Content_Type="application/json")
        elif name not in self.objects or query.get("alt") == ["media"]:
            self.part(name)
        else:
            self.answer(200, json.dumps(self.about(name)).encode(), Content_Type="application/json")

    def about(self, name: str) -> dict[str, Any]:
        data, version = self.objects[name]
        common = {"kind": "storage#object", "bucket": "corpus", "etag": version, "generation": "1", "updated": "2024-01-01T00:00:00Z"}
        return {**common, "name": name, "size": str(len(data)), "timeCreated": "2024-01-01T00:00:00Z", "md5Hash": "", "crc32c": ""}

    def part(self, name: str) -> None:
        """Answer with an object or the range of it that is asked for."""
        data = self.objects.get(name, (b"", ""))[0]
        start, _, end = (self.headers.get("Range") or "").removeprefix("bytes=").partition("-")
        if name not in self.objects:
            self.answer(404, b'{"error": {"code": 404, "message": "No such object"}}', Content_Type="application/json")
        elif start:
            until = min(int(end or len(data)) + 1, len(data))
            self.answer(206, data[int(start) : until], Content_Range=f"bytes {start}-{until - 1}/{len(data)}")
        else:
            self.answer(200, data)


class AzureStub(Azure):
    """Also lists blobs, with their tiers, and says of archived ones that they have to be rehydrated."""

    shut = False

    def do_HEAD(self) -> None:
        name = unquote(urlsplit(self.path).path).removeprefix("/a/corpus").lstrip("/")
        query = parse_qs(urlsplit(self.path).query)
        if type(self).shut:
            self.answer(403, x_ms_error_code="AuthorizationFailure")
        elif query.get("comp") == ["list"]:
            self.answer(200, self.page(query), Content_Type="application/xml")
        elif not name:
            self.answer(200, ETag='"c"', Last_Modified="Sun, 01 Nov 2026 00:00:00 GMT")
        elif name.startswith("archived") and self.command == "GET":
            self.answer(409, x_ms_error_code="BlobArchived")
        elif name not in self.objects:
            self.answer(404, x_ms_error_code="BlobNotFound")
        else:
            data, etag = self.objects[name]
            about = {"ETag": etag, "Last_Modified": "Sun, 01 Nov 2026 00:00:00 GMT", "x_ms_blob_type": "BlockBlob"}
            if self.command == "GET" and data:
                self.answer(206, data, Content_Range=f"bytes 0-{len(data) - 1}/{len(data)}", **about)
            else:
                self.answer(200, data, **about)

    def do_GET(self) -> None:
        self.do_HEAD()

    def page(self, query: dict[str, list[str]]) -> bytes:
        names, folders = _split(list(self.objects), query.get("prefix", [""])[0], query.get("delimiter", [""])[0])
        tier = {name: "Archive" if name.startswith("archived") else "Hot" for name in names}
        blobs = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>Sun, 01 Nov 2026 00:00:00 GMT</Last-Modified><Etag>e1</Etag>"
            f"<Content-Length>{len(self.objects[name][0])}</Content-Length><BlobType>BlockBlob</BlobType><AccessTier>{tier[name]}</AccessTier>"
            "</Properties></Blob>"
            for name in names
        )
        prefixes = "".join(f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>" for name in folders)
        return f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="corpus"><Blobs>{blobs}{prefixes}</Blobs><NextMarker/></EnumerationResults>'.encode()


@contextlib.contextmanager
def objects_server(kind: type[_Objects]) -> Iterator[tuple[str, dict[str, tuple[bytes, str]]]]:
    """Its address, and its objects by name."""
    objects: dict[str, tuple[bytes, str]] = {}
    handler = type(kind.__name__, (kind,), {"objects": objects, "lock": threading.Lock()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with _served(server):
        yield f"http://127.0.0.1:{server.server_port}", objects
