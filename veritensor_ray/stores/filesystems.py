"""Access to stores through fsspec: options from the configuration and clear errors. It does not depend on what is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import fsspec

from veritensor_ray.core.config import Settings, Store, resolve_secret
from veritensor_ray.core.errors import StoreError, UsageError
from veritensor_ray.core.uris import is_local, local_path, named_kind
from veritensor_ray.masking.secret_kinds.uri_credentials import credential_in
from veritensor_ray.stores import redirects
from veritensor_ray.stores.store_errors import trouble

Stores = Mapping[str, Store]

# The supported stores, each with the extra that installs its library. fsspec has others, which have not been tested here.
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
    "s3": {
        "list": "s3:ListBucket",
        "list the versions of": "s3:GetBucketVersioning and s3:ListBucketVersions",
        "read": "s3:GetObject",
        "read a version of": "s3:GetObjectVersion",
        "write": "s3:PutObject",
    },
    "gs": {"list": "storage.objects.list", "read": "storage.objects.get", "write": "storage.objects.create"},
    "abfs": {"list": "Storage Blob Data Reader", "read": "Storage Blob Data Reader", "write": "Storage Blob Data Contributor"},
}


_NAMED_STORES = "name them in the configuration under `stores:` as env:NAME or file:/path"
_NAMED = "put the whole address into a variable or a file, and refer to it as env:NAME or file:/path"


def absolute(uri: str) -> str:
    """Make local paths absolute and drop their scheme. In other URIs, only remove a trailing slash, and the kind of table that they name.

    Raises UsageError if the URI contains credentials.
    """
    if is_local(uri):
        return str(local_path(uri))
    _refuse_credentials("a URI", uri, _NAMED_STORES)
    return named_kind(uri)[1].rstrip("/")


def check_credentials(settings: Settings) -> None:
    """Check that no address in the settings contains a credential. Raises UsageError.

    Settings travel to other machines and into results.
    """
    for key, text in _texts(settings.model_dump(mode="json", exclude_unset=True, exclude={"pii", "include", "exclude"})):
        remedy = _NAMED if key.startswith(("notify", "cluster")) else _NAMED_STORES
        _refuse_credentials("a source" if key == "sources" else key, text, remedy)


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text in a setting, with the keys that lead to it."""
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
        raise UsageError(f"{what} must not contain credentials, but it does ({where}). Instead, {remedy}")


def filesystem(uri: str, stores: Stores) -> tuple[Any, str]:
    """Return the fsspec filesystem for a URI and the path in it. Raises StoreError if the store's library is not installed."""
    if is_local(uri):
        return fsspec.filesystem("file"), absolute(uri)
    protocol = uri.partition("://")[0]
    if protocol not in PROTOCOLS:
        raise UsageError(f"{protocol}:// is not supported. Use a local path or one of {', '.join(f'{name}://' for name in PROTOCOLS)}")
    options = _options(protocol, store_for(uri, stores))
    try:
        if protocol in ("http", "https"):
            options["client_kwargs"] = options.get("client_kwargs", {}) | {"trace_configs": redirects.refused_but_for(tuple(stores))}
        fs = _created(protocol, {"use_listings_cache": False, "skip_instance_cache": False, **options})
    except ImportError:
        raise StoreError(f"{protocol}:// requires an additional library: pip install 'veritensor-ray[{PROTOCOLS[protocol]}]'") from None
    return fs, fs._strip_protocol(uri)


def _created(protocol: str, options: dict[str, Any]) -> Any:
    """Return a filesystem. GCS gets the plain class, because the newer one makes a gRPC call that it retries forever if only HTTP works."""
    if protocol in ("gs", "gcs"):
        from gcsfs import core as gcs  # type: ignore[import-untyped]  # it has no types

        return gcs.GCSFileSystem(**options)
    return fsspec.filesystem(protocol, **options)


def store_for(uri: str, stores: Stores) -> Store:
    """Return how to reach a URI: what the configuration says of the longest prefix that covers it."""
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
            "requester_pays": store.requester_pays or None,
        }
    elif protocol in ("gs", "gcs"):
        options = {"endpoint_url": store.endpoint, "token": token or ("anon" if store.anonymous else None)}
        options["requester_pays"] = store.requester_pays or None
    elif protocol in ("abfs", "abfss", "az"):
        options = {"account_name": store.account, "account_key": key, "sas_token": token, "anon": store.anonymous or None}
    elif protocol in ("http", "https"):
        options = {"client_kwargs": {"headers": {"Authorization": f"Bearer {token}"}} if token else None}
    else:
        options = {}
    return {name: value for name, value in options.items() if value is not None}


def denied(uri: str, action: str, error: Exception) -> str:
    """Return a message for when `action` (list, read, write) on `uri` failed with `error`."""
    protocol = uri.partition("://")[0] if "://" in uri else "file"
    if (known := trouble(error)) is not None:
        return f"cannot {action} {uri}: {known.words}"
    if isinstance(error, PermissionError):
        permission = _PERMISSIONS.get({"s3a": "s3", "gcs": "gs", "az": "abfs", "abfss": "abfs"}.get(protocol, protocol), {}).get(action)
        return f"access denied: {permission} is required on {uri}" if permission else f"permission denied: cannot {action} {uri}"
    if (refusal := redirects.leading(error)) is not None:
        return refusal
    if isinstance(error, FileNotFoundError):
        return f"{uri} does not exist"
    detail = " ".join(str(error).split())[:200] or type(error).__name__
    return f"cannot {action} {uri}: {detail}"
