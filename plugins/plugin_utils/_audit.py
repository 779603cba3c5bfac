# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's side of an audit: from the result of a pass to readings, and the document as a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.gridops.metering.plugins.module_utils._engine.audit.assemble import Reading
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.limits import attempt_limit
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import HEP, MCS301, PM5000, find_model
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Version
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting import document as doc
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting.document import Document, Location

from ._baseline import OneBaseline
from ._files import write_stream
from ._origin import location


@dataclass(frozen=True)
class Known:
    """What the inventory tells of a meter and a reading does not need."""

    credentials: bool
    keys: bool
    registers: bool
    passwords: bool
    location: Location | None

    def way_in(self, family: str) -> bool:
        """Whether somebody can sign in at a meter of this family, or look at its registers."""
        return self.keys if family == MCS301 else self.credentials or (self.registers and family == HEP)


class Inventory:
    """Takes that from the variables of each host, which are not templated, and sees that they all have one baseline."""

    def __init__(self) -> None:
        self.known: dict[str, Known] = {}
        self._baseline = OneBaseline()

    def look_at(self, name: str, raw: Mapping[str, Any]) -> None:
        """One host. Raises InputError."""
        self._baseline.take(name, raw)
        self.known[name] = Known(
            bool(raw.get("metering_credentials")),
            bool(raw.get("metering_dlms_keys")),
            bool(raw.get("metering_security_profile") or raw.get("metering_profile")),
            bool(raw.get("metering_passwords")),
            location(raw.get("ansible_host")) or location(name),
        )


def reading(entry: Mapping[str, Any], told: Mapping[str, Any], known: Known | None) -> Reading:
    """One meter of a pass."""
    name = str(entry.get("name") or entry.get("host"))
    family = str(entry.get("family") or PM5000)
    error = told.get("error") or {}
    ok = bool(told.get("ok"))
    return Reading(
        name=name,
        host=str(entry.get("host") or name),
        family=family,
        gateway=str(entry.get("gateway") or ""),
        facts=told["facts"] if ok else None,
        reason="" if ok else str(error.get("reason") or error.get("class") or "internal"),
        text="" if ok else str(told.get("msg") or "the meter could not be read"),
        attest=entry.get("attest") or {},
        way_in=known is not None and known.way_in(family),
        passwords=known is not None and known.passwords,
        location=known.location if known is not None else location(entry.get("host")) or location(entry.get("name")),
    )


def attested(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the inventory attests of a meter, for who said it and when; templates are not worth their time here."""
    given = raw.get("metering_attest")
    return given if isinstance(given, Mapping) else {}


def limited(meters: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Serial number to the first version of the band in which the attempts are counted, of meters that have a limit (R-043)."""
    bands: dict[tuple[str, str], str] = {}
    found: dict[str, str] = {}
    for told in meters.values():
        facts = told.get("facts") or {}
        firmware = facts.get("firmware") or {}
        attempts = firmware.get("attempts") or {}
        if attempts.get("limit") is None or attempts.get("source") != "unknown" or not facts.get("serial"):
            continue
        key = (str(facts.get("model")), str(firmware.get("version")))
        if key not in bands:
            limit = attempt_limit(find_model(key[0]), Version.parse(key[1]))
            bands[key] = str(limit.since) if limit is not None else ""
        if bands[key]:
            found[str(facts["serial"])] = bands[key]
    return found


def write_document(folder: Path, name: str, document: Document) -> None:
    """The canonical file, whose last line tells the digest of all before it; the digest is put into the document as well."""
    write_stream(folder, name, lambda stream: stream.writelines(_sealed(document)))


def _sealed(document: Document) -> Iterator[str]:
    found = hashlib.sha256()
    for line in doc.lines(document):
        text = line + "\n"
        found.update(text.encode())
        yield text
    document["digest"] = found.hexdigest()
    yield f',"digest":{doc.compact(document["digest"])}}}\n'
