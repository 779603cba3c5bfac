# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a meter's model, firmware and mode cannot do of what is wanted; pure (R-230, R-232, R-235, R-289).

Only what the documents say is judged here. What they leave open is asked for, and the meter answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..catalogue import constants, passwords
from ..catalogue.models import HEP, PM5000, find_model
from ..planning.prechecks import FAIL, PASS, UNKNOWN, Precheck
from . import control
from .state import State
from .wanted import Wanted
from .wanted_users import GROUPS

#: The last one: nothing tells which of the two it is, so what only one of them has is judged by what the meter shows (R-235).
BELOW_3, THREE, FOUR, FROM_3 = "below 3", "3", "4", "3 or later"
_OLD_FIRMWARE, _NO_OPTION = "control_not_supported_by_firmware", "option_not_available"
LEGACY_SUPPORT, ADVANCED = "legacy_support", "advanced"
#: Modes in which there is one password and no users.
SINGLE = ("none", "standard")


@dataclass(frozen=True)
class Unfit:
    """Why a wanted value cannot be set. ``met``: what is wanted is that something be off which this meter does not have at all."""

    reason: str
    text: str
    rule: str
    met: bool = False


def end_mode(wanted: Wanted, state: State) -> str | None:
    """The mode the meter will be in."""
    return wanted.mode or state.mode


def unfit(name: str, value: Any, state: State, mode: str | None = None) -> Unfit | None:
    """Why this setting cannot have this value on this meter, None where it can or no document says."""
    if state.family != HEP:
        return None
    if name in _BY_GENERATION:
        found = _BY_GENERATION[name](value, state.generation)
        if found is not None:
            return found
    if mode not in (None, ADVANCED):
        if name == "modbus_programming":
            return Unfit(_NO_OPTION, f"Modbus programming exists under Advanced security only, and the mode is {mode}", "R-268", not value)
        if name == "time_sync" and value is False:
            text = f"time synchronisation can be switched off under Advanced security only, and the mode is {mode}"
            return Unfit(_NO_OPTION, text, "R-271")
    return None


def _from_3(value: Any, generation: str) -> Unfit | None:
    return Unfit(_OLD_FIRMWARE, "needs firmware 3.0.0", "R-230", value is False) if generation == BELOW_3 else None


def _from_4(value: Any, generation: str) -> Unfit | None:
    if generation not in (BELOW_3, THREE):
        return None
    return Unfit(_NO_OPTION, "ION over TLS comes with firmware 4.0.0", "X-10", value is False)


def _until_3(value: Any, generation: str) -> Unfit | None:
    gone = generation in (THREE, FOUR, FROM_3)
    return Unfit(_NO_OPTION, "firmware 3.0.0 and later does not have this service", "product manual", value is False) if gone else None


def _access(value: Any, generation: str) -> Unfit | None:
    if value == "none" and generation == BELOW_3:
        return Unfit(_NO_OPTION, "Modbus access none comes with firmware 3.0.0", "R-235")
    return None


def _protocol(value: Any, generation: str) -> Unfit | None:
    if value in ("https", "https_redirect") and generation == BELOW_3:
        return Unfit(_OLD_FIRMWARE, "webpages over HTTPS come with firmware 3.0.0", "R-236")
    return None


def _https_port(_value: Any, generation: str) -> Unfit | None:
    return Unfit(_OLD_FIRMWARE, "webpages over HTTPS come with firmware 3.0.0", "R-236") if generation == BELOW_3 else None


_BY_GENERATION: Mapping[str, Callable[[Any, str], Unfit | None]] = {
    "sftp": _from_3,
    "ssh": _from_3,
    "lockout_sftp": _from_3,
    "lockout_ssh": _from_3,
    "ion_tls": _from_4,
    "ftp": _until_3,
    "telnet": _until_3,
    "modbus_access": _access,
    "web_protocol": _protocol,
    "web_port_https": _https_port,
}


