"""The formats that findings are exported in, one module each. A new format is a module and a row here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from veritensor_ray.core import plugins
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.wording import nearest

if TYPE_CHECKING:
    from veritensor_ray.core.config import Settings
    from veritensor_ray.exports.selection import Selection


@dataclass(frozen=True, slots=True)
class ExportFormat(plugins.PluginRow):
    """A format of exports. `function` writes it, as `module:function`, where a module that begins with a dot is one of this package.

    `help` is what the format is for. `suffix` is the end of a file's name that chooses it.

    A format that is not text is never written to a terminal.
    """

    name: str
    suffix: str
    help: str
    function: str
    text: bool = True

    def write(self, selection: Selection, file: BinaryIO) -> None:
        """Write the findings to a file. Raises UsageError if the format cannot hold them."""
        plugins.imported(self.function, __name__)(selection, file)


ENTRY_POINTS = "veritensor_ray.exports"
FORMATS = {
    one.name: one
    for one in (
        ExportFormat("csv", ".csv", "every column, for spreadsheets and scripts", ".plain_tables:write_csv"),
        ExportFormat("json", ".json", "every column, as one list", ".plain_tables:write_json"),
        ExportFormat("jsonl", ".jsonl", "every column, with an object on each line", ".plain_tables:write_jsonl"),
        ExportFormat("parquet", ".parquet", "every column with its type, for programs", ".plain_tables:write_parquet", text=False),
        ExportFormat("sarif", ".sarif", "SARIF 2.1.0, for code scanning and viewers", ".sarif:write"),
        ExportFormat("junit", ".xml", "JUnit XML, for test reports of CI systems", ".junit:write"),
        ExportFormat("gitlab", ".json", "a GitLab SAST report", ".gitlab:write"),
        ExportFormat("markdown", ".md", "a summary for a ticket or a pull request", ".markdown:write"),
        ExportFormat("xlsx", ".xlsx", "a workbook with a summary, findings and rules", ".xlsx:write", text=False),
        ExportFormat("defectdojo", ".json", "DefectDojo's import of generic findings", ".defectdojo:write"),
        ExportFormat("ocsf", ".jsonl", "OCSF 1.6 events, for a SIEM", ".ocsf:write"),
        ExportFormat("cyclonedx", ".cdx.json", "a CycloneDX 1.6 bill of materials with models and data sets", ".cyclonedx:write"),
    )
}

# Formats for what columns hold, with a selection of the rows of `results/kinds_by_column.py`.
CATALOGS = {
    one.name: one
    for one in (
        ExportFormat("openmetadata", ".json", "tags of columns for OpenMetadata", ".catalog_labels:write_openmetadata"),
        ExportFormat("datahub", ".json", "tags of columns for DataHub", ".catalog_labels:write_datahub"),
    )
}


def known(settings: Settings) -> dict[str, ExportFormat]:
    """Return all formats by name, with those of plug-ins, which replace none. Raises UsageError."""
    found = dict(FORMATS)
    for _, row in plugins.rows(ENTRY_POINTS, ExportFormat, settings):
        found.setdefault(row.name, row)
    return found


def format_named(name: str, formats: Mapping[str, ExportFormat]) -> ExportFormat:
    """Return a format. Raises UsageError for an unknown name."""
    if name not in formats:
        near = nearest(name, formats)
        hint = f"; did you mean {near}?" if near else f"; choose from {', '.join(formats)}"
        raise UsageError(f"unknown format {name!r}{hint}")
    return formats[name]
