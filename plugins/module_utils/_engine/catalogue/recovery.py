# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What to do, and above all what not to do, after an upgrade failed. Opposite by method, so never mixed (G-08)."""

from __future__ import annotations

from dataclasses import dataclass

from . import constants


@dataclass(frozen=True)
class Recovery:
    """Advice of one method. ``power_cycle``: forbidden, allowed_manual, or not_documented; never done by software."""

    method: str
    power_cycle: str
    steps: tuple[str, ...]
    rules: tuple[str, ...]
    off_seconds: int | None = None

    @property
    def text(self) -> str:
        """All steps in one sentence each."""
        return " ".join(f"{step}." for step in self.steps)


RECOVERY: dict[str, Recovery] = {
    item.method: item
    for item in (
        Recovery(
            "ftp",
            "not_documented",
            (
                "Do not switch off the meter while an upgrade may be running",
                "Start again from the very beginning: a new FTP session, all three files copied again, then the trigger page",
                "Each new start is a new attempt",
            ),
            ("R-066", "R-051"),
        ),
        Recovery(
            "tool",
            "forbidden",
            (
                "Do not power cycle the meter",
                "Wait until all other meters have ended, then open the meter's webpage to see whether it works",
                f"Wait {constants.RETRY_HOLD.value} s, close and reopen the tool, then retry",
                "If the message stays, call the maker's support with the logs",
            ),
            ("R-079", "R-090", "R-091", "R-092", "R-119", "R-120"),
        ),
        Recovery(
            "web",
            "allowed_manual",
            (
                f"A person takes away the auxiliary control power and gives it back after {constants.POWER_OFF.value} s",
                "If the meter starts normally and answers over Ethernet, retry once",
                "If it does not, call the maker's support",
            ),
            ("R-150", "R-151"),
            off_seconds=constants.POWER_OFF.number,
        ),
        Recovery(
            "ion",
            "not_documented",
            (
                "Do not power cycle the meter before the next try",
                "Use a new enough ION Setup and the ZIP package, then compare energy registers and template with the saved ones",
            ),
            ("R-164", "R-170", "R-171", "X-03"),
        ),
        Recovery(
            "dlms",
            "not_documented",
            (
                "Do not start the transfer over: it goes on from the first block that is missing",
                "After a power loss during activation the old firmware runs and the new image waits: activate again",
            ),
            ("R-226", "X-05", "X-08"),
        ),
    )
}