def unfit_mode(mode: str | None, state: State) -> Unfit | None:
    """Why this mode cannot be (R-181…R-186, R-232)."""
    if mode is None or state.family != HEP:
        return None
    if mode == LEGACY_SUPPORT and state.generation == BELOW_3:
        return Unfit(_OLD_FIRMWARE, "Legacy security support comes with firmware 3.0.0", "R-186")
    if mode in SINGLE and state.generation in (THREE, FOUR, FROM_3):
        return Unfit("mode_removed", f"the mode {mode} does not exist from firmware 3.0.0 on", "R-232")
    return None


def users_limit(state: State) -> int:
    """How many users this firmware holds (R-322; fewer before 3.0.0 by the product manual)."""
    return (constants.USERS_MAX_OLD if state.generation == BELOW_3 else constants.USERS_MAX).number


def check(wanted: Wanted, state: State) -> list[Precheck]:
    """What this meter cannot do, each with its reason; one good line where it can do everything.

    With ``unsupported: leave`` settings that it does not have are left out and told, and do not block.
    """
    found = [*_known(wanted, state), *_settings(wanted, state), *_users(wanted, state), *_groups(wanted, state), *_passwords(wanted, state)]
    if not found:
        found.append(Precheck("capabilities", PASS, False, "", "this model and firmware have all that is wanted", ("R-289",)))
    return found


def asked(wanted: Wanted) -> frozenset[str]:
    """The ids of the controls that the document asks for by name; all others are only compared with recommendations."""
    people = [*(f"user:{user.name}" for user in wanted.users), *(f"account:{item.group}" for item in wanted.accounts)]
    secrets = [f"password:{subject}" for subject in wanted.passwords]
    return frozenset([*wanted.settings, *people, *secrets, *(["mode"] if wanted.mode is not None else [])])


def left_over(controls: Sequence[control.Control], wanted: Wanted) -> list[Precheck]:
    """What is asked for and can be neither seen nor set, which is not the same as being so already (R-289)."""
    names = asked(wanted)
    bad = [item for item in controls if item.id in names and item.state in (control.FAIL, control.UNKNOWN)]
    # Of a password the control says itself why it is left as it is; where its user is missing, the user's control tells.
    found = [item for item in bad if not item.id.startswith("password:")]
    if not found:
        return []
    result = FAIL if any(item.state == control.FAIL for item in found) else UNKNOWN
    text = "; ".join(f"{item.id}: {item.text}" for item in found)
    return [Precheck("reaches_all", result, wanted.unsupported == "refuse", "wanted_not_reached", text, ("R-289",))]


def _known(wanted: Wanted, state: State) -> list[Precheck]:
    asks = bool(wanted.settings or wanted.mode or wanted.users or wanted.accounts)
    if not asks or state.generation != "unknown":
        return []
    text = "the firmware's generation is not known, so neither is what it can do"
    return [Precheck("generation", UNKNOWN, True, _OLD_FIRMWARE, text, ("R-230",))]


def _settings(wanted: Wanted, state: State) -> list[Precheck]:
    blocking = wanted.unsupported == "refuse"
    mode = end_mode(wanted, state)
    found = []
    bad = unfit_mode(wanted.mode, state)
    if bad is not None:
        found.append(Precheck("can_mode", FAIL, blocking, bad.reason, f"mode: {bad.text}", (bad.rule,)))
    for name, value in wanted.settings.items():
        bad = unfit(name, value, state, mode)
        if bad is not None and not bad.met:
            found.append(Precheck(f"can_{name}", FAIL, blocking, bad.reason, f"{name}: {bad.text}", (bad.rule,)))
    return found


