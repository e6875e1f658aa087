"""Judges calls of harmless names by their arguments: a class that is harmless to mention may still do something with a text that it is given."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from veritensor_ray.core import bounds
from veritensor_ray.engines.modelfiles.naming.harmless import BUILDERS, BUILDERS_BY_NAME, TYPES
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy, plain_name
from veritensor_ray.engines.modelfiles.naming.telling_text import telling
from veritensor_ray.formats.model_files.pickle.events import Call, Filled
from veritensor_ray.formats.model_files.pickle.pickle_values import LOST, Blob, Called, Many, Name, of_class

_DEEPEST, _MOST = 6, 2000
_LARGEST = bounds.ALLOCATED
_INNER_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")  # which the reader passes on as separate files

_BUILDERS = frozenset(BUILDERS.split())
_BUILDING_PACKAGES = ("pandas._libs.tslibs.", "pandas.core.indexes.")
_BUILDERS_BY_NAME = frozenset(BUILDERS_BY_NAME.split())
_TYPES = frozenset(TYPES.split())
_ENCODINGS = frozenset(
    {"latin1", "latin-1", "latin_1", "iso-8859-1", "utf-8", "utf8", "ascii", "raw_unicode_escape", "raw-unicode-escape", "bytes"}
)
_MEMORY = (["io.BytesIO"], ["_io.BytesIO"])  # the classes of a sole argument
_NUMBERED = frozenset({"bytearray", "bytes", "range", "zeros", "ones", "arange", "ndarray", "recarray"})
_PRINTING = frozenset({"str", "unicode"})
_OPERATORS = ("operator", "_operator")
# Methods of a text that only make another text or number of it.
_OF_TEXTS = frozenset(
    [
        "join",
        "lower",
        "upper",
        "strip",
        "lstrip",
        "rstrip",
        "split",
        "rsplit",
        "replace",
        "encode",
        "startswith",
        "endswith",
        "title",
        "capitalize",
        "removeprefix",
        "removesuffix",
    ]
)
_UFUNC = ("numpy.core._ufunc_reconstruct", "numpy._core._ufunc_reconstruct")
# States that `__setstate__` does something with beyond storing it: the class, a key, and what happens.
_STATES = (
    (re.compile(r"statsmodels\..*"), ("restore_design_info", "formula"), "evaluates the formula in its state as code"),
    (re.compile(r"sklearn\.callback\..*"), ("_listener", "_client", "address"), "connects to an address in its state"),
    (re.compile(r"PIL\.ImageFont\..*"), (), "opens the file that its state names"),
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on a call with its reason. `telling` says what a text among the arguments looks like."""

    verdict: Literal["inert", "unknown", "dangerous"]
    why: str
    telling: str = ""


_BUILT = Judgement("inert", "it only builds a value from its arguments")


