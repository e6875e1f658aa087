"""Write something that was made from results to a file, which appears only when it is complete."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from veritensor_ray.core.errors import CannotRunError, UsageError
from veritensor_ray.core.safe_imports import Guard
from veritensor_ray.core.uris import is_local, local_path, real_bases
from veritensor_ray.exports import ExportFormat
from veritensor_ray.exports.selection import Selection
from veritensor_ray.results.results import Results
from veritensor_ray.stores.filesystems import Stores
from veritensor_ray.stores.outputs import OutputStore

CORPUS = "the corpus"
Apart = Mapping[str, Sequence[str]]  # what a file must not lie in: its folders by what they are


def export(selection: Selection, format: ExportFormat, to: str) -> int:
    """Write findings to a file or to an object in a store, and return its size in bytes.

    Raises UsageError as `written` does, or CannotRunError.
    """
    with written(to, selection.results) as file:
        format.write(selection, file)
        return file.tell()


@contextlib.contextmanager
def written(to: str, results: Results) -> Iterator[BinaryIO]:
    """Open a file as `written_apart` does, which must not lie in the corpus or in the results."""
    run, uri = results.run, results.store.uri
    apart = {CORPUS: run.get("sources") or [], "the results": [uri, str(run.get("output") or uri)]}
    with written_apart(to, apart, results.store.stores) as file:
        yield file


@contextlib.contextmanager
def written_apart(to: str, apart: Apart, stores: Stores) -> Iterator[BinaryIO]:
    """Open a file that appears under its name when the block ends without an error, and replaces an earlier one. Its mode is 0600.

    Raises UsageError as `place_for` does, and CannotRunError if it cannot be written.
    """
    try:
        folder, name = place_for(to, apart)
        with OutputStore(folder, stores).writer(name) as file:
            yield file
    except OSError as error:
        raise CannotRunError(f"{to} cannot be written: {error.strerror or type(error).__name__}. Choose a different file") from None


def place_for(to: str, apart: Apart) -> tuple[str, str]:
    """Return the folder of a file that may be written, and its name there.

    Raises UsageError for a name inside one of the folders that it must not lie in, for a folder that does not exist, and for anything that
    exists and is not a regular file.
    """
    _check_apart(to, apart)
    return _parts(to)


def _parts(to: str) -> tuple[str, str]:
    """Return the folder and the name in it. Raises UsageError if it cannot be a regular file."""
    if not is_local(to):
        folder, _, name = to.rpartition("/")
        if to.startswith(("http://", "https://")):
            raise UsageError(f"{to} cannot be written, because HTTP addresses are only read; name a file or an object in a store")
        if not name or folder.endswith(":/"):  # s3://name is a bucket
            raise UsageError(f"{to} is a folder; name an object in it")
        return folder, name
    path = local_path(to)
    if path.is_dir():
        raise UsageError(f"{to} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise UsageError(f"{to} cannot be created, because there is no folder {path.parent}; create the folder first")
    if path.is_symlink() or (path.exists() and not path.is_file()):  # written by root, the file would even replace /dev/stdout
        raise UsageError(f"{to} is a link, a pipe or a device; name a regular file")
    return str(path.parent), path.name


def _check_apart(to: str, apart: Apart) -> None:
    """Raise UsageError for a name inside one of these folders: an audit's files would no longer be what it read or wrote."""
    for what, folders in apart.items():
        if is_local(to):
            path, guard = local_path(to), Guard(*real_bases(folders))
            inside = guard.within(str(path)) or guard.within(os.path.join(os.path.realpath(path.parent), path.name))  # noqa: PTH118
        else:
            inside = any(to.startswith(f"{folder.rstrip('/')}/") for folder in folders)
        if inside:
            raise UsageError(f"{to} lies inside {what}, where exports do not belong; choose a file elsewhere")
