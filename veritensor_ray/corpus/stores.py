"""Access to stores through fsspec: options from the configuration, clear errors, atomic writes; it knows nothing of what is stored."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import fsspec

from veritensor_ray.config import Settings, Store, resolve_secret
from veritensor_ray.corpus import redirects
from veritensor_ray.errors import StoreError, UsageError
from veritensor_ray.retry import Again, persistent
from veritensor_ray.secret_kinds.uris import credential_in
from veritensor_ray.uris import is_local, local_path

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

Stores = Mapping[str, Store]

# The stores there are, each with the extra that installs its library; fsspec knows others, which nobody has tried here.
PROTOCOLS: dict[str, str | None] = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gcs",
    "gcs": "gcs",
    "abfs": "azure",
    "abfss": "azure",
    "az": "azure",
    "http": "http",
    "https": "http",
    "memory": None,
}
_PERMISSIONS = {
    "s3": {"list": "s3:ListBucket", "read": "s3:GetObject", "write": "s3:PutObject"},
    "gs": {"list": "storage.objects.list", "read": "storage.objects.get", "write": "storage.objects.create"},
    "abfs": {"list": "Storage Blob Data Reader", "read": "Storage Blob Data Reader", "write": "Storage Blob Data Contributor"},
}


_NAMED_STORES = "name them in the configuration under `stores:` as env:NAME or file:/path"
_NAMED = "put the whole address into a variable or a file, and name it as env:NAME or file:/path"


def absolute(uri: str) -> str:
    """Local paths absolute and without a scheme; other URIs unchanged but for a slash at the end. Raises UsageError on credentials."""
    if is_local(uri):
        return str(local_path(uri))
    _refuse_credentials("a URI", uri, _NAMED_STORES)
    return uri.rstrip("/")


def check_credentials(settings: Settings) -> None:
    """No setting that has an address in it carries a credential: settings travel to other machines, and into results. Raises UsageError."""
    for key, text in _texts(settings.model_dump(mode="json", exclude_unset=True, exclude={"pii", "include", "exclude"})):
        remedy = _NAMED if key.startswith(("notify", "cluster")) else _NAMED_STORES
        _refuse_credentials("a source" if key == "sources" else key, text, remedy)


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a setting, with the keys that lead to it."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, key if "://" in str(name) else f"{key}.{name}".lstrip("."))
            yield key, str(name)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, key)
    elif isinstance(value, str):
        yield key, value


def _refuse_credentials(what: str, uri: str, remedy: str) -> None:
    where = credential_in(uri) if "://" in uri else None
    if where is not None:
        raise UsageError(f"{what} must not carry credentials, and has some {where}: {remedy}")


def filesystem(uri: str, stores: Stores) -> tuple[Any, str]:
    """The fsspec filesystem for a URI and the path in it. Raises StoreError when the store's library is not installed."""
    if is_local(uri):
        return fsspec.filesystem("file"), absolute(uri)
    protocol = uri.partition("://")[0]
    if protocol not in PROTOCOLS:
        raise UsageError(
            f"{protocol}:// is not a store that can be used here; there are: a path, {', '.join(f'{name}://' for name in PROTOCOLS)}"
        )
    options = _options(protocol, _store_for(uri, stores))
    try:
        if protocol in ("http", "https"):
            options["client_kwargs"] = options.get("client_kwargs", {}) | {"trace_configs": redirects.refused_but_for(tuple(stores))}
        fs = fsspec.filesystem(protocol, use_listings_cache=False, skip_instance_cache=False, **options)
    except ImportError:
        raise StoreError(f"{protocol}:// needs its library: pip install 'veritensor-ray[{PROTOCOLS[protocol]}]'") from None
    return fs, fs._strip_protocol(uri)


def _store_for(uri: str, stores: Stores) -> Store:
    prefixes = [prefix for prefix in stores if redirects.names(prefix, uri)]
    return stores[max(prefixes, key=len)] if prefixes else Store()


def _options(protocol: str, store: Store) -> dict[str, Any]:
    key, secret, token = (resolve_secret(name) for name in (store.key, store.secret, store.token))
    if protocol in ("s3", "s3a"):
        client = {"region_name": store.region, "verify": store.ca_bundle}
        options: dict[str, Any] = {
            "endpoint_url": store.endpoint,
            "key": key,
            "secret": secret,
            "token": token,
            "anon": store.anonymous or None,
            "client_kwargs": {name: value for name, value in client.items() if value} or None,
            "config_kwargs": {"s3": {"addressing_style": "path"}} if store.path_style else None,
        }
    elif protocol in ("gs", "gcs"):
        options = {"endpoint_url": store.endpoint, "token": token or ("anon" if store.anonymous else None)}
    elif protocol in ("abfs", "abfss", "az"):
        options = {"account_name": store.account, "account_key": key, "sas_token": token, "anon": store.anonymous or None}
    elif protocol in ("http", "https"):
        options = {"client_kwargs": {"headers": {"Authorization": f"Bearer {token}"}} if token else None}
    else:
        options = {}
    return {name: value for name, value in options.items() if value is not None}


