# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""From controls to changes in an order that never locks the operator out, and what must be true before the first one; pure.

The order: what opens a way; then, before a change of mode, whoever signs in after it; the mode; the other settings; new users before
others are narrowed; passwords, the own one last; users who lose rights or go; what closes a way; and the way we came by, last of all.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..catalogue import constants, passwords, permissions
from ..catalogue.enums import MODBUS_ACCESS
from ..catalogue.models import HEP, PM5000
from ..catalogue.permissions import SECURITY_CONFIG
from ..planning.prechecks import FAIL, PASS, UNKNOWN, Precheck
from . import break_glass
from .capabilities import ADVANCED, SINGLE, end_mode, unfit
from .control import PASS as CONTROL_PASS
from .control import PLANNED, Control
from .judge_settings import LOCKED, group_members, judge, planned, shown
from .state import MODE, PASSWORD, SETTING, USER_ADD, USER_CHANGE, USER_REMOVE, Change, State
from .wanted import Wanted

__all__ = ["Mark", "changes", "judge", "prechecks", "successor"]

#: Settings whose ``false`` closes a way into the meter, or for its files.
_WAYS = ("ftp", "telnet", "sftp", "ssh", "ion", "ion_tls", "web_server")
#: The last settings, in this order: each may close the way by which the next would be written.
_LAST = ("modbus_programming", "modbus_access", "web_port_http", "web_port_https", "web_protocol", "web_programming", "web_server")
_MODES = ("none", "standard", "legacy_support", "advanced")
_WEB, _REGISTERS = "web", "registers"


@dataclass(frozen=True)
class Mark:
    """What the records know of one password: whether it is to be written, and why."""

    change: bool
    state: str = "unknown"
    why: str = ""


# -- changes in order -------------------------------------------------------------------------------------------------


def changes(controls: Sequence[Control], state: State, wanted: Wanted) -> list[Change]:
    """What to write, in order. Only what is planned is in it, each once."""
    ids = planned(controls)
    settings = [Change(name, SETTING, None, value) for name, value in wanted.settings.items() if name in ids]
    people = [*_users(ids, state, wanted), *_accounts(ids, state, wanted)]
    secrets = [Change(f"password:{name}", PASSWORD, _spelt(name, state), None) for name in wanted.passwords if f"password:{name}" in ids]
    opening = [item for item in settings if _opens(item, state)]
    closing = sorted((item for item in settings if item not in opening and _closes(item)), key=_last)
    plain = [item for item in settings if item not in opening and item not in closing]
    first, rest = _around_the_mode(people, secrets, state, wanted) if "mode" in ids else ([], [*people, *secrets])
    mode = [Change("mode", MODE, successor(state, wanted), wanted.mode)] if "mode" in ids else []
    return [*opening, *first, *mode, *plain, *_in_order(rest, state), *closing]


def _users(ids: frozenset[str], state: State, wanted: Wanted) -> list[Change]:
    found = []
    for user in wanted.users:
        name = f"user:{user.name}"
        if name not in ids:
            continue
        there = state.user(user.name)
        if not user.present:
            found.append(Change(name, USER_REMOVE, _spelt(user.name, state), None))
        elif there is None:
            found.append(Change(name, USER_ADD, user.name, permissions.shown(user.permissions or ())))
        else:
            found.append(Change(name, USER_CHANGE, there.name, permissions.shown(user.permissions or ())))
    listed = {user.name.casefold() for user in wanted.users}
    unlisted = [user for user in state.users or () if user.name.casefold() not in listed and f"user:{user.name}" in ids]
    return [*found, *(Change(f"user:{user.name}", USER_REMOVE, user.name, None) for user in unlisted)]


def _accounts(ids: frozenset[str], state: State, wanted: Wanted) -> list[Change]:
    return [
        Change(f"account:{item.group}", USER_CHANGE, item.group, item.user) for item in wanted.accounts if f"account:{item.group}" in ids
    ]


