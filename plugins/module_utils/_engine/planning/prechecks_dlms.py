# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The prechecks of the method dlms (R-213…R-228, wire-dlms 3), judged from what was gathered; pure.

``now.extra`` holds: ``component``, ``signature`` (present, unverified, absent), ``image_identifier`` (whether it is given), ``size``,
``service``, ``activate``, ``ahead`` (seconds to the scheduled time), ``association`` (authentication, protection, fault, findings),
``look`` (what the meter told of the transfer, or None) and ``pending``, one of the words below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..catalogue import accept, constants
from . import prechecks as common
from .prechecks import ATTESTED, FAIL, PASS, UNKNOWN, Precheck, Situation

#: What the second slot holds: nothing; this image checked or half loaded; another one checked; blocks nobody here knows of.
EMPTY, OURS, OUR_HALF, OTHER, OTHER_HALF = "empty", "ours", "our_half", "other", "other_half"

_NOT_TRIED = "not tried"
_BUSY = (2, 5)  # verification and activation run


def needed_words(component: int, signature: str, pending: str = EMPTY) -> dict[str, str]:
    """The words of accept that this image and this meter need, each with the reason code it answers; also for the plan."""
    words = []
    if component == constants.DLMS_B_METROLOGY.number:
        words.append("legally_relevant")
    if pending == OTHER:
        words.append("replace_pending")
    if signature == "unverified":
        words.append("unverified_image")
    return {name: accept.WORDS[name].reason for name in words}


def judge_dlms(now: Situation) -> list[Precheck]:
    """Every precheck of the method dlms, cheap and safe first."""
    extra = now.extra
    words = needed_words(int(extra.get("component", -1)), str(extra.get("signature", "absent")), str(extra.get("pending", EMPTY)))
    now = replace(now, needed_accept={**words, **now.needed_accept})
    return [
        common.artifact(now),
        _component(now),
        _signature(now),
        _identifier(now),
        *common.acceptances(now),
        _service(now),
        *_keys(now),
        common.port(now, "dlms", "dlms_port_open", "transport_failed", "R-223"),
        _login(now),
        _idle(now),
        _pending(now),
        _enabled(now),
        _block(now),
        *_schedule(now),
        common.lease(now),
    ]


# -- the image --------------------------------------------------------------------------------------------------------


def _component(now: Situation) -> Precheck:
    rules, name, reason = ("R-213", "R-214", "R-215", "R-216"), "component_valid", "component_b_invalid"
    part = now.extra.get("component")
    highest = constants.DLMS_B_OTHER_MAX.number
    if not isinstance(part, int) or not 0 <= part <= highest:
        return Precheck(name, FAIL, True, reason, f"component {part}; 0 is metrology, 1 the application, 2 to {highest} other parts", rules)
    role = {constants.DLMS_B_METROLOGY.number: "metrology, legally relevant", constants.DLMS_B_APPLICATION.number: "the application"}
    return Precheck(name, PASS, True, reason, f"component {part}: {role.get(part, 'another part')}", rules)


def _signature(now: Situation) -> Precheck:
    """R-217, R-218: a detached one was checked with the files; one inside the container is for the meter, and accepted by word."""
    rules, name = ("R-217", "R-218"), "image_signed"
    kind = str(now.extra.get("signature", "absent"))
    if kind == "absent":
        return Precheck(name, FAIL, True, "image_unsigned", "the manifest states no signature of the image", rules)
    if kind == "unverified":
        text = "the signature is inside the image, unverified here; its hash is as pinned, and the meter judges"
        return Precheck(name, UNKNOWN, False, "unverified_image", text, rules)
    codes = ("image_signature_missing", "image_signature_invalid", "signature_algorithm_not_allowed")
    for code, text in now.package_faults:
        if code in codes:
            return Precheck(name, FAIL, True, code, text, rules)
    return Precheck(name, PASS, True, "image_signature_invalid", "verified: ECDSA P-256 with the pinned key", rules)


