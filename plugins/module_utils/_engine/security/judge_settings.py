# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""From what was seen of a meter to controls: what is as wanted, what is not, what is only looked at; pure.

Unknown is never good. ``planned`` is what a run changes; only what the document asks for is ever planned. What it does not name is
compared with the documents' recommendations (R-254, R-376) and reported.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from ..catalogue import passwords, permissions
from ..catalogue.baseline import MODE, RECOMMENDED, RULES
from ..catalogue.models import HEP, PM5000
from . import state as kinds
from .capabilities import LEGACY_SUPPORT, SINGLE, Unfit, end_mode, unfit, unfit_mode
from .control import ATTESTED, FAIL, NOT_APPLICABLE, PASS, PLANNED, UNKNOWN, WAIVED, Control
from .state import State, User
from .wanted import Wanted
from .wanted_users import GROUPS, WantedAccount, WantedUser

LOCKED = "locked"
_OUT_OF_FIRMWARE = "control_not_supported_by_firmware"


class Mark(Protocol):
    """What the records know of one password (``password_rotation.Need``)."""

    @property
    def change(self) -> bool: ...

    @property
    def state(self) -> str: ...

    @property
    def why(self) -> str: ...


def judge(
    state: State,
    wanted: Wanted,
    marks: Mapping[str, Mark] | None = None,
    *,
    attest: Mapping[str, Any] | None = None,
    today: datetime.date | None = None,
) -> list[Control]:
    """Every control: mode, settings, users, passwords, then what is only looked at. ``marks`` by subject, ``attest`` as the option is."""
    seen = attest or {}
    controls = [
        *_mode(state, wanted),
        *(_setting(name, value, state, wanted) for name, value in wanted.settings.items()),
        *_users(state, wanted),
        *(_account(item, state, wanted) for item in wanted.accounts),
        *_passwords(state, wanted, marks or {}),
        *_strength(wanted),
        *_recommended(state, wanted),
        *_groups(state),
        *_ports(state, wanted),
        *_seals(state, seen),
    ]
    day = today or datetime.datetime.now(datetime.UTC).date()
    return [_waived(item, wanted, day) for item in controls]


# -- mode and settings ------------------------------------------------------------------------------------------------


def _mode(state: State, wanted: Wanted) -> list[Control]:
    if state.family != HEP:
        return []
    have, want = state.mode, wanted.mode or MODE
    seen = _evidence(state, "mode")
    found = [_mode_control(state, wanted, want, seen)]
    if wanted.mode == LEGACY_SUPPORT and (have == LEGACY_SUPPORT or found[0].state == PLANNED):
        text = "Legacy security support is an interim solution: requests without a user name get the rights of User1"
        found.append(Control("interim_mode", FAIL, MODE, LEGACY_SUPPORT, "R-233", text, "mode: advanced, or a waiver with an end", seen))
    return found


def _mode_control(state: State, wanted: Wanted, want: str, seen: str) -> Control:
    have = state.mode
    if have is None:
        return Control("mode", UNKNOWN, want, None, "R-254", state.why("mode"), evidence=seen)
    if have == want:
        return Control("mode", PASS, want, have, "R-254", f"the mode is {have}", evidence=seen)
    bad = unfit_mode(wanted.mode, state)
    if bad is not None:
        return _unfit("mode", want, have, bad, seen)
    if wanted.mode is not None and wanted.managed:
        return Control("mode", PLANNED, want, have, "R-254", f"is changed from {have} to {want}", evidence=seen)
    return Control("mode", FAIL, want, have, "R-254", _MODES.get(have, f"the mode is {have}"), f"mode: {want}", seen)


_MODES = {
    "none": "nobody needs a password to read or to write",
    "standard": "anyone may read, and one numeric password is enough to write",
    "legacy_support": "requests without a user name get the rights of User1",
}


