"""Looks at files that may be configuration or templates: finds out by their content what they are, and judges their nodes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.media_types import JSON, PLAIN, TOML, YAML
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import FileInfo
from veritensor_ray.engines.modelfiles.chat_templates.template_texts import is_chat_template, scan_template
from veritensor_ray.engines.modelfiles.configuration.config_judges import judged_nodes
from veritensor_ray.engines.modelfiles.configuration.config_words import worth_parsing
from veritensor_ray.engines.modelfiles.configuration.huggingface_keys import NAMED
from veritensor_ray.engines.modelfiles.configuration.nodes import (
    MapNode,
    Node,
    NodeDocument,
    ScalarNode,
    decoded,
    parse_text,
    read_document,
)
from veritensor_ray.engines.modelfiles.configuration.seen import TARGET, NodeFound, NodeHit, distinct, placed
from veritensor_ray.engines.modelfiles.effects import Found
from veritensor_ray.engines.modelfiles.graphs.exported_programs import check_exported, is_exported, is_operator
from veritensor_ray.engines.modelfiles.graphs.graph_texts import check_graph, is_graph_text
from veritensor_ray.engines.modelfiles.graphs.paddle_programs import check_paddle, is_paddle
from veritensor_ray.engines.modelfiles.keras.keras_nodes import check_keras
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy

LARGEST = bounds.CONFIG
_WORD = 1000  # bytes that any word by which a finding begins has at most
_KINDS = {JSON: "json", YAML: "yaml", TOML: "toml"}
_EXTENSIONS = {
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".pbtxt": "pbtxt",
    ".prototxt": "pbtxt",
    ".json5": "json",
    ".jsonc": "json",
}
_BLOCK = re.compile(
    r"^[ \t]*(?:layers?|input|node|instance_group|parameters|optimization|dynamic_batching|model_operations)\s*+:?\s*+[{\[<]", re.MULTILINE
)
_FIELD = re.compile(r"^[ \t]*(?:name|platform|backend|max_batch_size)\s*:\s*[\"'\d]", re.MULTILINE)
_FRONT = re.compile(r"(---[ \t]*\r?\n.*?\n)---[ \t]*(?:\r?\n|$)", re.DOTALL)  # the YAML before a text in Markdown
_TAG = re.compile(r"\{[{%]")
_LINE = re.compile(r"^(?:---|[ \t-]*+(?:[\"']?[\w.()/@-]++[\"']?[ \t]*+:(?:[ \t]|$)|%TAG |!))", re.MULTILINE)


def look_at_config(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    """Yield the findings, effects and gaps of a file that may be configuration."""
    data = file.read(LARGEST + 1)
    if len(data) > LARGEST and _is_declared(about) and _worth_reading(file, data):
        yield Gap(f"the configuration after its first {LARGEST} bytes was not checked", engine="modelfiles", bound="config_bytes")
    cut, exported = len(data) > LARGEST, False
    data = data[:LARGEST]
    read = _Documents(data)
    if about.media_type == JSON:
        if is_paddle(data):
            yield from check_paddle(read["json"])
        if exported := is_exported(data):
            yield from check_exported(read["json"], policy)
    if about.extension in (".pbtxt", ".prototxt") and is_graph_text(data):
        yield from check_graph(read["pbtxt"])
    if not worth_parsing(data) and (about.media_type != JSON or about.name not in NAMED):
        return
    text, encoding, mark = decoded(data)
    kind = kind_of(text, about)
    if kind is None or (about.media_type == PLAIN and is_chat_template(text) and not text.lstrip().startswith(('{"', "---"))):
        yield from scan_template(text, mark, chat=is_chat_template(text)) if encoding == "utf-8" and _TAG.search(text) else ()
        return
    document = read[kind]
    for found in distinct(judged_nodes(document.parsed.roots, about.name, policy)):
        if not (exported and isinstance(found, NodeHit) and found.rule == TARGET and is_operator(found.evidence)):
            yield placed(found, document)
    yield from check_keras(document, policy)
    if _is_declared(about) and not cut:
        yield from _gaps(document)


class _Documents(dict[str, NodeDocument]):
    """A file as each kind that it is asked for, parsed once however many looks it gets."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data

    def __missing__(self, kind: str) -> NodeDocument:
        return self.setdefault(kind, read_document(self._data, kind))


def _is_declared(about: FileInfo) -> bool:
    """Return whether a file is configuration by its type or name. What only looks like it may be anything else."""
    return about.media_type in _KINDS or about.extension in _EXTENSIONS


def _worth_reading(file: BinaryIO, data: bytes) -> bool:
    """Return whether a longer file may hold a finding in any part. Much of them are data, in which nothing is missed."""
    while data:
        if is_exported(data) or is_graph_text(data) or worth_parsing(data):
            return True
        data = data[-_WORD:] + more if (more := file.read(LARGEST)) else b""
    return False


def look_at_card(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    """Yield the findings in the YAML before the text of a card of a model or data set, by which the Hub and `datasets` load it."""
    text, encoding, mark = decoded(file.read(bounds.COMMAND))
    front = _FRONT.match(text)
    if front and worth_parsing(front[1].encode("utf-8", "replace")):
        document = NodeDocument(parse_text(front[1], "yaml"), text, encoding, mark)
        for found in distinct(judged_nodes(document.parsed.roots, about.name, policy)):
            yield placed(found, document)


def kind_of(text: str, about: FileInfo) -> str | None:
    """Return what a text is parsed as, None if it is not a configuration."""
    kind = _EXTENSIONS.get(about.extension) or _KINDS.get(about.media_type)
    start = text.lstrip()[:1]
    if kind:
        return (
            "json"
            if kind == "yaml" and start == "{" and text.rstrip()[-1:] == "}" and '": ' in text[:2000] and "!" not in text[:2000]
            else kind
        )
    if start in ("{", "["):
        return "json"
    if _BLOCK.search(text) and _FIELD.search(text):
        return "pbtxt"
    lines = text.count("\n") + 1
    return "yaml" if len(_LINE.findall(text[:100_000])) * 2 > min(lines, 1000) // 2 else None


def _gaps(document: NodeDocument) -> Iterator[Gap]:
    parsed = document.parsed
    if parsed.bound:
        yield Gap("the rest of the configuration was not checked", engine="modelfiles", bound=parsed.bound)
    elif parsed.broken is not None:
        yield Gap(f"configuration that does not parse was not checked after byte {document.place(parsed.broken)}", engine="modelfiles")


def judge_values(values: Iterable[tuple[str, str]], policy: NamePolicy) -> Iterator[NodeFound]:
    """Yield what is found in named texts, such as the metadata of a safetensors file, as if they were the pairs of a mapping."""
    pairs: list[tuple[Node, Node]] = [(ScalarNode(key), ScalarNode(value)) for key, value in values]
    yield from distinct(judged_nodes([MapNode(pairs)], "", policy))
