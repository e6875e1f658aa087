"""The process in which the C++ library decodes an ORC file into an Arrow stream. A damaged file may end it."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

_BATCH_ROWS = 8192
_PR_SET_PDEATHSIG = 1


def decode(path: str, out: str) -> None:
    """Write the rows of an ORC file as an Arrow stream, stripe by stripe."""
    import pyarrow as pa
    from pyarrow import orc

    file = orc.ORCFile(path)
    with pa.OSFile(out, "wb") as sink, pa.ipc.new_stream(sink, file.schema.remove_metadata()) as writer:
        for number in range(file.nstripes):
            batch = file.read_stripe(number)
            for first in range(0, batch.num_rows, _BATCH_ROWS):
                writer.write_batch(batch.slice(first, _BATCH_ROWS).replace_schema_metadata(None))


def main(parent: int, path: str, out: str, most: int) -> None:
    """Decode one file into at most so many bytes. What went wrong is written to standard output."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died in between
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    from veritensor_ray.core.errors import told

    try:
        decode(path, out)
    except Exception as error:  # noqa: BLE001  # the boundary of the file: the library may raise anything for a damaged one
        sys.stdout.write(told(error))
        sys.exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
