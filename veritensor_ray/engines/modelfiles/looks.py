"""The table of looks: which function examines a file, by the type of its content and by its name. The first row that matches decides."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.errors import Malformed
from veritensor_ray.core.format_table import EXECUTABLES
from veritensor_ray.core.media_types import (
    ARROW_FILE,
    ARROW_STREAM,
    BYTECODE,
    CORE_ML,
    FEATHER_1,
    GGUF,
    GZIP,
    HDF5,
    JSON,
    MARKDOWN,
    NPY,
    NPZ,
    ONNX,
    PADDLE,
    PARQUET,
    PICKLE,
    PLAIN,
    PYTORCH,
    SAFETENSORS,
    SQLITE,
    TAR,
    TENSORFLOW,
    TOML,
    TYPE1_FONT,
    UNKNOWN,
    XML,
    YAML,
    ZIP,
)
from veritensor_ray.engines.base import FileInfo, Hit
from veritensor_ray.engines.modelfiles import archive_members, headers, npy_headers
from veritensor_ray.engines.modelfiles.ape_header import is_ape, scan_ape
from veritensor_ray.engines.modelfiles.chat_templates.template_texts import is_chat_template, scan_template
from veritensor_ray.engines.modelfiles.configuration.config_look import look_at_card, look_at_config
from veritensor_ray.engines.modelfiles.configuration.gin_files import look_at_gin
from veritensor_ray.engines.modelfiles.configuration.huggingface_keys import NAMED
from veritensor_ray.engines.modelfiles.configuration.model_xml import scan_model_xml
from veritensor_ray.engines.modelfiles.configuration.stored_objects import scan_stored
from veritensor_ray.engines.modelfiles.disguised import WEIGHTS, scan_beginning
from veritensor_ray.engines.modelfiles.effects import Effect, Found
from veritensor_ray.engines.modelfiles.graphs import torch_sources
from veritensor_ray.engines.modelfiles.graphs.coreml_models import scan_core_ml, scan_manifest
from veritensor_ray.engines.modelfiles.graphs.engine_files import scan_openvino
from veritensor_ray.engines.modelfiles.graphs.onnx_graphs import scan_onnx
from veritensor_ray.engines.modelfiles.graphs.paddle_programs import scan_paddle
from veritensor_ray.engines.modelfiles.graphs.served_handlers import scan_handler
from veritensor_ray.engines.modelfiles.graphs.tensorflow_graphs import scan_tensorflow
from veritensor_ray.engines.modelfiles.graphs.torch7_objects import scan_torch7
from veritensor_ray.engines.modelfiles.graphs.unmarked import scan_unmarked
from veritensor_ray.engines.modelfiles.java_objects import MAGIC, scan_java
from veritensor_ray.engines.modelfiles.keras.keras_hdf5 import scan_hdf5
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy
from veritensor_ray.engines.modelfiles.pickles.embedded_pickles import scan_embedded, scan_parquet
from veritensor_ray.engines.modelfiles.pickles.pickle_calls import DANGEROUS, PickleScan
from veritensor_ray.engines.modelfiles.r_objects import is_r_object, scan_r_object
from veritensor_ray.engines.modelfiles.r_texts import scan_r_text
from veritensor_ray.formats.model_files.hdf5 import structure as hdf5
from veritensor_ray.formats.model_files.numpy import structure as npy
from veritensor_ray.formats.model_files.tensorflow.structure import GRAPH, root_of_file

Look = Callable[[BinaryIO, FileInfo, NamePolicy], Iterable[Found]]

_PICKLE_NAMES = frozenset(
    {".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib", ".dat", ".data", ".dump", ".sav", ".p", ".pk", ".mdl", ".model"}
    | {".th", ".t7"}
)
_CONTAINERS = frozenset({ZIP, GZIP, TAR, PYTORCH, NPZ})
# A file named .bin is as likely firmware, unless it has the name of a model.
_IN_MODEL = r"(?:\.(?:pt|pth|pt2|ptl|torch|keras|mar|mlpackage|mlmodel|ckpt|nemo)|model[\w.-]{0,200}\.bin)!/."
_STORAGES = r"\.(?:pt|pth|pt2|ptl|torch|ckpt|bin|mar)!/(?:[^/]+/)*(?:data|constants|tensors)/\d+$"
_PACKAGES = frozenset({".nemo", ".mar", ".pt2", ".ptl", ".mlpackage", ".skops", ".pte"})
_ANY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LookRow:
    """One row of the table. A file matches if its type, extension and name do; an empty condition holds for every file.

    `model` says that every such file is a model file. Any other file is one only if the look finds an effect or a hit in it: most of
    those that may be configuration, a template or a pickle are not. `names` is searched for in the name regardless of case, and
    `where` in the whole path, in which `!/` leads into an archive.
    """

    title: str
    look: Look
    model: bool = False
    types: frozenset[str] = _ANY
    extensions: frozenset[str] = _ANY
    names: str = ""
    other_types: frozenset[str] = _ANY
    where: str = ""
    other_extensions: frozenset[str] = _ANY

    def takes(self, media_type: str, extension: str) -> bool:
        """Return whether the row is about files of a type and extension."""
        if (self.types and media_type not in self.types) or media_type in self.other_types:
            return False
        return extension not in self.other_extensions and (not self.extensions or extension in self.extensions)

    def matches(self, about: FileInfo) -> bool:
        """Return whether the row is about a file, whose type and extension it takes."""
        if self.where and not re.search(self.where, f"{about.path}!/{about.member or ''}"):
            return False
        return not self.names or re.search(self.names, about.name, re.IGNORECASE) is not None


def look_for(about: FileInfo) -> LookRow | None:
    """Return the row of the table for a file, or None if this engine has nothing to look for in it."""
    return _look_for(about.media_type, about.path, about.member)


@lru_cache(64)  # the engine asks whether it applies to a file, and at once what it has to look for
def _look_for(media_type: str, path: str, member: str | None) -> LookRow | None:
    about = FileInfo(path, None, media_type, member=member)
    return next((row for row in _rows(media_type, about.extension) if row.matches(about)), None)


@lru_cache(4096)
def _rows(media_type: str, extension: str) -> tuple[LookRow, ...]:
    """Return the rows that such files may match: an audit asks about every file, and most types and extensions have few."""
    return tuple(row for row in LOOKS if row.takes(media_type, extension))


def named(name: str) -> bool:
    """Return whether a row of the table, or what it finds, depends on more of this name than its extension."""
    return name in NAMED or any(row.names and re.search(row.names, name, re.IGNORECASE) for row in LOOKS)


def _of_bytes(scan: Callable[[BinaryIO], Iterable[Found]]) -> Look:
    """Return the look for a function that needs nothing but the file."""
    return lambda file, about, policy: scan(file)


def _of_names(scan: Callable[[BinaryIO, NamePolicy], Iterable[Found]]) -> Look:
    """Return the look for a function that also judges names."""
    return lambda file, about, policy: scan(file, policy)


def _safetensors(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterable[Found]:
    return headers.scan_safetensors(file, about.size, policy)


def _gguf(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterable[Found]:
    return headers.scan_gguf(file, about.size)


def _tensorflow(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterable[Found]:
    return scan_tensorflow(file, root_of_file(file) or GRAPH, policy)


def _model_xml(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    yield from scan_model_xml(file)
    file.seek(0)
    yield from scan_openvino(file)


def _unmarked(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    yield from scan_beginning(file, about)
    head = file.read(32)
    file.seek(0)
    if head.startswith(MAGIC):
        found: Iterable[Found] | None = scan_java(file)
    else:
        found = scan_r_object(file) if is_r_object(head) else scan_unmarked(file, about, policy)
    yield from _anywhere(file, about, policy) if found is None else found


def _r_text(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    yield from scan_beginning(file, about)
    yield from scan_r_text(file)


def _anywhere(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    """Check bytes of no known format as a pickle, and for pickles inside them, as msgpack-numpy writes them."""
    hits = 0
    for found in _pickle(file, about, policy):
        hits += isinstance(found, Hit)
        yield found
    if not hits:
        yield from scan_embedded(file, policy)


def _program(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterable[Found]:
    ape = is_ape(file.read(8))
    file.seek(0)
    return scan_ape(file) if ape else _pickle(file, about, policy)


def _named_program(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    yield from scan_beginning(file, about)
    yield from _program(file, about, policy)


def _arrow(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterable[Found]:
    """Check the schema of a table, which stands at one end of it: an extension type may be a pickle."""
    return scan_embedded(file, policy, ends=bounds.EMBEDDED_SCHEMA)


def _pickle(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterable[Found]:
    return PickleScan(policy, sure=about.media_type == PICKLE).scan(file)


def _storage(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    """Check the bytes of a tensor: loaders copy them, so that only what would be dangerous as a pickle counts."""
    for found in PickleScan(policy, sure=False).scan(file):
        if (isinstance(found, Hit) and found.rule == DANGEROUS) or (isinstance(found, Effect) and found.verdict == "dangerous"):
            yield found


def _mobile(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    yield from _pickle(file, about, policy)
    file.seek(0)
    yield from torch_sources.scan_bytecode(file)


def _unsound(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    """Check a file named safetensors that does not begin like one: loaders may still try it, or treat it as a pickle."""
    yield from headers.scan_safetensors(file, about.size, policy)
    file.seek(0)
    yield from _pickle(file, about, policy)


def _npy(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    try:
        header = npy.read_header(file)
    except Malformed as error:
        yield from npy_headers.judged_header(file, error)
        return
    if header.objects:
        yield from PickleScan(policy, base=header.offset).scan(file)
        return
    yield from npy_headers.judged_numbers(header, about.size)


def _hdf5(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    yield from scan_hdf5(file, policy)
    yield from scan_embedded(file, policy)  # attributes and objects of PyTables
    end = hdf5.end_of(file)
    if end is None or about.size is None or about.size > end:
        at = end or 0
        yield Effect("holds", "bytes outside of the file's own end", "unknown", "HDF5 does not read them", at, about.size or at)


def _template(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterable[Found]:
    data = file.read(4 * bounds.TEMPLATE + 1)
    text = data.decode("utf-8", "surrogateescape")
    return scan_template(text, 0, chat="chat_template" in (about.member or about.path) or is_chat_template(text))


def _types(*types: str) -> frozenset[str]:
    return frozenset(types)


def _named(*extensions: str) -> frozenset[str]:
    return frozenset(extensions)


LOOKS = (
    LookRow("llamafile", _program, extensions=_named(".llamafile")),
    LookRow("tensor of PyTorch", _storage, types=_types(UNKNOWN, PICKLE), where=_STORAGES),
    LookRow("PyTorch archive", archive_members.scan_pytorch, model=True, types=_types(PYTORCH)),
    LookRow("NumPy archive", archive_members.scan_npz, model=True, types=_types(NPZ)),
    LookRow("Keras archive", archive_members.scan_keras_archive, model=True, types=_types(ZIP), extensions=_named(".keras")),
    LookRow("package", archive_members.scan_package, model=True, types=_types(ZIP, TAR, GZIP), extensions=_PACKAGES),
    LookRow("TorchScript", torch_sources.scan_torchscript, extensions=_named(".py"), where=r"[/!]code/__torch__"),
    LookRow("Python source in a model file", torch_sources.scan_source, extensions=_named(".py", ".pyw"), where=_IN_MODEL),
    LookRow(
        "script in a model file", torch_sources.scan_script, extensions=_named(".sh", ".bash", ".bat", ".cmd", ".ps1"), where=_IN_MODEL
    ),
    LookRow("program in a model file", torch_sources.scan_library, types=_types(BYTECODE, *EXECUTABLES), where=_IN_MODEL),
    LookRow("bytecode of PyTorch Mobile", _mobile, model=True, types=_types(PICKLE), names=r"^bytecode\.pkl$"),
    LookRow("pickle", _pickle, model=True, types=_types(PICKLE)),
    LookRow("safetensors", _safetensors, model=True, types=_types(SAFETENSORS)),
    LookRow("GGUF", _gguf, model=True, types=_types(GGUF)),
    LookRow("ONNX", _of_names(scan_onnx), model=True, types=_types(ONNX)),
    LookRow("Core ML", _of_bytes(scan_core_ml), model=True, types=_types(CORE_ML)),
    LookRow("Core ML package", _of_bytes(scan_manifest), names=r"^manifest\.json$", where=r"\.mlpackage(?:!?/)"),
    LookRow("Paddle program", _of_bytes(scan_paddle), model=True, types=_types(PADDLE)),
    LookRow("TensorFlow graph", _tensorflow, model=True, types=_types(TENSORFLOW)),
    LookRow("NumPy array", _npy, model=True, types=_types(NPY)),
    LookRow("HDF5", _hdf5, model=True, types=_types(HDF5)),
    LookRow("template", _template, extensions=_named(".jinja", ".jinja2", ".j2", ".template")),
    LookRow(
        "chat template",
        _template,
        names=r"^chat_template\.",
        other_types=_types(JSON, YAML, TOML),
        other_extensions=_named(".json", ".yaml", ".yml"),
    ),
    LookRow("handler of a server", scan_handler, names=r"^(?:handler|inference|predict|model)\.py$"),
    LookRow("gin", look_at_gin, extensions=_named(".gin")),
    LookRow("Torch7 in ASCII", _of_bytes(scan_torch7), types=_types(PLAIN), extensions=_named(".t7", ".th")),
    LookRow("card", look_at_card, types=_types(MARKDOWN), names=r"^readme\.\w+$"),
    LookRow("object of R in ASCII", _r_text, types=_types(PLAIN), extensions=_named(".rds", ".rda", ".rdata")),
    LookRow("program named like a model", _named_program, types=_types(PLAIN, *EXECUTABLES), extensions=WEIGHTS),
    LookRow("configuration", look_at_config, types=_types(JSON, YAML, TOML, PLAIN), other_extensions=_PICKLE_NAMES),
    LookRow("named safetensors", _unsound, model=True, types=_types(UNKNOWN), extensions=_named(".safetensors")),
    # An ONNX file whose fields are in an unusual order.
    LookRow("named ONNX", _of_names(scan_onnx), model=True, types=_types(UNKNOWN), extensions=_named(".onnx")),
    # A program of Paddle or a Core ML model whose fields are in an unusual order.
    LookRow("named Paddle program", _of_bytes(scan_paddle), model=True, types=_types(UNKNOWN), extensions=_named(".pdmodel")),
    LookRow("named Core ML", _of_bytes(scan_core_ml), model=True, types=_types(UNKNOWN), extensions=_named(".mlmodel")),
    LookRow("model in XML", _model_xml, types=_types(XML), extensions=_named(".xml", ".pmml")),
    LookRow("Arrow table", _arrow, types=_types(ARROW_FILE, ARROW_STREAM, FEATHER_1)),
    LookRow("Parquet table", _of_names(scan_parquet), types=_types(PARQUET)),
    LookRow("database", _of_names(scan_stored), types=_types(SQLITE)),
    LookRow("possible graph", _unmarked, types=_types(UNKNOWN)),
    LookRow("possible pickle", _program, types=_types(TYPE1_FONT, *EXECUTABLES)),
    LookRow("named pickle", _pickle, extensions=_PICKLE_NAMES, other_types=_CONTAINERS),
)
