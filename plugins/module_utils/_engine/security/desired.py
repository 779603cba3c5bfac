# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a DLMS meter's security shall be, from validated options; pure. Bad input is refused here, before any contact."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..base.errors import InputError
from ..base.target import Dlms, DlmsKeys
from ..catalogue import accept, constants
from ..catalogue.published_keys import is_published_key
from ..meters.cosem import POLICIES
from .rotation import ORDER

#: What may be asked for: a policy is never weakened, so ``none`` is not among them.
POLICY_WORDS = tuple(word for word in POLICIES if word != "none")
UPDATE_SECRET = ("always", "on_create")
CLOCK = ("report", "set")


@dataclass(frozen=True)
class LlsSecret:
    """The wanted low-level password of one client."""

    client: int
    value: bytes = field(repr=False)


@dataclass(frozen=True)
class Desired:
    """The wanted state. What is None is looked at and reported, not changed; without ``managed`` nothing is."""

    policy: str | None = None
    managed: bool = True
    lls: LlsSecret | None = None
    update_secret: str = "always"
    new_keys: DlmsKeys = field(default_factory=DlmsKeys)
    probe: bool = True
    marks_key: bytes | None = field(default=None, repr=False)
    image_transfer_enabled: bool | None = None
    clock: str = "report"
    clock_tolerance: float = 0.0
    public_objects: int = 0
    accept: frozenset[str] = frozenset()

    @property
    def rotates(self) -> bool:
        """Whether any new key was given."""
        return any(getattr(self.new_keys, name) is not None for name in ORDER)


def desired_from(params: Mapping[str, Any], dlms: Dlms, managed: bool = True) -> Desired:
    """The wanted state, to be reached or only to be compared with. Raises InputError, with the rule that a value breaks."""
    keys = _new_keys(params.get("new_keys"), dlms)
    return Desired(
        policy=_policy(params.get("policy"), dlms, managed),
        managed=managed,
        lls=_lls(params.get("lls_secret"), dlms),
        update_secret=_choice("update_secret", params.get("update_secret") or "always", UPDATE_SECRET),
        new_keys=keys,
        probe=params.get("probe") is not False,
        marks_key=marks_key(params),
        image_transfer_enabled=_transfer(params.get("image_transfer_enabled")),
        clock=_choice("clock", params.get("clock") or "report", CLOCK),
        clock_tolerance=_number(params, "clock_tolerance", constants.SECURITY_CLOCK_TOLERANCE.number, 1, 86_400),
        public_objects=int(_number(params, "public_objects", constants.DLMS_PUBLIC_OBJECTS.number, 1, 1000)),
        accept=accept.check_words(params.get("accept") or []),
    )


