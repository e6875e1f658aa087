"""What a pickle of torch says about tensors, and whether it holds anything besides."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.model_files.pickle.pickle_tree import (
    SHOWN,
    Builder,
    CannotBuild,
    Reference,
    Tree,
    TreeDict,
    Unknown,
    described,
    named_entries,
    shown,
    within,
)

_DIMENSIONS = 32
_LARGEST = 1 << 62
_CALLED = {"Storage": "a storage"}


class ValueType(NamedTuple):
    """The type of a tensor's values: its name in safetensors, and the bytes of a value."""

    name: str
    size: int


_STORAGES = {
    "Double": ValueType("F64", 8), "Float": ValueType("F32", 4), "Half": ValueType("F16", 2), "BFloat16": ValueType("BF16", 2), "Long": ValueType("I64", 8),
    "Int": ValueType("I32", 4), "Short": ValueType("I16", 2), "Char": ValueType("I8", 1), "Byte": ValueType("U8", 1), "Bool": ValueType("BOOL", 1),
    "ComplexFloat": ValueType("C64", 8),
}  # fmt: skip
_STORED = {f"torch {name}Storage": kind for name, kind in _STORAGES.items()}
_UNTYPED = "torch.storage UntypedStorage"
_KINDS = {
    "torch uint16": ValueType("U16", 2), "torch uint32": ValueType("U32", 4), "torch uint64": ValueType("U64", 8), "torch float8_e4m3fn": ValueType("F8_E4M3", 1),
    "torch float8_e5m2": ValueType("F8_E5M2", 1), "torch float8_e8m0fnu": ValueType("F8_E8M0", 1), "torch float8_e4m3fnuz": ValueType("F8_E4M3FNUZ", 1),
    "torch float8_e5m2fnuz": ValueType("F8_E5M2FNUZ", 1),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Storage:
    """Values in a row that tensors share. `kind` is None if each tensor says what they are; `count` is that of values, or else of bytes."""

    key: str
    kind: ValueType | None
    count: int

    @property
    def size(self) -> int:
        """The number of its bytes."""
        return self.count * (self.kind.size if self.kind else 1)


@dataclass(frozen=True, eq=False, slots=True)
class Tensor:
    """Values of a storage, from the one with the number `offset` on. A `stride` is the number of values from one index to the next."""

    storage: Storage
    kind: ValueType
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    hooks: object

    @property
    def size(self) -> int:
        """The number of its bytes."""
        return math.prod(self.shape) * self.kind.size

    @property
    def is_dense(self) -> bool:
        """Whether its values follow each other without gaps, in order."""
        step = 1
        for count, stride in zip(reversed(self.shape), reversed(self.stride), strict=True):
            if count != 1 and stride != step:
                return False
            step *= count
        return True

    @property
    def span(self) -> int:
        """The number of values of the storage from its first to its last."""
        return 1 + sum((count - 1) * stride for count, stride in zip(self.shape, self.stride, strict=True)) if self.size else 0


def _storage(arguments: tuple[object, ...]) -> Storage:
    """Return the storage that a persistent id names."""
    (value,) = arguments
    if not isinstance(value, tuple) or len(value) not in (5, 6) or value[0] != "storage" or (len(value) == 6 and value[5] is not None):
        raise CannotBuild("a value that the loader provides")
    of_class, key, count = value[1], value[2], value[4]
    if not isinstance(of_class, Reference) or not isinstance(key, str) or not _natural(count):
        raise CannotBuild("a storage without a type, a name or a size")
    if of_class.name != _UNTYPED and of_class.name not in _STORED:
        raise CannotBuild(f"a tensor of {of_class.name[:SHOWN].replace(' ', '.')}, which safetensors lacks")
    return Storage(key, _STORED.get(of_class.name), cast("int", count))


def _natural(value: object) -> bool:
    return type(value) is int and 0 <= value < _LARGEST


def _naturals(value: object) -> tuple[int, ...]:
    if not isinstance(value, tuple) or len(value) > _DIMENSIONS or not all(map(_natural, value)):
        raise CannotBuild("a tensor without a valid shape")
    return value


def _tensor(storage: object, kind: ValueType | None, offset: object, shape: object, stride: object, hooks: object) -> Tensor:
    if isinstance(storage, Unknown):
        raise CannotBuild(storage.what)
    if not isinstance(storage, Storage) or kind is None or not _natural(offset):
        raise CannotBuild("a tensor without a known type or place")
    tensor = Tensor(storage, kind, cast("int", offset), _naturals(shape), _naturals(stride), hooks)
    if len(tensor.shape) != len(tensor.stride) or tensor.size >= _LARGEST or (tensor.offset + tensor.span) * kind.size > storage.size:
        raise CannotBuild("a tensor that reaches beyond its storage")
    return tensor


def _no_metadata(values: tuple[object, ...]) -> None:
    """Raise CannotBuild if a tensor says that its values are to be negated or conjugated."""
    if any(one is not None and not (isinstance(one, TreeDict) and not one.pairs and not one.attributes) for one in values):
        raise CannotBuild("a tensor that is negated, conjugated or has other properties")


def _first_version(arguments: tuple[object, ...]) -> Tensor:
    storage, offset, shape, stride = arguments
    return _tensor(storage, _typed(storage), offset, shape, stride, None)


def _second_version(arguments: tuple[object, ...]) -> Tensor:
    storage, offset, shape, stride, _, hooks, *rest = arguments
    _no_metadata(tuple(rest))
    return _tensor(storage, _typed(storage), offset, shape, stride, hooks)


def _third_version(arguments: tuple[object, ...]) -> Tensor:
    storage, offset, shape, stride, _, hooks, kind, *rest = arguments
    _no_metadata(tuple(rest))
    if _typed(storage) is not None:
        raise CannotBuild("a tensor with two types")
    return _tensor(storage, _KINDS.get(kind.name) if isinstance(kind, Reference) else None, offset, shape, stride, hooks)


def _typed(storage: object) -> ValueType | None:
    return storage.kind if isinstance(storage, Storage) else None


def _parameter(arguments: tuple[object, ...]) -> Tensor:
    """Return the tensor that a parameter is, with the hooks of both."""
    tensor, _, hooks = arguments
    if not isinstance(tensor, Tensor):
        raise CannotBuild(tensor.what if isinstance(tensor, Unknown) else "a parameter without a tensor")
    return Tensor(tensor.storage, tensor.kind, tensor.offset, tensor.shape, tensor.stride, (tensor.hooks, hooks))


def _ordered(arguments: tuple[object, ...]) -> TreeDict:
    if arguments:
        raise CannotBuild("an OrderedDict that is made from another value")
    return TreeDict()


PERSISTENT: Builder = _storage
BUILDERS: Mapping[str, Builder] = {
    "collections OrderedDict": _ordered,
    "torch._utils _rebuild_tensor": _first_version,
    "torch._utils _rebuild_tensor_v2": _second_version,
    "torch._utils _rebuild_tensor_v3": _third_version,
    "torch._utils _rebuild_parameter": _parameter,
}


def only_tensors(tree: Tree) -> dict[str, Tensor]:
    """Return the tensors of a state dict by their names, with those of dictionaries inside it behind dots.

    Raises CannotRewriteError if its value holds anything besides, or if something that only running it would show may have changed it.
    """
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    waiting: list[tuple[str, object]] = [("", tree.value)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, Tensor):
            _check_hooks(value)
            _add(found, path, value)
        elif isinstance(value, TreeDict):
            if id(value) in seen:
                raise CannotRewriteError("a dictionary stands in it twice")
            seen.add(id(value))
            _check_attributes(value.attributes)
            waiting += named_entries(path, value)
        else:
            raise CannotRewriteError(f"{shown(path)} is {described(value, _CALLED)}, not a tensor")
    if not found:
        raise CannotRewriteError("it holds no tensors")
    _check_given(tree.given, found.values(), seen)
    _check_storages(found.values())
    return found


def _add(found: dict[str, Tensor], name: str, tensor: Tensor) -> None:
    if not name:
        raise CannotRewriteError("a tensor in it has no name")
    if name in found:
        raise CannotRewriteError(f"the name {shown(name)} occurs twice")
    if name == "__metadata__" or any("\ud800" <= letter <= "\udfff" for letter in name):
        raise CannotRewriteError("safetensors cannot have the name of one of its tensors")
    found[name] = tensor


def _check_hooks(tensor: Tensor) -> None:
    for value in within([tensor.hooks]):
        if value is not None and not isinstance(value, tuple) and not (isinstance(value, TreeDict) and not value.pairs):
            raise CannotRewriteError("a tensor in it has hooks")


def _check_attributes(states: list[object]) -> None:
    """Allow the versions of modules, which `state_dict()` adds and safetensors files never have."""
    for state in states:
        pairs = state.pairs if isinstance(state, TreeDict) else [("", None)]
        if any(key != "_metadata" for key, _ in pairs) or any(isinstance(one, (Tensor, Unknown)) for one in within([state])):
            raise CannotRewriteError("a dictionary in it has attributes besides the versions of modules")


def _check_given(given: Iterable[object], tensors: Iterable[Tensor], dictionaries: set[int]) -> None:
    """Refuse a file in which something unknown was given what the tensors come from."""
    parts = {*dictionaries, *map(id, tensors)}
    keys = {tensor.storage.key for tensor in tensors}
    for value in within(given, lambda one: (one.storage,) if isinstance(one, Tensor) else ()):
        if id(value) in parts or (isinstance(value, Storage) and value.key in keys):
            raise CannotRewriteError("something besides its tensors is given them and may change them")


def _check_storages(tensors: Iterable[Tensor]) -> None:
    """Refuse storages of which tensors say different things, because the first of them decides for torch."""
    known: dict[str, Storage] = {}
    for tensor in tensors:
        if known.setdefault(tensor.storage.key, tensor.storage) != tensor.storage:
            raise CannotRewriteError("its tensors disagree on what is in a storage")
