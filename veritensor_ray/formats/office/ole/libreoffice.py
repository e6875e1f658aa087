"""Has LibreOffice write old office files as DOCX, XLSX and PPTX, which can be rewritten.

LibreOffice parses hostile bytes here, so it runs in a process group of its own, with limits on time, memory, size of files and processors'
time, an empty profile that forbids macros, links and other active content, none of this process's environment, and, where the system
allows it, without a network and in namespaces of its own. The result is hostile too: it is read and searched like any other file.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

from veritensor_ray.core import bounds
from veritensor_ray.core.reasons import CopyCode
from veritensor_ray.formats.common.file_ranges import copy_range
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.converted_formats import Pulse
from veritensor_ray.formats.editing.actions import CannotRewriteError

PROGRAM = "soffice"
_PATH = "/usr/local/bin:/usr/bin:/bin"
_MEMORY = bounds.CONVERTER_MEMORY
_FILE = bounds.CONVERTED
_PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
{}</oor:items>
"""
_SECURITY = "org.openoffice.Office.Common/Security/Scripting"
# No macros at the highest level of security, nothing that is loaded from elsewhere, no updates of links, and a proxy that does not exist.
_SETTINGS = (
    (_SECURITY, "MacroSecurityLevel", "3"),
    (_SECURITY, "DisableMacrosExecution", "true"),
    (_SECURITY, "DisableActiveContent", "true"),
    (_SECURITY, "BlockUntrustedRefererLinks", "true"),
    (_SECURITY, "DisableOLEAutomation", "true"),
    ("org.openoffice.Office.Writer/Content/Update", "Link", "0"),
    ("org.openoffice.Office.Calc/Content/Update", "Link", "2"),
    ("org.openoffice.Office.Common/Misc", "FirstRun", "false"),
    ("org.openoffice.Inet/Settings", "ooInetProxyType", "1"),
    ("org.openoffice.Inet/Settings", "ooInetHTTPProxyName", "127.0.0.1"),
    ("org.openoffice.Inet/Settings", "ooInetHTTPProxyPort", "9"),
    ("org.openoffice.Inet/Settings", "ooInetHTTPSProxyName", "127.0.0.1"),
    ("org.openoffice.Inet/Settings", "ooInetHTTPSProxyPort", "9"),
)
_UNSHARE = ("unshare", "--user", "--map-current-user", "--net", "--ipc", "--pid", "--fork", "--kill-child")


class _Filters(NamedTuple):
    """The names of LibreOffice's filters: those that read, by the streams that tell the version, and the one that writes."""

    extension: str
    reads: str
    writes: str


_DOCX = _Filters("doc", "MS Word 97", "MS Word 2007 XML")
_XLSX = _Filters("xls", "MS Excel 97", "Calc MS Excel 2007 XML")
_PPTX = _Filters("ppt", "MS PowerPoint 97", "Impress MS PowerPoint 2007 XML")


def _write(filters: _Filters, becomes: str, source: Source, out: BinaryIO, pulse: Pulse) -> None:
    """Write the document in its new format. Raises CannotRewriteError."""
    program = shutil.which(PROGRAM)
    if program is None:
        said = f"LibreOffice is not on this machine: install it, so that `{PROGRAM}` is on the PATH of the workers"
        raise CannotRewriteError(said, CopyCode.TYPE_NOT_REWRITTEN)
    with tempfile.TemporaryDirectory(prefix="veritensor-ray-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with (folder / f"it.{filters.extension}").open("xb") as file:
            source.file.seek(0)
            copy_range(source.file, file, 0, None, pulse)
        _run(program, folder, filters, becomes, pulse)
        made = folder / "out" / f"it.{becomes}"
        if made.is_symlink() or not made.is_file():
            raise CannotRewriteError("LibreOffice cannot convert it", CopyCode.TYPE_NOT_REWRITTEN)
        with made.open("rb") as new:
            copy_range(new, out, 0, None, pulse)


write_as_docx = partial(_write, _DOCX, "docx")
write_as_xlsx = partial(_write, _XLSX, "xlsx")
write_as_pptx = partial(_write, _PPTX, "pptx")


def _run(program: str, folder: Path, filters: _Filters, becomes: str, pulse: Pulse) -> None:
    """Run LibreOffice, and end all of it when it has taken too long. Raises CannotRewriteError."""
    profile = folder / "profile" / "user"
    profile.mkdir(parents=True)
    (profile / "registrymodifications.xcu").write_text(_profile())
    for one in ("home", "tmp", "out"):
        (folder / one).mkdir()
    command = [
        *isolation(),
        # a shell sets the limits: a function between fork and exec would not be safe beside threads. The last limit outlives this process
        *("sh", "-c", f'ulimit -c 0; ulimit -d {_MEMORY >> 10}; ulimit -f {_FILE >> 9}; ulimit -t {_SECONDS}; exec "$@"', "sh"),
        *("timeout", "--signal=KILL", str(_SECONDS)) * bool(shutil.which("timeout")),
        program,
        *("--headless", "--invisible", "--norestore", "--nologo", "--nodefault", "--nolockcheck", "--nofirststartwizard"),
        f"-env:UserInstallation={(folder / 'profile').as_uri()}",
        f"--infilter={filters.reads}",
        *("--convert-to", f"{becomes}:{filters.writes}", "--outdir", str(folder / "out"), str(folder / f"it.{filters.extension}")),
    ]
    environment = {
        "PATH": _PATH,
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        "SAL_USE_VCLPLUGIN": "svp",
    }
    nothing = subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            command, stdin=nothing, stdout=nothing, stderr=nothing, env=environment, cwd=folder, start_new_session=True
        )
    except OSError as error:
        raise CannotRewriteError(f"LibreOffice cannot be started: {error.strerror}") from None
    try:
        while process.poll() is None:
            pulse()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_TURN)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


_SECONDS = bounds.CONVERTING
_TURN = 0.5  # seconds between two signs of life


@functools.cache
def isolation() -> tuple[str, ...]:
    """Return the command that runs another one without a network and apart from other processes; empty if the system does not allow it."""
    if shutil.which(_UNSHARE[0]) is None:
        return ()
    done = subprocess.run([*_UNSHARE, "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)
    return _UNSHARE if done.returncode == 0 else ()


def _profile() -> str:
    items = (
        f'<item oor:path="/{path}"><prop oor:name="{name}" oor:op="fuse"><value>{value}</value></prop></item>\n'
        for path, name, value in _SETTINGS
    )
    return _PROFILE.format("".join(items))
