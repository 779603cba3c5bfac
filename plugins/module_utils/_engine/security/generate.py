# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Passwords made by chance, within what a meter takes (R-306, G-14)."""

from __future__ import annotations

import secrets

from ..catalogue.passwords import CLASSES, WEAK, Policy, check, strength

#: Characters that a person mistakes for one another at a display.
_LOOKALIKE = "0O1lI|`'"
_TRIES = 1000


def generate(policy: Policy, *, readable: bool = False) -> str:
    """A new password of the policy's length with one character of each of its classes, by the system's random source.

    ``readable`` leaves out characters that look alike; a number may have them. Raises ValueError for a policy that nothing meets.
    """
    allowed = policy.allowed if policy.numeric or not readable else "".join(char for char in policy.allowed if char not in _LOOKALIKE)
    pools = ["".join(char for char in CLASSES[name] if char in allowed) for name in policy.generate_classes]
    every = "".join(pools)
    for dummy in range(_TRIES):
        chars = [secrets.choice(pool) for pool in pools]
        chars += [secrets.choice(every) for dummy_too in range(policy.generate_length - len(chars))]
        secrets.SystemRandom().shuffle(chars)
        made = "".join(chars)
        if check(policy, made) is None and (policy.numeric or strength(made) != WEAK):  # of a number no strength is asked
            return made
    raise ValueError(f"no password was found for the policy {policy.name}")
