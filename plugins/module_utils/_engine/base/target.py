# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What the wire clients are told about one meter (design 4.0). A value type; it opens nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .clock import Clock, SystemClock


@dataclass(frozen=True)
class Credential:
    """One account of a meter. The password never shows in ``repr``."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Timeouts:
    """Seconds of real time for one connect and one answer."""

    connect: float = 5.0
    read: float = 5.0


@dataclass(frozen=True)
class Tls:
    """How a meter's certificate is judged: by the system's CAs, by a CA file, or by a pinned fingerprint.

    ``fingerprint`` is the SHA-256 of the certificate, 64 lower-case hex digits; with it neither name, date nor issuer counts.
    ``legacy`` allows what is out of date (TLS 1.0, small keys, old renegotiation) with this meter; it is reported as a finding.
    """

    ca_file: str | None = None
    fingerprint: str | None = None
    legacy: bool = False


@dataclass(frozen=True)
class Target:
    """Where a meter is and how to talk to it. ``ports`` maps a service name to its TCP port."""

    name: str
    host: str
    ports: Mapping[str, int]
    unit_id: int
    timeouts: Timeouts = Timeouts()
    gateway: str | None = None
    credentials: Mapping[str, Credential] = field(default_factory=dict, repr=False)
    tls: Tls = Tls()
    clock: Clock = field(default_factory=SystemClock, repr=False, compare=False)