def _setting(name: str, want: Any, state: State, wanted: Wanted) -> Control:
    rule = RECOMMENDED[name].rule if name in RECOMMENDED else RULES.get(name, "R-376")
    seen = _evidence(state, name)
    bad = unfit(name, want, state, end_mode(wanted, state))
    if bad is not None:
        return _unfit(name, want, state.settings.get(name), bad, seen)
    if name == "web_programming" and want is False and _web_off(wanted):
        return Control(
            name, NOT_APPLICABLE, want, state.settings.get(name), rule, "the web server is wanted off, so nothing is set over it"
        )
    if name not in state.settings:
        return Control(name, UNKNOWN, want, None, rule, state.why(name))
    have = state.settings[name]
    if _same(name, have, want):
        return Control(name, PASS, want, have, rule, "as wanted", evidence=seen)
    if wanted.managed:
        return Control(name, PLANNED, want, have, rule, f"is changed from {shown(have)} to {shown(want)}", evidence=seen)
    return Control(name, FAIL, want, have, rule, f"is {shown(have)} and should be {shown(want)}", f"set {name} to {shown(want)}", seen)


def _same(name: str, have: Any, want: Any) -> bool:
    return sorted(have) == sorted(want) if name == "ip_filter" and isinstance(have, (list, tuple)) else bool(have == want)


def _web_off(wanted: Wanted) -> bool:
    return wanted.settings.get("web_server") is False or wanted.settings.get("web_protocol") == "disabled"


def shown(value: Any) -> str:
    """A value of a setting in a sentence."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value) or "empty"
    return str(value)


def _unfit(name: str, want: Any, have: Any, bad: Unfit, seen: str) -> Control:
    """What this meter does not have: not applicable, but for what an upgrade would bring (R-230, R-289)."""
    if bad.met or bad.reason != _OUT_OF_FIRMWARE:
        state = FAIL if bad.reason == "mode_removed" else NOT_APPLICABLE
        return Control(name, state, want, have, bad.rule, bad.text, evidence=seen)
    return Control(name, FAIL, want, have, bad.rule, f"{bad.text} ({bad.reason})", "an upgrade to firmware 3.0.0 or later", seen)


def _evidence(state: State, name: str) -> str:
    return state.provenance.get(name, "")


# -- users, accounts and passwords ------------------------------------------------------------------------------------


def _users(state: State, wanted: Wanted) -> list[Control]:
    named = [user for user in wanted.users if not user.is_model_number]
    controls = [_user(user, state, wanted) for user in named]
    if wanted.exclusive and state.users is not None:
        keys = {user.name.casefold() for user in named}
        extra = [user for user in state.users if user.name.casefold() not in keys]
        controls += [_extra(user, state, wanted) for user in extra]
    return controls


def _user(user: WantedUser, state: State, wanted: Wanted) -> Control:
    name, seen = f"user:{user.name}", _evidence(state, "users")
    want: Any = "absent" if not user.present else _rights(user.permissions)
    if end_mode(wanted, state) in SINGLE:
        return Control(name, NOT_APPLICABLE, want, None, "R-181", "this mode has one password and no users")
    if state.users is None:
        return Control(name, UNKNOWN, want, None, "R-321", state.why("users"))
    there = state.user(user.name)
    have: Any = "absent" if there is None else _rights(there.permissions)
    good = (there is None) if not user.present else there is not None and user.permissions in (None, there.permissions)
    if good:
        return Control(name, PASS, want, have, "R-321", "as wanted", evidence=seen)
    if there is None and (user.permissions is None or wanted.secret(user.name) is None):
        text = "is not there, and cannot be added without permissions and a password"
        return Control(name, FAIL, want, have, "R-314", text, f"users[{user.name}].permissions and .password", seen)
    if not wanted.managed:
        return Control(name, FAIL, want, have, "R-321", f"has {_words(have)} and should have {_words(want)}", "users", seen)
    verb = "is removed" if not user.present else "is added" if there is None else "gets other permissions"
    return Control(name, PLANNED, want, have, "R-321", verb, evidence=seen)


def _rights(given: frozenset[str] | None) -> Any:
    return "present" if given is None else permissions.shown(given)


def _words(value: Any) -> str:
    return value if isinstance(value, str) else ", ".join(value) or "no permissions"


def _extra(user: User, state: State, wanted: Wanted) -> Control:
    """A user that the document does not name, under ``users_exclusive``."""
    name, have, seen = f"user:{user.name}", permissions.shown(user.permissions), _evidence(state, "users")
    if wanted.managed:
        return Control(name, PLANNED, "absent", have, "R-321", "is removed: the document does not name this user", evidence=seen)
    return Control(name, FAIL, "absent", have, "R-321", "the document does not name this user", "users", seen)


def group_members(state: State, group: str) -> tuple[User, ...]:
    """The accounts of one PM5000 group."""
    return tuple(user for user in state.users or () if group in user.permissions)


def _account(item: WantedAccount, state: State, wanted: Wanted) -> Control:
    """The user name of a group's account. Where a group has several, only one that has the name already is worked on."""
    name, rule, seen = f"account:{item.group}", "wire-schneider 2", _evidence(state, "users")
    want = item.user or "as it is"
    if state.generation in GROUPS and item.group not in GROUPS[state.generation]:
        return Control(name, NOT_APPLICABLE, want, None, rule, "this firmware does not have the group")
    if state.users is None:
        return Control(name, UNKNOWN, want, None, rule, state.why("users"))
    names = [user.name for user in group_members(state, item.group)]
    have = ", ".join(names) or "nobody"
    if not names:
        return Control(name, FAIL, want, have, rule, "the group has no account", "an account of this group, on the meter's own page", seen)
    if item.user in names or (item.user is None and len(names) == 1):
        return Control(name, PASS, want, have, rule, "as wanted", evidence=seen)
    if len(names) > 1:
        text = "the group has several accounts, so which one is meant is not known"
        return Control(name, FAIL, want, have, rule, text, f"accounts.{item.group}.user with one of these names", seen)
    if wanted.managed:
        return Control(name, PLANNED, want, have, rule, f"is renamed from {names[0]}", evidence=seen)
    return Control(name, FAIL, want, have, rule, "has another name", f"accounts.{item.group}.user", seen)


