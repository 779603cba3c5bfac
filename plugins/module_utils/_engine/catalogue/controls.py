# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Every control that an audit may judge, by the part of its id before the colon: what it is for, how bad a failure is, clauses (rollout 4.2).

``level`` 1 is for every meter, 2 for those that need more. A ``manual`` control is told by a person only. ``option`` is where a baseline asks
for it, within its ``part``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from . import constants
from .baseline import RECOMMENDED, RULES
from .clauses import CIP7, CIP10, ETSI, IEC, MID, NIST, WELMEC, Clause, clauses

AUTOMATED, MANUAL = "automated", "manual"
_YEAR = constants.ATTESTED_DAYS.number


@dataclass(frozen=True)
class ControlEntry:
    """One control. ``valid_days`` is how long what a person saw counts, None where a person's word is not taken."""

    id: str
    title: str
    rationale: str
    severity: str
    level: int
    rule: str
    clauses: tuple[Clause, ...]
    option: str = ""
    part: str = "security"
    kind: str = AUTOMATED
    valid_days: int | None = None

    def info(self) -> dict[str, Any]:
        """As plain values, the way a report has it."""
        found = {name: getattr(self, name) for name in ("id", "title", "rationale", "severity", "level", "kind", "rule")}
        return {**found, "clauses": [{name: asdict(item)[name] for name in ("standard", "clause", "verified")} for item in self.clauses]}


def base_id(control: str) -> str:
    """The part of an id before the colon."""
    return control.partition(":")[0]


def control(name: str) -> ControlEntry:
    """The entry of a control's id; one that is not known gets a neutral one, so that a report never lacks it."""
    base = base_id(name)
    known = CONTROLS.get(base)
    if known is not None:
        return known
    return ControlEntry(base, base.replace("_", " "), "judged, and not described", "medium", 1, "own", clauses((NIST, "CM-6")))


# -- groups of clauses ------------------------------------------------------------------------------------------------

_UPDATED = clauses(
    (IEC, "EDR 3.10"), (NIST, "SI-2"), (NIST, "CM-2"), (NIST, "CM-3"), (CIP7, "R2 Part 2.3"), (CIP10, "R1 Part 1.1"), (ETSI, "5.3-1")
)
_LEGAL = clauses((IEC, "CR 3.4"), (NIST, "SI-7"), (CIP10, "R1 Part 1.6"), (MID, "Annex I 8.3"), (WELMEC, "P2"), (WELMEC, "D4"))
_OFF = clauses((IEC, "CR 7.7"), (NIST, "CM-7"), (CIP7, "R1 Part 1.1"), (ETSI, "5.6-1"))
_CLEAR = clauses((IEC, "CR 4.1"), (IEC, "CR 3.1"), (NIST, "SC-8"), (ETSI, "5.5-1"))
_LIMITED = clauses((IEC, "CR 1.11"), (NIST, "AC-7"), (CIP7, "R5 Part 5.7"), (ETSI, "5.1-5"))
_LOGGED = clauses((IEC, "CR 2.8"), (NIST, "AU-2"), (CIP7, "R4 Part 4.1"))
_CHANGES = clauses((IEC, "CR 2.1"), (NIST, "AC-3"), (NIST, "CM-7"), (MID, "Annex I 8.4"), (WELMEC, "P7"))
_ACCESS = clauses((IEC, "CR 1.1"), (IEC, "CR 2.1"), (NIST, "AC-3"), (CIP7, "R5 Part 5.1"))
_ACCOUNTS = clauses((IEC, "CR 1.3"), (NIST, "AC-2"), (NIST, "AC-6"), (CIP7, "R5 Part 5.2"))
_SECRETS = clauses((IEC, "CR 1.5"), (NIST, "IA-5"))
_DEFAULTS = clauses((IEC, "CR 1.5"), (NIST, "IA-5"), (CIP7, "R5 Part 5.4"), (ETSI, "5.1-1"))
_KEYS = clauses((IEC, "CR 1.14"), (IEC, "CR 1.5"), (NIST, "SC-12"))
_CRYPTO = clauses((IEC, "CR 4.3"), (NIST, "SC-13"), (ETSI, "5.5-1"))
_SETTINGS = clauses((IEC, "CR 7.6"), (NIST, "CM-6"))
_WATCHED = clauses((IEC, "CR 7.6 RE(1)"), (NIST, "CA-7"), (NIST, "CM-6"), (CIP10, "R2 Part 2.1"))
_SEALED = clauses((IEC, "EDR 3.11"), (NIST, "SR-9"), (NIST, "PE-3"), (MID, "Annex I 8.2"), (WELMEC, "P6"))


