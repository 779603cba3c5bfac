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
class DlmsKeys:
    """Secrets of one DLMS client: symmetric keys (16 octets in suite 0) and the password of low-level security. None shows in ``repr``.

    ``guek`` encrypts, ``gak`` authenticates, ``gbek`` is the broadcast key, ``kek`` (master key) wraps new ones.
    """

    guek: bytes | None = field(default=None, repr=False)
    gak: bytes | None = field(default=None, repr=False)
    gbek: bytes | None = field(default=None, repr=False)
    kek: bytes | None = field(default=None, repr=False)
    lls: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Dlms:
    """How to associate with a DLMS/COSEM meter (service access points and title as configured in the meter).

    ``authentication`` is none, lls or hls_gmac; ``protection`` is none, authenticated, encrypted or authenticated_encrypted.
    ``general`` sends general-glo-ciphering instead of the service-specific form. ``system_title`` is the client's, 8 octets.
    ``meter_title`` pins the meter's, where given. ``max_pdu`` is the largest APDU, in octets, that this client takes.
    """

    client: int = 1
    server: int = 1
    authentication: str = "hls_gmac"
    protection: str = "authenticated_encrypted"
    general: bool = False
    suite: int = 0
    system_title: bytes = b""
    meter_title: bytes | None = None
    max_pdu: int = 1224
    public_client: int = 16
    keys: DlmsKeys = DlmsKeys()


@dataclass(frozen=True)
class Target:
    """Where a meter is and how to talk to it. ``ports`` maps a service name to its TCP port.

    ``family`` says which protocol its facts are read over; ``dlms`` is given for DLMS/COSEM meters only.
    """

    name: str
    host: str
    ports: Mapping[str, int]
    unit_id: int
    timeouts: Timeouts = Timeouts()
    gateway: str | None = None
    credentials: Mapping[str, Credential] = field(default_factory=dict, repr=False)
    tls: Tls = Tls()
    clock: Clock = field(default_factory=SystemClock, repr=False, compare=False)
    family: str = "pm5000"
    dlms: Dlms | None = None
