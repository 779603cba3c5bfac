# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Self-signed certificates of the meters: one key for the fleet, one certificate per meter."""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from metersim.hep.meter import HepMeter
    from metersim.meter import Meter

OLD_TLS = {"tls1.0": ssl.TLSVersion.TLSv1, "tls1.1": ssl.TLSVersion.TLSv1_1}
OTHER_ADDRESS = "192.0.2.1"


@cache
def fleet_key() -> ec.EllipticCurvePrivateKey:
    """The one key. Making one per meter would slow down the start of a big fleet."""
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Certificate:
    """What a client sees of one meter."""

    pem: bytes
    fingerprint: str

    def context(self, folder: Path, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """A server context. ``newest`` makes a meter that knows nothing better than that."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.fingerprint[:16]}.pem"
        if not path.exists():
            key = fleet_key().private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            path.touch(0o600)
            path.write_bytes(self.pem + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if newest is not None:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = newest
            context.maximum_version = newest
        else:
            context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(path)
        return context


def make(serial: int, address: str, generation: int = 0, expired: bool = False, common_name: str = "") -> Certificate:
    """The certificate of one meter; another ``generation`` is another certificate."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "metersim"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name or f"PM5000-{serial}"),
        ]
    )
    now = datetime.now(UTC)
    key = fleet_key()
    known = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    begin = now - timedelta(days=400 if expired else 1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial * 1000 + generation * 2 + expired + 1)
        .not_valid_before(begin)
        .not_valid_after(now - timedelta(days=2) if expired else now + timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(known, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    signed = builder.sign(key, hashes.SHA256())
    der = signed.public_bytes(serialization.Encoding.DER)
    return Certificate(signed.public_bytes(serialization.Encoding.PEM), hashlib.sha256(der).hexdigest())


@cache
def _cached(serial: int, address: str, generation: int, expired: bool, common_name: str) -> Certificate:
    return make(serial, address, generation, expired, common_name)


def now_shown(meter: Meter | HepMeter) -> Certificate:
    """The certificate a meter shows at the moment; F-31 may have changed it."""
    mode = meter.faults.get("F-31", {}).get("mode", "")
    address = OTHER_ADDRESS if mode == "wrong_host" else meter.spec.address
    common_name, number = meter.certificate_subject
    return _cached(number, address, meter.certificates + (mode == "changed"), mode == "expired", common_name)


def context_of(meter: Meter | HepMeter) -> ssl.SSLContext:
    """The TLS settings a meter has at the moment."""
    return now_shown(meter).context(meter.folder / "tls", OLD_TLS.get(meter.faults.get("F-31", {}).get("mode", "")))
