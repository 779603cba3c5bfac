# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Makes the planned changes of one meter, one after the other: compared before, written once, read back after.

Somebody else's change in between stops the run, and nothing is written over it (F-38, R-320). A reply that is lost is looked after by
reading; only a password that was lost on the way is settled by logins, each at most once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..base.clock import Waiter
from ..base.errors import DeadlineError, DeviceError
from ..catalogue import constants, passwords, permissions
from ..wire import probe
from ..wire.loop import run
from . import consumers
from . import state as kinds
from .channel import STAGE
from .control import CHANGED, PLANNED
from .login_guard import WORKS
from .password_rotation import Verdict
from .settings_session import Session, subject_login, user_of
from .state import CLOSED, OPEN, PROBE, Change, State

#: The meter may have done these although no answer came: the state is read before anything is said.
_UNANSWERED = frozenset({"transport_failed", "write_unanswered", "session_lost", "web_not_understood"})
_WEB_PLACE = frozenset({"web_port_http", "web_port_https", "web_protocol", "web_server"})
#: Settings that a meter itself changes together with another one.
_FOLLOWS = {
    "web_server": ("web_programming", "web_protocol"),
    "web_protocol": ("web_server", "web_programming"),
    "modbus_access": ("modbus_programming",),
}


def apply_changes(now: Session, changes: Sequence[Change]) -> None:
    """Make them, in this order. Raises Stop where one does not come to a good end, OrphanedError where nothing more may be started."""
    asleep: list[str] = []
    expected = _picture(now.state)
    gone = False
    for item in changes:
        now.desk.guard()
        if not gone:
            expected = _compare(now, expected, item)
        _one(now, item, asleep)
        gone = gone or (now.channel is not None and now.channel.closed_by(item))
        if item.control in _WEB_PLACE and item.kind == kinds.SETTING:
            _verify_place(now, item)
        if item.kind == kinds.MODE:
            _wake(now, item, asleep)
        if not gone:
            expected = _read_back(now, item, expected)
        else:
            _believe(now.state, item)
        _done(now, item)


# -- comparing --------------------------------------------------------------------------------------------------------


def _picture(state: State) -> State:
    """What was seen, to compare a later look with."""
    return replace(state, settings=dict(state.settings), provenance=dict(state.provenance), unread=dict(state.unread))


def _look(now: Session) -> State:
    """The state as it is now, by the same way."""
    fresh = replace(_picture(now.state), users=now.state.users)
    if now.channel is not None:
        now.channel.read(fresh)
    return fresh


def _compare(now: Session, expected: State, item: Change) -> State:
    """Look again before a write. Raises Stop where somebody else has changed something meanwhile."""
    fresh = _look(now)
    found = _differences(expected, fresh)
    if found:
        text = f"before {item.control} was written somebody else changed {', '.join(found)}; nothing was written over it"
        _take(now, fresh)
        now.fail("changed_out_of_band", text)
    return fresh


def _differences(one: State, other: State) -> list[str]:
    """What differs between two looks, by name. Probes are not compared."""
    names = sorted(set(one.settings) | set(other.settings))
    found = [name for name in names if one.provenance.get(name) != PROBE and one.settings.get(name) != other.settings.get(name)]
    if one.mode != other.mode:
        found.append("mode")
    if one.users is not None and other.users is not None:
        before, after = {item.name: item.permissions for item in one.users}, {item.name: item.permissions for item in other.users}
        found += [f"user:{name}" for name in sorted(set(before) | set(after)) if before.get(name) != after.get(name)]
    return found


def _read_back(now: Session, item: Change, expected: State) -> State:
    """Look after a write. Raises Stop where the meter does not show what was written."""
    fresh = _look(now)
    _take(now, fresh)
    if not _holds(item, fresh, now):
        have = fresh.mode if item.kind == kinds.MODE else fresh.settings.get(item.control, "something else")
        now.fail("setting_refused", f"the meter took {item.control} without a word, and shows {have}")
    if item.kind == kinds.MODE:
        return fresh
    own = {item.control, f"user:{item.subject}", *_FOLLOWS.get(item.control, ())}
    wanted = {*now.wanted.settings, *(f"user:{user.name}" for user in now.wanted.users)}
    strange = [name for name in _differences(expected, fresh) if name not in own and (name in wanted or name == "mode")]
    if strange:
        _mark(now, item)
        now.fail("changed_out_of_band", f"while {item.control} was written somebody else changed {', '.join(strange)}")
    return fresh