def _spelt(name: str, state: State) -> str:
    """A user's name as the meter spells it."""
    there = state.user(name) if state.family == HEP else None
    return there.name if there is not None else name


def _around_the_mode(people: list[Change], secrets: list[Change], state: State, wanted: Wanted) -> tuple[list[Change], list[Change]]:
    """What must be there before the mode changes: the user to sign in as afterwards, and new users who may configure security."""
    heir = (successor(state, wanted) or "").casefold()
    early: list[Change] = []
    for item in (*people, *secrets):
        admin = item.kind in (USER_ADD, USER_CHANGE) and isinstance(item.want, list) and SECURITY_CONFIG in item.want
        is_heir = (item.subject or "").casefold() == heir and not _same_user(item.subject, state)
        if (admin and _widens(item, state)) or (item.kind == PASSWORD and is_heir):
            early.append(item)
    early.sort(key=lambda item: item.kind == PASSWORD)
    return early, [item for item in (*people, *secrets) if item not in early]


def _same_user(subject: str | None, state: State) -> bool:
    """Whether this is who we are signed in as, also by the model number that stands for User1."""
    if subject is None or state.login is None:
        return False
    if subject.casefold() == state.login.casefold():
        return True
    if state.family != HEP or state.mode != "legacy_support":
        return False
    return passwords.stands_for_user1(subject, state.model) and passwords.stands_for_user1(state.login, state.model)


def _own_group(subject: str | None, state: State) -> bool:
    return subject is not None and any(user.name == state.login for user in group_members(state, subject))


def _widens(item: Change, state: State) -> bool:
    """Whether a user is added, or gets rights without losing any."""
    if item.kind == USER_ADD:
        return True
    there = state.user(item.subject or "")
    return item.kind == USER_CHANGE and isinstance(item.want, list) and there is not None and there.permissions <= frozenset(item.want)


def _in_order(rest: Iterable[Change], state: State) -> list[Change]:
    """New users, more rights, passwords of others, the own one, fewer rights, removals."""

    def place(item: Change) -> tuple[int, bool]:
        own = _same_user(item.subject, state) or (state.family == PM5000 and _own_group(item.subject, state))
        if item.kind == USER_ADD:
            return 0, SECURITY_CONFIG not in (item.want or ())
        if item.kind == USER_CHANGE and isinstance(item.want, list):
            return (1 if _widens(item, state) else 5), False
        if item.kind == PASSWORD:
            return (3 if own else 2), False
        return (4 if item.kind == USER_CHANGE else 6), own

    return sorted(rest, key=place)


def _opens(item: Change, state: State) -> bool:
    """Whether a setting opens a way, or makes one wider."""
    if item.control in _WAYS or item.control in ("web_programming", "modbus_programming"):
        return item.want is True and not (item.control == "modbus_programming" and state.mode != ADVANCED)
    if item.control == "modbus_access":
        have = state.settings.get("modbus_access")
        return have in MODBUS_ACCESS and MODBUS_ACCESS.index(item.want) > MODBUS_ACCESS.index(have)
    return item.control == "web_protocol" and state.settings.get("web_protocol") == "disabled"


def _closes(item: Change) -> bool:
    return item.control in _LAST or item.control == "ip_filter" or (item.control in _WAYS and item.want is False)


def _last(item: Change) -> int:
    """Services first, the filter, then the ways by which settings are made."""
    if item.control in _LAST:
        return 2 + _LAST.index(item.control)
    return 1 if item.control == "ip_filter" else 0


def successor(state: State, wanted: Wanted) -> str | None:
    """The user to sign in as after the wanted change of mode; None where the present one stays, or where nobody can (R-191).

    Only somebody whose password is known comes into question: the present user, or one whose password the document gives.
    """
    mode = wanted.mode
    if mode is None or mode == state.mode or state.family != HEP:
        return None
    if mode in SINGLE:
        number = passwords.model_number(state.model)
        return number if wanted.secret(number) is not None and state.login != number else None
    if _stays(state, mode):
        return None
    number_as_user1 = state.mode == "legacy_support" and state.login == passwords.model_number(state.model)
    if number_as_user1:
        user1 = state.user(str(constants.LSS_DEFAULT_USER.value))
        if user1 is not None:
            return user1.name
    if state.users is None:
        return None
    for user in wanted.users:
        if not user.present or wanted.secret(user.name) is None:
            continue
        there = state.user(user.name)
        rights = user.permissions if user.permissions is not None else there.permissions if there is not None else frozenset()
        if SECURITY_CONFIG in rights:
            return _spelt(user.name, state)
    return None