def _firmware(name: str, title: str, rationale: str, severity: str, rule: str, found: tuple[Clause, ...], option: str) -> ControlEntry:
    return ControlEntry(name, title, rationale, severity, 1, rule, found, option, "firmware")


def _setting(
    name: str, title: str, option: str, found: tuple[Clause, ...], severity: str = "medium", rationale: str = "", level: int = 1
) -> ControlEntry:
    """A setting; what the documents recommend of it says why where nothing better does."""
    known = RECOMMENDED.get(name)
    why = rationale or (f"otherwise {known.bad}" if known else "it is set as the baseline says")
    return ControlEntry(name, title, why, severity, level, known.rule if known else RULES.get(name, "R-376"), found, option)


def _manual(name: str, title: str, rationale: str, severity: str, rule: str, found: tuple[Clause, ...], days: int = _YEAR) -> ControlEntry:
    return ControlEntry(name, title, rationale, severity, 1, rule, found, "", "attested", MANUAL, days)


# -- firmware and evidence --------------------------------------------------------------------------------------------

_FIRMWARE = (
    ControlEntry(
        "firmware_readable",
        "The meter tells what it runs",
        "what cannot be read cannot be judged",
        "medium",
        1,
        "R-015",
        clauses((IEC, "CR 7.8"), (NIST, "CM-8"), (MID, "Annex I 8.3"), (WELMEC, "P2")),
        "",
        "firmware",
    ),
    _firmware("firmware_minimum", "Firmware is not older than the minimum", "old firmware has known faults", "high", "R-005", _UPDATED, "minimum"),
    _firmware("firmware_target", "Firmware is the wanted version", "one version for all of a model", "medium", "R-006", _UPDATED, "target"),
    _firmware("firmware_forbidden", "Firmware is not a forbidden version", "somebody decided against it", "critical", "R-005", _UPDATED, "forbidden"),
    _firmware(
        "firmware_advisory",
        "No known advisory affects the firmware",
        "a published weakness can be used by anyone",
        "high",
        "X-09",
        clauses((NIST, "RA-5"), (NIST, "SI-2"), (IEC, "EDR 3.10"), (CIP7, "R2 Part 2.2"), (ETSI, "5.3-1")),
        "advisories",
    ),
    _firmware(
        "component", "A firmware part is an approved one", "legally relevant software is approved by name", "critical", "R-212", _LEGAL,
        "components.<B>.approved",
    ),
    _firmware(
        "component_signature",
        "A firmware part has the approved signature",
        "an identifier alone can be copied",
        "critical",
        "R-212",
        (*_LEGAL, *clauses((IEC, "EDR 3.10 RE(1)"), (WELMEC, "D2"), (WELMEC, "D3"))),
        "components.<B>.signature",
    ),
    ControlEntry(
        "covered", "The baseline is for this meter", "a meter that no baseline is for is not good by that", "medium", 1, "rollout 4.2",
        clauses((IEC, "CR 7.8"), (NIST, "CM-2"), (NIST, "CM-8"), (CIP10, "R1 Part 1.1")), "", "applies_to",
    ),
    ControlEntry(
        "evidence_age", "The meter was seen lately", "old evidence says nothing of today", "medium", 1, "rollout 4.2", _WATCHED,
        "max_age_days", "evidence",
    ),
    ControlEntry(
        "advisories_evaluated",
        "Somebody looked for new advisories lately",
        "the table of this collection knows only what was published before it",
        "medium",
        1,
        "rollout 4.2",
        clauses((NIST, "RA-5"), (NIST, "SI-2"), (CIP7, "R2 Part 2.1"), (CIP7, "R2 Part 2.2")),
        "advisories_evaluated",
        "evidence",
    ),
)  # fmt: skip

