"""Options that several commands have, each told once; it knows no command."""

from __future__ import annotations

from typing import Annotated

import typer

from veritensor_ray.cli.export import FORMATS


def _each(given: list[str] | None) -> list[str] | None:
    """`a,b` as well as one flag for each."""
    return [word.strip() for text in given for word in text.split(",") if word.strip()] if given else None


Sources = Annotated[
    list[str] | None, typer.Argument(help="Folders, files, globs or URIs (s3://, gs://, abfs://, https://).", show_default=False)
]
Output = Annotated[
    str | None, typer.Option(help="Folder or URI for the results. Default: audit-NAME or sweep-NAME here; the same command resumes.")
]
Engines = Annotated[
    list[str] | None,
    typer.Option(callback=_each, help="Comma-separated, repeatable; default: all. See `veritensor-ray engines`.", show_default=False),
]
Profile = Annotated[str | None, typer.Option(help="embedded (models in the package) or standard (the hub's, from HF_HOME).")]
RuleDirs = Annotated[list[str] | None, typer.Option("--rules", help="Folder of your own YARA rules; repeatable.")]
Iocs = Annotated[
    list[str] | None,
    typer.Option("--iocs", help="File with indicators (SHA-256 digests, domains, addresses, URLs), one a line; repeatable."),
]
Include = Annotated[list[str] | None, typer.Option(help="Only artifacts that match this glob; repeatable.")]
Exclude = Annotated[list[str] | None, typer.Option(help="Not the artifacts that match this glob; repeatable.")]
MaxSize = Annotated[str | None, typer.Option(help="Skip bigger artifacts, e.g. 2GB.")]
Since = Annotated[str | None, typer.Option(help="Only what changed since an ISO date or within an age like 7d.")]
Sample = Annotated[str | None, typer.Option(help="So many artifacts, or a share like 1%; the same ones every time.")]
Config = Annotated[str | None, typer.Option(help="YAML file; default: veritensor-ray.yaml here, if there is one.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
Format = Annotated[str, typer.Option(help=f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}.")]
