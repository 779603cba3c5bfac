# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Published weaknesses of the meters' firmware and the versions that mend them (X-09, X-10; a rule ``own`` is one found besides)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .models import Model
from .versions import Version


@dataclass(frozen=True)
class Advisory:
    """One bulletin: which versions of which models are affected, and what helps until the upgrade."""

    id: str
    cves: tuple[str, ...]
    fixed: dict[str, Version]
    text: str
    mitigation: str
    source: str
    rule: str

    def affects(self, model: Model, version: Version) -> bool:
        """Whether a meter of this model that runs this version is affected."""
        return model.name in self.fixed and version < self.fixed[model.name]


#: The bulletins name three of them; the ION9000T is an ION9000 with another input (G-13).
_HEP = ("ION9000", "ION9000T", "ION7400", "PM8000")

ADVISORIES: tuple[Advisory, ...] = (
    Advisory(
        id="certvde-2176",
        cves=("CVE-2021-22763", "CVE-2021-22764"),
        fixed={
            "PM5560": Version(2, 8, 3),
            "PM5563": Version(2, 8, 3),
            "PM5580": Version(2, 8, 3),
            "PM5561": Version(10, 7, 3),
            "PM5562": Version(4, 3, 5),
        },
        text="weak password recovery and improper authentication in the web server",
        mitigation="block or switch off HTTP",
        source="certvde.com bulletin 2176",
        rule="X-09",
    ),
    Advisory(
        id="icsa-23-229-03",
        cves=("CVE-2022-46680",),
        fixed={name: Version(4, 0, 0) for name in _HEP},
        text="ION traffic, passwords included, is sent in clear; 4.0.0 adds secure ION, which must be set up",
        mitigation="keep ION inside the management zone",
        source="CISA ICSA-23-229-03",
        rule="X-10",
    ),
    Advisory(
        id="sevd-2021-068-02",
        cves=("CVE-2021-22714",),
        fixed={name: Version(3, 0, 0) for name in _HEP},
        text="a message to the ION port can restart the meter or run foreign code in it, before any login",
        mitigation="let nothing but the maker's tools reach the ION ports, and never scan them",
        source="Schneider Electric SEVD-2021-068-02",
        rule="own",
    ),
)


def advisories_for(model: Model, version: Version) -> tuple[Advisory, ...]:
    """The bulletins that a meter of this model and version is affected by."""
    return tuple(item for item in ADVISORIES if item.affects(model, version))


def describe_advisories(model: Model, version: Version) -> list[dict[str, Any]]:
    """The same as plain values, for facts and reports."""
    return [
        {
            "id": item.id,
            "cves": list(item.cves),
            "fixed_in": str(item.fixed[model.name]),
            "text": item.text,
            "mitigation": item.mitigation,
            "source": item.source,
        }
        for item in advisories_for(model, version)
    ]


def minimum_version(model: Model) -> Version | None:
    """The lowest version without a known weakness of this list, None where no bulletin names the model."""
    return max((item.fixed[model.name] for item in ADVISORIES if model.name in item.fixed), default=None)
