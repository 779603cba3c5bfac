# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Meter models, their families and the spellings a device, a label or a person uses for them.

A table of the PM5000's numeric product ids is not public, so there is none here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..base.errors import InputError

PM5000 = "pm5000"
HEP = "hep"
MCS301 = "mcs301"
families = (PM5000, HEP, MCS301)

# Product ids that HEP meters report in register 90; which id is which product is not public.
HEP_PRODUCT_IDS = range(18000, 18020)


@dataclass(frozen=True)
class Model:
    """One model. ``has_lock`` tells whether a MID/MIR lock blocks its upgrades (R-047, R-096, R-132)."""

    name: str
    family: str
    spellings: tuple[str, ...]
    pattern: str = ""
    has_lock: bool = False
    rules: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


def _pm5000(name: str, rule: str, has_lock: bool = False) -> Model:
    rules = (rule, "R-047", "R-096", "R-132") if has_lock else (rule,)
    return Model(name, PM5000, (name, f"METSE{name}"), has_lock=has_lock, rules=rules)


MODELS: tuple[Model, ...] = (
    _pm5000("PM5560", "R-008"),
    _pm5000("PM5561", "R-019", has_lock=True),
    _pm5000("PM5562", "R-008"),
    _pm5000("PM5562MC", "R-008"),
    _pm5000("PM5563", "R-008"),
    _pm5000("PM5570", "R-012"),
    _pm5000("PM5570L", "R-026"),
    _pm5000("PM5580", "R-008"),
    _pm5000("PM5650", "R-015"),
    _pm5000("PM5660", "R-012"),
    _pm5000("PM5660L", "R-026"),
    _pm5000("PM5661", "R-023", has_lock=True),
    _pm5000("PM5760", "R-012"),
    _pm5000("PM5760L", "R-026"),
    _pm5000("PM5761", "R-023", has_lock=True),
    Model("ION7400", HEP, ("ION7400", "METSEION7400"), rules=("R-160", "R-242")),
    Model("ION9000", HEP, ("ION9000", "METSEION9000"), rules=("R-160", "R-242")),
    Model("ION9000T", HEP, ("ION9000T", "METSEION9000T"), rules=("R-160", "G-13")),
    # a catalogue number of the series, such as PM8240, is a PM8000.
    Model("PM8000", HEP, ("PM8000", "METSEPM8000"), pattern=r"(?:METSE)?PM8[0-9]{3}", rules=("R-160", "R-242")),
    Model("MCS301", MCS301, ("MCS301",), rules=("R-201",)),
)


def find_model(text: object, option: str = "model") -> Model:
    """The model of this spelling; case, spaces and a leading ``PowerLogic`` do not matter. Raises InputError."""
    if isinstance(text, str):
        key = "".join(text.split()).upper().removeprefix("POWERLOGIC")
        for model in MODELS:
            if key in model.spellings or (model.pattern and re.fullmatch(model.pattern, key)):
                return model
    names = ", ".join(model.name for model in MODELS)
    raise InputError(option, text, f"one of {names}, or a catalogue number of these such as METSEPM5560 or PM8240", "R-006")


def models_of(family: str) -> tuple[Model, ...]:
    """All models of one family."""
    return tuple(model for model in MODELS if model.family == family)


def locked_models() -> Iterable[Model]:
    """The models with a MID/MIR lock."""
    return (model for model in MODELS if model.has_lock)


def family_of_product_id(product_id: int) -> str | None:
    """The family that a numeric product id tells, or None; only HEP meters have a known range."""
    return HEP if product_id in HEP_PRODUCT_IDS else None
