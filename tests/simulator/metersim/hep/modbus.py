# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The Modbus port of a HEP meter: identification, setup registers, and its documented errors (SURFACE.md, section 42)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest, ReadDeviceInformationResponse
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterRequest,
    WriteSingleRegisterResponse,
)

from metersim.hep import settings, spec
from metersim.hep.users import Refused
from metersim.modbus import Connection, MeterServer, ModbusService
from metersim.registers import date_words, text_words

if TYPE_CHECKING:
    from metersim.hep.meter import HepMeter

UNMAPPED, NOT_AVAILABLE = 0x8000, 0xFFFF
BLOCKS = ((20, 199), (1700, 1760), (1800, 1860))
CLIENTS = 32
MODES = {"none": 0, "standard": 1, "advanced": 2, "legacy_support": 3}
ACCESS = {"none": 0, "read_only": 1, "read_write": 2}
PROTOCOLS = {"disabled": 0, "https": 1, "https_redirect": 2, "http": 3}
MODE, REVENUE_LOCK, USER_COUNT, TEMPLATE, TEMPLATE_WORDS = 57001, 57022, 57023, 57060, 10
ENERGIES = (2700, 2704, 2708, 2712)
# Which register is which setting: invented. The gaps are the read-only ones.
SETUP: dict[int, str] = dict(
    enumerate(
        (
            "modbus_access", "web_server", "web_programming", "panel_programming", "modbus_programming", "time_sync", "web_protocol",
            "web_port_http", "web_port_https", "lockout_ion", "lockout_modbus", "lockout_web", "lockout_sftp", "lockout_ssh",
            "lockout_duration", "session_timeout_ion", "sftp", "ssh", "ion", "ion_tls",
        ),
        57002,
    )
)  # fmt: skip
SETUP.update(enumerate(("event_cutoff", "priority_login", "priority_invalid_login", "priority_lockout", "ftp", "telnet"), 57024))
WORDS: dict[str, dict[str, int]] = {"modbus_access": ACCESS, "web_protocol": PROTOCOLS}


class WriteError(Exception):
    """A write is refused with this exception code."""

    def __init__(self, code: ExcCodes) -> None:
        super().__init__(code)
        self.code = code


def _image(meter: HepMeter) -> dict[int, int]:
    """Every register that is not just 'not available'."""
    image: dict[int, int] = {}

    def put(register: int, words: list[int]) -> None:
        image.update(zip(range(register, register + len(words)), words, strict=True))

    put(30, text_words(meter.label, 20))
    put(50, text_words(meter.spec.model_text or meter.model, 20))
    put(70, text_words("Schneider Electric", 9))
    put(90, [spec.MODELS[meter.model][0]])
    put(117, text_words(meter.serial, 12))
    put(1717, text_words(meter.firmware_text, 6))
    put(1845, date_words(meter.wall()))
    for register, value in zip(ENERGIES, meter.energies, strict=True):
        put(register, list(struct.unpack(">4H", struct.pack(">q", value))))
    put(MODE, [MODES[meter.mode]])
    for register, name in SETUP.items():
        put(register, [_word(name, meter.settings.get(name))])
    put(REVENUE_LOCK, [int(meter.revenue_lock)])
    put(USER_COUNT, [len(meter.users)])
    put(TEMPLATE, text_words(meter.template, TEMPLATE_WORDS))
    return image


def _word(name: str, value: Any) -> int:
    if value is None:
        return NOT_AVAILABLE
    return WORDS[name][value] if name in WORDS else int(value)


def _value(name: str, word: int) -> Any:
    """A word of a setup register as the setting's value. Raises WriteError."""
    if name in WORDS:
        found = [value for value, number in WORDS[name].items() if number == word]
        if not found:
            raise WriteError(ExcCodes.ILLEGAL_VALUE)
        return found[0]
    if settings.SETTINGS[name].kind is bool:
        if word not in (0, 1):
            raise WriteError(ExcCodes.ILLEGAL_VALUE)
        return bool(word)
    return word


def _mapped(register: int, image: dict[int, int]) -> bool:
    return register in image or any(low <= register <= high for low, high in BLOCKS)


def _partial(first: int, last: int) -> bool:
    """Whether the range cuts an energy in two."""
    return any(first <= start + 3 and start <= last and not (first <= start and start + 3 <= last) for start in ENERGIES)


