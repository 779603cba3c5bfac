# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Clauses of standards that controls speak to: identifiers only, never their text (rollout 4.1).

A mapping is our reading, not a certificate. A clause is ``verified`` only where its text, as public documents quote it, was read and compared
with ``about``; standards that are sold could not be read, and stay unverified.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

IEC, NIST, CIP7, CIP10, ETSI = "IEC 62443-4-2", "NIST SP 800-53r5", "NERC CIP-007-6", "NERC CIP-010-4", "ETSI EN 303 645"
MID, WELMEC = "MID 2014/32/EU", "WELMEC 7.2"

#: What an identifier of each standard looks like.
FORMS: dict[str, re.Pattern[str]] = {
    IEC: re.compile(r"(CR|EDR) [1-7]\.[0-9]{1,2}( RE\([1-9]\))?"),
    NIST: re.compile(r"[A-Z]{2}-[0-9]{1,2}(\([0-9]{1,2}\))?"),
    CIP7: re.compile(r"R[1-9] Part [1-9]\.[0-9]"),
    CIP10: re.compile(r"R[1-9] Part [1-9]\.[0-9](\.[0-9])?"),
    ETSI: re.compile(r"5\.[0-9]{1,2}-[0-9]{1,2}"),
    MID: re.compile(r"Annex I [0-9]{1,2}\.[0-9]"),
    WELMEC: re.compile(r"[PD][0-9]"),
}


@dataclass(frozen=True)
class Clause:
    """One clause: the standard, its identifier, and in our words what it is about."""

    standard: str
    clause: str
    about: str
    verified: bool = False


def _clauses(standard: str, about: dict[str, str], read: bool = False) -> dict[tuple[str, str], Clause]:
    """Clauses of one standard, and whether their texts were read."""
    return {(standard, name): Clause(standard, name, text, read) for name, text in about.items()}


CLAUSES: dict[tuple[str, str], Clause] = {
    **_clauses(
        IEC,
        {
            "CR 1.1": "people are identified and authenticated",
            "CR 1.3": "accounts are managed",
            "CR 1.5": "authenticators are managed, those of the factory changed",
            "CR 1.7": "passwords are strong",
            "CR 1.7 RE(1)": "passwords of people have a lifetime",
            "CR 1.11": "failed logins are limited",
            "CR 1.14": "symmetric keys are strong and managed",
            "CR 2.1": "what a user may do is enforced",
            "CR 2.6": "remote sessions end",
            "CR 2.8": "events are recorded",
            "CR 2.11": "records have the right time",
            "CR 3.1": "what is sent keeps its integrity",
            "CR 3.4": "software and settings keep their integrity",
            "EDR 3.10": "the device can be updated",
            "EDR 3.10 RE(1)": "updates are authentic and whole",
            "EDR 3.11": "tampering with the device is resisted and seen",
            "CR 4.1": "what is sent or kept stays confidential",
            "CR 4.3": "recognised cryptography",
            "CR 7.3": "there is a backup",
            "CR 7.6": "security settings are as recommended",
            "CR 7.6 RE(1)": "settings can be reported for machines",
            "CR 7.7": "what is not needed is off",
            "CR 7.8": "components are listed",
        },
    ),
    **_clauses(
        NIST,
        {
            "AC-2": "accounts are managed",
            "AC-3": "access is enforced",
            "AC-6": "least privilege",
            "AC-7": "failed logins are limited",
            "AC-12": "sessions end",
            "AU-2": "events are logged",
            "AU-8": "records have the right time",
            "CA-7": "controls are watched all the time",
            "CM-2": "there is a baseline configuration",
            "CM-3": "changes are controlled",
            "CM-6": "settings are set and watched",
            "CM-7": "least functionality",
            "CM-8": "components are listed",
            "CP-9": "there is a backup",
            "IA-5": "authenticators are managed",
            "IA-5(1)": "passwords",
            "PE-3": "physical access is controlled",
            "RA-5": "known weaknesses are looked for",
            "SC-7": "traffic at borders is controlled",
            "SC-8": "what is sent stays confidential and whole",
            "SC-12": "keys are managed",
            "SC-13": "cryptography",
            "SI-2": "flaws are mended",
            "SI-7": "software, firmware and information keep their integrity",
            "SR-9": "tampering is resisted and seen",
        },
        read=True,
    ),
    **_clauses(
        CIP7,
        {
            "R1 Part 1.1": "only ports that are needed are open",
            "R2 Part 2.1": "patches are tracked, from named sources",
            "R2 Part 2.2": "patches are evaluated at least every 35 days",
            "R2 Part 2.3": "patches are applied, or a plan says what is done instead",
            "R4 Part 4.1": "security events are logged",
            "R5 Part 5.1": "interactive access is authenticated",
            "R5 Part 5.2": "default and generic accounts are known",
            "R5 Part 5.4": "default passwords are changed",
            "R5 Part 5.5": "passwords are long and complex enough",
            "R5 Part 5.6": "passwords are changed at least every 15 months",
            "R5 Part 5.7": "failed logins are limited or alerted",
        },
        read=True,
    ),
    **_clauses(
        CIP10,
        {
            "R1 Part 1.1": "there is a baseline configuration",
            "R1 Part 1.6": "the source and the integrity of software are verified",
            "R2 Part 2.1": "changes of the baseline are looked for at least every 35 days",
        },
        read=True,
    ),
    **_clauses(
        ETSI,
        {
            "5.1-1": "no universal default passwords",
            "5.1-5": "guessing passwords over the network is impracticable",
            "5.3-1": "software can be updated securely",
            "5.5-1": "best practice cryptography for communication",
            "5.6-1": "unused interfaces are off",
        },
        read=True,
    ),
    **_clauses(
        MID,
        {
            "Annex I 8.2": "evidence of an intervention",
            "Annex I 8.3": "software is identified, and evidence of an intervention is there",
            "Annex I 8.4": "data and parameters are protected",
        },
    ),
    **_clauses(
        WELMEC,
        {
            "P2": "software is identified",
            "P6": "software is protected against intended changes",
            "P7": "parameters are protected",
            "D2": "downloaded software is authentic",
            "D3": "downloaded software is whole",
            "D4": "downloads are traceable",
        },
    ),
}


def clauses(*named: tuple[str, str]) -> tuple[Clause, ...]:
    """These clauses, by standard and identifier."""
    return tuple(CLAUSES[name] for name in named)