def _take(now: Session, fresh: State) -> None:
    state = now.state
    state.mode, state.users, state.login = fresh.mode, fresh.users, fresh.login
    state.settings, state.provenance, state.unread = fresh.settings, fresh.provenance, fresh.unread


def _holds(item: Change, state: State, now: Session) -> bool:
    """Whether the meter shows what was written; of passwords nothing is shown."""
    if item.kind == kinds.SETTING:
        have = state.settings.get(item.control)
        return bool(_order(have) == _order(item.want))
    if item.kind == kinds.MODE:
        return bool(state.mode == item.want)
    if state.users is None or item.kind == kinds.PASSWORD:
        return True
    if now.wanted.family != "hep":
        return any(user.name == item.want and item.subject in user.permissions for user in state.users)
    there = next((user for user in state.users if user.name.casefold() == (item.subject or "").casefold()), None)
    if item.kind == kinds.USER_REMOVE:
        return there is None
    return there is not None and permissions.complete(item.want or ()) == permissions.complete(there.permissions)


def _order(value: Any) -> Any:
    """Lists are compared without regard to their order."""
    return sorted(value) if isinstance(value, list) else value


def _believe(state: State, item: Change) -> None:
    """After a change that closed the way itself: what was written, and probes have shown."""
    if item.kind == kinds.SETTING:
        state.settings[item.control], state.provenance[item.control] = item.want, PROBE


# -- writing ----------------------------------------------------------------------------------------------------------


def _one(now: Session, item: Change, asleep: list[str]) -> None:
    """One write. Raises Stop."""
    secret = None if item.subject is None else now.wanted.secret(item.subject)
    if item.kind in (kinds.PASSWORD, kinds.USER_ADD) and secret is not None:
        _write_secret(now, item, secret, asleep)
        return
    channel = now.channel
    if channel is None:
        raise DeviceError(STAGE, "profile_missing", "there is no way to write settings")
    old = user_of(now, item.subject) if item.kind == kinds.USER_CHANGE and isinstance(item.want, str) and item.subject else None
    try:
        channel.write(item, None)
    except DeviceError as error:
        if error.reason == "changed_out_of_band":
            text = f"{item.control}: the meter is not as it was compared; nothing was written over it ({error.text})"
            now.fail(error.reason, text, error.device_text)
        if error.reason not in _UNANSWERED or not _arrived(now, item):
            now.fail(error.reason, f"{item.control}: {error.text}", error.device_text)
        now.report.notes.append(f"{item.control}: the answer to the write was lost; the meter shows the new value")
    if old is not None:
        _renamed(now, item, old)


def _renamed(now: Session, item: Change, old: str) -> None:
    """After a PM5000 account got another name: one login with it, so that the records know whose the password is. Raises Stop."""
    channel, guard, new = now.channel, now.guard, str(item.want)
    own = _is_own(now, old)
    secret = now.secret if own else now.wanted.secret(item.subject or "")
    if channel is None or guard is None or secret is None or guard.standing(now.account(old), secret) != WORKS:
        return
    # Of the own account before anything is read: the old name would count as a failed login.
    login = channel.login if own else channel.prove
    if guard.attempt(now.account(new), "web", secret, lambda: login(new, secret)) == WORKS:
        now.signed_in[new] = secret
        for role in consumers.roles_of(now.target.credentials, old, now.wanted.family):
            now.report.notes.append(f"credentials.{role} of the inventory must have the user {new} from now on")
        if own and now.login is not None:
            now.login = replace(now.login, user=new)
    elif own:
        _mark(now, item)
        why = guard.error.text if guard.error is not None else guard.refusal.text if guard.refusal is not None else "no answer"
        now.fail("credential_unknown", f"{item.control} was written, and nobody could sign in with the new name: {why}")


def _arrived(now: Session, item: Change) -> bool:
    """Whether a write without an answer was done all the same; looked at by reading only."""
    channel = now.channel
    if channel is not None and channel.closed_by(item):
        return True  # what closes the way may well cut its own answer; the probes that follow tell
    if item.control in _WEB_PLACE:
        return True
    try:
        return _holds(item, _look(now), now)
    except DeviceError:
        return False


