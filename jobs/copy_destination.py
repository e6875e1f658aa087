"""Where a cleaning may write: never into its source, and never into a folder that holds something else."""

from __future__ import annotations

import os
import re
from pathlib import Path

from veritensor_ray.cleaning.copy_manifest import BEFORE
from veritensor_ray.cleaning.copy_statement import PLACES
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import StoreError, UsageError
from veritensor_ray.core.uris import is_local, local_path, real_base
from veritensor_ray.stores.filesystems import Stores, absolute, denied, filesystem
from veritensor_ray.stores.outputs import OutputStore, refuse_linked

_WILD = re.compile(r"[*?\[]")


def check_clean(settings: Settings, dry_run: bool) -> None:
    """Check sources and destination. Raises UsageError if one lies in the other."""
    if not settings.sources:
        raise UsageError("cleaning needs a corpus; name a folder, a file or a URI, such as `veritensor-ray clean CORPUS --to FOLDER`")
    if dry_run:
        if settings.cluster_address:
            raise UsageError("a dry run works on this machine only; leave out --address, and choose a part of the corpus with --sample")
        return
    if not settings.output:
        raise UsageError("cleaning needs a destination; name an empty folder or a URI with --to")
    for source in settings.sources:
        if overlap(source, settings.output, settings.stores):
            raise UsageError(f"the destination {settings.output} and the source {source} lie in each other; choose another --to")


def overlap(source: str, output: str, stores: Stores) -> bool:
    """Whether one of two folders is the other, or lies in it. Of a glob, the folder before its first wildcard counts."""
    if is_local(source) != is_local(output):
        return False
    if is_local(source):
        one, other = real_base(source), Path(os.path.realpath(local_path(output)))
        return one is not None and (one == other or one in other.parents or other in one.parents)
    cut = source[: at.start()].rpartition("/")[0] if (at := _WILD.search(source)) else source
    fs, one_path = filesystem(cut.rstrip("/") if "://" in cut.rstrip("/") else cut, stores)
    other_fs, other_path = filesystem(absolute(output), stores)
    if type(fs) is not type(other_fs):
        return False
    one_path, other_path = (f"{path.strip('/')}/".removeprefix("/") for path in (one_path, other_path))
    return one_path.startswith(other_path) or other_path.startswith(one_path)


def check_destination(store: OutputStore) -> None:
    """Check that the destination is empty, or holds a copy. Raises UsageError, StoreError."""
    if store.local is not None and store.local.is_file():
        raise UsageError(f"the destination {store.uri} is a file; choose an empty folder with --to")
    if store.local is not None:
        refuse_linked(store.local)
    try:
        names = store.names("")
    except Exception as error:  # noqa: BLE001  # every store raises its own kind
        raise StoreError(denied(store.uri, "list", error)) from None
    foreign = sorted(set(names) - PLACES)
    if foreign or (names and not {BEFORE, "_work"} & set(names)):
        other = (foreign or names)[0]
        raise UsageError(f"the destination {store.uri} holds something else ({other!r}); choose an empty folder with --to")
