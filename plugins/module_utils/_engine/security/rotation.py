# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Change of a DLMS client's symmetric keys, in two phases; pure (wire-dlms 4.3, F-27).

``locate`` and ``rotate`` are generators: they say what to do next, are told how it ended, and end with a Verdict. The caller holds
the new keys in its own vault before the first one is sent; the ledger learns of each key before it is sent and after it is proven.

Why nobody is locked out: a key is only sent inside an association that has just been proven, one key at a time, and nothing
more is sent before a set of keys works again. So the meter always has, of each key, the old or the new one, and both are known.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from ..base.target import DlmsKeys

#: Order of change, and the numbers by which class 64 knows the keys.
ORDER = ("gak", "guek", "gbek", "kek")
KEY_NUMBERS = {"guek": 0, "gbek": 1, "gak": 2, "kek": 3}
#: The keys that an association by HLS-GMAC proves.
PROVABLE = ("gak", "guek")

_GIVEN = ("current", "new")

WORKS, REFUSED, SILENT, LOST = "works", "refused", "silent", "lost"
#: In place of a master key: which one the meter has could not be found out.
UNCLEAR = b""


@dataclass(frozen=True)
class Prove:
    """Open a new association with these keys. Answers: works, refused, silent (nothing was answered that tells of keys).

    ``deliberate``: it is expected to fail where something is to be done. ``fresh``: the encryption key may have come into the
    meter just now, and its invocation counter with it have begun anew.
    """

    keys: DlmsKeys
    deliberate: bool = False
    fresh: bool = False


@dataclass(frozen=True)
class Begin:
    """Write into the ledger that this new key is about to be sent."""

    key_id: str
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Send:
    """Send this key, wrapped under ``kek``, in the open association. Answers: works, refused, lost (no answer)."""

    key_id: str
    key: bytes = field(repr=False)
    kek: bytes = field(repr=False)
    new: bool = True


@dataclass(frozen=True)
class End:
    """Write into the ledger what became of a key: active, refused or unknown (which stays pending)."""

    key_id: str
    outcome: str
    key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Known:
    """Write into the ledger that the meter has this key, which no run of ours is about to change."""

    key_id: str
    key: bytes = field(repr=False)


Step: TypeAlias = "Prove | Begin | Send | End | Known"


@dataclass(frozen=True)
class Situation:
    """What is known before the first contact. ``new`` holds only the keys that shall be changed.

    ``proven`` maps the keys of which the ledger knows what worked last, and ``pending`` those that an earlier run was about to
    send, to ``current`` or ``new``, or to ``other`` where it was none of the given ones.
    """

    current: DlmsKeys
    new: DlmsKeys = field(default_factory=DlmsKeys)
    proven: Mapping[str, str] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)
    probe: bool = True

    @property
    def wanted(self) -> DlmsKeys:
        """The keys after the change."""
        return merged(self.current, self.new, ORDER)


@dataclass(frozen=True)
class Verdict:
    """How it ended. ``keys`` are those that work now, as far as known; ``states`` tells of each wanted key what became of it."""

    reason: str
    text: str
    keys: DlmsKeys
    states: Mapping[str, str] = field(default_factory=dict)
    located: bool = True


def merged(base: DlmsKeys, new: DlmsKeys, names: tuple[str, ...]) -> DlmsKeys:
    """``base`` with those of the named keys that ``new`` has."""
    return replace(base, **{name: getattr(new, name) for name in names if getattr(new, name) is not None})


def stages(now: Situation) -> list[DlmsKeys]:
    """The sets of keys that the meter can have, from before the change to after it."""
    found = [now.current, merged(now.current, now.new, ("gak",)), merged(now.current, now.new, PROVABLE)]
    return [item for number, item in enumerate(found) if item not in found[:number]]


def candidates(now: Situation) -> list[DlmsKeys]:
    """The sets of keys to try, in this order and each once: at most two, so at most one login that is bound to fail.

    After an interrupted run the pending key goes first, then the one before it. Otherwise what the ledger saw working goes first,
    and where it knows nothing the wanted keys, which tells whether there is anything to do (wire-dlms 4.2).
    """
    before, gak_only, after = now.current, merged(now.current, now.new, ("gak",)), merged(now.current, now.new, PROVABLE)
    if now.pending.get("guek") == "new":
        found = [after, gak_only]
    elif now.pending.get("gak") == "new":
        found = [gak_only, before]
    elif _proven(now):
        known = merged(now.current, now.new, tuple(name for name in PROVABLE if now.proven.get(name) == "new"))
        found = [known, after if now.probe and known != after else before]
    elif now.probe and not any(now.pending.get(name) or now.proven.get(name) == "other" for name in PROVABLE):
        found = [after, before]
    else:
        found = [before]
    return [item for number, item in enumerate(found) if item not in found[:number]]


