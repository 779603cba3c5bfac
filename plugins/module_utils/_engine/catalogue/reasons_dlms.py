# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Reason codes of DLMS/COSEM meters: images, associations, counters, keys (requirements 6.7, wire-dlms 3 and 4)."""

from __future__ import annotations

from .reason import LATER, NEVER, Reason

_R = Reason
DLMS = ("dlms",)

_IMAGES = (
    _R("image_unsigned", "the image carries no signature", "Get a signed image from the maker.", ("R-217",), NEVER, DLMS),
    _R(
        "signature_algorithm_not_allowed",
        "the signature is not ECDSA P-256 or does not fit",
        "Get an image with a valid ECDSA P-256 signature.",
        ("R-218",),
        NEVER,
        DLMS,
    ),
    _R(
        "component_b_invalid",
        "the component number is not between 0 and 9",
        "Use 0 for metrology, 1 for the application, 2 to 9 for other parts.",
        ("R-216",),
        NEVER,
        DLMS,
    ),
)
_COUNTERS = (
    _R(
        "dlms_counter_rolled_back",
        "the meter tells a lower invocation counter than before",
        "Find out whether the meter was replaced or reset, or somebody answers in its place; then accept 'counter_reset'.",
        ("own",),
        methods=DLMS,
    ),
    _R(
        "dlms_counter_jump",
        "the meter tells an invocation counter far above all that were given out",
        "Find out who else uses this client's keys, or whether somebody answers in the meter's place; then accept 'counter_reset'.",
        ("own",),
        methods=DLMS,
    ),
    _R("dlms_counter_exhausted", "the invocation counter of this key is used up", "Change the keys of the meter.", ("own",), methods=DLMS),
)
_SECURITY = (
    _R(
        "key_state_unknown",
        "which keys the meter has is not known",
        "Keep every old and new key. Try the old and new GAK and GUEK in each combination, by hand and once each; give those that work as dlms_keys.",
        ("own",),
        NEVER,
    ),
    _R(
        "key_refused",
        "the meter refused a new key",
        "Check the present master key (dlms_keys.kek) and this client's rights on the security setup, then run again.",
        ("own",),
    ),
    _R(
        "key_not_taken",
        "the meter goes on with the old key",
        "Run again. If that ends the same way, look at the meter's log.",
        ("own",),
        LATER,
    ),
    _R(
        "hardware_gate_suspected",
        "the meter refused a change that this client's access rights allow",
        "Look at the jumper under the meter's main cover or press its demand reset button, then run again while the gate is open.",
        ("own",),
    ),
    _R("setting_refused", "the meter refused a change", "Use a client that has the right to change it.", ("own",)),
    _R(
        "setting_not_confirmed",
        "the meter accepted a change and still shows the old value",
        "Read the meter once more; if the value stays, look at its log.",
        ("own",),
    ),
)

CODES: tuple[Reason, ...] = (*_IMAGES, *_COUNTERS, *_SECURITY)
