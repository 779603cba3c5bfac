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
_ASSOCIATION = (
    _R(
        "dlms_association_refused",
        "the meter refuses the association",
        "Compare client and server address, authentication and protection with how the meter is configured.",
        ("own",),
        methods=DLMS,
    ),
    _R(
        "dlms_association_busy",
        "the meter still has an association of this client open",
        "Wait until the meter's inactivity time is over, and see that nobody else uses this client; then run again.",
        ("own",),
        LATER,
        DLMS,
    ),
    _R(
        "dlms_auth_failed",
        "the meter refuses the password or the keys",
        "Correct the keys or the password before the next run: meters log and may count failed logins.",
        ("own",),
        methods=DLMS,
    ),
    _R(
        "dlms_meter_unproven",
        "the meter did not prove that it knows the keys",
        "Find out who answers at this address; if it is the meter, its keys are others than the given ones.",
        ("own",),
        methods=DLMS,
    ),
    _R(
        "dlms_wrong_meter_title",
        "another meter answers than the pinned one",
        "Correct the address, or the pinned system title after a meter was exchanged.",
        ("own",),
        methods=DLMS,
    ),
    _R(
        "dlms_unprotected_answer",
        "an answer is less protected than was asked for",
        "Find out who answers at this address; a meter of this kind must protect its answers.",
        ("own",),
        methods=DLMS,
    ),
    _R(
        "dlms_replayed_answer",
        "an answer repeats an earlier invocation counter",
        "Find out who answers in the meter's place or repeats its messages.",
        ("own",),
        methods=DLMS,
    ),
    _R(
        "dlms_answer_forged",
        "an answer was not made with the meter's keys, or was changed on its way",
        "Find out who changes messages between this host and the meter; if nobody does, compare the authentication key (gak).",
        ("own",),
        methods=DLMS,
    ),
)
_SERVICES = (
    _R(
        "dlms_protocol_error",
        "the meter's answer is not what the standard says",
        "Run again; if it stays, note the meter's firmware and ask its maker.",
        ("own",),
        LATER,
        DLMS,
    ),
    _R(
        "dlms_request_refused",
        "the meter does not carry out this request",
        "Look at the meter's own words in the message.",
        ("own",),
        methods=DLMS,
    ),
    _R(
        "dlms_access_denied",
        "this client may not do that with this object",
        "Use a client with the right, or open the meter's own lock (jumper, button) where it has one.",
        ("own",),
        methods=DLMS,
    ),
    _R(
        "dlms_object_missing",
        "the meter has no such object or attribute",
        "Nothing to do: this meter does not offer it.",
        ("own",),
        NEVER,
        DLMS,
    ),
    _R("dlms_temporary_failure", "the meter cannot do that at the moment", "Run again later.", ("own",), LATER, DLMS),
    _R(
        "dlms_pdu_too_small",
        "a request does not fit into what the meter takes at a time",
        "Nothing to do with this meter: it takes no blocks for this service.",
        ("own",),
        NEVER,
        DLMS,
    ),
)
_TRANSFER = (
    _R(
        "image_signature_missing",
        "the detached signature or the key to check it is not there",
        "Put the signature and the maker's public key where the manifest says.",
        ("R-217",),
        methods=DLMS,
    ),
    _R(
        "image_signature_invalid",
        "the image was not signed with the pinned key",
        "Do not use this image. Get it again from the maker, and compare the pinned key with the maker's.",
        ("R-218",),
        NEVER,
        DLMS,
    ),
    _R(
        "unverified_image",
        "nobody has checked the image's signature here",
        "Get a detached signature from the maker, or accept 'unverified_image': the meter judges.",
        ("R-217",),
        methods=DLMS,
    ),
    _R(
        "image_identifier_missing",
        "how the maker names the image to the meter is not stated",
        "Ask the maker for it and write image_identifier into the manifest.",
        ("R-225",),
        methods=DLMS,
    ),
    _R(
        "image_transfer_disabled",
        "the meter takes no image: image_transfer_enabled is false and this client may not change it",
        "Have image transfer enabled by a client with the right to do so, or on site.",
        ("R-225",),
        methods=DLMS,
    ),
    _R(
        "image_block_too_large",
        "the meter's blocks do not fit into its own messages and it takes no message in parts",
        "Set max_pdu higher, or use a client whose association takes larger messages.",
        ("X-07",),
        methods=DLMS,
    ),
    _R(
        "image_pending",
        "the meter's second slot holds another image",
        "Find out who put it there; then accept 'replace_pending'.",
        ("R-221",),
        methods=DLMS,
    ),
    _R(
        "image_transfer_refused",
        "the meter refused to begin or to go on with the transfer",
        "Read the device's answer; check this client's rights on the image transfer object and the size of the image.",
        ("R-225",),
        methods=DLMS,
    ),
    _R(
        "image_incomplete",
        "blocks stay missing however often they are sent",
        "Run again; the transfer goes on where it is. If it ends the same way, look at the link and the meter's log.",
        ("R-226", "R-227"),
        LATER,
        DLMS,
    ),
    _R(
        "image_verification_failed",
        "the meter checked the image and does not take it",
        "Compare model, component and signature with the maker's notes; the meter is the judge of its images.",
        ("R-227",),
        NEVER,
        DLMS,
    ),
    _R(
        "image_verification_late",
        "the meter did not end the check of the image in time",
        "Run again; a check that has ended meanwhile is not repeated.",
        ("R-227",),
        LATER,
        DLMS,
    ),
    _R(
        "image_mismatch",
        "the meter would activate something else than what was sent",
        "Do not activate it. Compare image_identifier, expected_identifier and expected_signature of the manifest with the maker's notes.",
        ("R-227",),
        NEVER,
        DLMS,
    ),
)
_ACTIVATION = (
    _R(
        "multicast_later",
        "service multicast is not part of this release",
        "Use service: unicast, meter by meter.",
        ("R-220", "G-20"),
        methods=DLMS,
    ),
    _R(
        "activation_time_refused",
        "the activation time is over, too near, or not a time",
        "Give activate_at as a time with zone that lies ahead.",
        ("R-204",),
        methods=DLMS,
    ),
    _R(
        "meter_clock_wrong",
        "the meter's clock differs too much for an activation at a given time",
        "Set the meter's clock, then run again; or activate now.",
        ("R-204",),
        methods=DLMS,
    ),
    _R(
        "schedule_not_confirmed",
        "the meter's scheduler does not show what was written, or runs something else",
        "Activate now instead, or set up the scheduler with the maker's tool.",
        ("R-204", "R-205"),
        methods=DLMS,
    ),
    _R(
        "activation_refused",
        "the meter refused to activate the image",
        "Read the state of the image transfer; if the image is gone, run again.",
        ("R-228",),
        methods=DLMS,
    ),
    _R(
        "activation_failed_fallback",
        "the new firmware did not start or failed the meter's own test; the old one runs and the image is gone",
        "Ask the maker before the image is sent again.",
        ("X-05",),
        NEVER,
        DLMS,
    ),
    _R(
        "activation_interrupted",
        "the activation was cut off: the old firmware runs and the meter kept the image",
        "Run again: the image is activated again, not sent again.",
        ("X-05",),
        LATER,
        DLMS,
    ),
)
_COUNTERS = (
    _R(
        "dlms_counter_refused",
        "the meter does not take our invocation counter",
        "See that nobody else uses this client's keys at the same time, then run again.",
        ("own",),
        LATER,
        DLMS,
    ),
    _R(
        "dlms_counter_block_used",
        "the invocation counters reserved for this work are used up",
        "Run again; what was done stays done.",
        ("own",),
        LATER,
        DLMS,
    ),
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

CODES: tuple[Reason, ...] = (*_IMAGES, *_TRANSFER, *_ACTIVATION, *_ASSOCIATION, *_SERVICES, *_COUNTERS, *_SECURITY)