def _stays(state: State, mode: str) -> bool:
    """Whether the present login is one that this mode knows, with the same password."""
    if state.login is None or state.mode in SINGLE:
        return False
    if state.login == passwords.model_number(state.model):
        return mode == "legacy_support"
    return True


# -- before the first change ------------------------------------------------------------------------------------------


def prechecks(
    controls: Sequence[Control], state: State, wanted: Wanted, *, channel: str = _WEB, holder: str | None = None
) -> list[Precheck]:
    """What must be true before the first change; a failed or unknown one that blocks stops the run before anything was changed.

    ``channel`` is web or registers: the way by which settings are written. ``holder`` is who else works on the meter.
    """
    ids = planned(controls)
    order = changes(controls, state, wanted)
    found = [_check("meter_free", holder is None, "firmware_in_progress", holder or "nobody else works on this meter", ("R-086",))]
    if not order:
        return found
    found += [*_access(state), *_unlocked(order, state), *_writable(order, state, channel)]
    found += [*_mode_change(controls, ids, state, wanted), *_own_rights(order, state), *_admins(controls, order, state, wanted)]
    found += [*_removals(order, state, wanted), *_upgrade_ways(order, state, wanted), *_tool_ports(state, wanted, ids)]
    found += [*_filter(order, state), *_own_way(order, channel)]
    return [*found, *break_glass.prechecks(wanted.break_glass, state.login, state.users, order)]


def _check(name: str, good: bool, reason: str, text: str, rules: tuple[str, ...], blocking: bool = True) -> Precheck:
    return Precheck(name, PASS if good else FAIL, blocking, "" if good else reason, text, rules)


def _access(state: State) -> list[Precheck]:
    """The account that signs in needs security_config (R-274, R-308, R-323, R-347, R-377)."""
    rules = ("R-274", "R-308", "R-323", "R-347", "R-377")
    own = state.user(state.login) if state.login is not None and state.family == HEP else None
    if own is None:
        return []
    good = SECURITY_CONFIG in own.permissions
    text = f"{own.name} may {'' if good else 'not '}configure security"
    return [_check("has_security_config_access", good, "security_access_missing", text, rules)]


def _unlocked(order: Sequence[Change], state: State) -> list[Precheck]:
    """A revenue-locked meter takes no settings (R-300)."""
    if state.settings.get("revenue_lock") != LOCKED or all(item.kind == PASSWORD for item in order):
        return []
    return [_check("not_revenue_locked", False, "revenue_locked", "the meter is revenue-locked, so it takes no settings", ("R-300",))]


def _writable(order: Sequence[Change], state: State, channel: str) -> list[Precheck]:
    """Whether the meter takes settings by this way at all (R-270, R-283)."""
    if state.family != HEP:
        return []
    if channel == _WEB:
        have = state.settings.get("web_programming")
        good, text = have is not False, "programming by webpages is off"
    elif channel == _REGISTERS:
        access, extra = state.settings.get("modbus_access"), state.settings.get("modbus_programming")
        good = access in (None, "read_write") and not (state.mode == ADVANCED and extra is False)
        text = f"Modbus access is {access}" if access not in (None, "read_write") else "programming by Modbus is off"
    else:
        return []
    found = [
        _check("channel_takes_settings", good, "programming_off", "the meter takes settings by this way" if good else text, ("R-270",))
    ]
    others = [item for item in order if item.kind != SETTING]
    if channel == _REGISTERS and others:
        text = "users, passwords and the mode cannot be set over registers"
        found.append(_check("channel_takes_users", False, "option_not_available", text, ("R-289",)))
    return found


