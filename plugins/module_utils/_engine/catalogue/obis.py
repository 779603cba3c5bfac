# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The objects of a DLMS/COSEM meter that this collection uses: class, logical name and the rule they come from.

Table 48 of the MCS301 manual (R-202 to R-211) names the objects of an upgrade; the others are of the Blue Book and of IDIS.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import constants

DATA, PROFILE, CLOCK_CLASS, SCRIPT_TABLE, ASSOCIATION_LN = 1, 7, 8, 9, 15
IMAGE_TRANSFER_CLASS, SINGLE_ACTION, TCP_SETUP_CLASS, SECURITY_SETUP = 18, 22, 41, 64


@dataclass(frozen=True)
class CosemObject:
    """One object. ``version`` is None where the documents leave it open."""

    name: str
    class_id: int
    obis: str
    version: int | None = 0
    rules: tuple[str, ...] = ("own",)

    def attribute(self, index: int) -> tuple[int, str, int]:
        """Class, logical name and index: what a request names."""
        return self.class_id, self.obis, index


IMAGE_TRANSFER = CosemObject("image_transfer", IMAGE_TRANSFER_CLASS, "0-0:44.0.0.255", rules=("R-203", "R-223"))
ACTIVATION_SCHEDULER = CosemObject("activation_scheduler", SINGLE_ACTION, "0-0:15.0.2.255", rules=("R-204",))
ACTIVATION_SCRIPTS = CosemObject("activation_scripts", SCRIPT_TABLE, "0-0:10.0.107.255", rules=("R-205",))

LOGICAL_DEVICE_NAME = CosemObject("logical_device_name", DATA, "0-0:42.0.0.255")
SERIAL_NUMBER = CosemObject("serial_number", DATA, "0-0:96.1.0.255")
DEVICE_IDS = (
    *(CosemObject(f"device_id_{number + 1}", DATA, f"0-0:96.1.{number}.255") for number in range(1, 6)),
    CosemObject("device_id_7", DATA, "1-0:0.0.0.255"),
)
CLOCK = CosemObject("clock", CLOCK_CLASS, "0-0:1.0.0.255")
CURRENT_ASSOCIATION = CosemObject("current_association", ASSOCIATION_LN, "0-0:40.0.0.255", version=None)
SECURITY = CosemObject("security_setup", SECURITY_SETUP, "0-0:43.0.0.255", version=None)
INVOCATION_COUNTER = CosemObject("invocation_counter", DATA, "0-0:43.1.0.255")
TCP_SETUP = CosemObject("tcp_setup", TCP_SETUP_CLASS, "0-0:25.0.0.255")
STANDARD_LOG = CosemObject("standard_log", PROFILE, "0-0:99.98.0.255", version=None)
FRAUD_LOG = CosemObject("fraud_log", PROFILE, "0-0:99.98.1.255", version=None)

_IDENTIFIER_RULES = {0: "R-206", 1: "R-208", 2: "R-210"}
_SIGNATURE_RULES = {0: "R-207", 1: "R-209", 2: "R-211"}

#: The numbers B that a firmware part may have (R-213 to R-216), and those that table 48 lists.
PARTS = tuple(range(constants.DLMS_B_METROLOGY.number, constants.DLMS_B_OTHER_MAX.number + 1))
LISTED_PARTS = tuple(_IDENTIFIER_RULES)


def identifier_object(part: int) -> CosemObject:
    """The active firmware identifier of part B."""
    return CosemObject(f"firmware_identifier_{part}", DATA, f"1-{part}:0.2.0.255", rules=(_IDENTIFIER_RULES.get(part, "R-216"), "R-213"))


def signature_object(part: int) -> CosemObject:
    """The active firmware signature of part B."""
    return CosemObject(f"firmware_signature_{part}", DATA, f"1-{part}:0.2.8.255", rules=(_SIGNATURE_RULES.get(part, "R-216"), "R-213"))


#: What an upgrade needs (table 48).
UPGRADE_OBJECTS = (
    IMAGE_TRANSFER,
    ACTIVATION_SCHEDULER,
    ACTIVATION_SCRIPTS,
    *(item for part in LISTED_PARTS for item in (identifier_object(part), signature_object(part))),
)


def part_role(part: int) -> str:
    """What part B is: ``metrology``, ``application`` or ``other`` (R-214 to R-216)."""
    if part == constants.DLMS_B_METROLOGY.number:
        return "metrology"
    return "application" if part == constants.DLMS_B_APPLICATION.number else "other"


def is_legally_relevant(part: int) -> bool:
    """Whether the part is the metrologically relevant one (R-214)."""
    return part == constants.DLMS_B_METROLOGY.number


def obis_text(octets: bytes) -> str:
    """A logical name of six octets as ``A-B:C.D.E.F``. Raises ValueError for another length."""
    a, b, c, d, e, f = octets
    return f"{a}-{b}:{c}.{d}.{e}.{f}"