class CallPolicy:
    """Judges calls with the help of the policy on names."""

    def __init__(self, names: NamePolicy) -> None:
        self._names = names
        self._kinds: dict[str, str] = {}

    def call(self, name: Name, call: Call) -> Judgement | None:
        """Judge the call of a harmless name, or of one that is harmless with these arguments; return None for any other."""
        kind = self._kinds.get(name.module + "." + name.name)
        if kind is None:
            kind = self._kinds[str(name)] = "" if not self.is_harmless(name) else "builder" if _builds(name) else "harmless"
        if kind == "builder" and not _allocates(name) and name.name not in _PRINTING:
            return _BUILT
        items = call.args.items if isinstance(call.args, Many) else [call.args]
        return self._harmless(name, items, call) if kind else self._excused(str(name), items)

    def _harmless(self, name: Name, items: list[Any], call: Call) -> Judgement:
        path = str(name)
        if path == "dill._dill._create_array" and items and str(items[0]).endswith("multiarray._reconstruct"):
            return _BUILT
        if path in ("codecs.encode", "_codecs.encode"):
            plain = len(items) < 2 or (isinstance(items[1], str) and items[1].lower() in _ENCODINGS)
            return _BUILT if plain else Judgement("unknown", "it looks up an unusual encoding")
        if _allocates(name) and any(_amount(item) > _LARGEST for item in items):
            return Judgement("unknown", "it asks for a very large object")
        if name.name in _PRINTING and any(isinstance(item, (Many, Called)) or item is LOST for item in items):
            return Judgement("unknown", "it prints a value, which may contain itself many times")
        if _builds(name) or not items:
            return _BUILT
        if any(_texts(call.args)):
            found = self.telling(call.args)
            return Judgement("unknown", f"it is given {found}" if found else "it is given a text", found)
        if name.module in _OPERATORS and _has_made(items):
            return Judgement("unknown", "its operands are results of calls, which may grow")
        if _has_loose(call.args) and not call.new:
            return Judgement("unknown", "it is given something that it may call, or that is not known")
        return Judgement("inert", "it is given no text")

    def _excused(self, path: str, items: list[Any]) -> Judgement | None:
        """Return why the call of a function that serves to reach others is harmless because of its arguments, or None."""
        short = path.rpartition(".")[2]
        if (
            path == "torch.storage._load_from_bytes"
            and len(items) == 1
            and isinstance(items[0], Blob)
            and items[0].head.startswith(_INNER_PICKLES)
        ):
            return Judgement("inert", "it loads a pickle that is checked as a file of its own")
        if path in ("builtins.type", "__builtin__.type") and len(items) == 1:
            return Judgement("inert", "it names the type of a value")
        if path == "numpy.vectorize" and not items:
            return Judgement("inert", "it is filled with a function that is judged itself")
        if path in ("functools.partial", "_functools.partial") and items and self._is_passive(items[0]):
            return Judgement("inert", "it keeps a harmless function with arguments")
        if path in ("functools.reduce", "_functools.reduce") and items and self._is_operator(items[0]) and not _has_made(items[1:]):
            return Judgement("inert", "it applies an operator to values")
        if path.endswith("._unpickle_model") and path.startswith("keras.") and [of_class(item) for item in items] in _MEMORY:
            return Judgement("unknown", "Keras loads the archive in these bytes, whose members are files of their own")
        if path in _UFUNC and len(items) == 2 and all(isinstance(item, str) for item in items):
            return _BUILT if self._names.judge(*items) == "harmless" else None
        if path in ("builtins.getattr", "__builtin__.getattr") and len(items) == 2:
            return self._attribute(*items)
        if short in ("attrgetter", "itemgetter", "methodcaller") and items:
            return self._getter(short, items)
        return None

    def _attribute(self, owner: Any, name: Any) -> Judgement | None:
        if not isinstance(name, str) or not plain_name(name):
            return None
        if isinstance(owner, Name):  # the walk makes a name of the two, which is judged itself
            return Judgement("inert", "it names an attribute that is judged itself")
        if isinstance(owner, str) and name in _OF_TEXTS:
            return Judgement("inert", "it names a method that makes a text of others")
        lost = isinstance(owner, Called) or owner is LOST
        return Judgement("unknown", "it reads an attribute of a value") if lost else None

    def applied(self, call: Call) -> bool:
        """Return whether the result of a call is one that is harmless to call with these arguments: an item or a text of plain values."""
        made = call.function
        if not isinstance(made, Called) or not isinstance(made.args, Many) or _has_made([call.args]):
            return False
        path, items = str(made.function), made.args.items
        if path in ("operator.itemgetter", "_operator.itemgetter"):
            return self._getter("itemgetter", items) is not None
        return (
            path in ("builtins.getattr", "__builtin__.getattr") and len(items) == 2 and isinstance(items[0], str) and items[1] in _OF_TEXTS
        )

    def _is_operator(self, value: object) -> bool:
        return isinstance(value, Name) and value.module in _OPERATORS and self.is_harmless(value)

    def _getter(self, kind: str, items: list[Any]) -> Judgement | None:
        named = items[:1] if kind == "methodcaller" else items
        if kind == "itemgetter":
            named = [item for item in items if not isinstance(item, int)]
        plain = all(isinstance(item, str) and plain_name(item) for item in named)
        return Judgement("inert", "it keeps the name of an attribute or item for later") if plain else None

    def state(self, filled: Filled) -> Judgement | None:
        """Judge the state or the items that a value is given, or return None if they cannot do anything."""
        if isinstance(filled.target, Name):
            return Judgement("unknown", f"{filled.target} itself is given {filled.how}", self.telling(filled.value))
        path = of_class(filled.target)
        keys = [item for item in _flat(filled.value) if isinstance(item, str)]
        for pattern, words, why in _STATES:
            if path and pattern.fullmatch(path) and (not words or any(word in keys for word in words)):
                found = any(telling(text) == "code" for text in keys)
                return Judgement("dangerous" if found else "unknown", f"{path} {why}", self.telling(filled.value))
        return None

    def is_harmless(self, value: object) -> bool:
        """Return whether a value is a harmless name."""
        return isinstance(value, Name) and self._names.judge(value.module, value.name) == "harmless"

    def _is_passive(self, value: object) -> bool:
        return self.is_harmless(value) or (isinstance(value, Name) and self._names.judge(value.module, value.name) == "unknown")

    def telling(self, args: object) -> str:
        """Return what a text among arguments looks like, or an empty string."""
        return next(filter(None, map(telling, _texts(args))), "")


def _builds(name: Name) -> bool:
    if name.module in ("builtins", "__builtin__"):
        return name.name in _TYPES or name.name.endswith(("Error", "Exception", "Warning"))
    return name.module in _BUILDERS or str(name) in _BUILDERS_BY_NAME or name.module.startswith(_BUILDING_PACKAGES)


def _allocates(name: Name) -> bool:
    """Return whether a call makes an object whose size is a number among its arguments."""
    return name.name in _NUMBERED or name.name.endswith("Storage") or name.module in _OPERATORS


def _amount(value: object) -> int:
    """Return the number that an argument is, or the product of those in it, as of a shape."""
    if isinstance(value, Many):
        return math.prod(item for item in value.items if type(item) is int)
    return value if type(value) is int else 0


def _flat(value: object) -> Iterator[object]:
    """Yield the values in a value, as far as they were kept."""
    stack, left = [(value, 0)], _MOST
    while stack and left:
        one, deep = stack.pop()
        left -= 1
        if isinstance(one, Many) and deep < _DEEPEST:
            stack += [(item, deep + 1) for item in reversed(one.items)]
        else:
            yield one


def _texts(value: object) -> Iterator[str]:
    for one in _flat(value):
        if isinstance(one, str):
            yield one
        elif isinstance(one, Blob):
            yield one.head.decode("latin-1")


def _has_loose(value: object) -> bool:
    """Return whether arguments include a name, which the called one might call, or something that the walk has lost."""
    return any(isinstance(one, Name) or one is LOST for one in _flat(value))


def _has_made(values: Iterable[object]) -> bool:
    """Return whether values include a name, the result of a call, or something that the walk has lost."""
    return any(isinstance(one, (Name, Called)) or one is LOST for value in values for one in _flat(value))
