# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The words of the option ``accept``. Each answers exactly one refusal, which prints the word to add."""

from __future__ import annotations

from dataclasses import dataclass

from ..base.errors import InputError
from .matrix import Row


@dataclass(frozen=True)
class Word:
    """One acknowledgement: what it accepts, the reason code it answers, and the rules that ask for it."""

    name: str
    text: str
    reason: str
    rules: tuple[str, ...]


WORDS: dict[str, Word] = {
    word.name: word
    for word in (
        Word(
            "bare_upx",
            "the image comes without the package that tells the ION Setup version it needs",
            "artifact_unverifiable_min_version",
            ("R-167",),
        ),
        Word("cleartext_management", "the password goes over the network in clear text", "cleartext_management", ("G-17",)),
        Word("counter_reset", "the meter's invocation counter went back or far ahead", "dlms_counter_rolled_back", ("own",)),
        Word(
            "disables_upgrade_channel",
            "a way that upgrades need is closed, so that they need a visit",
            "disables_upgrade_channel",
            ("R-279", "R-399"),
        ),
        Word("downgrade", "the target is lower than the present version", "downgrade_forbidden", ("G-10",)),
        Word("gateway", "the way goes through a gateway that may not carry the upgrade", "gateway_not_suitable", ("R-175",)),
        Word(
            "irreversible",
            "there is no way back to the present version",
            "irreversible_not_accepted",
            ("R-010", "R-017", "R-021", "R-173", "R-245"),
        ),
        Word("ledger_rebaseline", "the broken journal of a campaign is taken as it is", "ledger_untrusted", ("own",)),
        Word("legally_relevant", "the part that is under legal metrology changes", "legally_relevant_not_accepted", ("R-214",)),
        Word("login_retry", "a password that was refused has been corrected since", "login_held", ("R-344",)),
        Word("loses_dlf3000", "the DLF3000 software can no longer upgrade the meter afterwards", "dlf3000_loss_not_accepted", ("R-041",)),
        Word(
            "lss_alphanumeric_password",
            "some software cannot log in with this password under Legacy security support",
            "lss_alphanumeric_password",
            ("R-199",),
        ),
        Word(
            "removes_users",
            "users that the document does not name, or names as absent, lose their access",
            "removes_users_not_accepted",
            ("R-321",),
        ),
        Word(
            "new_certificate",
            "the certificate that a meter shows right after its upgrade is taken for its own, until the end of the run",
            "certificate_after_upgrade",
            ("F-31",),
        ),
        Word("replace_pending", "another image that waits in the meter is thrown away", "image_pending", ("R-221",)),
        Word("serial_transport", "the upgrade goes over a serial line, very slowly", "serial_transport_not_recommended", ("R-177",)),
        Word("unverified_image", "nobody has checked the image's signature here; the meter judges", "unverified_image", ("R-217",)),
        Word("unverified_profile", "the profile that drives the meter was never verified on a real one", "unverified_profile", ("G-02",)),
    )
}


def needed_for(row: Row, downgrade: bool = False) -> tuple[str, ...]:
    """The words that a hop over this row needs, whatever the meter or the artifact is."""
    words = []
    if downgrade:
        words.append("downgrade")
    if row.reversible is False:
        words.append("irreversible")
    if row.method == "ftp":
        words.append("loses_dlf3000")
    return tuple(words)


def check_words(words: object) -> frozenset[str]:
    """The given words where all are known. Raises InputError."""
    accepted = f"a list of words out of {', '.join(WORDS)}"
    if not isinstance(words, (list, tuple, set, frozenset)):
        raise InputError("accept", words, accepted, "R-010")
    for word in words:
        if not isinstance(word, str) or word not in WORDS:
            raise InputError("accept", word, accepted, "R-010")
    return frozenset(words)
