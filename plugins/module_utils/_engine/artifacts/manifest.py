# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The artifact folder: what ``firmware.yml`` says, and whether the files are what it says (R-036…R-040, R-085)."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.documents import check, parse_yaml
from ..base.errors import InputError
from ..catalogue import constants, ftp_files, identifiers
from ..catalogue.models import Model, find_model
from ..catalogue.versions import Dotted, Version
from . import signature as signatures
from .fault import Fault
from .schema import MANIFEST

__all__ = ["MANIFEST_NAME", "ArtifactFile", "Fault", "Manifest", "Package", "Signing", "faults", "file_sha256", "load"]

MANIFEST_NAME = "firmware.yml"
PACKAGE_ENDING = ".sedp"
ION_ENDINGS = (".zip", ".upx", ".ZIP", ".UPX")
_SIGNATURES = {"detached": "present", "embedded_opaque": "unverified"}
_CHUNK = 1 << 20
_OPAQUE = "mcs301"  # the family whose versions are identifiers


@dataclass(frozen=True)
class ArtifactFile:
    """One file of a package; ``path`` is where it lies now, ``name`` what it must be called on the meter."""

    name: str
    role: str
    sha256: str
    size: int
    path: Path


@dataclass(frozen=True)
class Signing:
    """A detached signature as the manifest states it. ``public_key`` is PEM text, or a file in the artifact folder."""

    algorithm: str = ""
    public_key: str = ""
    file: str = ""


@dataclass(frozen=True)
class Package:
    """One firmware package for one version and method.

    ``tool_version`` is that of the maker's tool that came with it (R-070), ``min_ion_setup`` the oldest ION Setup that may send it
    (R-166), from the ZIP or from a person; ``signature`` is present (a detached one),
    unverified (inside the maker's container, for the meter to judge, R-134) or absent. For the method dlms ``version`` is the
    identifier of ``component`` after the upgrade (lower-case hex), ``image_identifier`` names the container to the meter, and
    ``expected_signature`` (hex) is that of the active part, where the maker tells it.
    """

    id: str
    family: str
    models: tuple[Model, ...]
    version: str
    method: str
    files: tuple[ArtifactFile, ...]
    source_url: str
    approved_by: str
    tool_version: str = ""
    min_ion_setup: str = ""
    signature: str = "absent"
    component: int | None = None
    image_identifier: bytes = b""
    expected_identifier: str = ""
    expected_signature: str = ""
    signing: Signing = Signing()
    folder: Path = Path()

    def file(self, role: str) -> ArtifactFile:
        """The file of this role; a package that was checked has exactly one."""
        return next(item for item in self.files if item.role == role)

    @property
    def bare(self) -> bool:
        """Whether this is a bare image for ION Setup, which does not tell what ION Setup it needs (R-167, R-172)."""
        return self.method == "ion" and any(item.name.lower().endswith(".upx") for item in self.files if item.role == "package")

    @property
    def digest(self) -> str:
        """One SHA-256 over names and hashes of all files, hexadecimal."""
        text = "".join(f"{item.name}\0{item.sha256}\n" for item in sorted(self.files, key=lambda each: each.name))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(item.size for item in self.files)


@dataclass(frozen=True)
class Manifest:
    """All packages of one artifact folder."""

    folder: Path
    packages: tuple[Package, ...]

    def versions(self, model: Model) -> tuple[str, ...]:
        """Versions there are packages of, for this model."""
        return tuple(package.version for package in self.packages if model in package.models)

    def offered(self, model: Model) -> dict[str, list[Version]]:
        """Versions there are packages of, for this model, by method; nothing for identifiers, which have no order."""
        if model.family == _OPAQUE:
            return {}
        own = [package for package in self.packages if model in package.models]
        return {method: [Version.parse(item.version) for item in own if item.method == method] for method in {item.method for item in own}}

    def find(self, model: Model, version: str, method: str, component: int | None = None) -> Package | None:
        """The package for this model, version and method, if there is one.

        Identifiers are taken in any spelling. Where packages for several components carry one identifier, ``component`` tells
        which is meant; without it there is none. Raises InputError for a version that is no identifier.
        """
        wanted = identifiers.canonical(version) if model.family == _OPAQUE else version
        found = [
            package
            for package in self.packages
            if model in package.models and (package.version, package.method) == (wanted, method) and component in (None, package.component)
        ]
        return found[0] if len(found) == 1 else None


