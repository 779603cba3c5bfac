# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""From what was seen to controls: what is as wanted, what is not, and what is to be changed in which order; pure (wire-dlms 4.1).

Unknown is never good. ``planned`` is what a run changes; only controls that the options ask for are ever planned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..base.target import Dlms, DlmsKeys
from ..catalogue import constants
from ..catalogue.obis import ASSOCIATION_LN
from ..catalogue.published_keys import FINDING, is_published_key
from ..meters import cosem
from ..meters.cosem import Rights
from ..planning.prechecks import FAIL as BLOCKED
from ..planning.prechecks import PASS as CLEAR
from ..planning.prechecks import Precheck
from . import rotation
from .control import CHANGED, FAIL, PASS, PLANNED, UNKNOWN, Control, diff, findings, summary
from .desired import Desired
from .seen import Seen

#: Controls are the same for every family; who judges DLMS meters finds all of them here.
__all__ = [
    "CHANGED",
    "CHANGE_ORDER",
    "FAIL",
    "PASS",
    "PLANNED",
    "UNKNOWN",
    "Control",
    "Marks",
    "diff",
    "findings",
    "judge",
    "policy_target",
    "prechecks",
    "summary",
]

#: The order of changes: what is harmless first, keys before the policy, and the policy last (wire-dlms 4.3).
CHANGE_ORDER = ("image_transfer_enabled", "clock", "lls_secret", "key_gak", "key_guek", "key_gbek", "key_kek", "policy")
#: States of an image transfer in which nothing is under way.
_AT_REST = (0, 4, 6, 7)


@dataclass(frozen=True)
class Marks:
    """What the ledger knows: ``same``, ``other`` or ``none`` for the low-level password, and the situation of the keys."""

    lls: str = "none"
    rotation: rotation.Situation | None = None


def judge(seen: Seen, desired: Desired, dlms: Dlms, keys: DlmsKeys, marks: Marks) -> list[Control]:
    """Every control, those to be changed in the order of change, then those that are only looked at."""
    managed = {item.id: item for item in (*_settings(seen, desired), *_secrets(desired, marks), *_keys(desired, keys, marks))}
    order = [managed[name] for name in CHANGE_ORDER if name in managed]
    return [*order, *_looked_at(seen, desired, dlms, keys)]


# -- what can be changed ----------------------------------------------------------------------------------------------


def _settings(seen: Seen, desired: Desired) -> list[Control]:
    return [_transfer(seen, desired), _clock(seen, desired), _policy(seen, desired)]


def _transfer(seen: Seen, desired: Desired) -> Control:
    """Image transfer is closed at rest; while one is under way it is left alone."""
    name, have, rule = "image_transfer_enabled", seen.transfer_enabled, "R-225"
    if have is None:
        return Control(name, UNKNOWN, False, None, rule, _why(seen, "transfer_enabled"))
    if have is False:
        return Control(name, PASS, False, False, rule, "no image can be sent")
    if seen.transfer_status not in _AT_REST:
        return Control(name, FAIL, False, True, rule, f"a transfer is under way (status {seen.transfer_status}), so it is left open")
    if desired.image_transfer_enabled is False:
        return Control(name, PLANNED, False, True, rule, "is closed")
    return Control(name, FAIL, False, True, rule, "an image can be sent at any time", "image_transfer_enabled: false")


def _clock(seen: Seen, desired: Desired) -> Control:
    name, want, rule = "clock", f"within {desired.clock_tolerance:g} s", "F-25"
    if seen.skew is None:
        return Control(name, UNKNOWN, want, None, rule, _why(seen, "clock"))
    have = f"{seen.skew:+.0f} s"
    if abs(seen.skew) <= desired.clock_tolerance:
        return Control(name, PASS, want, have, rule, "the meter's clock is right")
    if seen.scheduled:
        return Control(
            name, FAIL, want, have, rule, "an activation is scheduled in the meter, which setting its clock could start: it is left"
        )
    if desired.clock == "set":
        return Control(name, PLANNED, want, have, rule, "is set to the control node's time")
    return Control(name, FAIL, want, have, rule, "the meter's clock differs from the control node's", "clock: set")


