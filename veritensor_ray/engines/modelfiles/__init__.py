"""Checks model files: the calls in their pickles, their headers, templates and configuration. Nothing is ever loaded or rendered."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.config import Settings
from veritensor_ray.core.errors import LimitExceeded, Malformed
from veritensor_ray.core.format_table import EXECUTABLES
from veritensor_ray.core.media_types import (
    GGUF,
    GZIP,
    HDF5,
    JSON,
    NPY,
    NPZ,
    ONNX,
    PICKLE,
    PLAIN,
    PYTORCH,
    SAFETENSORS,
    TAR,
    TYPE1_FONT,
    UNKNOWN,
    YAML,
    ZIP,
)
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import FileInfo, Hit, Needs, Rule
from veritensor_ray.engines.modelfiles import configs, headers, hierarchy
from veritensor_ray.engines.modelfiles.judgement import NamePolicy, digest_source
from veritensor_ray.engines.modelfiles.modelfile_rules import RULES
from veritensor_ray.engines.modelfiles.pickle_calls import PickleScan
from veritensor_ray.formats.model_files.numpy import structure as npy
from veritensor_ray.models.model_store import ModelStore

_PICKLE_NAMES = frozenset(
    {
        ".pkl",
        ".pickle",
        ".pt",
        ".pth",
        ".bin",
        ".ckpt",
        ".joblib",
        ".dat",
        ".data",
        ".dump",
        ".sav",
        ".p",
        ".pk",
        ".mdl",
        ".model",
        ".th",
        ".t7",
    }
)
_CONTAINERS = (ZIP, GZIP, TAR, PYTORCH, NPZ)
_CONFIG_NAME = re.compile(r"config|template|^model_index\.json$|^modules\.json$|^model\.json$|^metadata\.json$", re.IGNORECASE)
_HEADERS = frozenset(
    {
        PICKLE,
        SAFETENSORS,
        GGUF,
        ONNX,
        NPY,
        HDF5,
    }
)


class ModelFiles:
    """Examines files by their content. Names only decide which JSON files are configuration."""

    name = "modelfiles"
    version = "1"
    needs = Needs()

    def __init__(self, settings: Settings) -> None:
        self._policy = NamePolicy(tuple(settings.modelfiles.allow))

    def applies(self, about: FileInfo) -> bool:
        """Return True for model files, possible pickles, templates and configuration."""
        return self._look(about) is not None

    def load(self, models: ModelStore) -> None:
        """Do nothing: this engine has no model."""

    def rules(self) -> Sequence[Rule]:
        """Return all rules."""
        return RULES

    def role(self, path: str) -> Hashable:
        """Return the name if it marks the file as configuration or a template, else None."""
        name = FileInfo(path, None, "").name
        return name if _CONFIG_NAME.search(name) or "chat_template" in path else None

    def fingerprint(self) -> str:
        """Return a digest of the rules and the lists of names."""
        source = repr((self.version, RULES, tuple(self._policy.allow)))
        return hashlib.sha256((source + digest_source()).encode()).hexdigest()[:16]

    def scan_file(self, file: BinaryIO, about: FileInfo) -> Iterable[Hit | Gap]:
        """Yield the hits and gaps in one file. Offsets are in bytes."""
        look = self._look(about)
        return look(file, about) if look else ()

    def _look(self, about: FileInfo) -> Callable[[BinaryIO, FileInfo], Iterable[Hit | Gap]] | None:
        kind = about.media_type
        if kind in _HEADERS:
            return self._header
        if about.extension in (".jinja", ".jinja2", ".j2") or about.name.startswith("chat_template."):
            return self._template if about.extension != ".json" else self._config
        if kind in (JSON, PLAIN) and about.extension == ".json" and _CONFIG_NAME.search(about.name):
            return self._config
        if kind == UNKNOWN and about.extension == ".safetensors":
            return self._unsound
        if kind == UNKNOWN and about.extension == ".onnx":  # one whose fields are in an unusual order
            return self._onnx
        if kind == YAML:
            return self._yaml
        maybe = kind in (UNKNOWN, TYPE1_FONT, *EXECUTABLES) or (about.extension in _PICKLE_NAMES and kind not in _CONTAINERS)
        return self._pickle if maybe else None

    def _header(self, file: BinaryIO, about: FileInfo) -> Iterable[Hit | Gap]:
        kind = about.media_type
        if kind == SAFETENSORS:
            return headers.scan_safetensors(file, about.size)
        if kind == GGUF:
            return headers.scan_gguf(file, about.size)
        if kind == ONNX:
            return self._onnx(file, about)
        return self._npy(file) if kind == NPY else self._hdf5(file) if kind == HDF5 else self._pickle(file, about)

    def _unsound(self, file: BinaryIO, about: FileInfo) -> Iterator[Hit | Gap]:
        """Check a file named safetensors that does not begin like one: loaders may still try it, or treat it as a pickle."""
        yield from headers.scan_safetensors(file, about.size)
        file.seek(0)
        yield from self._pickle(file, about)

    def _onnx(self, file: BinaryIO, about: FileInfo) -> Iterable[Hit | Gap]:
        return headers.scan_onnx(file)

    def _pickle(self, file: BinaryIO, about: FileInfo) -> Iterable[Hit | Gap]:
        return PickleScan(self._policy, sure=about.media_type == PICKLE).scan(file)

    def _npy(self, file: BinaryIO) -> Iterator[Hit | Gap]:
        try:
            header = npy.read_header(file)
        except Malformed as error:
            yield Gap(f"modelfiles: {error}", engine=self.name)
            return
        if header.objects:
            yield from PickleScan(self._policy, base=header.offset).scan(file)

    def _template(self, file: BinaryIO, about: FileInfo) -> Iterable[Hit | Gap]:
        data = file.read(4 * bounds.TEMPLATE + 1)
        return headers.scan_template(data.decode("utf-8", "surrogateescape"), 0, chat="chat_template" in (about.member or about.path))

    def _config(self, file: BinaryIO, about: FileInfo) -> Iterator[Hit | Gap]:
        data = file.read(configs.LARGEST + 1)
        if len(data) > configs.LARGEST:
            yield Gap(f"configuration larger than {configs.LARGEST} bytes was not checked", engine=self.name, bound="config_bytes")
            return
        try:
            top = configs.parse(data)
        except (ValueError, RecursionError):
            yield Gap("configuration that is not valid JSON was not checked", engine=self.name)
            return
        try:
            yield from self._findings(configs.check(top, about.name, self._policy), data)
        except LimitExceeded as error:
            yield Gap(str(error), engine=self.name, bound=error.bound)

    def _findings(self, findings: Iterable[configs.ConfigFinding], data: bytes) -> Iterator[Hit]:
        for found in findings:
            at = max(0, data.find(b'"' + found.key.encode("utf-8", "replace") + b'"'))
            yield _hit(found, at, at + len(found.key) + 2)

    def _yaml(self, file: BinaryIO, about: FileInfo) -> Iterator[Hit | Gap]:
        data = file.read(configs.LARGEST + 1)
        for at, found in configs.yaml_targets(data):
            yield Hit(found.rule, at, at + len(found.evidence), message=found.message, evidence=found.evidence)
        if len(data) > configs.LARGEST:
            yield Gap(f"targets after the first {configs.LARGEST} bytes were not checked", engine=self.name, bound="config_bytes")

    def _hdf5(self, file: BinaryIO) -> Iterator[Hit | Gap]:
        for found in hierarchy.check(file, self._policy):
            if isinstance(found, Gap):
                yield found
            else:
                yield _hit(found, 0, 8)


def _hit(found: configs.ConfigFinding, start: int, end: int) -> Hit:
    """Convert a finding to a hit, replacing the lone surrogates that JSON may contain but outputs cannot."""
    message, evidence = (text.encode("utf-8", "replace").decode() for text in (found.message, found.evidence[:1000]))
    return Hit(found.rule, start, end, severity=found.severity, message=message, evidence=evidence)
