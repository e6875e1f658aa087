"""The process in which the library decodes Lance files. A damaged file may end it, and what it reads by mistake is not the memory of a worker.

Each request is about a file in a folder of its own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from veritensor_ray.core.lance_layout import LanceLayout, schema_from
from veritensor_ray.formats.columnar.decoding_child import main, told_answers

ABOUT, SCHEMA, BATCH = b"A", b"S", b"B"  # the kinds of answers
NAME = "file.lance"
DATA = "data"  # the folder of a dataset in which its data files are
CHANGED, WRITTEN = "changed.arrows", "written.lance"  # rows to write, as an Arrow stream, and the file with them
TABLE, COPY = "table.json", "copy"  # what a dataset shall be, and its folder
MANIFEST = f"_versions/{(1 << 64) - 2:020}.manifest"  # of a first version
_PIECE_BYTES = 8 << 20
_BATCH_ROWS = 1024
_EARLIEST = (2, 0)  # the first format that is written
_DROPPED = -2  # the number of a field that is no longer one


class LanceRequest(NamedTuple):
    """What to do in a folder. By default, the file in it is read.

    `layout` is that of the file if it belongs to a dataset, and `columns` are to be decoded; without any, the file is described. The task
    "write" writes a file with this layout, and "manifest" makes a dataset of which only the manifest is of use.
    """

    folder: str
    layout: str = ""
    columns: list[str] | None = None
    task: Literal["read", "write", "manifest"] = "read"


def _described(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield the number of rows, the places of buffers, and the schema with which the file was written."""
    from lance.file import LanceFileReader

    reader = LanceFileReader(str(path))
    found = reader.metadata()
    columns = [(*column.column_buffers, *(buffer for page in column.pages for buffer in page.buffers)) for column in found.columns]
    places = [[(buffer.position, buffer.size) for buffer in buffers] for buffers in (*columns, found.global_buffers)]
    yield ABOUT, json.dumps({"rows": reader.num_rows(), "columns": places[:-1], "global": places[-1]}).encode()
    yield SCHEMA, found.schema.serialize().to_pybytes()


