# SPDX-License-Identifier: MIT
# Copyright: (c) 2026, The gridops.metering authors
"""The encoders and decoders of dlms-cosem without a connection; loaded by ``cosem_client``.

``pdus``: each is decoded, and told as its kind, its fields as text and what the library makes of them again. ``make``: a list of
``[kind, fields]``; the library encodes the message of a meter, octets as hex. Values of the DLMS types are ``[tag, value]``.
"""

from __future__ import annotations

from dlms_cosem import dlms_data, enumerations, security
from dlms_cosem.connection import XDlmsApduFactory
from dlms_cosem.protocol import acse, xdlms
from dlms_cosem.protocol.xdlms.conformance import Conformance


def read_back(pdus: list[str]) -> list[dict]:
    results = []
    for item in pdus:
        try:
            found = XDlmsApduFactory.apdu_from_bytes(bytes.fromhex(item))
            told = {"kind": type(found).__name__, "again": bytes(found.to_bytes()).hex(), "text": repr(found)}
            results.append({"ok": True, "value": told})
        except Exception as error:
            results.append({"ok": False, "error": f"{type(error).__name__}: {error}"})
    return results


def make(wanted: list) -> list[dict]:
    results = []
    for kind, fields in wanted:
        try:
            results.append({"ok": True, "value": bytes(MAKERS[kind](**fields)).hex()})
        except Exception as error:
            results.append({"ok": False, "error": f"{type(error).__name__}: {error}"})
    return results


def value_of(spec: list) -> dlms_data.BaseDlmsData:
    tag, value = spec
    if tag in (1, 2):
        value = [value_of(item) for item in value]
    elif tag == 9:
        value = bytes.fromhex(value)
    return dlms_data.DlmsDataFactory.get_data_class(tag)(value)


def named(invoke: int) -> xdlms.InvokeIdAndPriority:
    return xdlms.InvokeIdAndPriority(invoke, True, True)


def aare(result: int, diagnostic: int, pdu: int, services: list, provider: bool = False, hls: dict | None = None) -> bytes:
    """An AARE with an InitiateResponse in the clear."""
    given = enumerations.AcseServiceProviderDiagnostics if provider else enumerations.AcseServiceUserDiagnostics
    agreed = xdlms.InitiateResponse(Conformance(**dict.fromkeys(services, True)), pdu)
    more = {}
    if hls:
        more = {
            "ciphered": True,
            "authentication": enumerations.AuthenticationMechanism.HLS_GMAC,
            "system_title": bytes.fromhex(hls["title"]),
            "authentication_value": bytes.fromhex(hls["challenge"]),
        }
    info = acse.UserInformation(content=agreed)
    return acse.ApplicationAssociationResponse(
        enumerations.AssociationResult(result), given(diagnostic), user_information=info, **more
    ).to_bytes()


def sealed(control: int, title: str, counter: int, guek: str, gak: str, plain: str) -> bytes:
    """general-glo-ciphering around a message; content up to 127 octets, as the library's length allows."""
    field = security.SecurityControlField.from_bytes(bytes([control]))
    text = security.encrypt(field, bytes.fromhex(title), counter, bytes.fromhex(guek), bytes.fromhex(plain), bytes.fromhex(gak))
    return xdlms.GeneralGlobalCipher(bytes.fromhex(title), field, counter, text).to_bytes()


def proof(title: str, counter: int, guek: str, gak: str, challenge: str) -> bytes:
    """f(challenge) of HLS-GMAC."""
    field = security.SecurityControlField(0, authenticated=True, encrypted=False)
    tag = security.gmac(field, bytes.fromhex(title), counter, bytes.fromhex(guek), bytes.fromhex(gak), bytes.fromhex(challenge))
    return field.to_bytes() + counter.to_bytes(4, "big") + tag


def initiate(pdu: int, services: list) -> bytes:
    return xdlms.InitiateResponse(Conformance(**dict.fromkeys(services, True)), pdu).to_bytes()


def listed(invoke: int, items: list) -> bytes:
    """An answer to a list: a value is ``[tag, value]``, a refusal its number."""
    given = [value_of(item) if isinstance(item, list) else enumerations.DataAccessResult(item) for item in items]
    return xdlms.GetResponseWithList(given, named(invoke)).to_bytes()


def block(invoke: int, number: int, last: bool, raw: str) -> bytes:
    kind = xdlms.GetResponseLastBlock if last else xdlms.GetResponseWithBlock
    return kind(bytes.fromhex(raw), number, named(invoke)).to_bytes()


def action(invoke: int, status: int, data: list | None = None, error: int | None = None) -> bytes:
    given = enumerations.ActionResultStatus(status)
    if error is not None:
        return xdlms.ActionResponseNormalWithError(given, enumerations.DataAccessResult(error), named(invoke)).to_bytes()
    if data is not None:
        return xdlms.ActionResponseNormalWithData(given, value_of(data).to_bytes(), named(invoke)).to_bytes()
    return xdlms.ActionResponseNormal(given, named(invoke)).to_bytes()


def exception(state: int, service: int) -> bytes:
    return xdlms.ExceptionResponse(enumerations.StateException(state), enumerations.ServiceException(service)).to_bytes()


MAKERS = {
    "value": lambda data: value_of(data).to_bytes(),
    "get_error": lambda invoke, error: xdlms.GetResponseNormalWithError(enumerations.DataAccessResult(error), named(invoke)).to_bytes(),
    "block": block,
    "list": listed,
    "set": lambda invoke, result: xdlms.SetResponseNormal(enumerations.DataAccessResult(result), named(invoke)).to_bytes(),
    "action": action,
    "aare": aare,
    "initiate": initiate,
    "exception": exception,
    "release": lambda: acse.ReleaseResponse(enumerations.ReleaseResponseReason(0)).to_bytes(),
    "sealed": sealed,
    "proof": proof,
}
