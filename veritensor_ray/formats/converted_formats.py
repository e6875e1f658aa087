"""Formats that nothing here can change in place, and what files of them can be converted to before they are cleaned."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, NamedTuple, cast

from veritensor_ray.core import plugins
from veritensor_ray.core.format_table import COMPRESSED
from veritensor_ray.core.media_types import DOC, NPY, OUTLOOK, PICKLE, PPT, PYTORCH, XLS
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import Conversion

Pulse = Callable[[], None]


class ConvertedFormat(NamedTuple):
    """The extension of the new format, the function that writes it, and what a policy must allow first.

    With `keeps_findings`, findings are followed into the new file and removed there. Otherwise, they are in what is not written.
    """

    extension: str
    path: str
    needs: Conversion | None = None
    keeps_findings: bool = True

    def write(self, source: Source, out: BinaryIO, pulse: Pulse) -> str | None:
        """Write the file in its new format, and return what it became, if there is more to say of it. Raises CannotRewriteError, ReadError."""
        return cast("Callable[[Source, BinaryIO, Pulse], str | None]", plugins.imported(self.path, __package__))(source, out, pulse)


_SAFETENSORS = ConvertedFormat(
    ".safetensors", ".model_files.safetensors.from_pickles:to_safetensors", Conversion.SAFETENSORS, keeps_findings=False
)
_OFFICE = ".office.ole.libreoffice:write_as_{}"
CONVERSIONS = {
    OUTLOOK: ConvertedFormat(".eml", ".mail.outlook_mail:write_as_mail"),
    DOC: ConvertedFormat(".docx", _OFFICE.format("docx"), Conversion.OFFICE),
    XLS: ConvertedFormat(".xlsx", _OFFICE.format("xlsx"), Conversion.OFFICE),
    **dict.fromkeys((PICKLE, PYTORCH, NPY, *COMPRESSED), _SAFETENSORS),
    PPT: ConvertedFormat(".pptx", _OFFICE.format("pptx"), Conversion.OFFICE),
}