def _passwords(state: State, wanted: Wanted, marks: Mapping[str, Mark]) -> list[Control]:
    """Of every given password; that of a user who is added goes with the user."""
    return [_password(subject, state, wanted, marks.get(subject)) for subject in wanted.passwords if not adds(subject, state, wanted)]


def adds(name: str, state: State, wanted: Wanted) -> bool:
    """Whether this user is not there yet and can be added."""
    user = wanted.user(name)
    if user is None or user.is_model_number or not user.present or state.users is None or state.user(name) is not None:
        return False
    return user.permissions is not None and end_mode(wanted, state) not in SINGLE


def _password(subject: str, state: State, wanted: Wanted, mark: Mark | None) -> Control:
    name, rule, want = f"password:{subject}", "R-315", "the given password"
    gone = _no_such_password(subject, state, wanted)
    if gone is not None:
        return replace(gone, id=name, want=want)
    if mark is not None and not mark.change:
        known = mark.state in ("same", "kept")  # kept: update_secret is if_expired, and the present one is not due
        have = ("set by an earlier run" if mark.state == "same" else "another one, not due yet") if known else "not known to be it"
        return Control(name, PASS if known else FAIL, want, have, rule, mark.why, "" if known else "update_secret: always")
    have = "not known to be it" if mark is None else f"{mark.state} to the records"
    if not wanted.managed:
        return Control(name, UNKNOWN, want, have, rule, "passwords are never tried out", "update_secret")
    return Control(name, PLANNED, want, have, rule, "is set" if mark is None else mark.why)