def _users(wanted: Wanted, state: State) -> list[Precheck]:
    if wanted.family != HEP or not wanted.users:
        return []
    mode = end_mode(wanted, state)
    found = []
    for user in wanted.users:
        if user.is_model_number and user.name != passwords.model_number(state.model):
            text = f"{user.name} is not the number of an {state.model}"
            found.append(_failed(f"user_name:{user.name}", "user_name_not_valid_in_mode", text, "R-191"))
        elif user.is_model_number and mode not in (*SINGLE, None):
            text = f"{user.name} is no user: under {mode} its password is that of a real one, such as USER1"
            found.append(_failed(f"user_name:{user.name}", "user_name_not_valid_in_mode", text, "R-191"))
        elif not user.is_model_number and mode in SINGLE:
            text = f"{user.name} has no effect under {mode}, which has one password and no users"
            found.append(_failed(f"user_name:{user.name}", "user_name_not_valid_in_mode", text, "R-181"))
    return [*found, *_number_of_users(wanted, state)]


def _number_of_users(wanted: Wanted, state: State) -> list[Precheck]:
    """The limit holds for the result: present, and added, without removed (R-322)."""
    limit = users_limit(state)
    names = {user.name.casefold() for user in wanted.users if user.present and not user.is_model_number}
    gone = {user.name.casefold() for user in wanted.users if not user.present}
    kept = set() if wanted.exclusive else {user.name.casefold() for user in state.users or ()} - gone
    beyond = sorted(name.upper() for name in names if int(name.removeprefix("user")) > limit)
    if beyond:
        return [_failed("users_limit", "too_many_users", f"this firmware has USER1 to USER{limit}, and no {', '.join(beyond)}", "R-322")]
    if len(names | kept) > limit:
        text = f"there would be {len(names | kept)} users, and the meter holds {limit}"
        return [_failed("users_limit", "too_many_users", text, "R-322")]
    return []


def _groups(wanted: Wanted, state: State) -> list[Precheck]:
    if wanted.family != PM5000 or state.generation not in GROUPS:
        return []
    known = GROUPS[state.generation]
    strange = [item.group for item in wanted.accounts if item.group not in known]
    if not strange:
        return []
    text = f"this firmware has the groups {', '.join(known)}, and no {', '.join(strange)}"
    return [_failed("account_groups", _NO_OPTION, text, "wire-schneider 2")]


def _passwords(wanted: Wanted, state: State) -> list[Precheck]:
    """Each secret against the policy of the firmware and the mode it will be used in. Never shows one."""
    found = []
    mode = end_mode(wanted, state)
    model = find_model(state.model)
    for subject, secret in wanted.passwords.items():
        policy = passwords.policy_for(wanted.family, model, state.version, mode, subject)
        why = passwords.check(policy, secret)
        if why is None:
            continue
        wider = passwords.policy_for(wanted.family, model, state.version, mode, subject, alphanumeric=True)
        if policy.numeric and not wider.numeric and passwords.check(wider, secret) is None:
            found.append(_lss(subject, wanted))
            continue
        text = f"the password of {subject} {why}; this meter takes {wider.accepted if not policy.numeric else policy.accepted}"
        found.append(_failed(f"password_form:{subject}", policy.reason, text, policy.rules[0]))
    return found


def _lss(subject: str, wanted: Wanted) -> Precheck:
    """The meter takes it, but software that expects digits cannot log in with it (R-199, F-28)."""
    agreed = "lss_alphanumeric_password" in wanted.accept
    whom = f", among them {', '.join(wanted.consumers)}" if wanted.consumers else ""
    text = f"the password of {subject} is not a number, so some software cannot log in under Legacy security support{whom}"
    text += "" if agreed else "; add 'lss_alphanumeric_password' to accept"
    name = f"password_form:{subject}"
    return Precheck(name, PASS if agreed else FAIL, not agreed, "" if agreed else "lss_alphanumeric_password", text, ("R-199",))


def _failed(name: str, reason: str, text: str, rule: str) -> Precheck:
    return Precheck(name, FAIL, True, reason, text, (rule,))