def load(folder: Path) -> Manifest:
    """Read and check ``firmware.yml``. Raises InputError; opens none of the files it names."""
    path = folder / MANIFEST_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError("artifacts", str(path), f"a folder with a readable {MANIFEST_NAME} ({why})", "R-036") from None
    document = parse_yaml(text, MANIFEST_NAME, "R-036")
    check(document, MANIFEST, MANIFEST_NAME, "R-036")
    packages = tuple(_package(folder, index, item) for index, item in enumerate(document["packages"]))
    _refuse_twins(packages)
    return Manifest(folder=folder, packages=packages)


def _package(folder: Path, index: int, item: dict[str, Any]) -> Package:
    where = f"{MANIFEST_NAME}: packages[{index}]"
    models = tuple(_model(f"{where}.models", name, item["family"]) for name in item["models"])
    opaque = item["family"] == _OPAQUE  # identifiers have no order (design 4.1)
    version = identifiers.canonical(item["version"], f"{where}.version") if opaque else _version(f"{where}.version", item["version"])
    image, expected = item.get("image_identifier"), item.get("expected_identifier")
    stated = item.get("signature", {})
    files = tuple(_file(folder, f"{where}.files[{number}]", entry) for number, entry in enumerate(item["files"]))
    return Package(
        id=item["id"],
        family=item["family"],
        models=models,
        version=version,
        method=item["method"],
        files=files,
        source_url=item.get("source_url", ""),
        approved_by=item.get("approved_by", ""),
        tool_version=item.get("tool", {}).get("version", ""),
        min_ion_setup=_dotted(f"{where}.min_ion_setup", item.get("min_ion_setup", "")),
        signature=_SIGNATURES.get(stated.get("kind", ""), "absent"),
        component=item.get("component"),
        image_identifier=identifiers.octets(image, f"{where}.image_identifier") if image else b"",
        expected_identifier=identifiers.canonical(expected, f"{where}.expected_identifier") if expected else version if opaque else "",
        expected_signature=item.get("expected_signature", "").lower(),
        signing=Signing(stated.get("algorithm", ""), stated.get("public_key", ""), stated.get("file", "")),
        folder=folder,
    )


def _model(where: str, name: str, family: str) -> Model:
    try:
        model = find_model(name)
    except InputError as error:
        raise InputError(where, name, error.accepted, error.rule) from None
    if model.family != family:
        raise InputError(where, name, f"a model of the family {family}", "R-038")
    return model


def _version(where: str, text: str) -> str:
    try:
        return str(Version.parse(text))
    except InputError as error:
        raise InputError(where, text, error.accepted, error.rule) from None


def _dotted(where: str, text: str) -> str:
    """The version of a tool as it is written, checked by form. Raises InputError."""
    return str(Dotted.parse(text, where)) if text else ""


def _file(folder: Path, where: str, entry: dict[str, Any]) -> ArtifactFile:
    sub = Path(entry.get("path", "."))
    if sub.is_absolute() or ".." in sub.parts or "\x00" in str(sub):
        raise InputError(f"{where}.path", str(sub), "a folder inside the artifact folder", "R-040")
    return ArtifactFile(
        name=entry["name"],
        role=entry["role"],
        sha256=entry["sha256"].lower(),
        size=entry["size"],
        path=folder / sub / entry["name"],
    )