def _proven(now: Situation) -> bool:
    return all(now.proven.get(name) in _GIVEN for name in PROVABLE if getattr(now.new, name) is not None)


def locate(now: Situation) -> Generator[Step, str, Verdict]:
    """Find the keys that work, and settle what an earlier run left open."""
    tries = candidates(now)
    for number, keys in enumerate(tries):
        deliberate = number == 0 and len(tries) > 1 and not now.pending and not _proven(now)
        answer = yield Prove(keys, deliberate, fresh="guek" in now.pending)
        if answer == SILENT:
            return Verdict(
                "transport_failed", "no association told anything of keys, so none were proven or ruled out", now.current, located=False
            )
        if answer == WORKS:
            yield from _settle(now, keys)
            return Verdict("", "", keys)
    if now.pending or len(tries) > 1:
        return Verdict("key_state_unknown", _unknown_text(now), now.current, located=False)
    text = "the meter does not take the keys of dlms_keys"
    if "other" in now.proven.values():
        text += "; the records know of other keys that worked last"
    return Verdict("dlms_auth_failed", text, now.current, located=False)


def _unknown_text(now: Situation) -> str:
    lost = [name for name in ORDER if now.pending.get(name) == "other"]
    if lost:
        return f"an earlier run was about to send another {' and '.join(lost)} than the ones given, and those given do not work"
    return "neither the new keys nor those before them work"


def _settle(now: Situation, keys: DlmsKeys) -> Generator[Step, str, None]:
    """Pending keys that the association has decided upon: one that works is active, any other was not taken."""
    for name in PROVABLE:
        if name in now.pending:
            works = getattr(keys, name)
            taken = now.pending[name] != "other" and works == getattr(now.new if now.pending[name] == "new" else now.current, name)
            yield End(name, "active" if taken else "refused", works)


def rotate(now: Situation, keys: DlmsKeys) -> Generator[Step, str, Verdict]:
    """Bring the meter from ``keys``, which have just been proven and whose association is open, to the wanted ones."""
    states: dict[str, str] = {}
    kek = yield from _kek_in_use(now, keys)
    if kek == UNCLEAR:
        text = "which master key the meter has could not be found out; no new key was sent"
        return Verdict("transport_failed", text, keys)
    if kek is None:
        sure = "kek" not in now.pending
        text = "the meter takes neither the new master key nor the present one" + ("; nothing was changed" if sure else "")
        return Verdict("key_refused" if sure else "key_state_unknown", text, keys, {"kek": "refused" if sure else "unknown"})
    for name in PROVABLE:
        wanted = getattr(now.new, name)
        if wanted is None or wanted == getattr(keys, name):
            continue
        fault, keys = yield from _change_provable(name, wanted, keys, kek)
        states[name] = _state(fault)
        if fault:
            return Verdict(fault, _FAULTS[fault].format(name), keys, states)
    for name, change in (("gbek", _change_broadcast), ("kek", _change_master)):
        wanted = getattr(now.new, name)
        if wanted is None or _has_already(now, name, kek):
            continue
        fault = yield from change(wanted, keys, kek)
        states[name] = _state(fault)
        if fault:
            return Verdict(fault, _FAULTS[fault].format(name), keys, states)
    return Verdict("", "", keys, states)


_FAULTS = {
    "key_refused": "the meter refused the new {}",
    "key_not_taken": "the meter still works with the old {}: the new one did not arrive, or it did not take it",
    "key_state_unknown": "whether the meter has the new {} is not known",
    "transport_failed": "since the new {} was sent no association tells which keys the meter has; the next run goes on from there",
}


def _state(fault: str) -> str:
    """What became of a key; one that was sent and not proven is not called refused."""
    return "unknown" if fault in ("key_state_unknown", "transport_failed") else "refused" if fault else "changed"


