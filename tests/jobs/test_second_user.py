"""What another user of the machine sees of a run: no secret in the arguments of a process, and no file of it that he may open."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

SITE_KEY, STORE_KEY, WORD = "9b1f" * 16, "wJalrXUtnFEMI-K7MDENG", "Tr0ub4dor-xyzzy"
OPENED_TO_ALL = 0o007
TOKEN = "RAY_AUTH_TOKEN"


def open_to_others(folder: Path) -> Iterator[str]:
    """What is below a folder and may be read or written by every user, unless a folder above it keeps them out."""
    for path in sorted(folder.iterdir()):
        with contextlib.suppress(FileNotFoundError):  # a temporary file of the run
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                continue
            if stat.S_ISDIR(mode):
                yield from open_to_others(path) if mode & OPENED_TO_ALL else ()
            elif mode & OPENED_TO_ALL:
                yield f"{path.relative_to(folder)} {mode:o}"


def seen(process: psutil.Process) -> Iterator[tuple[list[str], str]]:
    """The arguments of a process and of all its descendants, with the token in their environment, which other users do not see."""
    for one in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.Error, OSError):
            yield one.cmdline(), one.environ().get(TOKEN, "")


@pytest.mark.ray
@pytest.mark.slow
def test_a_second_user_sees_no_secret_and_opens_no_file(tmp_path: Path) -> None:
    home, temporary, out = tmp_path / "home", tmp_path / "tmp", tmp_path / "out"
    for folder in (home, temporary, tmp_path / "corpus"):
        folder.mkdir()
    temporary.chmod(0o1777)
    for number in range(20):
        (tmp_path / "corpus" / f"{number}.txt").write_text(f"password = '{WORD}{number}'\n" * 200)
    config = tmp_path / "site.yaml"
    config.write_text(
        "site_key: env:SITE_KEY\nstores: {'s3://bucket': {key: 'env:STORE_KEY', secret: 'env:STORE_KEY'}}\nengines: [secrets]\n"
    )
    with tempfile.TemporaryDirectory(prefix="vr", dir="/tmp") as session:  # names of Ray's sockets have to be short
        own = {"SITE_KEY": SITE_KEY, "STORE_KEY": STORE_KEY, "HOME": str(home), "TMPDIR": str(temporary), "RAY_TMPDIR": session}
        env = (
            {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "RAY_"))}
            | own
            | {"PYTHONPATH": str(Path(__file__).parents[2])}
        )
        command = [
            sys.executable,
            "-m",
            "veritensor_ray",
            "submit",
            str(tmp_path / "corpus"),
            "--output",
            str(out),
            "--address",
            "embedded",
            "--config",
            str(config),
        ]
        with (tmp_path / "log").open("wb") as log:
            running = psutil.Popen(command, env=env, cwd=home, stdout=log, stderr=log, umask=0o022)
        arguments, tokens, opened = set[str](), set[str](), set[str]()
        while running.poll() is None:
            for words, token in seen(running):
                arguments |= set(words)
                tokens |= {token}
            opened |= {*open_to_others(temporary), *open_to_others(Path(session))}
            with contextlib.suppress(psutil.TimeoutExpired):
                running.wait(0.2)
    assert running.returncode == 0, (tmp_path / "log").read_text()
    hidden = {SITE_KEY, STORE_KEY, WORD, *tokens} - {""}
    assert any("raylet" in words for words in arguments), "Ray was seen"
    assert len(tokens - {""}) == 1, "its token was seen in an environment"
    assert [(word, words) for words in arguments for word in hidden if word in words] == []
    assert sorted(opened) + list(open_to_others(home)) + list(open_to_others(out)) == []