# -- who may do what --------------------------------------------------------------------------------------------------

_WHO = (
    ControlEntry("mode", "The security mode is the wanted one", "it decides whether there are users at all", "critical", 1, "R-254", _ACCESS, "mode"),
    ControlEntry(
        "interim_mode", "No interim security mode", "requests without a user name get the rights of User1", "high", 1, "R-233", _ACCESS, "mode"
    ),
    ControlEntry("user", "A user has the wanted permissions", "each has what the task needs", "high", 1, "R-321", _ACCOUNTS, "users"),
    ControlEntry("account", "An account group has the wanted user", "each group is in known hands", "medium", 1, "wire-schneider 2", _ACCOUNTS, "accounts"),
    ControlEntry(
        "account_groups", "Groups that must have an account have one", "without one nobody can manage the meter", "medium", 1,
        "wire-schneider 2", _ACCOUNTS, "accounts",
    ),
    ControlEntry("password", "The password is the given one", "it is of this meter and known to its owner", "high", 1, "R-315", _SECRETS, "update_secret"),
    ControlEntry(
        "password_age", "The password is not older than allowed", "an old password is known to many", "medium", 1, "R-307",
        clauses((IEC, "CR 1.7 RE(1)"), (NIST, "IA-5"), (CIP7, "R5 Part 5.6")), "max_age_days",
    ),
    ControlEntry(
        "password_strength", "Passwords are strong enough", "a short one is guessed", "medium", 1, "R-264",
        clauses((IEC, "CR 1.7"), (NIST, "IA-5(1)"), (CIP7, "R5 Part 5.5")), "password_strength",
    ),
    ControlEntry("no_default_password", "No password of the factory", "it stands in public documents", "critical", 1, "R-302", _DEFAULTS),
)  # fmt: skip

# -- settings ---------------------------------------------------------------------------------------------------------

_PLACES = (
    _setting("web_server", "Web server as wanted", "web.server", _OFF),
    _setting("web_protocol", "Webpages over HTTPS only", "web.protocol", _CLEAR, "high"),
    _setting("web_programming", "No settings over webpages", "web.programming", _CHANGES),
    _setting("web_port_http", "Port of HTTP as wanted", "web.ports.http", _SETTINGS, "low"),
    _setting("web_port_https", "Port of HTTPS as wanted", "web.ports.https", _SETTINGS, "low"),
    _setting("modbus_access", "Modbus reads at most", "modbus.access", _CHANGES, "high"),
    _setting("modbus_programming", "No settings over Modbus", "modbus.programming", _CHANGES, "high"),
    _setting("panel_programming", "No settings at the display", "panel_programming", _CHANGES),
    _setting("ftp", "FTP is off", "services.ftp", (*_OFF, *_CLEAR), "high"),
    _setting("telnet", "Telnet is off", "services.telnet", (*_OFF, *_CLEAR), "high"),
    _setting("ssh", "SSH is off", "services.ssh", _OFF),
    _setting("sftp", "SFTP as wanted", "services.sftp", _OFF),
    _setting("ion", "ION in clear as wanted", "services.ion", (*_OFF, *_CLEAR), "high", "ION in clear carries passwords (X-10)"),
    _setting("ion_tls", "Secure ION as wanted", "services.ion_tls", _CLEAR),
    *(
        _setting(f"lockout_{name}", f"Failed logins over {name} lock", f"lockout.attempts.{name}", _LIMITED, "high")
        for name in ("ion", "modbus", "web", "sftp", "ssh")
    ),
    _setting("lockout_duration", "A lockout lasts as wanted", "lockout.duration", _LIMITED),
    _setting("session_timeout_ion", "Sessions of ION end", "session_timeout.ion", clauses((IEC, "CR 2.6"), (NIST, "AC-12"))),
    _setting("event_cutoff", "The event log keeps what is wanted", "event_log.cutoff", _LOGGED),
    _setting("priority_login", "Logins are logged", "event_log.priorities.login", _LOGGED),
    _setting("priority_invalid_login", "Failed logins are logged", "event_log.priorities.invalid_login", _LOGGED),
    _setting("priority_lockout", "Lockouts are logged", "event_log.priorities.lockout", _LOGGED),
    _setting("time_sync", "Time is set by whom it may be", "time_sync", clauses((IEC, "CR 2.11"), (NIST, "AU-8"))),
    _setting("ip_filter", "Only named addresses reach the meter", "ip_filter", clauses((IEC, "CR 7.7"), (NIST, "SC-7")), level=2),
    ControlEntry("port_http", "The port of HTTP is closed", "a redirect still takes requests in clear", "medium", 1, "R-398", _CLEAR, "web.protocol"),
    ControlEntry("ion_over_modbus", "ION over Modbus is closed", "it works although the register map is closed", "medium", 2, "R-190", _OFF, "modbus.access"),
)  # fmt: skip

