"""Remembers what a model answered, so that a text that a corpus repeats is read once: by a process, or by all model actors of a machine.

The answers of several processes meet in a file that exists only in memory. It has no name in any folder, so nothing is left behind when
the last process that has it open ends, however it ends. Where the system has no such files, every process remembers for itself.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

Place = tuple[str, int, int]  # where another process of this machine can open the file, and its device and inode

_KNOWN = 1 << 17  # answers that a process remembers of each model
_SHARED = 1 << 26  # bytes of the file; what is answered later stays with its process


class _Log:
    """A file of lines, one for each answer. Appending is atomic, and a line counts once its end is there, so that no lock is needed."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        about = os.fstat(descriptor)
        self.place: Place = (f"/proc/{os.getpid()}/fd/{descriptor}", about.st_dev, about.st_ino)

    @classmethod
    def new(cls) -> _Log:
        """Create an empty file. Raises OSError if the system refuses it, and AttributeError if it has no files in memory."""
        created = os.memfd_create("answers")
        try:
            return cls.at(f"/proc/self/fd/{created}")
        finally:
            os.close(created)

    @classmethod
    def at(cls, path: str) -> _Log:
        """Open the file of another process. Raises OSError."""
        return cls(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK))

    def close(self) -> None:
        os.close(self._descriptor)

    def append(self, lines: Iterable[str]) -> None:
        data = "".join(f"{line}\n" for line in lines).encode()
        if os.fstat(self._descriptor).st_size + len(data) <= _SHARED:
            with contextlib.suppress(OSError):  # memory is short: the others compute it themselves
                os.write(self._descriptor, data)

    def after(self, offset: int) -> tuple[list[bytes], int]:
        """Return the whole lines after an offset, and the offset after them."""
        data = os.pread(self._descriptor, os.fstat(self._descriptor).st_size - offset, offset)
        end = data.rfind(b"\n") + 1
        return data[:end].splitlines(), offset + end


_log: _Log | None = None  # of this process, once it shares its answers


def share(place: Place | None) -> Place | None:
    """Share this process's answers with those that have the file at `place` open, or in a new file.

    Returns where others find the file, or None if answers cannot be shared here.
    """
    global _log
    if _log is None:
        with contextlib.suppress(OSError, AttributeError):
            _log = (_opened(place) if place else None) or _Log.new()
    return _log.place if _log else None


def _opened(place: Place) -> _Log | None:
    try:
        log = _Log.at(place[0])
    except OSError:
        return None
    if log.place[1:] == place[1:]:
        return log
    log.close()  # the number of the process means another one here
    return None


class ModelAnswers(Generic[Item, Answer]):
    """The latest answers of a model by the key of what it was asked about.

    `model` tells the models of a process apart. `pack` makes of an answer what JSON can hold, and `unpack` the answer again.
    """

    def __init__(self, model: str, pack: Callable[[Answer], Any], unpack: Callable[[Any], Answer]) -> None:
        self._model, self._pack, self._unpack = model, pack, unpack
        self._known: OrderedDict[bytes, Answer] = OrderedDict()
        self._heard = 0

    def __len__(self) -> int:
        return len(self._known)

    def of(self, keys: Sequence[bytes], items: Sequence[Item], ask: Callable[[list[Item]], Iterable[Answer]]) -> list[Answer]:
        """Return the answer for each item. `ask` answers those whose key is unknown, each once."""
        self._listen()
        new = {key: item for key, item in zip(keys, items, strict=True) if key not in self._known}
        if new:
            found = dict(zip(new, ask(list(new.values())), strict=True))
            self._known.update(found)
            if _log:
                _log.append(json.dumps([self._model, key.hex(), self._pack(answer)]) for key, answer in found.items())
        for key in keys:
            self._known.move_to_end(key)
        answers = [self._known[key] for key in keys]
        while len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        return answers

    def _listen(self) -> None:
        """Take over what other processes have learned."""
        if _log is None:
            return
        lines, self._heard = _log.after(self._heard)
        for line in lines:
            try:
                model, key, answer = json.loads(line)
            except ValueError:
                continue  # cut when memory was short, so that the next line begins in it
            if model == self._model:
                self._known.setdefault(bytes.fromhex(key), self._unpack(answer))