def _has_already(now: Situation, name: str, kek: bytes) -> bool:
    """Keys that no association proves: known from the ledger, or from what ``_kek_in_use`` found."""
    if name == "kek":
        return now.new.kek in (kek, None)
    return now.proven.get(name) == "new" and name not in now.pending


def _change_provable(name: str, wanted: bytes, keys: DlmsKeys, kek: bytes) -> Generator[Step, str, tuple[str, DlmsKeys]]:
    """One key: announced, sent, and proven by a new association. The fault, and the keys that work."""
    yield Begin(name, wanted)
    sent = yield Send(name, wanted, kek)
    if sent == REFUSED:
        yield End(name, "refused", getattr(keys, name))
        return "key_refused", keys
    after = replace(keys, **{name: wanted})
    for tried, outcome in ((after, "active"), (keys, "refused")):
        answer = yield Prove(tried, fresh=name == "guek")
        if answer == WORKS:
            yield End(name, outcome, getattr(tried, name))
            return ("" if tried is after else "key_not_taken"), tried
        if answer == SILENT:
            yield End(name, "unknown")
            return "transport_failed", keys
    yield End(name, "unknown")
    return "key_state_unknown", keys


def _change_broadcast(wanted: bytes, keys: DlmsKeys, kek: bytes) -> Generator[Step, str, str]:
    """The broadcast key proves itself to nobody; an answer that was lost is asked for once more, with the same key."""
    yield Begin("gbek", wanted)
    for _attempt in range(2):
        sent = yield Send("gbek", wanted, kek)
        if sent == REFUSED:
            yield End("gbek", "refused")
            return "key_refused"
        if sent == WORKS:
            yield End("gbek", "active", wanted)
        if (yield Prove(keys)) != WORKS:
            break
        if sent == WORKS:
            return ""
    if sent == WORKS:
        return "transport_failed"
    yield End("gbek", "unknown")
    return "key_state_unknown"


def _change_master(wanted: bytes, keys: DlmsKeys, kek: bytes) -> Generator[Step, str, str]:
    """The master key is proven by sending the present authentication key once more, wrapped under the new one."""
    yield Begin("kek", wanted)
    sent = yield Send("kek", wanted, kek)
    if sent == REFUSED:
        yield End("kek", "refused", kek)
        return "key_refused"
    if (yield Prove(keys)) != WORKS:
        yield End("kek", "unknown")
        return "key_state_unknown"
    found = (yield from _which_master(keys, wanted, kek)) or None
    yield End("kek", "unknown" if found is None else "active" if found == wanted else "refused", found)
    return "key_state_unknown" if found is None else "" if found == wanted else "key_not_taken"


def _which_master(keys: DlmsKeys, first: bytes, second: bytes) -> Generator[Step, str, bytes | None]:
    """Which of two master keys the meter has: None for neither, UNCLEAR where the connection or the proof failed.

    What is sent under them is the key it has already, so nothing changes.
    """
    for kek in (first, second):
        answer = yield Send("gak", _needed(keys.gak), kek, new=False)
        if answer == WORKS:
            return kek if (yield Prove(keys)) == WORKS else UNCLEAR
        if answer == LOST:
            return UNCLEAR
    return None


def _kek_in_use(now: Situation, keys: DlmsKeys) -> Generator[Step, str, bytes | None]:
    """The master key under which new keys are wrapped; the first one of a rotation proves it, where the ledger does not know."""
    current, new = now.current.kek, now.new.kek
    if current is None or new is None or new == current:
        return _needed(new if current is None else current)
    if "kek" in now.pending:
        found = yield from _which_master(keys, *((new, current) if now.pending["kek"] == "new" else (current, new)))
        yield End("kek", "unknown" if not found else "active" if found == new else "refused", found or None)
        return found
    if now.proven.get("kek") in _GIVEN:
        return new if now.proven["kek"] == "new" else current
    if not now.probe:
        return current
    # The master key comes last: while one of the others is an old one, it is old as well.
    begun = all(getattr(now.new, name) in (None, getattr(keys, name)) for name in PROVABLE)
    found = yield from _which_master(keys, *((new, current) if begun else (current, new)))
    if found:
        yield Known("kek", found)
    return found


def _needed(key: bytes | None) -> bytes:
    """A key that was checked to be there before the first contact."""
    if key is None:
        raise TypeError("a key is missing")
    return key