def denied(uri: str, action: str, error: Exception) -> str:
    """What to tell when `action` (list, read, write) on `uri` failed with `error`."""
    protocol = uri.partition("://")[0] if "://" in uri else "file"
    if isinstance(error, PermissionError):
        permission = _PERMISSIONS.get({"s3a": "s3", "gcs": "gs", "az": "abfs", "abfss": "abfs"}.get(protocol, protocol), {}).get(action)
        return f"access denied: {permission} is needed on {uri}" if permission else f"permission denied: cannot {action} {uri}"
    if (refusal := redirects.leading(error)) is not None:
        return refusal
    if isinstance(error, FileNotFoundError):
        return f"{uri} does not exist"
    detail = " ".join(str(error).split())[:200] or type(error).__name__
    return f"cannot {action} {uri}: {detail}"


@dataclass(frozen=True)
class OutputStore:
    """A folder of results in any store. Names are relative; what is written is there whole or not at all."""

    uri: str
    stores: Stores = field(default_factory=dict)

    def _fs(self) -> tuple[Any, str]:
        return filesystem(self.uri, self.stores)

    @property
    def local(self) -> Path | None:
        """The folder, where it is on this machine."""
        return Path(absolute(self.uri)) if is_local(self.uri) else None

    def put(self, name: str, data: bytes) -> None:
        """Write one object: locally a temporary file, fsync and rename; elsewhere one PUT."""
        with self.writer(name) as file:
            file.write(data)

    @contextlib.contextmanager
    def writer(self, name: str) -> Iterator[BinaryIO]:
        """A file that appears under its name when the block ends without an error; mode 0600."""
        folder = self.local
        if folder is None:
            fs, root = self._fs()
            # closing a store's file publishes it, an error in the block or not: so the block writes beside it
            with tempfile.SpooledTemporaryFile(64 << 20) as spool:
                yield cast("BinaryIO", spool)
                spool.seek(0)
                with fs.open(f"{root}/{name}", "wb") as file:
                    shutil.copyfileobj(spool, file, 8 << 20)
            return
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123  # a descriptor with its mode
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def read(self, name: str) -> bytes | None:
        """The object's bytes, None where there is no such object."""
        fs, root = self._fs()
        try:
            if self.local is not None:
                with self.open(name) as file:
                    return file.read()
            return cast("bytes", fs.cat_file(f"{root}/{name}"))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def open(self, name: str) -> BinaryIO:
        """Open an object for reading, seekable. Raises StoreError for what is not a regular file, where it is on this machine."""
        if self.local is not None:
            return _regular(self.local / name)
        fs, root = self._fs()
        return cast("BinaryIO", fs.open(f"{root}/{name}", "rb"))

    def dataset(self, name: str, schema: pa.Schema | None = None) -> ds.Dataset:
        """The Parquet files of a folder as one table, not read yet; an empty one of that schema where there is no such folder."""
        import pyarrow.dataset as ds

        fs, root = self._fs()
        if schema is not None and not fs.exists(f"{root}/{name}"):
            return ds.dataset(schema.empty_table())
        if self.local is not None:
            for path in (self.local / name, *(self.local / name).rglob("*")):
                if path.exists() and not path.is_dir():
                    _regular(path).close()  # pyarrow would wait for a named pipe for ever
        return ds.dataset(f"{root}/{name}", schema=schema, filesystem=fs, format="parquet", exclude_invalid_files=False)

    def under(self, folder: str) -> OutputStore:
        """The same store, with names relative to a folder in it."""
        return OutputStore(f"{self.uri.rstrip('/')}/{folder}", self.stores)

    def exists(self, name: str) -> bool:
        """Whether there is such an object or folder."""
        fs, root = self._fs()
        return bool(fs.exists(f"{root}/{name}"))

    def names(self, folder: str) -> list[str]:
        """Last components of what is in a folder, sorted; empty where there is none."""
        fs, root = self._fs()
        try:
            return sorted(str(path).rstrip("/").rsplit("/", 1)[-1] for path in fs.ls(f"{root}/{folder}".rstrip("/"), detail=False))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def delete(self, name: str) -> None:
        """Remove an object or a folder; nothing happens where there is none. Raises StoreError where somebody goes on writing into it."""
        try:
            persistent(lambda: self._remove(name), retries=4, backoff=0.2, until=math.inf)
        except Again:
            raise StoreError(f"{self.uri}/{name} cannot be removed: something is written there all the time") from None

    def _remove(self, name: str) -> None:
        fs, root = self._fs()
        try:
            fs.rm(f"{root}/{name}", recursive=True)
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno == errno.ENOTEMPTY:  # a task of a run that was cut short may still be writing
                raise Again(str(error)) from None
            raise


def _regular(path: Path) -> BinaryIO:
    """A local file, open for reading. A named pipe would wait for somebody to write into it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return open(descriptor, "rb")  # noqa: PTH123  # a descriptor, which its reader closes
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise StoreError(f"{path} is not a regular file; results hold nothing else, so get the output again from where it was made")


def check_output(store: OutputStore) -> None:
    """Write and remove a small object. Raises StoreError that names the permission."""
    probe = f"_work/.probe-{secrets.token_hex(4)}"
    try:
        store.put(probe, b"veritensor-ray")
        store.delete(probe)
    except Exception as error:  # noqa: BLE001  # every store raises its own kind; all mean: no results can be written
        raise StoreError(denied(store.uri, "write", error)) from None
