"""Reads YAML files that anyone may have written, such as a policy, into a model. Every mistake becomes one sentence with its line.

It does not depend on what the files say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import ValidationError

from veritensor_ray.core.config import Section, explain
from veritensor_ray.core.errors import UsageError

if TYPE_CHECKING:
    from yaml import SafeLoader as _Base
else:  # libyaml's parser is ten times as fast
    _Base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_MOST_NODES = 1_000_000
_MOST_DEPTH = 8
_EXPLAINED = 20  # mistakes that one message names
_Model = TypeVar("_Model", bound=Section)


@dataclass(frozen=True, slots=True)
class FileKind:
    """One kind of file: its name and its page in messages, its largest size, and remedies for a wrong name and for one that is too large."""

    name: str
    page: str
    most_bytes: int
    naming: str
    missing: str
    shorter: str

    def read(self, file: Path) -> str:
        """Return the text of a file with its line ends. Raises UsageError if it is not readable text, or too large."""
        try:
            if file.exists() and not file.is_file():
                raise UsageError(f"{self.name} {file} is not a regular file. {self.naming}")
            with file.open("rb") as opened:
                data = opened.read(self.most_bytes + 1)
        except FileNotFoundError:
            raise UsageError(f"{self.name} {file} does not exist. {self.missing}") from None
        except OSError as error:
            raise UsageError(f"{self.name} {file} cannot be read ({error.strerror}). Correct its permissions") from None
        return self.text(data, str(file))

    def text(self, data: bytes, file: str) -> str:
        """Return the text of a file's bytes. Raises UsageError if it is too large or not UTF-8."""
        if len(data) > self.most_bytes:
            raise UsageError(f"{self.name} {file} is larger than {self.most_bytes >> 20} MiB. {self.shorter}")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise UsageError(f"{self.name} {file} is not UTF-8. Save it as UTF-8") from None

    def check_size(self, data: bytes, file: str) -> None:
        """Raise UsageError for the content of a file that could not be read again."""
        if len(data) > self.most_bytes:
            raise UsageError(f"{self.name} {file} would be larger than {self.most_bytes >> 20} MiB and was not changed. {self.shorter}")

    def called(self, file: str | None) -> str:
        """Return what messages call a file; None means that the content did not come from a file."""
        return f"the {self.name}" if file is None else f"{self.name} {file}"

    def parse(self, text: str, file: str | None, model: type[_Model]) -> _Model:
        """Return what a text says; `file` is used in messages. Raises UsageError that names the wrong key and the nearest known one."""
        called = self.called(file)
        try:
            _refuse_tricks(text)
            root, data = _loaded(text)
        except yaml.MarkedYAMLError as error:
            at = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
            problem = ", ".join(filter(None, (error.context, error.problem)))
            raise UsageError(f"{called}: {at}{problem}. {self.page} describes the format") from None
        except (yaml.YAMLError, ValueError, RecursionError, AttributeError) as error:  # the last three: hostile tags
            raise UsageError(f"{called}: {error}. {self.page} describes the format") from None
        if not isinstance(data or {}, dict):
            raise UsageError(f"{called}: the top level must be a mapping with the keys {', '.join(model.model_fields)}")
        try:
            return model.model_validate(data or {})
        except ValidationError as error:
            lines = islice(_explained(error, model, None if file is None else root), _EXPLAINED)
            raise UsageError("\n".join(f"{called}: {line}" for line in lines)) from None


def _loaded(text: str) -> tuple[Any, Any]:
    """Return the tree of a text, which knows lines, and its content; both are None for an empty one. Raises what the loader raises."""
    loader = Loader(text)
    try:
        root = loader.get_single_node()
        return root, None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def _explained(error: ValidationError, model: type[Section], root: Any) -> Iterator[str]:
    """Yield each mistake, with its line if there is a tree that knows lines."""
    for problem, sentence in zip(error.errors(), explain(error, model, "key"), strict=True):
        yield f"line {_line(root, problem['loc'])}: {sentence}" if root else sentence


def _line(node: Any, path: tuple[int | str, ...]) -> int:
    """Return the line, counted from 1, of the value or key that a path leads to, or of the nearest one above it."""
    mark = node.start_mark if node else None
    for part in path:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            mark = node.start_mark
        elif isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == part), None)
            if pair is None:
                break
            mark, node = pair[0].start_mark, pair[1]
    return mark.line + 1 if mark else 1


def _refuse_tricks(text: str) -> None:
    """Refuse what turns a small file into a huge or deeply nested one. Raises ValueError."""
    depth = nodes = 0
    event: Any
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ValueError(f"anchors and aliases are not allowed (line {event.start_mark.line + 1}); write the entry out")
        nodes += isinstance(event, yaml.NodeEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MOST_DEPTH or nodes > _MOST_NODES:
            raise ValueError(f"more than {_MOST_DEPTH} levels or {_MOST_NODES} values are not allowed")


class Loader(_Base):
    """A loader that reads every scalar except null as text, and rejects duplicate keys.

    An ID of digits stays text, and `off` does not become a boolean.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012  # as in PyYAML
        first: [(tag, pattern) for tag, pattern in known if tag == "tag:yaml.org,2002:null"]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names: set[str] = set()
        for key in (key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key in names:
                raise ValueError(f"the key {key} appears twice (line {node.start_mark.line + 1})")
            names.add(key)
        return super().construct_mapping(node, deep)
