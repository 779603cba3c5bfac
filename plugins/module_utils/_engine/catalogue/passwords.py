# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a password of each family, firmware and security mode may look like, and how strong one is. No sentence here ever holds a secret.

A policy is what the meter takes (R-258, R-259, X-01, product help); the shortest length is what the documents recommend (R-306).
"""

from __future__ import annotations

import itertools
import math
import string
from dataclasses import dataclass

from . import constants
from .generations import generation
from .models import HEP, PM5000, Model, find_model
from .versions import Version

#: Printable ASCII without the space: 33 to 126 (X-01).
PRINTABLE = "".join(chr(code) for code in range(33, 127))
_SPECIAL = "".join(char for char in PRINTABLE if not char.isalnum())
CLASSES = {"digit": string.digits, "upper": string.ascii_uppercase, "lower": string.ascii_lowercase, "special": _SPECIAL}
#: What the vendor tool's Config.csv cannot hold (R-101).
_NOT_IN_CSV = ",\"'<>"
#: Passwords of the factory which stand in public documents, by family.
PUBLISHED = {HEP: frozenset({str(constants.LSS_DEFAULT_PASSWORD.value)}), PM5000: frozenset({"pass1", "pass2", "Powerlogic@1"})}

WEAK, FAIR, STRONG = "weak", "fair", "strong"
STRENGTHS = (WEAK, FAIR, STRONG)


@dataclass(frozen=True)
class Policy:
    """The form of one account's password. ``max_length`` None: no document names one, so the meter decides.

    ``numeric``: digits only, without a leading zero. Where it is not, a password of digits only has at most ``digits_max`` of them and
    no leading zero either. ``classes`` must all occur. The generator makes ``generate_length`` characters with ``generate_classes``.
    """

    name: str
    accepted: str
    rules: tuple[str, ...]
    min_length: int
    max_length: int | None
    generate_length: int
    generate_classes: tuple[str, ...]
    numeric: bool = False
    digits_max: int | None = None
    classes: tuple[str, ...] = ()
    allowed: str = PRINTABLE

    @property
    def reason(self) -> str:
        """The reason code of a password that does not fit."""
        return "password_out_of_range" if self.numeric else "password_policy"

    @property
    def no_leading_zero(self) -> bool:
        """Whether a password of digits only may not begin with zero."""
        return self.numeric or self.digits_max is not None


_DIGITS = constants.LSS_PASSWORD_LENGTH.number
_COMPLEX = constants.PASSWORD_COMPLEX_MIN.number
_V3 = constants.PASSWORD_ALPHANUMERIC_MAX_V3.number
_V4 = constants.PASSWORD_MAX_V4.number

HEP_NUMERIC = Policy(
    "hep_numeric",
    f"a number of 1 to {_DIGITS} digits without a leading zero",
    ("R-258", "R-259", "R-199"),
    1,
    _DIGITS,
    _DIGITS,
    ("digit",),
    numeric=True,
    digits_max=_DIGITS,
    allowed=string.digits,
)
HEP_V3 = Policy(
    "hep_v3",
    f"exactly {_V3} printable ASCII characters without a space, or up to {_DIGITS} digits without a leading zero",
    ("X-01", "G-14", "R-306"),
    _COMPLEX,
    _V3,
    _V3,
    tuple(CLASSES),
    digits_max=_DIGITS,
)
HEP_V4 = Policy(
    "hep_v4",
    f"{_COMPLEX} to {_V4} printable ASCII characters without a space; digits only: up to {_DIGITS} without a leading zero",
    ("X-10", "X-01", "R-306"),
    _COMPLEX,
    _V4,
    _V4,
    tuple(CLASSES),
    digits_max=_DIGITS,
)
PM5000_LEGACY = Policy(
    "pm5000_legacy",
    f"{_COMPLEX} or more printable ASCII characters without space, comma, quotes and angle brackets, which Config.csv cannot hold",
    ("R-101", "R-306"),
    _COMPLEX,
    None,
    constants.PM_PASSWORD_MIN.number,
    ("digit", "upper", "lower"),
    allowed="".join(char for char in PRINTABLE if char not in _NOT_IN_CSV),
)
PM5000_NEW = Policy(
    "pm5000_new",
    f"{constants.PM_PASSWORD_MIN.number} to {constants.PM_PASSWORD_MAX.number} printable ASCII characters without a space, "
    "with a digit, a capital and a special character",
    ("own",),
    constants.PM_PASSWORD_MIN.number,
    constants.PM_PASSWORD_MAX.number,
    constants.PM_PASSWORD_MAX.number,
    tuple(CLASSES),
    classes=("digit", "upper", "special"),
    allowed="".join(char for char in PRINTABLE if char not in _NOT_IN_CSV),
)
POLICIES: dict[str, Policy] = {item.name: item for item in (HEP_NUMERIC, HEP_V3, HEP_V4, PM5000_LEGACY, PM5000_NEW)}
#: The policies of a family; a password that none of them takes is refused before any contact.
OF_FAMILY = {HEP: (HEP_V4, HEP_V3, HEP_NUMERIC), PM5000: (PM5000_NEW, PM5000_LEGACY)}


def model_number(model: Model | str) -> str:
    """The number in a model's name, which HEP meters take as user name outside Advanced security (R-191)."""
    return "".join(char for char in str(model) if char.isdigit())


