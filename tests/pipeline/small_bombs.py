"""Small files that once took hours or all memory, and a look at them in a process that may have 1.5 GB: `python small_bombs.py ROAD FOLDER`."""

from __future__ import annotations

import io
import json
import resource
import sys
from pathlib import Path

ALLOWED = 1_500_000_000
SECRET = "the end of the plain text"


def hdf5_heap() -> bytes:
    """A value of variable length that its collection says is longer than the collection."""
    data = _hdf5()
    at = data.index(b"GCOL") + 16
    return data[: at + 8] + (0x7FFFFFFF).to_bytes(8, "little") + data[at + 16 :]


def hdf5_looping() -> bytes:
    """The next one begins where there are only zeros: free space of no length, over which HDF5 2.0 loops for ever."""
    data = _hdf5()
    at = data.index(b"GCOL") + 16
    return data[: at + 8] + (0x7F).to_bytes(8, "little") + data[at + 16 :]


def hdf5_pointer() -> bytes:
    """A pointer to a value of 2 GB."""
    data = _hdf5()
    heap = data.index(b"GCOL").to_bytes(8, "little")
    at = data.index(heap + (1).to_bytes(4, "little")) - 4
    return data[:at] + (0x7FFFFFFF).to_bytes(4, "little") + data[at + 4 :]


def _hdf5() -> bytes:
    import h5py
    import numpy as np

    out = io.BytesIO()
    with h5py.File(out, "w", libver="earliest") as file:
        file.create_dataset("broken", data=["a value of variable length", "and another one"], dtype=h5py.string_dtype())
        file.create_dataset("sound", data=np.array([SECRET.encode()] * 3))
    return out.getvalue()


def forms() -> bytes:
    """A PDF of two pages, and 12 forms of which each draws the next ten times; the second page draws none."""
    from tests.formats.pdf.building import FONT, stream, text, write

    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents %d 0 R/Resources<</Font<</F1 7 0 R>>%b>>>>"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2>>",
        page % (5, b"/XObject<</X 8 0 R>>"),
        page % (6, b""),
        stream(text("first page") + b"/X Do"),
        stream(text(SECRET)),
        FONT,
    ]
    form = b"/Type/XObject/Subtype/Form/BBox[0 0 300 300]/Resources<<%b>>"
    objects += [stream(b"/X Do " * 10, form % (b"/XObject<</X %d 0 R>>" % number)) for number in range(9, 20)]
    return write([*objects, stream(text("deep"), form % b"/Font<</F1 7 0 R>>")])


def parquet() -> bytes:
    """2,000 rows with one text of a megabyte."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    one = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), pa.array([f"{SECRET} {'la ' * 350_000}"]))
    out = io.BytesIO()
    pq.write_table(pa.table({"t": one}), out, compression="zstd", store_schema=False)
    return out.getvalue()


BOMBS = {"heap.h5": hdf5_heap, "loop.h5": hdf5_looping, "pointer.h5": hdf5_pointer, "forms.pdf": forms, "same.parquet": parquet}


def shard(folder: Path) -> dict[str, object]:
    """All of it in this process: status, and the bounds that ended something."""
    from veritensor_ray.core.config import Settings
    from veritensor_ray.pipeline.run_description import local_context, planned_shards
    from veritensor_ray.pipeline.shard import scan_shard

    context = local_context(Settings.model_validate({"sources": [str(folder)], "engines": ["structure"]}), b"k")
    (one,) = planned_shards(context)
    return {row["artifact"]: [row["status"], _bounds(row), row["segments"]] for row in scan_shard(context, one.rows).to_pylist()}


def inspect(folder: Path) -> dict[str, object]:
    """The same by `vr.inspect`, file by file."""
    import veritensor_ray as vr

    ledgers = {path.name: vr.inspect(path, engines=["structure"]).ledger for path in folder.iterdir()}
    return {name: [row["status"], _bounds(row), row["segments"]] for name, row in ledgers.items()}


def plan(folder: Path) -> dict[str, object]:
    """The same by `plan`: kinds of files with what the samples turned out to be."""
    from veritensor_ray.core.config import Settings
    from veritensor_ray.corpus.planning import plan_rows
    from veritensor_ray.pipeline.bounded.process import Splitter
    from veritensor_ray.pipeline.estimate import calibrate, survey

    settings = Settings.model_validate({"sources": [str(folder)], "limits": {"split_bytes": 1}})
    with Splitter(settings) as split:
        found = survey(plan_rows(settings, ("structure",), split), {}, settings, ("structure",))
    calibrate(found, settings, b"k")
    return {name: [*seen] for name, seen in found.seen.items()}


def _bounds(row: dict[str, list[dict[str, str]]]) -> list[str]:
    return sorted({gap["bound"] for gap in row["gaps"] if gap["bound"]})


def _peak(process: object) -> int:
    """Bytes that a process held at most; the kernel's other number, ru_maxrss, begins with those of who started it."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    from veritensor_ray.pipeline.bounded import process as bounded

    resource.setrlimit(resource.RLIMIT_DATA, (ALLOWED, ALLOWED))
    road = {"shard": shard, "inspect": inspect, "plan": plan}[sys.argv[1]]
    seen = road(Path(sys.argv[2]))
    print(json.dumps({"seen": seen, "peak": max(map(_peak, ("self", bounded.SHARED.pid or "self")))}))