def _identifier(now: Situation) -> Precheck:
    rules, name, reason = ("R-225", "X-04"), "image_identifier_given", "image_identifier_missing"
    if now.extra.get("image_identifier"):
        return Precheck(name, PASS, True, reason, "the manifest says how the image is named to the meter", rules)
    return Precheck(name, FAIL, True, reason, "the manifest does not say image_identifier", rules)


def _service(now: Situation) -> Precheck:
    """R-219, R-220, G-20: unicast; multicast comes later; broadcast is not even a value."""
    rules, name, reason = ("R-219", "R-220", "G-20"), "service_is_unicast", "multicast_later"
    service = now.extra.get("service", "unicast")
    if service == "unicast":
        return Precheck(name, PASS, True, reason, "each meter gets the image by itself", rules)
    return Precheck(name, FAIL, True, reason, f"service {service} is not part of this release", rules)


# -- the association --------------------------------------------------------------------------------------------------


def _keys(now: Situation) -> list[Precheck]:
    """Keys or a password of a client that may upgrade, and how well they protect what is sent."""
    said: Mapping[str, Any] = now.extra.get("association") or {}
    name, reason, rules = "credential_given", "credential_unknown", ("R-223",)
    how, protection = str(said.get("authentication", "none")), str(said.get("protection", "none"))
    if said.get("fault") or how == "none":
        text = str(said.get("fault") or "the public client may not upgrade; give dlms and dlms_keys of a client that may")
        return [Precheck(name, FAIL, True, reason, text, rules)]
    checks = [Precheck(name, PASS, True, reason, f"{how}, {protection}", rules)]
    if how == "lls":
        checks.append(common.management_zone(now))
    if protection != "authenticated_encrypted":
        text = f"protection {protection}: the image is not secret, but whoever is on the way can read along or change requests"
        checks.append(Precheck("association_strong", UNKNOWN, False, "cleartext_management", text, ("G-17",)))
    for finding in said.get("findings") or ():
        checks.append(Precheck("keys_unpublished", UNKNOWN, False, "credential_unknown", f"finding: {finding}", ("own",)))
    return checks


def _login(now: Situation) -> Precheck:
    rules, name, reason = ("R-223", "R-344"), "association_opens", "dlms_auth_failed"
    if now.login.state == "ok":
        return Precheck(name, PASS, True, reason, now.login.text, rules)
    if now.login.state == "refused":
        return Precheck(name, FAIL, True, now.login.reason, now.login.text, rules)
    return Precheck(name, UNKNOWN, False, reason, now.login.text, rules)


# -- the meter --------------------------------------------------------------------------------------------------------


def _unread(name: str, reason: str, rules: tuple[str, ...], now: Situation) -> Precheck:
    return Precheck(name, UNKNOWN, False, reason, now.login.text or _NOT_TRIED, rules)


def _idle(now: Situation) -> Precheck:
    rules, name, reason = ("R-227", "R-228"), "meter_is_idle", "firmware_in_progress"
    look = now.extra.get("look")
    if look is None:
        return _unread(name, reason, rules, now)
    if look["status"] in _BUSY:
        return Precheck(name, UNKNOWN, False, reason, "the meter checks or activates an image; its end is waited for", rules)
    return Precheck(name, PASS, True, reason, "no check or activation runs in the meter", rules)


def _pending(now: Situation) -> Precheck:
    """R-221: the meter has one more slot; what waits there is shown, and not thrown away unasked."""
    rules, name, reason = ("R-221", "X-08"), "pending_slot_free", "image_pending"
    look, pending = now.extra.get("look"), str(now.extra.get("pending", EMPTY))
    if look is None:
        return _unread(name, reason, rules, now)
    images = ", ".join(str(item.get("identifier")) for item in look.get("images") or ()) or "an image that it does not name"
    if pending == OTHER:
        given = "replace_pending" in now.accept
        return Precheck(name, ATTESTED if given else FAIL, True, reason, f"{images} waits in the meter and would be thrown away", rules)
    texts = {
        EMPTY: "nothing waits in the meter",
        OURS: "this image waits in the meter, checked: it is activated, not sent",
        OUR_HALF: f"{look.get('first_missing')} blocks or more of this image are in the meter: the transfer goes on",
        OTHER_HALF: "blocks of an image that the ledger does not know are in the meter; they are thrown away",
    }
    return Precheck(name, UNKNOWN if pending == OTHER_HALF else PASS, False, reason, texts.get(pending, pending), rules)


