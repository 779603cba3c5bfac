# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What this collection assumes about a HEP meter, as statements a real one can refute. ``confidence`` is as for a PM5000."""

from __future__ import annotations

from . import hep_registers as registers
from .hep_registers import Field
from .pm5000_assumptions import Assumption, Expected, Finding, shown

_SOURCES = {"code": "public Modbus templates", "doc": "driver notes of the maker", "profile": "profile"}
_TEXTS = {
    "name": "registers 30-49 hold the name a user gave the meter",
    "model": "registers 50-69 hold the model",
    "manufacturer": "registers 70-78 hold the manufacturer",
    "product_id": "register 90 holds the product id",
    "serial": "registers 117-128 hold the serial number as text",
    "firmware.raw": "registers 1717-1722 hold the firmware version as text of three numbers",
    "clock": "registers 1845-1848 hold the clock in the IEC form",
}
EXPECTED: tuple[Expected, ...] = tuple(
    Expected(item, _TEXTS[item.name]) for block in (registers.IDENTITY, registers.FIRMWARE, registers.CLOCK) for item in block.fields
)
#: Registers inside the identification which no list names: what they hold tells how this meter fills.
GAP = range(91, 117)

OTHERS: dict[str, Assumption] = {
    item.id: item
    for item in (
        Assumption("modbus.port", "Modbus TCP answers on its port, without a login", "product help", "doc"),
        Assumption("modbus.unit_id", "the meter itself answers to unit id 255", "product manual", "doc"),
        Assumption("modbus.block", "99 registers are given in one request", "Modbus standard, at most 125", "inferred"),
        Assumption("modbus.filler", "registers that mean nothing read 0x8000 or 0xFFFF, without an exception", "product manual", "doc"),
        Assumption("model.known", "the model is an ION9000, ION9000T, PM8000 or ION7400", "R-160, R-242", "doc"),
        Assumption("product_id.range", "the product id is one from 18000 to 18019", "driver notes of the maker", "doc"),
        Assumption("fc43.answers", "function 43/14 tells vendor, product code and revision", "integration notes of the maker", "inferred"),
        Assumption("fc43.revision", "object 2 is the present firmware", "integration notes of the maker", "inferred"),
        Assumption("port.ion", "the ION port listens", "product help", "doc"),
        Assumption("port.ion_tls", "ION over TLS listens from 4.0.0 on, and not before", "product help", "doc"),
        Assumption("port.ssh", "SFTP and SSH share a port, and firmware below 3 has none", "product help", "inferred"),
        Assumption("port.old", "FTP and Telnet listen on firmware below 3 only", "product manual", "inferred"),
        Assumption("http.redirect", "from 3.0.0 on HTTP leads to HTTPS or is closed", "R-236, R-394", "doc"),
        Assumption("tls.version", "HTTPS speaks TLS 1.2 or later", "own", "inferred"),
        Assumption("tls.fingerprint", "the certificate has a SHA-256 fingerprint that can be pinned", "own", "inferred"),
        Assumption("tls.self_signed", "the certificate is the meter's own, self-signed", "product help", "doc"),
    )
}


def judge(key: str, holds: str, seen: object) -> Finding:
    """A finding about one of OTHERS."""
    item = OTHERS[key]
    return Finding(item.id, item.text, item.source, item.confidence, holds, shown(seen))


def judge_register(item: Expected, holds: str, seen: object) -> Finding:
    """A finding about a register that is public."""
    confidence = item.field.confidence
    return Finding(f"register.{item.field.name}", item.text, _SOURCES[confidence], confidence, holds, shown(seen))


def judge_profiled(field: Field, holds: str, seen: object) -> Finding:
    """A finding about a register that a profile names."""
    text = f"register {field.first} answers with a value for {field.name.partition('.')[2] or field.name}"
    return Finding(f"profile.{field.name}", text, "profile", "profile", holds, shown(seen))
