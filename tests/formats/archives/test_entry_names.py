"""Names and link targets: what is a hazard, and what only looks like one."""

from __future__ import annotations

from tests.cases import each
from veritensor_ray.formats.archives.entry_names import hazards, link_hazard
from veritensor_ray.formats.archives.entry_report import ArchiveReport


@each(
    ("name", "expected"),
    [
        ("a/b.txt", []),
        ("./a", []),
        ("a..b/c...d", []),
        ("a/../b", []),
        ("system-systemd\\x2dcryptsetup.slice", []),
        ("folder\\file.txt", []),
        ("console.log", []),
        ("icons/nullable.txt", []),
        ("Заметки/日本.txt", []),
        ("Mac/Icon\r", []),
        ("a:b.txt", []),
        ("../a", ["unsafe-path"]),
        ("a/../../b", ["unsafe-path"]),
        ("..\\..\\a", ["unsafe-path"]),
        ("a/..\\../b", ["unsafe-path"]),
        ("C:\\a", ["unsafe-path"]),
        ("c:/a", ["unsafe-path"]),
        ("\\\\host\\share", ["unsafe-path"]),
        ("//host/share", ["unsafe-path"]),
        ("/etc/passwd", ["absolute-path"]),
        ("\\windows\\a", ["absolute-path"]),
        ("photo\u202egnp.exe", ["deceptive-name"]),
        ("a\x00.txt", ["deceptive-name"]),
        ("a\nb", ["deceptive-name"]),
        ("drivers/aux.c", ["reserved-name"]),
        ("CON", ["reserved-name"]),
        ("../nul", ["unsafe-path", "reserved-name"]),
    ],
)
def test_names(name: str, expected: list[str]) -> None:
    assert hazards(name) == expected


@each(
    ("name", "target", "hard", "expected"),
    [
        ("lib/a.so", "a.so.1", False, None),
        ("usr/lib/a", "../../lib/a", False, None),
        ("a", "b/../c", False, None),
        ("a/b", "../..", False, "unsafe-link"),
        ("a", "../b", False, "unsafe-link"),
        ("etc/alternatives/vi", "/usr/bin/vim", False, "absolute-link"),
        ("model.bin", "/etc/passwd", False, "unsafe-link"),
        ("model.bin", "/home/me/.ssh/id_rsa", False, "unsafe-link"),
        ("model.bin", "/proc/self/environ", False, "unsafe-link"),
        ("etc/mtab", "/proc/mounts", False, "absolute-link"),
        ("dev/fd", "/proc/self/fd", False, "absolute-link"),
        ("a", "C:\\secret", False, "unsafe-link"),
        ("b/a", "b/c", True, None),
        ("b/a", "/etc/hosts", True, "unsafe-link"),
        ("b/a", "../c", True, "unsafe-link"),
    ],
)
def test_links(name: str, target: str, hard: bool, expected: str | None) -> None:
    assert link_hazard(name, target, hard) == expected


def test_long_names_are_not_held() -> None:
    report = ArchiveReport()
    report.name("jane.doe@gardens.example " * 50_000)
    assert len(list(report.take())) == 1
