"""Asks a catalog which metadata file of an Iceberg table counts. It reads no file of the table, and contacts only what the configuration names.

A table is named as `catalog://CATALOG/NAMESPACE.TABLE`. How to reach the catalog stands under `stores`: its `endpoint` is the address of a
REST catalog or SQLAlchemy's URL of a database.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qs, quote, urlsplit

from veritensor_ray.core import bounds, media_types
from veritensor_ray.core.config import Store, resolve_secret
from veritensor_ray.core.errors import StoreError, UsageError, told
from veritensor_ray.core.uris import is_local, one_form
from veritensor_ray.corpus.tables.table_kinds import ICEBERG
from veritensor_ray.stores import redirects
from veritensor_ray.stores.filesystems import Stores, store_for

SCHEME = "catalog://"
_TIMEOUT = 30  # seconds without any answer
_SHOWN = 300  # characters of an answer that a sentence repeats
_METADATA = re.compile(rf".*/{ICEBERG.log}/[^/]+", re.DOTALL)
_SEPARATOR = "\x1f"  # of the levels of a namespace, in the protocol of REST catalogs


class CatalogTable(NamedTuple):
    """A table as a catalog knows it. Without a name, only the catalog is meant."""

    catalog: str
    namespace: str
    name: str


def metadata_file(uri: str, stores: Stores) -> str:
    """Return the address of a table's latest metadata file. Raises StoreError or UsageError."""
    table, store = _named(uri), store_for(uri, stores)
    if not table.name:
        raise UsageError(f"{uri} names no table. Write it as {SCHEME}CATALOG/NAMESPACE.TABLE")
    found = _of_database(table, store) if _is_database(table, store) else _of_service(table, store)
    if found is None:
        raise StoreError(f"the catalog {table.catalog} has no table {table.namespace}.{table.name}")
    location = one_form(found)
    if not _METADATA.fullmatch(location) or not ICEBERG.proof or not ICEBERG.proof.fullmatch(location.rpartition("/")[2]):
        raise StoreError(
            f"the catalog {table.catalog} names {found[:_SHOWN]}, which is not a metadata file in a folder {ICEBERG.log} of the table"
        )
    if not is_local(location) and not any(redirects.names(prefix, location) for prefix in stores):
        raise StoreError(
            f"the catalog {table.catalog} names {location[:_SHOWN]}, which no prefix under `stores:` covers. Add its store there to read the table"
        )
    return location


def check(uri: str, stores: Stores) -> None:
    """Check that a catalog answers. Raises StoreError or UsageError."""
    table, store = _named(uri), store_for(uri, stores)
    if _is_database(table, store):
        _of_database(table, store)
    else:
        _Service(table.catalog, store).configuration()


def _named(uri: str) -> CatalogTable:
    catalog, _, table = uri.removeprefix(SCHEME).partition("/")
    namespace, _, name = table.rpartition(".")
    if bool(namespace) != bool(table):
        raise UsageError(f"{uri} names no namespace. Write it as {SCHEME}CATALOG/NAMESPACE.TABLE")
    return CatalogTable(catalog, namespace, name)


def _is_database(table: CatalogTable, store: Store) -> bool:
    """Return whether a catalog is a database. Raises UsageError if the configuration does not say where it is."""
    if store.endpoint is None:
        raise UsageError(
            f"the catalog {table.catalog} is not configured. Add {SCHEME}{table.catalog} under `stores:`, with its address as `endpoint`"
        )
    return not store.endpoint.startswith(("http://", "https://"))