def policy_target(seen: Seen, desired: Desired) -> int | None:
    """The policy to write: what is there already and what is wanted, since a policy is only strengthened. None: nothing to do."""
    if desired.policy is None or seen.policy is None or seen.setup_version is None:
        return None
    target = seen.policy | cosem.policy_value(seen.setup_version, desired.policy)
    return None if target == seen.policy else target


def _policy(seen: Seen, desired: Desired) -> Control:
    name, rule = "policy", "own"
    want = desired.policy or "authenticated_encrypted"
    if seen.policy is None or seen.setup_version is None:
        return Control(name, UNKNOWN, want, None, rule, _why(seen, "policy"))
    have = cosem.policy_word(seen.setup_version, seen.policy)
    needed = cosem.policy_value(seen.setup_version, want)
    shown = f"{have} ({seen.policy:#04x}, class 64 version {seen.setup_version})"
    if needed & ~seen.policy == 0:
        return Control(name, PASS, want, shown, rule, "the meter refuses weaker requests")
    if desired.policy is not None and desired.managed:
        text = f"is strengthened to {seen.policy | needed:#04x}, which cannot be taken back over the network"
        return Control(name, PLANNED, want, shown, rule, text)
    return Control(name, FAIL, want, shown, rule, "the meter takes weaker requests", f"policy: {want}, accept: [irreversible]")


def _secrets(desired: Desired, marks: Marks) -> list[Control]:
    if desired.lls is None:
        return []
    client, name, rule = desired.lls.client, "lls_secret", "F-27"
    want = f"the given password, client {client}"
    if marks.lls == "same":
        return [Control(name, PASS, want, "set by an earlier run", rule, "the mark is that of the given password")]
    if desired.update_secret == "always" or marks.lls == "none":
        have = "unknown" if marks.lls == "none" else "another one, set by an earlier run"
        return [Control(name, PLANNED, want, have, rule, "is written inside the ciphered association; it is never tried out")]
    text = "another password was set by an earlier run, and update_secret is on_create"
    return [Control(name, FAIL, want, "another one, set by an earlier run", rule, text, "update_secret: always")]


def _keys(desired: Desired, keys: DlmsKeys, marks: Marks) -> list[Control]:
    """The new keys; ``keys`` are those that were proven in this run."""
    found = []
    for name in rotation.ORDER:
        new = getattr(desired.new_keys, name)
        if new is None:
            continue
        if name in rotation.PROVABLE:
            has = new == getattr(keys, name)
        else:
            has = new == getattr(keys, name) or (
                marks.rotation is not None and marks.rotation.proven.get(name) == "new" and name not in marks.rotation.pending
            )
        state = PASS if has else PLANNED
        text = (
            "works" if has and name in rotation.PROVABLE else "is known from the ledger" if has else "is sent, wrapped under the master key"
        )
        found.append(Control(f"key_{name}", state, "the new key", "the new key" if has else "not known to be it", "F-27", text))
    return found


# -- what is looked at ------------------------------------------------------------------------------------------------


def _looked_at(seen: Seen, desired: Desired, dlms: Dlms, keys: DlmsKeys) -> list[Control]:
    return [_own_association(dlms), _published(dlms, keys), _suite(seen), *_mechanisms(seen, dlms), _public(seen, desired, dlms)]


def _own_association(dlms: Dlms) -> Control:
    want, have = "hls_gmac, authenticated_encrypted", f"{dlms.authentication}, {dlms.protection}"
    good = have == want
    text = "this client signs in with keys and ciphers everything" if good else "what is read here can be heard or altered on the way"
    return Control("own_association", PASS if good else FAIL, want, have, "own", text)


def _published(dlms: Dlms, keys: DlmsKeys) -> Control:
    names = [name for name in rotation.ORDER if is_published_key(getattr(keys, name))]
    if names:
        text = f"{' and '.join(names)} of this meter stand in public documents"
        return Control(FINDING, FAIL, "keys of the meter's own", ", ".join(names), "own", text, "new_keys")
    if dlms.authentication != "hls_gmac":
        return Control(FINDING, UNKNOWN, "keys of the meter's own", None, "own", "no keys were used")
    return Control(FINDING, PASS, "keys of the meter's own", "no published one", "own", "the keys in use are no published ones")


def _suite(seen: Seen) -> Control:
    if seen.suite is None:
        return Control("suite", UNKNOWN, "known", None, "own", _why(seen, "suite"))
    return Control("suite", PASS if seen.suite in (0, 1, 2) else FAIL, "0, 1 or 2", seen.suite, "own", f"security suite {seen.suite}")


