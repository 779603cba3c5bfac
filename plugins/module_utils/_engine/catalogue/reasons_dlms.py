# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Reason codes of DLMS/COSEM meters: images, associations, counters, keys (requirements 6.7, wire-dlms 3 and 4)."""

from __future__ import annotations

from .reason import NEVER, Reason

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

CODES: tuple[Reason, ...] = (*_IMAGES, *_COUNTERS)
