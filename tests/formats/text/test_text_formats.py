"""Formats that are read as they stand: configuration, logs, and what only looks like JSON. Nothing of them is lost, and places are exact."""

from __future__ import annotations

import io
from pathlib import PurePosixPath

from tests.cases import each
from tests.formats.reading import flat, split
from veritensor_ray.core.config import Limits
from veritensor_ray.core.format_table import declared_type
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.recognition import sniff

FILES = {
    "a.yaml": ("application/yaml", "# look here\nkey: value\n---\nother: >\n  a sentence that is\n  folded over lines\n"),
    "a.yml": ("application/yaml", "- look: here\n- |\n  and there\n"),
    "a.toml": ("application/toml", '# look here\n[tool]\nname = """\nover\nlines"""\n'),
    "a.ini": ("text/plain", "; look here\n[section]\nkey = value\n"),
    "a.cfg": ("text/plain", "[section]\nkey = value\n  folded\n"),
    "a.conf": ("text/plain", "# look here\nserver { listen 80; }\n"),
    "a.properties": ("text/plain", "! look here\nkey=value \\\n  goes on\n"),
    "prod.env": ("text/plain", "# look here\nKEY=value\n"),
    ".env": ("text/plain", "KEY=value\n"),
    "app.log": ("text/plain", "2024-01-01 INFO started\n2024-01-01 ERROR look here\n"),
    "app.log.1": ("text/plain", "2024-01-01 INFO started\n"),
    "access.log-20240101": ("text/plain", '127.0.0.1 - - [01/Jan/2024:00:00:00 +0000] "GET / HTTP/1.1" 200 5\n'),
    "journal.export": ("text/plain", "__CURSOR=s=1\nMESSAGE=look here\n\n"),
    "a.json5": ("text/plain", "// look here\n{key: 'value',}\n"),
    "a.hocon": ("text/plain", "include \"b\"\na.b = ${c} // look here\n"),
    "card.md": ("text/markdown", "---\nlicense: mit\n---\n# Data card\n"),
    "dataset.py": ("text/x-python", "import datasets\n\nclass Builder(datasets.GeneratorBasedBuilder):\n    pass\n"),
    "a.cls": ("text/plain", "7"),
}  # fmt: skip


def _source(name: str, content: bytes) -> Source:
    extension = PurePosixPath(name).suffix.lower()
    return Source(io.BytesIO(content), sniff(content, extension), Limits(), extension, name_says=declared_type(extension), name=name)


@each("name", FILES)
def test_read_as_it_stands(name: str) -> None:
    media_type, content = FILES[name]
    source = _source(name, content.encode())
    assert (source.kind.media_type, source.kind.encoding) == (media_type, "utf-8")
    blocks, gaps = split(source)
    assert (flat(blocks, "line", "start", "byte_offset"), gaps) == ([(content, 1, 0, 0)], [])


@each(
    "content",
    [
        '{"a": "look here"} {"b": "and there"}',
        '{\n "a": "look here"\n}\n{\n "b": "and there"\n}\n',
        '{"a": "look here"}\n{"b": "and there"}\n',
        '\x1e{"a": "look here"}\n\x1e{"b": "and there"}\n',
        "{a: 'look here', // a comment\n b: 'and there',}",
        '{"a": "look here", "b": "and there"',
        '["look here"]["and there"]',
    ],
    ids=["one line", "indented", "lines", "RFC 7464", "JSON5", "cut off", "arrays"],
)
@each("name", ["a.json", "a.jsonl", "a.txt", "a"])
def test_what_looks_like_json_is_read_whole(content: str, name: str) -> None:
    blocks, _ = split(_source(name, content.encode()))
    found = "\n".join(flat(blocks))
    assert "look here" in found and "and there" in found