def _of_file(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    from lance.file import LanceFileReader

    reader = LanceFileReader(str(path), columns=columns)
    rows = _rows_at_once(path, reader.num_rows())
    yield from reader.read_all(batch_size=rows, batch_readahead=1).to_batches()


def _of_dataset(folder: Path, layout: LanceLayout, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a dataset that is made of one data file. The library then finds columns by their numbers, as in any dataset."""
    import lance
    from lance.fragment import DataFile, FragmentMetadata
    from lance.schema import LanceSchema

    schema = pa.schema([field for field in layout.schema if field.name in columns])
    numbers = dict(_numbers(LanceSchema.from_pyarrow(schema).fields(), ()))
    file = DataFile(NAME, [numbers.get(path, _DROPPED) for path in layout.paths], list(layout.places), *layout.version)
    made = lance.LanceOperation.Overwrite(schema, [FragmentMetadata(0, [file], physical_rows=None)])
    lance.LanceDataset.commit(str(folder), made)
    table = lance.dataset(str(folder), read_params={"validate_on_decode": True})
    rows = _rows_at_once(folder / DATA / NAME, table.count_rows())
    # of large values that stand outside of columns, only the descriptions: the library would follow them to any file or server
    yield from table.scanner(
        batch_size=rows, batch_readahead=1, fragment_readahead=1, io_buffer_size=4 * _PIECE_BYTES, blob_handling="blobs_descriptions"
    ).to_batches()


def _numbers(fields: Iterable[Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    for field in fields:
        path = (*above, field.name())
        yield path, field.id()
        yield from _numbers(field.children(), path)


def _write(folder: Path, layout: LanceLayout) -> Iterator[tuple[bytes, bytes]]:
    """Write rows into a file, and yield an answer after each batch, because a large file takes long."""
    from lance.file import LanceFileWriter

    path, version = str(folder / WRITTEN), ".".join(map(str, max(layout.version, _EARLIEST)))
    with pa.ipc.open_stream(pa.memory_map(str(folder / CHANGED))) as rows, LanceFileWriter(path, layout.schema, version=version) as writer:
        for batch in rows:
            writer.write_batch(batch.cast(layout.schema))
            yield BATCH, b""


def _make_manifest(folder: Path) -> None:
    """Make a dataset of data files that are elsewhere. The library does not look at them, since their sizes and numbers of rows are given."""
    import lance
    from lance.fragment import DataFile, FragmentMetadata
    from lance.schema import LanceSchema

    about = json.loads((folder / TABLE).read_text())
    schema = schema_from(about["schema"])
    numbers = dict(_numbers(LanceSchema.from_pyarrow(schema).fields(), ()))
    layouts = [LanceLayout.from_json(text) for text in about["layouts"]]
    anew = dict[int, LanceLayout]()  # layouts of files that were written again
    fragments = []
    for number, (rows, files) in enumerate(about["fragments"]):
        made = []
        for path, size, which, is_new in files:
            if is_new and which not in anew:
                anew[which] = _as_written(folder / f"like-{which}", layouts[which])
            layout = anew[which] if is_new else layouts[which]
            made.append(DataFile(path, [numbers.get(one, _DROPPED) for one in layout.paths], list(layout.places), *layout.version, size))
        fragments.append(FragmentMetadata(number, made, physical_rows=rows))
    (folder / COPY).mkdir()
    lance.LanceDataset.commit(str(folder / COPY), lance.LanceOperation.Overwrite(schema, fragments), enable_v2_manifest_paths=True)


def _as_written(folder: Path, layout: LanceLayout) -> LanceLayout:
    """Return how the library itself holds the columns of a layout in a file of the same version."""
    import lance

    row = pa.table([pa.array([_nothing(field.type)], field.type) for field in layout.schema], schema=layout.schema)
    table = lance.write_dataset(row, str(folder), data_storage_version=".".join(map(str, max(layout.version, _EARLIEST))))
    paths = {number: path for path, number in _numbers(table.lance_schema.fields(), ())}
    [file] = table.get_fragments()[0].metadata.files
    version = (file.file_major_version, file.file_minor_version)
    return LanceLayout(layout.schema, tuple(paths[number] for number in file.fields), tuple(file.column_indices), version)


def _nothing(kind: pa.DataType) -> Any:
    """Return a value without content. The earliest format has no structs that are null."""
    return {field.name: _nothing(field.type) for field in kind} if pa.types.is_struct(kind) else None


def _rows_at_once(path: Path, rows: int) -> int:
    """Return how many rows of a file take a few megabytes, if they are as large as they are stored."""
    return max(1, min(_BATCH_ROWS, _PIECE_BYTES * rows // max(1, path.stat().st_size)))


def _answers(request: LanceRequest) -> Iterator[tuple[bytes, bytes]]:
    folder = Path(request.folder)
    path = folder / DATA / NAME
    if request.task == "manifest":
        _make_manifest(folder)
        return
    if request.task == "write":
        yield from _write(folder, LanceLayout.from_json(request.layout))
        return
    if request.columns is None:
        yield from _described(path)
        return
    layout = LanceLayout.from_json(request.layout) if request.layout else None
    batches = _of_file(path, request.columns) if layout is None else _of_dataset(folder, layout, request.columns)
    for batch in batches:
        step = max(1, _PIECE_BYTES * batch.num_rows // max(1, batch.nbytes))
        for first in range(0, batch.num_rows, step):
            yield BATCH, _streamed(batch.slice(first, step))


def _streamed(batch: pa.RecordBatch) -> bytes:
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(out.getvalue())


def told_by(request: Mapping[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the answers to a request, the last of which says how it ended."""
    yield from told_answers(lambda given: _answers(LanceRequest(**given)), request, request["folder"])


if __name__ == "__main__":
    main(int(sys.argv[1]), told_by)