def _enabled(now: Situation) -> Precheck:
    rules, name, reason = ("R-225",), "image_transfer_enabled", "image_transfer_disabled"
    look = now.extra.get("look")
    if look is None:
        return _unread(name, reason, rules, now)
    if look["enabled"]:
        return Precheck(name, PASS, True, reason, "image transfer is enabled", rules)
    writable = look.get("enabled_writable")
    if now.extra.get("pending") == OURS:
        return Precheck(name, PASS, False, reason, "image transfer is disabled, and nothing is sent", rules)
    if writable:
        return Precheck(name, PASS, True, reason, "image transfer is disabled; it is enabled for the upgrade and put back", rules)
    if writable is None:
        text = "image transfer is disabled, and the meter does not tell whether this client may change that; it is tried"
        return Precheck(name, UNKNOWN, False, reason, text, rules)
    return Precheck(name, FAIL, True, reason, "image transfer is disabled and this client may not change that", rules)


def _block(now: Situation) -> Precheck:
    """X-07: a block never above what the meter takes at a time, unless it takes messages in parts."""
    rules, name, reason = ("X-07", "R-225"), "block_fits", "image_block_too_large"
    look = now.extra.get("look")
    if look is None:
        return _unread(name, reason, rules, now)
    size = int(look["block_size"])
    largest = min(size, int(now.extra.get("size") or size))
    said = f"blocks of {size} octets, {look['room']} fit into one message"
    if size < 1:
        return Precheck(name, FAIL, True, "dlms_protocol_error", "the meter tells a block size of 0", rules)
    if largest <= int(look["room"]):
        return Precheck(name, PASS, True, reason, said, rules)
    if look.get("parts_allowed"):
        return Precheck(name, PASS, True, reason, f"{said}; the meter takes messages in parts", rules)
    return Precheck(name, FAIL, True, reason, f"{said}, and the meter takes no message in parts", rules)


def _schedule(now: Situation) -> list[Precheck]:
    """R-204: for an activation at a time the meter's own clock decides."""
    if now.extra.get("activate") != "at":
        return []
    rules, lead = ("R-204", "R-205"), constants.DLMS_LEAD_TIME.number
    ahead = now.extra.get("ahead")
    if ahead is None or float(ahead) < lead:
        text = "activate_at is missing" if ahead is None else f"the activation time must lie {lead} s or more ahead"
        return [Precheck("activation_time_ahead", FAIL, True, "activation_time_refused", text, rules), _clock(now)]
    return [
        Precheck("activation_time_ahead", PASS, True, "activation_time_refused", f"{float(ahead):.0f} s ahead", rules),
        _clock(now),
    ]


def _clock(now: Situation) -> Precheck:
    rules, name, reason = ("R-204",), "meter_clock_right", "meter_clock_wrong"
    look = now.extra.get("look")
    if look is None:
        return _unread(name, reason, rules, now)
    clock: Mapping[str, Any] = look.get("clock") or {}
    skew = clock.get("skew")
    if skew is None:
        return Precheck(name, FAIL, True, reason, str(clock.get("fault") or "the meter does not tell its clock"), rules)
    most = constants.DLMS_CLOCK_TOLERANCE.number
    said = f"the meter's clock is {abs(float(skew)):.0f} s {'ahead' if float(skew) > 0 else 'behind'}; {most} are tolerated"
    return Precheck(name, PASS if abs(float(skew)) <= most else FAIL, True, reason, said, rules)