def _refuse_twins(packages: tuple[Package, ...]) -> None:
    ids: set[str] = set()
    uses: set[tuple[str, str, str, int | None]] = set()
    for package in packages:
        if package.id in ids:
            raise InputError(f"{MANIFEST_NAME}: id", package.id, "an id used by one package only", "R-036")
        ids.add(package.id)
        for model in package.models:
            use = (model.name, package.version, package.method, package.component)
            if use in uses:
                shown = " ".join(use[:3])
                raise InputError(f"{MANIFEST_NAME}: {package.id}", shown, "one package for each model, version and method", "R-036")
            uses.add(use)


def faults(package: Package, on_read: Callable[[], None] | None = None) -> Iterator[Fault]:
    """Everything that is wrong with a package, in the order a person would look: names, presence, sizes, hashes."""
    if package.method == "ftp":
        yield from _ftp_name_faults(package)
    elif package.method in ("web", "tool"):
        yield from _container_faults(package)
    elif package.method == "ion":
        yield from _container_faults(package, ION_ENDINGS)
    elif package.method == "dlms":
        yield from _image_faults(package)
    broken = False
    for item in package.files:
        fault = _file_fault(item, on_read)
        if fault is not None:
            broken = True
            yield fault
    if package.method == "dlms" and not broken:
        yield from _signature_faults(package, on_read)
    if package.method == "ion" and not broken:
        yield from _zip_faults(package)


def _ftp_name_faults(package: Package) -> Iterator[Fault]:
    wanted = {"comm_card": ftp_files.COMM_CARD, "trigger_page": ftp_files.TRIGGER_PAGE}
    for role in ("comm_card", "firmware", "trigger_page"):
        found = [item for item in package.files if item.role == role]
        if len(found) != 1:
            yield Fault("artifact_missing", f"package {package.id} has {len(found)} files of the role {role}; exactly one is needed")
        elif role in wanted and found[0].name != wanted[role]:
            yield Fault("artifact_renamed", f"package {package.id}: {found[0].name} must be called {wanted[role]}")
        elif role == "firmware":
            yield from _firmware_name_faults(package, found[0].name)
    for item in package.files:
        if item.role not in ("comm_card", "firmware", "trigger_page"):
            yield Fault("artifact_wrong_type", f"package {package.id}: a file of the role {item.role} does not belong to the method ftp")


def _container_faults(package: Package, endings: tuple[str, ...] = (PACKAGE_ENDING,)) -> Iterator[Fault]:
    """Webpages and tools take the maker's one container as it came (R-085, R-113, R-137, R-166)."""
    found = [item for item in package.files if item.role == "package"]
    if len(found) != 1:
        yield Fault("artifact_missing", f"package {package.id} has {len(found)} files of the role package; exactly one is needed")
    for item in package.files:
        if item.role == "package" and not item.name.endswith(endings):
            yield Fault("artifact_wrong_type", f"package {package.id}: {item.name} does not end in {' or '.join(endings[:2])}")
        elif item.role not in ("package", "signature"):
            yield Fault(
                "artifact_wrong_type",
                f"package {package.id}: a file of the role {item.role} does not belong to the method {package.method}",
            )


def _zip_faults(package: Package) -> Iterator[Fault]:
    """The maker's ZIP holds exactly one image. Only its list of names is read; what else is in it is not public (R-166)."""
    for item in package.files:
        if item.role != "package" or not item.name.lower().endswith(".zip"):
            continue
        try:
            with zipfile.ZipFile(item.path) as archive:
                images = [name for name in archive.namelist() if name.lower().endswith(".upx")]
        except (OSError, zipfile.BadZipFile):
            yield Fault("artifact_wrong_type", f"package {package.id}: {item.name} is not a ZIP file")
            continue
        if len(images) != 1:
            yield Fault("artifact_wrong_type", f"package {package.id}: {item.name} holds {len(images)} files that end in .upx, not one")