class HepConnection(Connection):
    """One client connection."""

    meter: HepMeter  # type: ignore[assignment]
    _counted = False

    def callback_connected(self) -> None:
        """Count the connection, or end it when there are too many."""
        super(Connection, self).callback_connected()
        meter = self.meter
        if meter.connections >= CLIENTS:
            meter.record("limit", service="modbus")
            if self.transport:
                self.transport.abort()  # type: ignore[attr-defined]
            return
        self._counted = True
        meter.connections += 1
        peer = self.transport.get_extra_info("peername") or ("?", 0)
        meter.record("modbus_connect", peer=peer[0])
        meter.journal.connections(meter.name, meter.connections)

    def callback_disconnected(self, exc: Exception | None) -> None:
        """Count it out."""
        super(Connection, self).callback_disconnected(exc)
        if self._counted:
            self.meter.connections = max(0, self.meter.connections - 1)

    def _send(self, pdu: ModbusPDU | None, unit: int, transaction: int) -> None:
        if pdu is not None:
            super()._send(pdu, unit, transaction)

    def answer(self, pdu: ModbusPDU) -> ModbusPDU | None:  # type: ignore[override]
        """What the meter says to one request; None is silence."""
        if pdu.dev_id != self.meter.unit_id:
            return None
        try:
            if isinstance(pdu, ReadHoldingRegistersRequest) and pdu.function_code == 3:
                return self._read(pdu.address + 1, pdu.count)
            if isinstance(pdu, ReadDeviceInformationRequest):
                return _identify(self.meter, pdu.read_code, pdu.object_id)
            if isinstance(pdu, WriteSingleRegisterRequest) and self._write(pdu.address + 1, pdu.registers):
                return WriteSingleRegisterResponse(address=pdu.address, registers=pdu.registers)
            if isinstance(pdu, WriteMultipleRegistersRequest) and self._write(pdu.address + 1, pdu.registers):
                return WriteMultipleRegistersResponse(address=pdu.address, count=len(pdu.registers))
        except WriteError as exc:
            if pdu.function_code != 3:
                self.meter.record("write_refused", register=pdu.address + 1, code=int(exc.code))
            return ExceptionResponse(pdu.function_code, exc.code)
        if pdu.function_code in (6, 16):
            return None
        return ExceptionResponse(pdu.function_code, ExcCodes.ILLEGAL_FUNCTION)

    def _read(self, first: int, count: int) -> ModbusPDU:
        meter, last = self.meter, first + count - 1
        if meter.spec.log_reads:
            meter.record("modbus_read", register=first, count=count)
        fault = meter.faults.get("F-40")
        if fault and any(low <= last and first <= high for low, high in fault["registers"]):
            raise WriteError(ExcCodes.ILLEGAL_ADDRESS)
        if meter.settings["modbus_access"] == "none":
            raise WriteError(ExcCodes.ILLEGAL_ADDRESS)
        if _partial(first, last):
            raise WriteError(ExcCodes.ILLEGAL_VALUE)
        image = _image(meter)
        values = [image.get(number, NOT_AVAILABLE if _mapped(number, image) else UNMAPPED) for number in range(first, last + 1)]
        if meter.faults.get("F-37", {}).get("where") in ("modbus", "all"):
            values = [0xC3FF ^ (number & 0x00F0) if 30 <= number < 90 else value for number, value in enumerate(values, first)]
        if first <= SETUP_LAST and last >= MODE:
            meter.after_settings_read("modbus")
        return ReadHoldingRegistersResponse(registers=values)

    def _write(self, first: int, words: Sequence[int]) -> bool:
        """Store the words; False means that there is no answer."""
        meter, last = self.meter, first + len(words) - 1
        meter.record("modbus_write", register=first, count=len(words))
        image = _image(meter)
        if not all(_mapped(number, image) for number in range(first, last + 1)):
            meter.record("write_unanswered", register=first)
            meter.record("violation", what="write_unmapped", register=first)
            return False
        if meter.state == "upgrading":
            meter.record("violation", what="modbus_write_during_upgrade", register=first)
            raise WriteError(ExcCodes.DEVICE_BUSY)
        if _partial(first, last):
            raise WriteError(ExcCodes.ILLEGAL_VALUE)
        programming = meter.mode != "advanced" or meter.settings["modbus_programming"]
        if meter.settings["modbus_access"] != "read_write" or not programming or meter.revenue_lock:
            raise WriteError(ExcCodes.ILLEGAL_ADDRESS)
        if not all(number in SETUP for number in range(first, last + 1)):
            raise WriteError(ExcCodes.ILLEGAL_ADDRESS)
        values = {SETUP[first + index]: _value(SETUP[first + index], word) for index, word in enumerate(words)}
        try:
            meter.change(values, "modbus", "modbus")
        except Refused as exc:
            raise WriteError(ExcCodes.ILLEGAL_VALUE) from exc
        return True


SETUP_LAST = max(SETUP)


def _identify(meter: HepMeter, code: int, first: int) -> ModbusPDU:
    if not meter.spec.fc43:
        return ExceptionResponse(0x2B, ExcCodes.ILLEGAL_FUNCTION)
    if meter.settings["modbus_access"] == "none":
        return ExceptionResponse(0x2B, ExcCodes.ILLEGAL_ADDRESS)
    line = spec.MODELS[meter.model][2]
    objects: dict[int, Any] = {
        0: "Schneider Electric", 1: f"METSE{meter.model}", 2: meter.firmware_text, 4: line, 5: meter.model, 6: meter.label,
    }  # fmt: skip
    if meter.faults.get("F-37", {}).get("where") in ("fc43", "all"):
        objects = {0: b"\xff\xfe\x80", 1: b"\x00\xc3\x28" * 20, 2: b"<html>"}
    if code == 4 and first in objects:
        chosen = {first: objects[first]}
    elif code in (1, 2):
        chosen = {key: value for key, value in objects.items() if key <= (2 if code == 1 else 6)}
    else:
        return ExceptionResponse(0x2B, ExcCodes.ILLEGAL_ADDRESS if code == 4 else ExcCodes.ILLEGAL_VALUE)
    answer = ReadDeviceInformationResponse(read_code=code, information=chosen)
    answer.conformity = 0x82
    return answer


class HepServer(MeterServer):
    """A pymodbus server that belongs to one HEP meter."""

    def callback_new_connection(self) -> HepConnection:
        """One handler per client."""
        return HepConnection(self)


class HepModbus(ModbusService):
    """The Modbus port of one HEP meter."""

    server_class = HepServer