def stands_for_user1(account: str, model: Model | str) -> bool:
    """Whether this name is User1 or what stands for it under Legacy security support (R-186, R-191); case does not matter (R-255)."""
    return account.casefold() in (str(constants.LSS_DEFAULT_USER.value).casefold(), model_number(model))


def policy_for(
    family: str, model: Model | str, version: Version | None, mode: str | None, account: str, *, alphanumeric: bool = False
) -> Policy:
    """The policy of one account. ``alphanumeric``: 'lss_alphanumeric_password' was accepted, so User1 may have one under LSS (R-199)."""
    found = model if isinstance(model, Model) else find_model(model)
    if family == PM5000:
        legacy = version is not None and generation(found, version) == "legacy"
        return PM5000_LEGACY if legacy else PM5000_NEW
    if family != HEP:
        raise KeyError(family)
    if mode in ("none", "standard") and account.casefold() == model_number(found):
        return HEP_NUMERIC
    if mode == "legacy_support" and not alphanumeric and stands_for_user1(account, found):
        return HEP_NUMERIC
    return HEP_V4 if version is not None and generation(found, version) == "4" else HEP_V3


def check(policy: Policy, secret: str) -> str | None:
    """Why this password cannot be, as the end of a sentence; None where it can."""
    if not secret:
        return "is empty"
    if secret.isascii() and secret.isdigit() and policy.digits_max is not None:
        return _check_digits(policy, secret)
    if policy.numeric:
        return "has other characters than digits"
    if any(char not in policy.allowed for char in secret):
        return "has characters that this meter, or its maker's tool, does not take"
    if policy.max_length is not None and len(secret) > policy.max_length:
        return f"is longer than {policy.max_length} characters"
    if len(secret) < policy.min_length:
        return f"is shorter than {policy.min_length} characters"
    missing = [name for name in policy.classes if not any(char in CLASSES[name] for char in secret)]
    if missing:
        return f"has no {' and no '.join(_NAMES[name] for name in missing)}"
    return None


_NAMES = {"digit": "digit", "upper": "capital letter", "lower": "small letter", "special": "special character"}


def _check_digits(policy: Policy, secret: str) -> str | None:
    if policy.digits_max is not None and len(secret) > policy.digits_max:
        return f"has more than {policy.digits_max} digits"
    if len(secret) > 1 and secret.startswith("0"):
        return "begins with a zero"
    return None


def check_any(family: str, secret: str) -> str | None:
    """Why no firmware and no mode of this family takes this password; None where some does. For input, before any contact."""
    if secret in PUBLISHED.get(family, ()):
        return "is one of the factory, which stands in public documents"
    whys = [check(policy, secret) for policy in OF_FAMILY[family]]
    return None if None in whys else whys[0]


def strength(secret: str) -> str:
    """``weak``, ``fair`` or ``strong``, by the number of passwords of its kind (R-264). A row such as 123456 or aaaaaa is weak."""
    pool = sum(len(chars) for chars in CLASSES.values() if any(char in chars for char in secret)) or 1
    bits = len(secret) * math.log2(pool)
    steps = {ord(after) - ord(before) for before, after in itertools.pairwise(secret)}
    if bits < constants.STRENGTH_FAIR.number or len(steps) < 2:
        return WEAK
    return FAIR if bits < constants.STRENGTH_STRONG.number else STRONG
