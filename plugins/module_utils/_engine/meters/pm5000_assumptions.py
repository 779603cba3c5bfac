# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What this collection assumes about a PM5000 beyond what its documents promise, as statements a real meter can refute.

``confidence``: doc (a document of the maker), code (seen in working third-party software), sibling (documented for a
related product), inferred (follows from other facts), unknown (nothing public), profile (told by a site's profile).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .pm5000_registers import Block, Field, clock, datetime, serial, text, u16, u32, version

YES, NO, UNKNOWN = "yes", "no", "unknown"


@dataclass(frozen=True)
class Assumption:
    """One statement and where it comes from."""

    id: str
    text: str
    source: str
    confidence: str


@dataclass(frozen=True)
class Finding:
    """Whether a statement holds on this meter, and what was seen."""

    id: str
    text: str
    source: str
    confidence: str
    holds: str
    seen: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Expected:
    """A field and the statement about it."""

    field: Field
    text: str


def _register(name: str, first: int, count: int, decode: Any, confidence: str, what: str) -> Expected:
    return Expected(Field(name, first, count, decode, confidence), what)


# Register numbers count from 1 (public templates). Pass codes (1880-1899) and the command semaphore (5680) are not in
# this list and can never be read by it: pm5000_registers.FORBIDDEN.
REGISTERS: tuple[Expected, ...] = (
    _register("name", 30, 20, text, "code", "registers 30-49 hold the name a user gave the meter"),
    _register("model", 50, 20, text, "code", "registers 50-69 hold the model"),
    _register("manufacturer", 70, 20, text, "code", "registers 70-89 hold the manufacturer"),
    _register("product_id", 90, 1, u16, "code", "register 90 holds the product id"),
    _register("unit_prefix", 129, 1, u16, "sibling", "register 129 holds the manufacturing unit of the printed serial number"),
    _register("serial", 130, 2, serial, "code", "registers 130-131 hold the serial number, most significant word first"),
    _register("manufactured", 132, 4, datetime, "code", "registers 132-135 hold the date of manufacture"),
    _register("hardware_revision", 136, 5, text, "code", "registers 136-140 hold the hardware revision"),
    _register("firmware_raw", 1637, 1, u16, "code", "register 1637 holds the present firmware, packed"),
    _register("firmware", 1638, 3, version, "code", "registers 1638-1640 hold the present firmware as X, Y, Z"),
    _register("firmware_build", 1641, 1, u16, "sibling", "register 1641 holds the build of the present firmware"),
    _register("previous", 1643, 3, version, "code", "registers 1643-1645 hold the previous firmware as X, Y, Z"),
    _register("downloaded", 1647, 4, datetime, "sibling", "registers 1647-1650 hold the time of the last firmware download"),
    _register("second_block", 1670, 3, version, "inferred", "registers 1670-1672 hold the version of the boot system"),
    _register("third_block", 1702, 3, version, "code", "registers 1702-1704 hold the version of the language file"),
    _register("download_percent", 1749, 1, u16, "sibling", "register 1749 tells how much of a firmware download is done"),
    _register("last_restart", 1824, 4, datetime, "sibling", "registers 1824-1827 hold the time of the last restart"),
    _register("restarts", 1828, 1, u16, "code", "register 1828 counts restarts"),
    _register("power_failures", 1829, 1, u16, "code", "register 1829 counts failures of control power"),
    _register("reset_cause", 1836, 1, u16, "code", "register 1836 holds the cause of the last reset"),
    _register("clock", 1837, 7, clock, "code", "registers 1837-1843 hold the clock as seven words"),
    _register("clock_iec", 1845, 4, datetime, "code", "registers 1845-1848 hold the clock in the IEC form"),
    _register("lock_switch", 1920, 1, u16, "unknown", "register 1920 holds the lock switch; the meaning of its values is not public"),
    _register("lock_status", 1921, 1, u16, "unknown", "register 1921 holds the MID/MIR lock; the meaning of its values is not public"),
    _register("operation_seconds", 2004, 2, u32, "code", "registers 2004-2005 count the seconds of operation"),
    _register("serial_port", 6500, 1, u16, "code", "register 6500 holds the protocol of the serial port"),
)
SOURCE_OF = {
    "code": "public Modbus templates",
    "sibling": "register list of a related product",
    "inferred": "inferred",
    "unknown": "name only",
}

IDENTITY_IN_ONE = Block("identity", tuple(item.field for item in REGISTERS if 30 <= item.field.first <= 136))

OTHERS: dict[str, Assumption] = {
    item.id: item
    for item in (
        Assumption("modbus.port", "Modbus TCP answers on its port, without a login", "user manual", "doc"),
        Assumption("modbus.unit_id", "the meter itself answers to unit id 255", "sample of Config.csv (R-101)", "inferred"),
        Assumption("modbus.block", "111 registers are given in one request", "Modbus standard, at most 125", "inferred"),
        Assumption("model.known", "the model is one that the documents name", "R-006", "doc"),
        Assumption("fc43.answers", "function 43/14 tells vendor, product code and revision", "third-party software", "code"),
        Assumption("fc43.vendor", "object 0 is 'Schneider Electric'", "register list of a related product", "sibling"),
        Assumption("fc43.revision", "object 2 is the present firmware as X.Y.ZTT", "register list of a related product", "sibling"),
        Assumption(
            "port.ftp", "the FTP server listens on old firmware and is off on new firmware unless somebody opened it", "user manual", "doc"
        ),
        Assumption("port.http", "the web server listens on the HTTP port", "user manual", "doc"),
        Assumption("port.https", "new firmware serves HTTPS, old firmware does not", "user manual of new firmware", "inferred"),
        Assumption("http.login", "an anonymous request for / is asked to sign in", "R-062", "inferred"),
        Assumption("http.challenge", "old firmware asks by HTTP Basic or Digest", "'when prompted', R-062", "inferred"),
        Assumption("http.redirect", "new firmware leads from HTTP to HTTPS", "user manual of new firmware", "inferred"),
        Assumption("tls.version", "HTTPS speaks TLS 1.2 or later", "own", "inferred"),
        Assumption("tls.fingerprint", "the certificate has a SHA-256 fingerprint that can be pinned", "own", "inferred"),
        Assumption("tls.self_signed", "the certificate is the meter's own, self-signed", "user manual, hardening", "doc"),
        Assumption("tls.valid", "the certificate has not expired by this computer's clock", "own", "inferred"),
        Assumption("ftp.banner", "the FTP server greets with 220", "FTP standard", "inferred"),
        Assumption("profile.scheme", "the meter is reached by the profile's scheme", "profile", "profile"),
        Assumption("profile.login", "the profile's login works", "profile", "profile"),
        Assumption("profile.role", "the role page tells who is signed in", "profile", "profile"),
        Assumption("profile.status", "the status page is understood", "profile", "profile"),
    )
}


def shown(seen: object) -> str:
    """What a device said, in one line that a terminal and a table can bear (F-37)."""
    text = " ".join(str(seen).split())[:300]
    return "".join(char if char.isprintable() else "?" for char in text)


def judge(key: str, holds: str, seen: object) -> Finding:
    """A finding about one of OTHERS."""
    item = OTHERS[key]
    return Finding(item.id, item.text, item.source, item.confidence, holds, shown(seen))


def judge_register(item: Expected, holds: str, seen: object) -> Finding:
    """A finding about a register."""
    confidence = item.field.confidence
    return Finding(f"register.{item.field.name}", item.text, SOURCE_OF[confidence], confidence, holds, shown(seen))