def _choice(option: str, value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise InputError(option, value, f"one of {', '.join(choices)}", "design 4.3")
    return str(value)


def _number(params: Mapping[str, Any], option: str, default: int, low: int, high: int) -> float:
    value = params.get(option)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise InputError(option, value, f"a number from {low} to {high}", "design 4.3")
    return float(value)


def _policy(word: Any, dlms: Dlms, managed: bool) -> str | None:
    """A policy is only set from an association that meets it, since it cannot be taken back (wire-dlms 4.3)."""
    if word is None:
        return None
    if word not in POLICY_WORDS:
        raise InputError("policy", word, f"one of {', '.join(POLICY_WORDS)}; a policy is never weakened", "design 4.3")
    if managed and (dlms.authentication != "hls_gmac" or dlms.protection != "authenticated_encrypted"):
        accepted = "dlms.authentication hls_gmac and dlms.protection authenticated_encrypted beside it: else nobody may get in afterwards"
        raise InputError("policy", word, accepted, "design 4.3")
    return str(word)


def _lls(given: Any, dlms: Dlms) -> LlsSecret | None:
    if given is None:
        return None
    client = given.get("client") if isinstance(given, Mapping) else None
    value = given.get("value") if isinstance(given, Mapping) else None
    if isinstance(client, bool) or not isinstance(client, int) or not 1 <= client <= 127 or client == dlms.public_client:
        raise InputError("lls_secret.client", client, "the number of a client from 1 to 127, but not the public one", "design 4.3")
    if dlms.authentication != "hls_gmac" or dlms.protection not in ("encrypted", "authenticated_encrypted"):
        accepted = "dlms.authentication hls_gmac and an encrypting dlms.protection: else the new password goes over the network in clear"
        raise InputError("lls_secret", None, accepted, "design 4.3", secret=True)
    octets = secret_octets("lls_secret.value", value)
    low, high = constants.DLMS_LLS_MIN.number, constants.DLMS_LLS_MAX.number
    if not low <= len(octets) <= high or len(set(octets)) < 3:
        raise InputError("lls_secret.value", None, f"{low} to {high} octets, not all the same", "design 4.3", secret=True)
    return LlsSecret(client, octets)


def secret_octets(option: str, value: Any) -> bytes:
    """A password as octets: text, or hexadecimal digits after ``hex:``. Raises InputError without showing it."""
    if not isinstance(value, str) or not value:
        raise InputError(option, None, "text in quotation marks, or hexadecimal digits after 'hex:'", "design 4.3", secret=True)
    if value.startswith("hex:"):
        try:
            return bytes.fromhex(value[4:])
        except ValueError:
            raise InputError(option, None, "an even number of hexadecimal digits after 'hex:'", "design 4.3", secret=True) from None
    if any(ord(char) < 32 or ord(char) == 127 or 0xD800 <= ord(char) < 0xE000 for char in value):  # the last are half characters
        raise InputError(option, None, "text without line breaks or control characters", "design 4.3", secret=True)
    return value.encode()


def _new_keys(given: Any, dlms: Dlms) -> DlmsKeys:
    """New keys: of the right length, none published, none used twice, and the means to send and prove them."""
    if given is None:
        return DlmsKeys()
    if not isinstance(given, Mapping) or set(given) - set(ORDER):
        raise InputError("new_keys", None, f"a dictionary with any of {', '.join(ORDER)}", "F-27", secret=True)
    keys = {name: _key(f"new_keys.{name}", value) for name, value in given.items() if value is not None}
    if not keys:
        return DlmsKeys()
    if dlms.authentication != "hls_gmac" or dlms.protection != "authenticated_encrypted":
        accepted = "dlms.authentication hls_gmac and dlms.protection authenticated_encrypted, by which keys are proven"
        raise InputError("new_keys", None, accepted, "F-27", secret=True)
    if dlms.keys.kek is None:
        raise InputError("dlms_keys.kek", None, "the present master key: new keys are wrapped under it", "design 4.3", secret=True)
    for name, key in keys.items():
        if is_published_key(key):
            raise InputError(f"new_keys.{name}", None, "a random key; this one stands in public documents", "F-27", secret=True)
        others = {**{other: getattr(dlms.keys, other) for other in ORDER}, **keys}
        double = [other for other in ORDER if other != name and others[other] == key]
        if double:
            raise InputError(f"new_keys.{name}", None, f"a key of its own; this one is {double[0]} as well", "F-27", secret=True)
    return DlmsKeys(**keys)


def _key(option: str, value: Any) -> bytes:
    folded = re.sub(r"[\s:-]", "", value) if isinstance(value, str) else ""
    if not re.fullmatch(r"[0-9A-Fa-f]{32}", folded):
        raise InputError(option, None, "32 hexadecimal digits", "design 4.3", secret=True)
    return bytes.fromhex(folded)


def marks_key(params: Mapping[str, Any]) -> bytes | None:
    """The key under which marks of passwords are made; None where there is none. Raises InputError."""
    value = params.get("marks_key")
    if value is None:
        if params.get("lls_secret") is not None and params.get("update_secret") == "on_create":
            accepted = (
                "a key from the vault beside update_secret: on_create; without marks it cannot be told whether a password was ever set"
            )
            raise InputError("marks_key", None, accepted, "design 4.5", secret=True)
        return None
    minimum = constants.MARKS_KEY_MIN.number
    if not isinstance(value, str) or len(value) < minimum:
        raise InputError("marks_key", None, f"a random text of {minimum} characters or more", "design 4.5", secret=True)
    return value.encode()


def _transfer(value: Any) -> bool | None:
    if value is None:
        return None
    if value is not False:
        raise InputError("image_transfer_enabled", value, "false; an upgrade opens it by itself and closes it again", "design 4.3")
    return False
