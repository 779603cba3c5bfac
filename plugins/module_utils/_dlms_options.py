# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How to associate with a DLMS/COSEM meter: the options ``dlms`` and ``dlms_keys``, and the value type they make."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from ._engine.base.errors import InputError
from ._engine.base.target import Dlms, DlmsKeys
from ._engine.catalogue import constants

AUTHENTICATIONS = ("none", "lls", "hls_gmac")
PROTECTIONS = ("none", "authenticated", "encrypted", "authenticated_encrypted")
SYMMETRIC_KEYS = ("guek", "gak", "gbek", "kek")
KEY_NAMES = (*SYMMETRIC_KEYS, "lls")
SPEC_RULE = "wire-dlms 4"

DLMS_SPEC: dict[str, Any] = {
    "dlms": {
        "type": "dict",
        "options": {
            "client": {"type": "int"},
            "server": {"type": "int"},
            "authentication": {"type": "str", "choices": list(AUTHENTICATIONS)},
            "protection": {"type": "str", "choices": list(PROTECTIONS)},
            "general_ciphering": {"type": "bool"},
            "security_suite": {"type": "int"},
            "system_title": {"type": "str"},
            "meter_title": {"type": "str"},
            "max_pdu": {"type": "int"},
            "public_client": {"type": "int"},
        },
    },
    "dlms_keys": {"type": "dict", "no_log": True},
}


def check_dlms(params: Mapping[str, Any]) -> Dlms:
    """The association that ``dlms`` and ``dlms_keys`` describe. Raises InputError, never with a key in it.

    Where no authentication is named: HLS-GMAC when there are both keys for it, else the public client without security. A
    password is never sent unless ``authentication: lls`` says so, because it crosses the network in clear.
    """
    given = _given(params.get("dlms"))
    keys = check_dlms_keys(params.get("dlms_keys"))
    able = bool(keys.guek and keys.gak)
    authentication = _choice("authentication", given, AUTHENTICATIONS, "hls_gmac" if able else "none")
    public = _number("public_client", given, 1, constants.DLMS_SAP_MAX.number, constants.DLMS_CLIENT_PUBLIC.number)
    anonymous = authentication == "none"
    dlms = Dlms(
        client=_number("client", given, 1, constants.DLMS_SAP_MAX.number, public if anonymous else constants.DLMS_CLIENT_MANAGEMENT.number),
        server=_number("server", given, 1, constants.DLMS_SAP_MAX.number, constants.DLMS_SERVER.number),
        authentication=authentication,
        protection=_choice("protection", given, PROTECTIONS, "authenticated_encrypted" if authentication == "hls_gmac" else "none"),
        general=_truth("general_ciphering", given),
        suite=_suite(given),
        system_title=_title("system_title", given) or b"",
        meter_title=_title("meter_title", given),
        max_pdu=_number("max_pdu", given, constants.DLMS_PDU_MIN.number, constants.DLMS_PDU_MAX.number, constants.DLMS_PDU.number),
        public_client=public,
        keys=keys,
    )
    _require_secrets(dlms)
    return dlms


def check_dlms_keys(keys: Any) -> DlmsKeys:
    """The secrets of one client. Raises InputError that names the key and shows nothing of it."""
    if keys is not None and not isinstance(keys, Mapping):
        raise InputError("dlms_keys", None, f"a dictionary of {', '.join(KEY_NAMES)}", SPEC_RULE, secret=True)
    values: dict[str, bytes] = {}
    for name, value in (keys or {}).items():
        if name not in KEY_NAMES:
            raise InputError(f"dlms_keys.{str(name)[:40]}", None, f"one of the keys {', '.join(KEY_NAMES)}", SPEC_RULE, secret=True)
        if value is not None:
            values[name] = _password(value) if name == "lls" else _key(name, value)
    return DlmsKeys(**values)


def dlms_secrets(keys: Any) -> list[str]:
    """Every usual spelling of the secrets in ``dlms_keys``, whether they are well-formed or not: what must be masked."""
    found: list[str] = []
    for name, value in keys.items() if isinstance(keys, Mapping) else ():
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            continue
        text = str(value)
        bare = _bare(text.removeprefix("hex:"))
        if name != "lls" or text.startswith("hex:"):
            found += [bare, bare.lower(), bare.upper()]
        found.append(text)
        if name == "lls" and text.startswith("hex:") and re.fullmatch(r"([0-9A-Fa-f]{2})+", bare):
            found.append(bytes.fromhex(bare).decode("latin-1"))
        elif name == "lls":
            octets = text.encode("utf-8", "surrogatepass").hex()
            found += [octets, octets.upper()]
    return list(dict.fromkeys(item for item in found if item))


def needs_counters(dlms: Dlms | None) -> bool:
    """Whether this association spends invocation counters, which come from the ledger."""
    return dlms is not None and (dlms.authentication == "hls_gmac" or dlms.protection != "none")