def _write_secret(now: Session, item: Change, secret: str, asleep: list[str]) -> None:
    """A password in two phases: the mark first, then the write, then one login that proves it (R-309)."""
    channel, rotor = now.channel, now.need_rotor()
    if channel is None or item.subject is None:
        raise DeviceError(STAGE, "profile_missing", "there is no way to write passwords")
    user = user_of(now, item.subject)
    own = _is_own(now, user)
    login_name = subject_login(now) or user
    account = now.account(login_name if own else user)
    sleeping = now.state.mode in ("none", "standard") and passwords.model_number(now.state.model) != user

    def login(given: str) -> None:
        if sleeping:
            raise DeviceError("connect", "transport_failed", "this user cannot sign in before the mode is changed")
        if own:
            channel.login(login_name, given)
        else:
            channel.prove(user, given)

    def write() -> None:
        channel.write(item, secret)

    verdict = rotor.rotate(account, secret, own=own, current=now.secret if own else None, write=write, login=login)
    if sleeping and verdict.changed is None:
        asleep.append(item.subject)
        _note_secret(now, item, account, "sent", "")
        return
    _note_secret(
        now, item, account, "changed" if verdict.changed else verdict.state if verdict.changed is None else "refused", verdict.which
    )
    if verdict.changed:
        now.signed_in[user] = secret
        if own:
            now.secret = secret
    elif verdict.changed is None:
        now.report.changed = True
    now.take(replace(verdict, text=f"{item.control}: {verdict.text}{_no_test_mode(item, verdict)}"))


def _no_test_mode(item: Change, verdict: Verdict) -> str:
    """What the meter most likely means where it refuses a new user's rights (R-335)."""
    if verdict.reason != "option_not_available" or not isinstance(item.want, list) or "test_mode" not in item.want:
        return ""
    return "; not every type of meter has the permission test_mode"


def _is_own(now: Session, user: str) -> bool:
    """Whether this user is who we are signed in as; a model number stands for User1 under Legacy security support."""
    login = subject_login(now)
    if login is None:
        return False
    names = {login, now.state.login or login}
    if now.wanted.family != "hep":
        return user in names
    if user.casefold() in {name.casefold() for name in names}:
        return True
    both = (user, login)
    return now.state.mode == "legacy_support" and all(passwords.stands_for_user1(name, now.state.model) for name in both)


def _note_secret(now: Session, item: Change, account: str, state: str, works: str) -> None:
    user = user_of(now, item.subject or "")
    roles = consumers.roles_of(now.target.credentials, user, now.wanted.family)
    now.report.secrets.append({"subject": item.subject, "account": account, "state": state, "works": works, "consumers": list(roles)})


# -- modes and places -------------------------------------------------------------------------------------------------


def _wake(now: Session, item: Change, asleep: list[str]) -> None:
    """After a change of mode: sign in as who is valid now, and prove the passwords of users who could not sign in before."""
    channel, rotor = now.channel, now.need_rotor()
    if channel is None:
        return
    login = subject_login(now)
    # A model number is no name under Advanced security, also where the meter's page called its user by the real name before.
    heir = item.subject or (now.real_user(login) if login is not None and item.want == "advanced" else login)
    if heir is None:
        return
    # Under Legacy security support the model number was User1, whose password stays.
    same = item.subject is None or _is_own(now, heir)
    current = now.secret if same else None
    secret = now.wanted.secret(heir)
    given = next((entry.password for entry in now.target.credentials.values() if entry.user.casefold() == heir.casefold()), None)
    first = current or secret or given
    if first is None:
        now.fail("credential_unknown", f"under {item.want} {heir} signs in, and no password of that user is given")
        return
    new = secret if secret != first else None
    verdict = rotor.sign_in(now.account(heir), first, new, login=lambda value: channel.login(heir, value))
    _settle(now, heir, verdict)
    now.take(verdict)
    now.login = replace(now.login, user=heir, password=first) if now.login is not None else None
    now.secret = secret if verdict.which == "new" and secret is not None else first
    now.signed_in[heir] = now.secret
    for name in asleep:
        value = now.wanted.secret(name)
        if value is not None and name.casefold() != heir.casefold():
            proven = rotor.sign_in(now.account(name), value, login=lambda given, user=name: channel.prove(user, given))  # type: ignore[misc]
            _settle(now, name, proven)
            now.take(proven)
    asleep.clear()