def _no_such_password(subject: str, state: State, wanted: Wanted) -> Control | None:
    """Passwords of whom the meter does not have."""
    if state.family == PM5000:
        if state.generation in GROUPS and subject not in GROUPS[state.generation]:
            return Control("", NOT_APPLICABLE, "", None, "wire-schneider 2", "this firmware does not have the group")
        if state.users is not None and len(group_members(state, subject)) != 1:
            account = next((item for item in wanted.accounts if item.group == subject), None)
            if account is None or account.user not in [user.name for user in group_members(state, subject)]:
                return Control("", UNKNOWN, "", None, "wire-schneider 2", "which account of the group is meant is not known")
        return None
    single = end_mode(wanted, state) in SINGLE
    if single != (subject == passwords.model_number(state.model)) and state.mode is not None:
        return Control("", NOT_APPLICABLE, "", None, "R-191", f"{subject} does not sign in under {end_mode(wanted, state)}")
    if state.users is None and not single:
        return Control("", UNKNOWN, "", None, "R-315", state.why("users"))
    if state.users is not None and not single and state.user(subject) is None:
        return Control("", FAIL, "", None, "R-315", "there is no such user", f"users[{subject}].permissions")
    return None


def _strength(wanted: Wanted) -> list[Control]:
    """The weakest of the given passwords (R-264, R-306). Only its class is ever shown."""
    if not wanted.passwords:
        return []
    classes = {subject: passwords.strength(secret) for subject, secret in wanted.passwords.items()}
    least = wanted.min_strength or passwords.FAIR
    order = passwords.STRENGTHS
    poor = [subject for subject, found in classes.items() if order.index(found) < order.index(least)]
    have = ", ".join(f"{subject}: {found}" for subject, found in classes.items())
    if not poor:
        return [Control("password_strength", PASS, least, have, "R-264", "every given password is strong enough")]
    text = f"the given password of {', '.join(poor)} is weaker than that"
    return [
        Control(
            "password_strength", FAIL, least, have, "R-264", text, "longer passwords of more kinds of characters, where the mode takes them"
        )
    ]


# -- what is only looked at -------------------------------------------------------------------------------------------


def _recommended(state: State, wanted: Wanted) -> list[Control]:
    found = []
    for name, item in RECOMMENDED.items():
        if name in wanted.settings or state.family not in item.families:
            continue
        if state.family == PM5000 and name not in state.settings:
            continue
        found.append(_compared(name, state, wanted))
    return found


def _compared(name: str, state: State, wanted: Wanted) -> Control:
    item = RECOMMENDED[name]
    if name in state.settings:
        have, seen = state.settings[name], _evidence(state, name)
        if item.met(have):
            return Control(name, PASS, item.want, have, item.rule, "as recommended", evidence=seen)
        return Control(name, FAIL, item.want, have, item.rule, item.bad, item.remedy, seen)
    bad = unfit(name, False, state, end_mode(wanted, state))
    if bad is not None:
        return Control(name, NOT_APPLICABLE, item.want, None, bad.rule, bad.text)
    return Control(name, UNKNOWN, item.want, None, item.rule, state.why(name))


def _groups(state: State) -> list[Control]:
    """At least one Web Master and one Product Master, or one Administrator (wire-schneider 2)."""
    if state.family != PM5000 or state.users is None or state.generation not in GROUPS:
        return []
    needed = GROUPS["legacy"] if state.generation == "legacy" else ("administrator",)
    missing = [group for group in needed if not group_members(state, group)]
    have = ", ".join(f"{group}: {len(group_members(state, group))}" for group in needed)
    text = f"there is no account of {', '.join(missing)}" if missing else "every group that must have an account has one"
    return [Control("account_groups", FAIL if missing else PASS, "one account each", have, "wire-schneider 2", text)]