# -- DLMS -------------------------------------------------------------------------------------------------------------

_DLMS = (
    ControlEntry("policy", "The meter refuses weaker requests", "what is not protected can be read and altered", "high", 1, "F-27", _CLEAR, "policy"),
    ControlEntry(
        "image_transfer_enabled", "No image can be sent", "image transfer is open for an upgrade only", "high", 1, "own",
        clauses((IEC, "CR 3.4"), (IEC, "CR 7.7"), (NIST, "CM-7"), (NIST, "SI-7"), (WELMEC, "D2")), "image_transfer_enabled",
    ),
    ControlEntry(
        "clock", "The clock is right", "events and tariffs need the right time", "medium", 1, "own",
        clauses((IEC, "CR 2.11"), (NIST, "AU-8")), "clock_tolerance",
    ),
    ControlEntry(
        "lls_secret", "The low-level password is the given one", "it is of this meter and known to its owner", "high", 1, "own", _SECRETS,
        "update_secret",
    ),
    *(
        ControlEntry(f"key_{name}", f"The {title} is the given one", "it is of this meter and known to its owner", "high", 1, "F-27", _KEYS, "update_secret")
        for name, title in (
            ("gak", "authentication key"), ("guek", "unicast encryption key"), ("gbek", "broadcast encryption key"), ("kek", "master key"),
        )
    ),
    ControlEntry("own_association", "This client signs in with keys", "what it reads could be heard or altered", "high", 1, "own", (*_ACCESS, *_CLEAR)),
    ControlEntry("published_key", "No published key", "keys that stand in documents protect nothing", "critical", 1, "own", (*_DEFAULTS, *_KEYS)),
    ControlEntry("suite", "The security suite is a known one", "an unknown one cannot be judged", "medium", 1, "own", _CRYPTO),
    ControlEntry("associations", "Every client signs in by HLS", "a password in clear can be heard", "high", 1, "own", (*_ACCESS, *_CLEAR)),
    ControlEntry("public_client", "The public client reads little and changes nothing", "it needs no sign-in", "high", 1, "own", _CHANGES, "public_objects"),
)  # fmt: skip

# -- what a person tells ----------------------------------------------------------------------------------------------

_SEEN = (
    ControlEntry(
        "revenue_lock", "The meter is revenue-locked", "settings that billing depends on cannot be changed", "high", 1, "R-300",
        (*_SEALED, *clauses((MID, "Annex I 8.4"), (WELMEC, "P7"))), "", "attested", AUTOMATED, _YEAR,
    ),
    _manual("seals", "The seals are on", "a broken seal is evidence of an intervention", "high", "R-300", _SEALED),
    _manual(
        "revenue_lock_witness", "A second person saw the revenue lock", "the lock is set by hand on site", "medium", "R-300", _SEALED
    ),
    _manual(
        "physical_zone", "Only staff reaches the meter", "who stands before it can press its buttons", "medium", "rollout 4.2",
        clauses((NIST, "PE-3"), (IEC, "EDR 3.11")),
    ),
    _manual(
        "backup_stored", "A backup of the settings is kept", "a meter that is exchanged must get them back", "medium", "rollout 4.2",
        clauses((IEC, "CR 7.3"), (NIST, "CP-9")),
    ),
)  # fmt: skip

CONTROLS: dict[str, ControlEntry] = {item.id: item for item in (*_FIRMWARE, *_WHO, *_PLACES, *_DLMS, *_SEEN)}
