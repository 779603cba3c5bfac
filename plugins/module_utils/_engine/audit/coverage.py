# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Which meters a baseline is for; pure. A meter that it is not for is unknown, never good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..base.errors import InputError
from ..catalogue.models import find_model
from ..security.baseline import matches
from .faults import RULE, WHAT, Faults


@dataclass(frozen=True)
class Coverage:
    """Families, models and host patterns; an empty one is no restriction."""

    families: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    def why(self, host: str, family: str, model: str) -> str:
        """Why the baseline says nothing of this meter; empty where it covers it. An unknown model is not covered by a list of models."""
        if self.families and family not in self.families:
            return f"the baseline is for {', '.join(self.families)}, and this meter is of family {family}"
        if self.models and model not in self.models:
            return f"the baseline is for {', '.join(self.models)}, and this meter is {_named(model)}"
        if self.hosts and not matches(host, self.hosts):
            return f"the baseline is for {', '.join(self.hosts)}"
        return ""


def _named(model: str) -> str:
    return f"a {model}" if model and model != "unknown" else "of an unknown model"


def coverage_from(given: Mapping[str, Any], faults: Faults) -> Coverage:
    """From the checked part ``applies_to``."""
    families, models = tuple(given.get("families", ())), tuple(given.get("models", ()))
    for number, model in enumerate(models):
        with faults.at("applies_to", "models", number):
            family = find_model(model).family
            if families and family not in families:
                raise InputError(f"{WHAT}.applies_to.models", model, f"a model of the families {', '.join(families)}", RULE)
    return Coverage(families, models, tuple(given.get("hosts", ())))
