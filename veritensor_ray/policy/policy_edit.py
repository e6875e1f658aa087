"""Add a suppression to the text of a policy file, without changing any other line of it.

ruamel.yaml, which also keeps comments, writes the whole file anew: with its own indentation of lists, its own line endings and without a
byte order mark, so that the reviewer of a one-line change would read all of it. This module does not depend on findings or a terminal.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from veritensor_ray.core.errors import CannotRunError, UsageError
from veritensor_ray.masking.redaction import visible
from veritensor_ray.policy.policy_file import FILE, Policy, Suppression, parse, read
from veritensor_ray.policy.yaml_file import Loader

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_KEYS = ("finding", "fingerprint", "rule", "sha256", "path", "reason", "owner", "expires", "id")
_BY_HAND = "use block style with `- ` before each entry, or add the entry by hand"


def add_to_file(path: Path, entry: Suppression) -> None:
    """Write an entry to a policy file, completely or not at all. A new file gets mode 0600.

    Raises UsageError if the layout of the file does not allow it, and CannotRunError if the file cannot be written.
    """
    target = path.resolve()  # a link stays a link
    try:
        with _alone(target.parent):
            text = added(read(target) if target.exists() else "", entry, str(path))
            data = text.encode()
            FILE.check_size(data, str(path))
            _replace(target, data)
    except OSError as error:
        raise CannotRunError(f"policy file {path} cannot be written ({error.strerror}). Its folder must exist and be writable") from None


def added(text: str, entry: Suppression, file: str) -> str:
    """Return the text with the entry as the last suppression. Raises UsageError unless only that entry is added."""
    before = parse(text, file)
    mark = "\ufeff" * text.startswith("\ufeff")  # positions do not count it
    result = mark + _inserted(text.removeprefix(mark), entry, file)
    try:
        after = parse(result, file)
    except UsageError:
        after = Policy()
    expected = before.model_copy(update={"suppressions": (*before.suppressions, entry)})
    if after.model_dump() != expected.model_dump():
        raise UsageError(f"policy file {file} has a layout to which nothing can be added safely. It was not changed; {_BY_HAND}")
    return result


def _inserted(text: str, entry: Suppression, file: str) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    try:
        root: Any = yaml.compose(text, Loader=Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"policy file {file}: {error}; {_BY_HAND}") from None
    if not isinstance(root, yaml.MappingNode):  # empty, or only comments
        return _appended(text, newline, _section(entry, "", newline))
    if root.flow_style:
        raise UsageError(f"policy file {file} is written in braces; {_BY_HAND}")
    margin = " " * root.start_mark.column
    value = next((value for key, value in root.value if key.value == "suppressions"), None)
    if value is None:
        return _appended(text, newline, _section(entry, margin, newline))
    if isinstance(value, yaml.SequenceNode) and value.value:
        if value.flow_style:
            raise UsageError(f"suppressions in policy file {file} is a list in brackets; {_BY_HAND}")
        return _after_last(text, value, entry, newline)
    return _in_place_of_nothing(text, value, _lines(entry, f"{margin}  ", newline), newline)


def _section(entry: Suppression, margin: str, newline: str) -> str:
    return f"{margin}suppressions:{newline}{_lines(entry, f'{margin}  ', newline)}"


def _lines(entry: Suppression, margin: str, newline: str) -> str:
    """Return an entry as an item of a list. Text is quoted, so that it cannot be read as anything else."""
    values = [(name, value) for name in _KEYS if (value := getattr(entry, name)) is not None]
    words = [f"{name}:{_value(value, f'{newline}{margin}    - ')}" for name, value in values]
    return "".join(f"{margin}{'  ' if number else '- '}{word}{newline}" for number, word in enumerate(words))


def _value(value: str | tuple[str, ...] | date, item: str) -> str:
    """Return the value of a key; of several ids, each on a line that begins with `item`."""
    if isinstance(value, tuple):
        return "".join(f'{item}"{one}"' for one in value)
    return f" {_scalar(value) if isinstance(value, str) else value.isoformat()}"


def _scalar(text: str) -> str:
    """Return one line in double quotes. Characters that no editor shows are escaped, because people review this file."""
    quoted: str = yaml.safe_dump(text, default_style='"', width=1 << 30, allow_unicode=visible(text) == text)
    return quoted.strip()


def _appended(text: str, newline: str, section: str) -> str:
    return text + (newline if text and not text.endswith(("\n", "\r")) else "") + section


def _in_place_of_nothing(text: str, value: Any, lines: str, newline: str) -> str:
    """Replace `suppressions:` followed by nothing, null or `[]`."""
    start, end = value.start_mark.index, value.end_mark.index
    if "#" in text[start:end]:
        return text  # a comment in the brackets would be lost; the caller rejects unchanged text
    kept = text[:start].rstrip(" \t") if end > start else text[:start]
    at = _line_end(text, end)
    return _appended(kept + text[end:at], newline, lines) + text[at:]


def _after_last(text: str, items: Any, entry: Suppression, newline: str) -> str:
    """Insert after the last item and the comments indented like its content."""
    column = items.start_mark.column
    at = _item_end(text, items)
    while (comment := re.compile(r"([ \t]*)#[^\r\n]*").match(text, at)) and len(comment[1]) > column:
        at = _line_end(text, comment.end())
    return _appended(text[:at], newline, _lines(entry, " " * column, newline)) + text[at:]


def _item_end(text: str, node: Any) -> int:
    """Return where the line after the last value of a node begins. The end of a block node lies after trailing comments."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        node = node.value[-1] if isinstance(node, yaml.SequenceNode) else node.value[-1][1]
    end = node.end_mark
    return int(end.index) if end.column == 0 else _line_end(text, end.index)


def _line_end(text: str, at: int) -> int:
    """Return the beginning of the next line, or the end of the text."""
    found = re.compile(r"\r\n?|\n").search(text, at)
    return found.end() if found else len(text)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock the folder, because two of these commands at once would lose an entry. The lock leaves no file behind.

    Windows cannot lock a folder.
    """
    if fcntl is None:
        yield
        return
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # file systems without locks
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _replace(target: Path, data: bytes) -> None:
    """Replace the file in one step, keeping its mode and, if allowed, its owner."""
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    temporary.touch(mode=0o600, exist_ok=False)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if target.exists():
                about = target.stat()
                with contextlib.suppress(PermissionError, AttributeError):  # Windows files have neither these owners nor modes
                    os.fchown(file.fileno(), about.st_uid, about.st_gid)
                os.chmod(file.fileno() if os.chmod in os.supports_fd else temporary, about.st_mode & 0o7777)  # noqa: PTH101  # Windows has no fchmod
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
