"""Finds what turns a model file into one of another format, without what loading it would run, if a policy allows that."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, NamedTuple

from veritensor_ray.core.media_types import PICKLE, PYTORCH
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import Conversion
from veritensor_ray.formats.model_files.torch.convert import to_safetensors

# Writes what the file becomes to a real file, and says what that is. Raises CannotRewriteError, ReadError.
Convert = Callable[[Source, BinaryIO, Callable[[], None]], str]


class Converter(NamedTuple):
    """A way from some formats to another one, whose files have the `extension`."""

    to: Conversion
    types: frozenset[str]
    extension: str
    convert: Convert


_CONVERTERS = (Converter(Conversion.SAFETENSORS, frozenset((PICKLE, PYTORCH)), ".safetensors", to_safetensors),)


def converter_for(media_type: str | None) -> Converter | None:
    """Return what a file of this type may become, or None."""
    return next((one for one in _CONVERTERS if media_type in one.types), None)