def _of_database(table: CatalogTable, store: Store) -> str | None:
    try:
        import sqlalchemy
        from sqlalchemy.engine import make_url
    except ImportError:
        raise StoreError(f"SQL catalogs require an additional library: pip install 'veritensor-ray[{ICEBERG.extra}]'") from None
    names = ("catalog_name", "table_namespace", "table_name")
    tables = sqlalchemy.table("iceberg_tables", *map(sqlalchemy.column, (*names, "metadata_location")))
    wanted = sqlalchemy.select(tables.c.metadata_location).where(
        *(tables.c[name] == value for name, value in zip(names, table, strict=True))
    )
    try:
        url = make_url(store.endpoint or "")
        if (password := resolve_secret(store.secret)) is not None:
            url = url.set(password=password)
        if url.get_backend_name() == "sqlite":  # it would make a file that does not exist
            path = Path(url.database or "").absolute()
            if not path.is_file():
                raise StoreError(f"the catalog {table.catalog} does not exist: there is no file {path}")
            url = url.set(database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"})
        engine = sqlalchemy.create_engine(url)
        try:
            with engine.connect() as connection:
                return cast("str | None", connection.execute(wanted).scalar())
        finally:
            engine.dispose()
    except ImportError as error:
        raise StoreError(f"the catalog {table.catalog} needs the library {error.name}, which is not installed") from None
    except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:
        raise StoreError(f"the catalog {table.catalog} cannot be read: {_said(error)}") from None


def _said(error: Exception) -> str:
    """Return what the driver of a database says, without the statement and without the address, which may hold a name of a user."""
    return " ".join(str(getattr(error, "orig", None) or told(error)).split())[:200]


def _of_service(table: CatalogTable, store: Store) -> str | None:
    service = _Service(table.catalog, store)
    settings = service.configuration()
    prefix = _prefix(settings.get("overrides")) or _prefix(settings.get("defaults"))
    namespace = quote(table.namespace.replace(".", _SEPARATOR), safe="")
    path = "/".join(
        (*(quote(part, safe="") for part in prefix.split("/") if part), "namespaces", namespace, "tables", quote(table.name, safe=""))
    )
    answer = service.get(path, {"snapshots": "refs"})
    if answer is None:
        return None
    location = answer.get("metadata-location")
    if not isinstance(location, str):
        raise StoreError(f"the catalog {table.catalog} names no metadata file of {table.namespace}.{table.name}")
    return location


def _prefix(part: Any) -> str:
    return str(part.get("prefix") or "") if isinstance(part, Mapping) else ""


class _Service:
    """A REST catalog. Redirects are not followed, and neither proxies nor credentials come from the environment."""

    def __init__(self, name: str, store: Store) -> None:
        self._name, self._store = name, store
        parts = urlsplit(store.endpoint or "")
        self._base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}/v1/"
        self._warehouse = parse_qs(parts.query).get("warehouse", [""])[0]
        token = resolve_secret(store.token)
        self._headers = {"Accept": media_types.JSON, "User-Agent": "veritensor-ray"} | (
            {"Authorization": f"Bearer {token}"} if token else {}
        )

    def configuration(self) -> dict[str, Any]:
        """Return what the catalog says of itself. Raises StoreError."""
        answer = self.get("config", {"warehouse": self._warehouse} if self._warehouse else {})
        if answer is None:
            raise StoreError(f"the catalog {self._name} answers 404 at {self._base}config: `endpoint` is not the address of a REST catalog")
        return answer

    def get(self, path: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        """Return an answer, or None if there is nothing of that name. Raises StoreError."""
        import httpx

        tls = ssl.create_default_context(cafile=self._store.ca_bundle)
        try:
            with (
                httpx.Client(verify=tls, trust_env=False, follow_redirects=False, timeout=_TIMEOUT) as client,
                client.stream("GET", self._base + path, params=dict(query), headers=self._headers) as response,
            ):
                status, data = response.status_code, bytearray()
                for piece in response.iter_bytes():
                    data += piece
                    if len(data) > bounds.CATALOG_ANSWER:
                        raise StoreError(f"the catalog {self._name} answers with more than {bounds.CATALOG_ANSWER:,} bytes")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise StoreError(f"the catalog {self._name} does not answer: {type(error).__name__}: {error}") from None
        if status in (401, 403):
            raise StoreError(f"the catalog {self._name} denies access ({status}): check its `token` under `stores:`")
        if status == 404:
            return None
        if status != 200:
            raise StoreError(
                f"the catalog {self._name} answers {status}{', and redirects are not followed' if 300 <= status < 400 else ''}"
            )
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise StoreError(f"the catalog {self._name} answers with something other than a JSON object")
        return answer


__all__ = ["SCHEME", "check", "metadata_file"]