def dlms_plain(dlms: Dlms) -> dict[str, Any]:
    """The association as plain values for a jump host. It holds the keys, so it travels sealed only."""
    keys = {name: getattr(dlms.keys, name).hex() for name in KEY_NAMES if getattr(dlms.keys, name) is not None}
    return {
        **asdict(replace(dlms, keys=DlmsKeys())),
        "system_title": dlms.system_title.hex(),
        "meter_title": dlms.meter_title.hex() if dlms.meter_title else None,
        "keys": keys,
    }


def dlms_from(plain: Mapping[str, Any]) -> Dlms:
    """The association that ``dlms_plain`` wrote down."""
    keys = {name: bytes.fromhex(value) for name, value in plain["keys"].items()}
    title = bytes.fromhex(plain["meter_title"]) if plain["meter_title"] else None
    return Dlms(**{**plain, "system_title": bytes.fromhex(plain["system_title"]), "meter_title": title, "keys": DlmsKeys(**keys)})


# -- one option ---------------------------------------------------------------------------------------------------------


def _given(dlms: Any) -> dict[str, Any]:
    known = DLMS_SPEC["dlms"]["options"]
    if dlms is not None and not isinstance(dlms, Mapping):
        raise InputError("dlms", dlms, f"a dictionary of {', '.join(known)}", SPEC_RULE)
    given = {name: value for name, value in (dlms or {}).items() if value is not None}
    for name in given:
        if name not in known:
            raise InputError(f"dlms.{name}", given[name], f"one of {', '.join(known)}", SPEC_RULE)
    return given


def _choice(name: str, given: Mapping[str, Any], choices: tuple[str, ...], default: str) -> str:
    value = given.get(name, default)
    if value not in choices:
        raise InputError(f"dlms.{name}", value, f"one of {', '.join(choices)}", SPEC_RULE)
    return str(value)


def _number(name: str, given: Mapping[str, Any], low: int, high: int, default: int) -> int:
    value = given.get(name, default)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"dlms.{name}", value, f"a whole number from {low} to {high}", SPEC_RULE)
    return value


def _truth(name: str, given: Mapping[str, Any]) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise InputError(f"dlms.{name}", value, "true or false", SPEC_RULE)
    return value


def _suite(given: Mapping[str, Any]) -> int:
    suite = _number("security_suite", given, 0, 2, 0)
    if suite:
        raise InputError("dlms.security_suite", suite, "0; suites 1 and 2 are not supported yet", "wire-dlms 4.1")
    return suite


def _bare(text: str) -> str:
    return re.sub(r"[\s:-]", "", text)


def _title(name: str, given: Mapping[str, Any]) -> bytes | None:
    value = given.get(name)
    if value is None:
        return None
    bare = _bare(str(value))
    if not re.fullmatch(r"[0-9A-Fa-f]{16}", bare):
        raise InputError(f"dlms.{name}", value, "16 hexadecimal digits in quotation marks", SPEC_RULE)
    return bytes.fromhex(bare)


def _key(name: str, value: Any) -> bytes:
    bare = _bare(value) if isinstance(value, str) else ""
    if not re.fullmatch(r"[0-9A-Fa-f]{32}", bare):
        raise InputError(f"dlms_keys.{name}", None, "32 hexadecimal digits in quotation marks", SPEC_RULE, secret=True)
    return bytes.fromhex(bare)


def _password(value: Any) -> bytes:
    """Text as UTF-8, or octets written as ``hex:`` and digits.

    Numbers are refused: of 00000000 without quotation marks a zero is left, and a wrong password is a failed login.
    """
    octets = b""
    if isinstance(value, str) and value.startswith("hex:"):
        bare = _bare(value.removeprefix("hex:"))
        octets = bytes.fromhex(bare) if re.fullmatch(r"([0-9A-Fa-f]{2})+", bare) else b""
    elif isinstance(value, str):
        octets = value.encode() if value.isprintable() else b""
    if not 1 <= len(octets) <= constants.DLMS_LLS_MAX.number:
        most = constants.DLMS_LLS_MAX.number
        accepted = f"text of 1 to {most} octets in quotation marks, or 'hex:' and an even number of hexadecimal digits"
        raise InputError("dlms_keys.lls", None, accepted, SPEC_RULE, secret=True)
    return octets


def _require_secrets(dlms: Dlms) -> None:
    """What the chosen authentication and protection need must be there, before any contact."""
    needed: list[str] = []
    if dlms.authentication == "hls_gmac" or dlms.protection != "none":
        needed = ["guek", "gak"]
        if not dlms.system_title:
            why = f"authentication {dlms.authentication} with protection {dlms.protection}"
            raise InputError("dlms.system_title", "", f"the client's system title, 16 hexadecimal digits, for {why}", "wire-dlms 2.3")
    if dlms.authentication == "lls":
        needed.append("lls")
    for name in needed:
        if getattr(dlms.keys, name) is None:
            why = f"a value, because authentication is {dlms.authentication} and protection {dlms.protection}"
            raise InputError(f"dlms_keys.{name}", None, why, SPEC_RULE, secret=True)