def _settle(now: Session, user: str, verdict: Verdict) -> None:
    for row in now.report.secrets:
        if row["state"] == "sent" and str(row["subject"]).casefold() == user.casefold():
            row["state"], row["works"] = ("unknown", "") if verdict.reason else ("changed", "new")


def _verify_place(now: Session, item: Change) -> None:
    """The webpages must be where they were sent to, and signing in must work there (R-405). Raises Stop."""
    channel, target = now.channel, now.target
    before = {name: now.state.settings.get(name) for name in _WEB_PLACE}
    after = {**before, item.control: item.want}
    ports = dict(target.ports)
    for name in ("http", "https"):
        if item.control == f"web_port_{name}":
            ports[name] = int(item.want)
            now.report.notes.append(f"ports.{name} of the inventory must be {item.want} from now on (R-404)")
    moved = channel.moved_by(item) if channel is not None else False
    now.target = replace(target, ports=ports)
    goal = _goal(after, item)
    if goal:
        _await_ports(now, goal, item)
    if channel is not None and moved and not channel.closed_by(item):
        _sign_in_again(now, item)


def _goal(after: dict[str, Any], item: Change) -> dict[str, str]:
    """Which web ports have to be open or closed now; ports whose setting is not known are not judged."""
    protocol = after.get("web_protocol")
    if after.get("web_server") is False or protocol == "disabled":
        return {"http": CLOSED, "https": CLOSED}
    if protocol == "http":
        return {"http": OPEN}
    if protocol == "https":
        return {"https": OPEN, **({"http": CLOSED} if item.control == "web_protocol" else {})}
    if protocol == "https_redirect":
        return {"https": OPEN, "http": OPEN}
    return {item.control.removeprefix("web_port_"): OPEN} if item.control.startswith("web_port_") else {}


def _await_ports(now: Session, goal: dict[str, str], item: Change) -> None:
    """Wait until the ports are as they have to be; connects only, no byte is sent."""

    def there() -> bool | None:
        places = {name: now.target.ports[name] for name in goal if name in now.target.ports}
        found = run(probe.probe_all(now.target.host, places, now.target.timeouts.connect))
        return True if all(found[name] == (probe.OPEN if goal[name] == OPEN else probe.CLOSED) for name in places) else None

    try:
        Waiter(now.target.clock).until("port_change", there, constants.PORT_CHANGE_WAIT.number, 0.5)
    except DeadlineError:
        _mark(now, item)
        shown = ", ".join(f"{name} ({now.target.ports.get(name)}) {word}" for name, word in sorted(goal.items()))
        now.fail("port_change_unverified", f"{item.control} was written, and the meter is not as expected on its ports: {shown}")
    now.state.ports.update(goal)


def _sign_in_again(now: Session, item: Change) -> None:
    """One login at the new place, with the password that has just worked."""
    channel, guard, user = now.channel, now.guard, subject_login(now)
    if channel is None or guard is None or user is None:
        return
    if guard.attempt(now.account(user), "web", now.secret, lambda: channel.login(user, now.secret)) == WORKS:
        return
    _mark(now, item)
    why = guard.error.text if guard.error is not None else guard.refusal.text if guard.refusal is not None else "no answer"
    now.fail("port_change_unverified", f"{item.control} was written, and nobody could sign in at the new place: {why}")


# -- writing it down --------------------------------------------------------------------------------------------------


def _mark(now: Session, item: Change) -> None:
    """The control is changed."""
    now.report.changed = True
    now.report.controls = [
        replace(control, state=CHANGED) if control.id == item.control and control.state == PLANNED else control
        for control in now.report.controls
    ]


def _done(now: Session, item: Change) -> None:
    """Mark it, and write it into the journal; no secret is in a change."""
    left = [row for row in now.report.secrets if row["subject"] == item.subject and row["state"] == "sent"]
    _mark(now, item)
    if left:
        now.report.notes.append(f"{item.control}: its password is proven once the mode is changed")
    now.desk.journal(
        "security_changed",
        {"serial": now.state.serial, "control": item.control, "kind": item.kind, "subject": item.subject, "want": item.want},
    )


__all__ = ["apply_changes"]