def _known(name: str, controls: Sequence[Control], state: State) -> bool:
    """Whether this run knows the password of this user: it writes it, or an earlier run did."""
    good = {item.id.casefold() for item in controls if item.state in (CONTROL_PASS, PLANNED)}
    if f"password:{name}".casefold() in good:
        return True
    return state.user(name) is None and any(item.state == PLANNED and item.id.casefold() == f"user:{name}".casefold() for item in controls)


def _mode_change(controls: Sequence[Control], ids: frozenset[str], state: State, wanted: Wanted) -> list[Precheck]:
    """A mode is only strengthened, and somebody whose password is known must be able to sign in after it (R-191)."""
    if "mode" not in ids or wanted.mode is None or state.mode not in _MODES:
        return []
    if _MODES.index(wanted.mode) < _MODES.index(state.mode):
        text = f"the mode would go back from {state.mode} to {wanted.mode}, which this collection does not do"
        return [_check("mode_not_weakened", False, "option_not_available", text, ("R-254",))]
    heir = successor(state, wanted)
    if heir is not None and not (_known(heir, controls, state) or _same_user(heir, state)):
        text = f"under {wanted.mode} {heir} would have to sign in, whose password is not known to be the given one"
        return [_check("signs_in_after", False, "would_lock_out", text, ("R-191",))]
    if heir is not None or _stays(state, wanted.mode):
        who = heir or state.login
        note = f"under {wanted.mode} {who} signs in; stored logins of browsers and software must follow"
        return [_check("signs_in_after", True, "", note, ("R-191", "R-192", "R-278"))]
    text = f"under {wanted.mode} nobody could sign in whose password is known here: name a user with security_config and a password"
    return [_check("signs_in_after", False, "would_lock_out", text, ("R-191",))]


def _own_rights(order: Sequence[Change], state: State) -> list[Precheck]:
    """Nobody changes the permissions of the account that he is signed in as, or removes it (R-195)."""
    own = [item for item in order if item.kind in (USER_CHANGE, USER_REMOVE) and state.family == HEP and _same_user(item.subject, state)]
    if not own:
        return []
    removal = any(item.kind == USER_REMOVE for item in own)
    text = f"{state.login} is signed in, and cannot {'remove itself' if removal else 'change its own permissions'}"
    return [_check("own_permissions", False, "cannot_change_own_permissions", text, ("R-195",))]


def after(order: Sequence[Change], state: State) -> dict[str, frozenset[str]]:
    """The users and their permissions once these changes were made."""
    users = {user.name: user.permissions for user in state.users or ()}
    for item in order:
        if item.kind in (USER_ADD, USER_CHANGE) and isinstance(item.want, list) and item.subject is not None:
            users[item.subject] = permissions.complete(item.want)
        elif item.kind == USER_REMOVE and item.subject is not None:
            users.pop(item.subject, None)
    return users


def _admins(controls: Sequence[Control], order: Sequence[Change], state: State, wanted: Wanted) -> list[Precheck]:
    """Somebody who may configure security must stay, and be one whose password is known here (R-321)."""
    if state.family != HEP or state.users is None or not any(item.kind in (USER_ADD, USER_CHANGE, USER_REMOVE, MODE) for item in order):
        return []
    if end_mode(wanted, state) in SINGLE:
        return []
    left = [name for name, rights in after(order, state).items() if SECURITY_CONFIG in rights]
    ours = [name for name in left if _known(name, controls, state) or _same_user(name, state)]
    text = (
        "nobody would be left who may configure security" if not left else f"only {', '.join(left)} would be left, without a known password"
    )
    good = bool(ours)
    return [
        _check("keeps_security_admin", good, "would_lock_out", f"{', '.join(ours)} may configure security" if good else text, ("R-321",))
    ]


