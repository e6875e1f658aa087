"""Reject phrases that make the project's English hard to read.

    python -m tools.words [PATH ...]

It reads pages (Markdown) as a whole, except code, and of Python files the docstrings and the strings that hold a sentence. Without paths it
reads the project's pages and its package. It prints `path:line: phrase → what to write instead`, and fails if there is one.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/**/*.md")
SOURCES = ("veritensor_ray/**/*.py", "actors/*.py", "jobs/*.py")

# What reads badly, and what to write instead.
PHRASES: tuple[tuple[str, str], ...] = (
    (r"(?<!there )\b(?:is|are|was|were) no (?!longer|more|less|fewer|need|worse|better|different|one\b|other|way\b|such\b|point\b)\w+", "is not a …"),
    (r"\bgo(?:es|ne)? on with\b", "resumes, continues"),
    (r"\banother (?:one )?than\b|\bother one than\b", "differs from"),
    (r"\bbut for (?:the|those|what|a|its|their)\b", "except"),
    (r"\btells? (?:of|whether|how|what|which|why|where|it)\b|\bis told by\b", "says, reports"),
    (r"\bfalse alarms?\b", "false positive"),
    (r"\bknows (?:no|nothing)\b|\bknow (?:no|nothing)\b", "does not depend on, is independent of"),
    (r"\bgaps? which\b", "gaps that"),
    (r"\bon which hereof\b|\bthereof\b|\bhereof\b", "its"),
    (r"\bat all times all\b", "always"),
)  # fmt: skip
_PATTERN = re.compile("|".join(f"(?P<p{i}>{re.sub(r'(?<!there) ', ' +', phrase)})" for i, (phrase, _) in enumerate(PHRASES)), re.IGNORECASE)
_CODE = re.compile(r"^```.*?^```|^ {4}.*?$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def odd(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the line (from 1), the phrase and what to write instead."""
    for found in _PATTERN.finditer(text.replace("\n", " ")):  # a phrase may cross the end of a line
        yield text.count("\n", 0, found.start()) + 1, " ".join(found[0].split()), PHRASES[int(str(found.lastgroup)[1:])][1]


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the passages of a file that people read, each with the line that it begins on."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield 1, _CODE.sub(lambda code: re.sub(r"[^\n]", "·", code[0]), text)
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.count(" ") > 1:
            yield node.lineno, node.value


def main(paths: Sequence[str]) -> int:
    """Print all findings; the exit code is 1 if there is one."""
    files = [Path(path) for path in paths] or [file for glob in (*PAGES, *SOURCES) for file in sorted(ROOT.glob(glob))]
    count = 0
    for file in files:
        for begins, text in prose(file):
            for line, phrase, better in odd(text):
                print(f"{file.relative_to(ROOT) if file.is_relative_to(ROOT) else file}:{begins + line - 1}: {phrase} → {better}")
                count += 1
    return min(count, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