def _mechanisms(seen: Seen, dlms: Dlms) -> list[Control]:
    """Clients that may sign in with a password in clear, or without one. The pre-established client has no sign-in of its own."""
    rule, name = "own", "associations"
    open_clients = (None, dlms.public_client, constants.DLMS_CLIENT_PREESTABLISHED.number)
    clients = {item.client: item.mechanism for item in seen.associations if item.client not in open_clients}
    want = "every client signs in by HLS"
    if not clients:
        return [Control(name, UNKNOWN, want, None, rule, _why(seen, "associations"))]
    have = ", ".join(f"client {client}: {clients[client] or 'unknown'}" for client in sorted(clients, key=str))
    weak = [client for client in sorted(clients, key=str) if clients[client] in ("lls", "none")]
    if weak:
        who = ", ".join(str(client) for client in weak)
        text = f"client {who} signs in with a password in clear, or with nothing at all"
        return [Control(name, FAIL, want, have, rule, text, "lls_secret, or close that association")]
    if None in clients.values():
        return [Control(name, UNKNOWN, want, have, rule, "the meter does not tell of all clients how they sign in")]
    return [Control(name, PASS, want, have, rule, "as the meter shows it; whether it takes a password beside it cannot be read")]


def _public(seen: Seen, desired: Desired, dlms: Dlms) -> Control:
    """The client without security must stay read-only and small (wire-dlms 4.1)."""
    name, want, rule = "public_client", f"read only, at most {desired.public_objects} objects", "own"
    if seen.public is None:
        return Control(name, UNKNOWN, want, None, rule, _why(seen, "public_client"))
    writes, runs = _open_rights(seen.public)
    have = f"{len(seen.public)} objects, {len(writes)} writable, {len(runs)} with methods"
    if writes or runs:
        text = f"anyone may change {', '.join((*writes, *runs)[:5])} as client {dlms.public_client}"
        return Control(name, FAIL, want, have, rule, text)
    if len(seen.public) > desired.public_objects:
        return Control(name, FAIL, want, have, rule, f"anyone may look at {len(seen.public)} objects as client {dlms.public_client}")
    return Control(name, PASS, want, have, rule, "anyone may look, and at little")


def _open_rights(objects: Sequence[Rights]) -> tuple[list[str], list[str]]:
    """Objects with a writable attribute, and with a method; the answer to a challenge changes nothing."""
    writes = [item.obis for item in objects if item.writes]
    runs = [item.obis for item in objects if item.runs - ({1} if item.class_id == ASSOCIATION_LN else set())]
    return writes, runs


def _why(seen: Seen, field: str) -> str:
    return seen.unread.get(field, "was not read")


# -- before the first change ------------------------------------------------------------------------------------------


def prechecks(controls: Sequence[Control], seen: Seen, desired: Desired, holder: str | None) -> list[Precheck]:
    """What must be true before the first change; a failed one stops the run before anything was changed."""
    planned = {item.id for item in controls if item.state == PLANNED}
    found = [_check("meter_free", holder is None, "firmware_in_progress", holder or "nobody else works on this meter", ("R-086",))]
    if "policy" in planned:
        agreed = "irreversible" in desired.accept
        text = "the policy cannot be taken back over the network" + ("" if agreed else "; add 'irreversible' to accept")
        found.append(_check("accept_irreversible", agreed, "irreversible_not_accepted", text, ("R-010",)))
    if "key_kek" in planned:
        can = seen.setup_version != 0
        text = "the master key can be changed" if can else "class 64 version 0 has no change of the master key"
        found.append(_check("master_key_changeable", can, "key_refused", text, ("own",)))
    if "lls_secret" in planned and desired.lls is not None:
        known = seen.of_client(desired.lls.client) is not None
        text = f"the association of client {desired.lls.client} is {'there' if known else 'not among those that this client sees'}"
        found.append(_check("lls_association", known, "setting_refused", text, ("own",)))
    return found


def _check(name: str, good: bool, reason: str, text: str, rules: tuple[str, ...]) -> Precheck:
    return Precheck(name, CLEAR if good else BLOCKED, True, "" if good else reason, text, rules)
