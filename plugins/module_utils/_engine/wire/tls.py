# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""TLS towards one meter: whom to trust, what went wrong in one sentence, and the facts of a certificate (F-31).

Meters mostly have self-signed certificates; the secure way then is to pin the fingerprint. What is out of date is allowed for one
meter only, by name, and reported as a finding.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
from typing import Any

from ..base.errors import DeviceError, InputError
from ..base.target import Target, Tls

_LEGACY_SERVER_CONNECT = 0x4  # OP_LEGACY_SERVER_CONNECT; the ssl module names it from Python 3.12 on
_TOO_OLD = (
    "unsupported protocol",
    "protocol version",
    "no protocols available",
    "unsafe legacy renegotiation",
    "dh key too small",
    "ee key too small",
    "no shared cipher",
    "handshake failure",
    "no ciphers available",
)


def context(tls: Tls) -> ssl.SSLContext:
    """The context for this meter. Raises InputError when the CA file cannot be used."""
    if tls.fingerprint:
        made = _unchecked()
    else:
        try:
            made = ssl.create_default_context(cafile=tls.ca_file or None)  # with a file, only what is in it is trusted
        except OSError:
            raise InputError("tls.ca_file", tls.ca_file, "a readable file of CA certificates in PEM form", "F-31") from None
        # Strict checks of certificate extensions differ between Python versions; meters' own CAs rarely have all of them.
        made.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    if tls.legacy:
        _allow_legacy(made)
    return made


def _unchecked() -> ssl.SSLContext:
    """For a pin, which the connection compares itself. It loads no authorities, which takes longer than a handshake."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def _allow_legacy(made: ssl.SSLContext) -> None:
    made.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    made.options |= _LEGACY_SERVER_CONNECT
    made.set_ciphers("ALL:@SECLEVEL=0")


def fault(stage: str, error: BaseException, target: Target) -> DeviceError | None:
    """What a TLS failure means, or None when ``error`` is none. Shows the fingerprint that was seen, so that it can be compared and pinned."""
    seen = _ssl_error(error)
    text = f"{seen} {error}".lower()
    if "fingerprint" in text:
        return DeviceError(stage, "tls_fingerprint_mismatch", f"the meter's certificate is not the pinned one{_shown(target)}")
    if seen is None:
        return None
    if isinstance(seen, ssl.SSLCertVerificationError):
        if seen.verify_code == 10:
            return DeviceError(stage, "tls_expired", f"the meter's certificate is out of date{_shown(target)}")
        return DeviceError(stage, "tls_untrusted", f"the meter's certificate is not trusted ({seen.verify_message}){_shown(target)}")
    if any(words in text for words in _TOO_OLD):
        return DeviceError(stage, "tls_protocol_too_old", "the meter offers no TLS version or key that is secure today")
    return DeviceError(stage, "tls_failed", f"the TLS handshake failed ({seen.reason or type(seen).__name__})")


def _ssl_error(error: BaseException | None) -> ssl.SSLError | None:
    for _depth in range(8):
        if error is None or isinstance(error, ssl.SSLError):
            return error
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((item for item in error.args if isinstance(item, BaseException)), None)
        error = inner or error.__cause__ or error.__context__
    return None


def _shown(target: Target) -> str:
    try:
        return f"; its SHA-256 fingerprint is {tls_facts(target)['fingerprint']}"
    except DeviceError:
        return ""


def tls_facts(target: Target, port: int | None = None) -> dict[str, Any]:
    """Version, cipher and certificate of a meter's HTTPS port, by a handshake without any request. Raises DeviceError.

    ``not_after`` is ISO 8601 or None; ``fingerprint`` is the SHA-256 in hex; ``self_signed`` compares issuer and subject.
    """
    made = _unchecked()
    _allow_legacy(made)
    address = (target.host, port or target.ports["https"])
    try:
        with socket.create_connection(address, timeout=target.timeouts.connect) as raw:
            raw.settimeout(target.timeouts.read)
            with made.wrap_socket(raw) as wrapped:
                found = wrapped.getpeercert(binary_form=True) or b""
                version, cipher = wrapped.version(), wrapped.cipher()
    except (OSError, ValueError) as error:
        raise fault("tls", error, target) or DeviceError("tls", "transport_failed", "the HTTPS port does not answer") from None
    facts = {"version": version, "cipher": cipher[0] if cipher else None, "fingerprint": hashlib.sha256(found).hexdigest()}
    return {**facts, **_certificate(found)}


def _certificate(der: bytes) -> dict[str, Any]:
    """Names and dates, where the cryptography library is installed; null elsewhere."""
    empty: dict[str, Any] = {"subject": None, "issuer": None, "not_after": None, "self_signed": None}
    with contextlib.suppress(ImportError, ValueError):
        from cryptography import x509

        read = x509.load_der_x509_certificate(der)
        subject, issuer = read.subject.rfc4514_string(), read.issuer.rfc4514_string()
        return {"subject": subject, "issuer": issuer, "not_after": read.not_valid_after_utc.isoformat(), "self_signed": subject == issuer}
    return empty