def _ports(state: State, wanted: Wanted) -> list[Control]:
    """What only a probe tells: HTTP closed where only HTTPS is wanted (G-15, R-398), and ION over Modbus (R-190)."""
    if state.family != HEP or not state.ports:
        return []
    found = []
    protocol = wanted.settings.get("web_protocol", state.settings.get("web_protocol"))
    if protocol in ("https", "disabled") and "http" in state.ports and state.settings.get("web_protocol") == protocol:
        found.append(_port("port_http", state, "http", "R-398", "the port of HTTP still answers"))
    if state.settings.get("modbus_access") == "none" and "modbus" in state.ports:
        text = "the built-in map is closed, yet the port is open, and ION over Modbus still works"
        found.append(_port("ion_over_modbus", state, "modbus", "R-190", text))
    return found


def _port(name: str, state: State, service: str, rule: str, bad: str) -> Control:
    have = state.ports[service]
    if have == kinds.CLOSED:
        return Control(name, PASS, "closed", have, rule, "the port is closed", evidence=kinds.PROBE)
    if have == kinds.OPEN:
        return Control(name, FAIL, "closed", have, rule, bad, evidence=kinds.PROBE)
    return Control(
        name, UNKNOWN, "closed", have, rule, "the port does not answer, which a filter on the way does as well", evidence=kinds.PROBE
    )


def _seals(state: State, attest: Mapping[str, Any]) -> list[Control]:
    """Revenue lock as read or attested, seals as attested (R-300)."""
    if state.family != HEP:
        return []
    return [_revenue_lock(state, attest), _sealed(attest)]


def _revenue_lock(state: State, attest: Mapping[str, Any]) -> Control:
    name, want, rule = "revenue_lock", LOCKED, "R-300"
    have = state.settings.get(name)
    if have in (LOCKED, "unlocked") and state.provenance.get(name) != kinds.ATTESTED:
        good = have == LOCKED
        text = "the meter is revenue-locked" if good else "the meter is not revenue-locked"
        remedy = "" if good else "the lock, set on site before service"
        return Control(name, PASS if good else FAIL, want, have, rule, text, remedy, _evidence(state, name))
    said = attest.get(name) or have
    if said == LOCKED:
        return Control(name, ATTESTED, want, said, rule, f"{_by(attest)} saw it locked", evidence=kinds.ATTESTED)
    if said is not None:
        return Control(name, FAIL, want, said, rule, f"{_by(attest)} saw it unlocked", "the lock, set on site", kinds.ATTESTED)
    return Control(name, UNKNOWN, want, None, rule, "it is neither shown by the meter nor attested", "attest.revenue_lock")


def _sealed(attest: Mapping[str, Any]) -> Control:
    seals = attest.get("seals")
    if seals:
        return Control("seals", ATTESTED, "applied", str(seals), "R-300", f"{_by(attest)} saw the seals", evidence=kinds.ATTESTED)
    return Control("seals", UNKNOWN, "applied", None, "R-300", "no wire can tell, and nobody attests them", "attest.seals")


def _by(attest: Mapping[str, Any]) -> str:
    when = f" on {attest['at']}" if attest.get("at") else ""
    return f"{attest.get('by') or 'somebody'}{when}"


def _waived(control: Control, wanted: Wanted, today: datetime.date) -> Control:
    """A failed control under a waiver that has not run out; a waiver that has is told (R-233)."""
    waiver = wanted.waiver(control.id)
    if waiver is None or control.state != FAIL:
        return control
    if waiver.expired(today):
        return replace(control, text=f"{control.text}; its waiver ran out on {waiver.expires}")
    text = f"{control.text}; {waiver.approver} leaves it until {waiver.expires}: {waiver.reason}"
    return replace(control, state=WAIVED, text=text)


def planned(controls: Sequence[Control]) -> frozenset[str]:
    """The ids of what a run would change."""
    return frozenset(item.id for item in controls if item.state == PLANNED)
