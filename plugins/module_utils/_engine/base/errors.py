# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Errors the engine raises. None of them ever carries a secret."""

from __future__ import annotations

from .redaction import Redactor


class MeteringError(Exception):
    """Base of every error that may reach a user as one sentence."""


_SHOWN = 200  # characters of a value in a sentence


class InputError(MeteringError):
    """Bad input, refused before any contact.

    Names the option, the value (unless secret, and without the passwords in it), what is accepted and the rule it comes from.
    """

    def __init__(self, option: str, value: object, accepted: str, rule: str, secret: bool = False) -> None:
        self.option = option
        self.accepted = accepted
        self.rule = rule
        # What stands in the wrong place, such as a list of users under another option, still has secrets in it.
        shown = "the given value" if secret else repr(Redactor().clean(value))
        if len(shown) > _SHOWN:
            shown = shown[:_SHOWN] + "…"
        super().__init__(f"{option}: {shown} is not accepted; expected {accepted} ({rule})")


class DeviceError(MeteringError):
    """A fault of a meter or of the way to it.

    ``stage`` is the state it happened in, ``reason`` a code of the catalogue, ``device_text`` the device's own words.
    """

    def __init__(self, stage: str, reason: str, text: str, device_text: str = "") -> None:
        self.stage = stage
        self.reason = reason
        self.text = text
        self.device_text = device_text
        super().__init__(f"{stage}: {text}" + (f" (device: {device_text})" if device_text else ""))


class DependencyError(MeteringError):
    """A Python library is missing where the code runs."""

    def __init__(self, library: str, where: str, needed_for: str) -> None:
        self.library = library
        super().__init__(
            f"the Python library '{library}' is missing on {where}; it is needed for {needed_for}: install it there and run again"
        )


class DeadlineError(MeteringError):
    """A state did not end by its deadline. Silence is never success."""

    def __init__(self, state: str, seconds: float) -> None:
        self.state = state
        self.seconds = seconds
        super().__init__(f"{state} did not end within {seconds:g} s")


class OrphanedError(MeteringError):
    """Nothing new may be started: the process that started this worker is gone, or another run took its lease."""

    def __init__(self, stage: str, why: str = "the controlling process is gone") -> None:
        self.stage = stage
        super().__init__(f"{stage}: {why}, so nothing more is started")