def _removals(order: Sequence[Change], state: State, wanted: Wanted) -> list[Precheck]:
    """Users whom the document does not name are removed only when that was accepted (R-321)."""
    gone = [item.subject or "" for item in order if item.kind == USER_REMOVE and wanted.user(item.subject or "") is None]
    if not gone:
        return []
    good = "removes_users" in wanted.accept
    text = f"{', '.join(gone)} would be removed, which the document does not name" + ("" if good else "; add 'removes_users' to accept")
    return [_check("accept_removals", good, "removes_users_not_accepted", text, ("R-321",))]


def _upgrade_ways(order: Sequence[Change], state: State, wanted: Wanted) -> list[Precheck]:
    """Ways that upgrades need: ION for a HEP meter, webpages for both families (R-279, R-399, R-033)."""
    writes = {item.control: item.want for item in order if item.kind == SETTING}
    lost = []
    if writes.get("web_server") is False or writes.get("web_protocol") == "disabled":
        lost.append("the webpages")
    if state.family == PM5000 and writes.get("ftp") is False and state.generation == "legacy":
        lost.append("FTP")
    if state.family == HEP and {"ion", "ion_tls"} & set(writes) and not _ion_left({**state.settings, **writes}, state):
        lost.append("ION")
    if not lost:
        return []
    good = "disables_upgrade_channel" in wanted.accept
    text = f"{' and '.join(lost)} would be closed, which upgrades or later changes need"
    text += "" if good else "; add 'disables_upgrade_channel' to accept"
    return [_check("keeps_upgrade_channel", good, "disables_upgrade_channel", text, ("R-279", "R-399"))]


def _ion_left(settings: Mapping[str, Any], state: State) -> bool:
    tls = settings.get("ion_tls") is True and unfit("ion_tls", True, state) is None
    return settings.get("ion") is True or tls


def _tool_ports(state: State, wanted: Wanted, ids: frozenset[str]) -> list[Precheck]:
    """The PM5000's upgrade tool needs HTTP on 80 or HTTPS on 443 (R-097, R-404)."""
    if state.family != PM5000 or not {"web_port_http", "web_port_https"} & ids:
        return []
    http = wanted.settings.get("web_port_http", state.settings.get("web_port_http"))
    https = wanted.settings.get("web_port_https", state.settings.get("web_port_https"))
    good = http == constants.PORT_HTTP.number or https == constants.PORT_HTTPS.number
    text = "the upgrade tool reaches the meter" if good else "the upgrade tool needs HTTP on port 80 or HTTPS on port 443"
    return [_check("tool_ports", good, "web_port_changed", text, ("R-097", "R-404"), blocking=False)]


def _filter(order: Sequence[Change], state: State) -> list[Precheck]:
    """The filter must let this control node through."""
    wants = [item.want for item in order if item.control == "ip_filter"]
    if not wants or not wants[0]:
        return []
    if state.client is None:
        text = "the address by which the meter sees this control node is not known, so it may be shut out"
        return [Precheck("filter_lets_us_in", UNKNOWN, True, "would_lock_out", text, ("own",))]
    good = _covers(wants[0], state.client)
    text = f"{state.client}, this control node, is {'' if good else 'not '}in {shown(wants[0])}"
    return [_check("filter_lets_us_in", good, "would_lock_out", text, ("own",))]


def _covers(entries: Sequence[str], client: str) -> bool:
    return any(ipaddress.ip_address(client) in ipaddress.ip_network(entry) for entry in entries)


def _own_way(order: Sequence[Change], channel: str) -> list[Precheck]:
    """Told, not refused: the way by which this collection sets things is closed at the end (R-376)."""
    writes = {item.control: item.want for item in order if item.kind == SETTING}
    web = writes.get("web_programming") is False
    modbus = writes.get("modbus_programming") is False or writes.get("modbus_access") in ("none", "read_only")
    if not (web if channel == _WEB else modbus and channel == _REGISTERS):
        return []
    text = "the last change closes the way by which settings are made here; later ones need the maker's tool to open it"
    return [Precheck("closes_own_channel", PASS, False, "", text, ("R-376",))]