def _image_faults(package: Package) -> Iterator[Fault]:
    """An image transfer takes one image for one component, named to the meter as its maker names it (R-213…R-216)."""
    found = [item for item in package.files if item.role == "image"]
    if len(found) != 1:
        yield Fault("artifact_missing", f"package {package.id} has {len(found)} files of the role image; exactly one is needed")
    for item in package.files:
        if item.role not in ("image", "signature"):
            yield Fault("artifact_wrong_type", f"package {package.id}: a file of the role {item.role} does not belong to the method dlms")
    low, high = constants.DLMS_B_METROLOGY.number, constants.DLMS_B_OTHER_MAX.number
    if package.component is None or not low <= package.component <= high:
        said = "names no component" if package.component is None else f"is for component {package.component}"
        yield Fault("component_b_invalid", f"package {package.id} {said}; 0 is metrology, 1 the application, 2 to 9 other parts")
    if not package.image_identifier:
        yield Fault(
            "image_identifier_missing", f"package {package.id} does not say image_identifier; the meter is told it before the image"
        )
    if package.expected_identifier != package.version:
        yield Fault(
            "artifact_version_mismatch",
            f"package {package.id} is version {package.version}, but expects the identifier {package.expected_identifier}",
        )


def _signature_faults(package: Package, on_read: Callable[[], None] | None) -> Iterator[Fault]:
    """No image without a signature (R-217). One inside the container is for the meter to judge, a detached one is checked here."""
    if package.signature == "absent":
        yield Fault("image_unsigned", f"package {package.id}: the manifest states no signature; the meter takes none without")
    if package.signature != "present":
        return
    images = [item for item in package.files if item.role == "image"]
    try:
        key, file = signatures.pinned_key(package.folder, package.signing.public_key), _signature_path(package)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        yield Fault("image_signature_missing", f"package {package.id}: the pinned key or the signature cannot be read: {why}")
        return
    for item in images:
        fault = signatures.verify_detached(item.path, file, key, package.signing.algorithm, on_read)
        if fault is not None:
            yield fault


def _signature_path(package: Package) -> Path | None:
    """Where the detached signature is: the file that the manifest names, or the one file of the role signature."""
    named = package.signing.file
    listed = [item for item in package.files if item.role == "signature" and named in ("", item.name)]
    if listed:
        return listed[0].path if len(listed) == 1 else None
    return signatures.inside(package.folder, named) if named else None


def _firmware_name_faults(package: Package, name: str) -> Iterator[Fault]:
    try:
        model, version = ftp_files.parse_fwa_name(name)
    except InputError:
        wrong_type = not name.lower().endswith(".fwa")
        yield Fault(
            "artifact_wrong_type" if wrong_type else "artifact_renamed", f"package {package.id}: {name} is not named like PM5xxx_vX.Y.Z.fwa"
        )
        return
    if package.models != (model,):
        names = ", ".join(item.name for item in package.models)
        yield Fault("artifact_model_mismatch", f"package {package.id} is for {names}, but {name} is for {model.name}")
    if str(version) != package.version:
        yield Fault("artifact_version_mismatch", f"package {package.id} is version {package.version}, but {name} is version {version}")


def _file_fault(item: ArtifactFile, on_read: Callable[[], None] | None) -> Fault | None:
    try:
        size = item.path.stat().st_size
        if not item.path.is_file():
            return Fault("artifact_missing", f"{item.path} is not a file")
        if size != item.size:
            return Fault("artifact_hash_mismatch", f"{item.path} has {size} bytes; the manifest says {item.size}")
        if file_sha256(item.path, on_read) != item.sha256:
            return Fault("artifact_hash_mismatch", f"{item.path} does not have the pinned SHA-256")
    except OSError as error:
        return Fault("artifact_missing", f"{item.path} cannot be read: {error.strerror}")
    return None


def file_sha256(path: Path, on_read: Callable[[], None] | None = None) -> str:
    """SHA-256 of a file, hexadecimal, read in pieces so that memory does not grow with its size."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_CHUNK):
            digest.update(piece)
            if on_read is not None:
                on_read()
    return digest.hexdigest()
