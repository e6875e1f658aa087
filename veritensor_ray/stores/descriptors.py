"""Flags for opening local files. Windows has only some of them, and clients run there too."""

from __future__ import annotations

import os

NO_LINK = getattr(os, "O_NOFOLLOW", 0)
# Without blocking, because opening a named pipe would wait for a writer, and without translating line ends.
UNBLOCKED = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
READING = os.O_RDONLY | UNBLOCKED
