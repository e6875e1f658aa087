"""The nodes of JSON, YAML, TOML and protocol buffers in text form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cases import each
from veritensor_ray.engines.modelfiles.configuration.nodes import (
    ListNode,
    MapNode,
    Node,
    NodeDocument,
    ScalarNode,
    read_document,
    texts,
    walk,
)


def plain(node: Node) -> Any:
    """The node without places: mappings as lists of pairs, tags as `(tag, value)`."""
    value: Any = node.value if isinstance(node, ScalarNode) else [plain(one) for one in node.items] if isinstance(node, ListNode) else None
    if isinstance(node, MapNode):
        value = [(plain(key), plain(one)) for key, one in node.pairs]
    return (node.tag, value) if node.tag else value


def read(data: bytes, kind: str) -> list[Any]:
    return [plain(root) for root in read_document(data, kind).parsed.roots]


PYTHON = "tag:yaml.org,2002:python/object/apply:os.system"


@each(
    ("kind", "data", "expected"),
    [
        ("json", b'{"a": [1, -2.5, true, null, "x"]}', [[("a", [1, -2.5, True, None, "x"])]]),
        ("json", b'{"a": 1, "a": 2}', [[("a", 1), ("a", 2)]]),
        ("json", b'{"\\u0061\\x62": "\\ud83d\\ude00"}', [[("ab", "\U0001f600")]]),
        ("json", b"// c\n{a: 'x', /* d */ b: NaN, c: [1,],} # e", [[("a", "x"), ("b", pytest.approx(float("nan"), nan_ok=True)), ("c", [1])]]),
        ("json", b'{"a": 1}\n{"b": 2}\n', [[("a", 1)], [("b", 2)]]),
        ("json", '\ufeff{"ä": "ö"}'.encode(), [[("ä", "ö")]]),
        ("json", '{"ä": "ö"}'.encode("utf-16"), [[("ä", "ö")]]),
        ("json", '{"ä": "ö"}'.encode("utf-32-be"), [[("ä", "ö")]]),
        ("json", b'{"a": {"b": 1}, "c": [2, {"d"', [[("a", [("b", 1)]), ("c", [2, []])]]),
        ("json", b'{"a": 1 "b": 2}', [[("a", 1), ("b", 2)]]),
        ("json", b'{"a" 1, "b": 2}', [[]]),
        ("json", b"plain", ["plain"]),
        ("yaml", b"a: {b: [1, yes, ~, 'yes', 1.5]}", [[("a", [("b", [1, True, None, "yes", "1.5"])])]]),
        ("yaml", b"? a\n: >-\n  x\n  y\n? |\n  k\n: 1\n", [[("a", "x y"), ("k\n", 1)]]),
        ("yaml", b"a: &x {k: v}\nb: *x\nc: {<<: *x, k: w}\n", [[("a", [("k", "v")]), ("b", [("k", "v")]), ("c", [("k", "v"), ("<<", [("k", "v")]), ("k", "w")])]]),
        ("yaml", b"a: 1\n---\na: 2\n", [[("a", 1)], [("a", 2)]]),
        ("yaml", b"!!python/object/apply:os.system [id]", [(PYTHON, ["id"])]),
        ("yaml", b"%TAG !p! tag:yaml.org,2002:py\n---\n!p!thon/object/apply:os.system [id]", [(PYTHON, ["id"])]),
        ("yaml", b"!<tag:yaml.org,2002:python/object/apply:os.system> [id]", [(PYTHON, ["id"])]),
        ("yaml", b"!!p%79thon/object/apply:os.system [id]", [(PYTHON, ["id"])]),
        ("yaml", b'"\\x5ftarget_": "os.sys\\\n  tem"', [[("_target_", "os.system")]]),
        ("yaml", b"a: 1\nb: [2, c: }\n", [[("a", 1), ("b", [2, [("c", None)]])]]),
        ("yaml", b"a: &a [*a]\n", None),
        ("toml", b'a = 1\n[b.c]\nd = "x"\n[[e]]\nf = [true]\n', [[("a", 1), ("b", [("c", [("d", "x")])]), ("e", [[("f", [True])]])]]),
        ("toml", b"a = 1\nb = = 2\nc = 3\n", [[("a", 1)]]),
        ("pbtxt", b'name: "x" layer { type: "Py" "thon" p: [1, 2] } # c\nlayer: < q: TRUE; >', [[("name", "x"), ("layer", [("type", "Python"), ("p", [1, 2])]), ("layer", [("q", "TRUE")])]]),
        ("pbtxt", b'a: "\\157s"', [[("a", "os")]]),
    ],
)  # fmt: skip
def test_trees(kind: str, data: bytes, expected: list[Any] | None) -> None:
    if expected is None:
        assert len(list(walk(read_document(data, kind).parsed.roots))) == 3
    else:
        assert read(data, kind) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"])
@pytest.mark.parametrize(("kind", "text"), [("json", '{"é": ["\U0001f600", "needle"]}'), ("yaml", "é:\n- \U0001f600\n- 'needle'\n"), ("toml", 'a = "é"\nb = "needle"\n')])  # fmt: skip
def test_places_are_bytes_of_the_file(encoding: str, kind: str, text: str) -> None:
    data = (text * (1 if kind == "toml" else 2000) if kind != "yaml" else text).encode(encoding)
    document = read_document(data, kind)
    [*_, node] = [one for one in walk(document.parsed.roots) if isinstance(one, ScalarNode) and one.value == "needle"]
    start, end = document.span(node)
    plain_encoding = document.encoding
    assert data[start:end].decode(plain_encoding).strip("\"'") == "needle"


@pytest.mark.parametrize(
    ("kind", "data", "broken", "bound"),
    [
        ("json", b'{"a": 1}', False, None),
        ("json", b'{"a": 1', True, None),
        ("json", b"[" * 100_000, True, "config_depth"),
        pytest.param("json", b"[" + b"0," * 1_000_001 + b"]", True, "config_nodes", marks=pytest.mark.slow, id="many"),
        ("yaml", b"[" * 100_000, True, None),
        ("yaml", b"a: b: c", True, None),
        ("toml", b"a = 1\nb", True, None),
        ("toml", b"a = " + b"[" * 100_000, True, "config_depth"),
        ("pbtxt", b"a {", True, None),
    ],
)
def test_breaks(kind: str, data: bytes, broken: bool, bound: str | None) -> None:
    parsed = read_document(data, kind).parsed
    assert (parsed.broken is not None, parsed.bound) == (broken, bound)


def test_a_bomb_of_aliases_does_not_grow() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{one}: &a{one} [{', '.join([f'*a{one - 1}'] * 9)}]" for one in range(1, 40)]
    merges = ["m0: &m0 {k: v}"] + [f"m{one}: &m{one} {{<<: [{', '.join([f'*m{one - 1}'] * 9)}], k{one}: v}}" for one in range(1, 40)]
    document = read_document("\n".join(lines + merges).encode(), "yaml")
    assert document.parsed.broken is None
    assert len(list(walk(document.parsed.roots))) < 400_000
    assert len(list(texts(document.parsed.roots[0]))) == 1000


@pytest.mark.parametrize("value", [{"a": [1, {"b": "c\n\"'\\/é\U0001f600"}], "d": {}, "e": [], "f": -1.5e3}, [[]], "x", None])
def test_json_is_read_as_python_reads_it(value: Any) -> None:
    def back(node: Node) -> Any:
        if isinstance(node, MapNode):
            return {name: back(one) for name, _, one in node.named()}
        return [back(one) for one in node.items] if isinstance(node, ListNode) else node.value

    for ascii_only in (True, False):
        document: NodeDocument = read_document(json.dumps(value, ensure_ascii=ascii_only).encode(), "json")
        assert [back(root) for root in document.parsed.roots] == [value]
