"""Keeps the working directory and the corpus off Python's import path, where a file such as pyarrow.py would be run.

There must be no `from __future__` here, and no module that the interpreter has not already loaded: each of them would be looked up in
the very folder that this module takes off the path.
"""

import os
import site
import sys

_VARIABLE = "PYTHONPATH"
_SAFE = "PYTHONSAFEPATH"  # keeps the folder of the script and the working directory off the path of child processes


class Guard:
    """Inside this context nothing is imported from the working directory, or from `folders` and below, neither here nor in child processes.

    The folders that Python itself, installed packages and this package are loaded from stay on the path, wherever they are. Other folders
    of PYTHONPATH stay as well, since somebody named them.
    """

    def __init__(self, *folders: "str | os.PathLike[str]") -> None:
        self._folders = [os.path.realpath(folder) for folder in folders]
        self._path: list[str] = []
        self._environment: dict[str, str | None] = {}

    def __enter__(self) -> "Guard":
        self._path = sys.path[:]
        self._environment = {name: os.environ.get(name) for name in (_VARIABLE, _SAFE)}
        sys.path[:] = self._kept(sys.path)
        os.environ[_SAFE] = "1"
        if named := os.environ.pop(_VARIABLE, ""):
            os.environ[_VARIABLE] = os.pathsep.join(self._kept(named.split(os.pathsep)))
        return self

    def __exit__(self, *error: object) -> None:
        added = [entry for entry in sys.path if entry not in self._path]
        sys.path[:] = self._path + added
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def _kept(self, entries: list[str]) -> list[str]:
        return [entry for entry in entries if not self.refuses(entry)]

    def refuses(self, entry: str) -> bool:
        """Whether an entry of the import path is the working directory, or lies in one of the folders."""
        folder = os.path.realpath(entry or os.curdir)
        if folder in _TRUSTED:
            return False
        return folder == os.path.realpath(os.curdir) or self.within(folder)

    def within(self, path: str) -> bool:
        """Whether a path lies in one of the folders, or is one of them."""
        real = os.path.realpath(path)
        return any(os.path.commonpath((real, other)) == other for other in self._folders)


def _trusted() -> frozenset[str]:
    """Returns the folders of the standard library, of installed packages and of this package."""
    library, package = os.path.dirname(os.__file__), os.path.realpath(os.path.join(__file__, "../../.."))
    folders = [library, os.path.join(library, "lib-dynload"), package, *site.getsitepackages(), site.getusersitepackages()]
    return frozenset(map(os.path.realpath, folders))


_TRUSTED = _trusted()
