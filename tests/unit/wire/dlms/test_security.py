# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Suite 0 against published vectors: the Green Book's examples, RFC 3394."""

from __future__ import annotations

import builtins
import dataclasses

import pytest
from handmeter import AK, CLIENT_TITLE, EK, METER_TITLE, gcm
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DependencyError, DeviceError
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms import security

BOOK_EK, BOOK_AK = bytes(range(16)), bytes(range(0xD0, 0xE0))
BOOK_CLIENT, BOOK_METER = bytes.fromhex("4D4D4D0000000001"), bytes.fromhex("4D4D4D0000BC614E")
GET = bytes.fromhex("c0010000080000010000ff0200")


def book(title: bytes, asked: int = 0x30, general: bool = False) -> security.Protection:
    return security.Protection(BOOK_EK, BOOK_AK, title, asked, general=general)


def test_green_book_the_clients_proof():
    assert book(BOOK_CLIENT).proof(b"P6wRJ21F", 1).hex().upper() == "1000000001" + "1A52FE7DD3E72748973C1E28"


def test_green_book_the_meters_proof():
    client = book(BOOK_CLIENT)
    client.pair(BOOK_METER)
    proof = bytes.fromhex("1001234567" + "FE1466AFB3DBCD4F9389E2B7")
    assert client.check_proof(proof, b"K56iVagY")
    assert not client.check_proof(proof, b"K56iVagZ")
    assert not client.check_proof(proof[:-1] + b"\x00", b"K56iVagY")
    assert not client.check_proof(b"\x30" + proof[1:], b"K56iVagY")
    assert not book(BOOK_CLIENT).check_proof(proof, b"K56iVagY")  # whose title is not known


def test_green_book_a_protected_get():
    sealed = book(BOOK_METER).seal(GET, 0x01234567)
    assert sealed.hex().upper() == "C81E3001234567411312FF935A47566827C467BC7D825C3BE4A77C3FCC056B6B"


def test_green_book_a_get_that_is_authenticated_only():
    sealed = book(BOOK_METER, 0x10).seal(GET, 0x01234567)
    assert sealed.hex().upper() == "C81E1001234567" + GET.hex().upper() + "06725D910F9221D263877516"


def test_green_book_a_get_that_is_encrypted_only():
    sealed = book(BOOK_METER, 0x20).seal(GET, 0x01234567)
    assert sealed.hex().upper() == "C8122001234567" + "411312FF935A47566827C467BC"


def test_general_ciphering_carries_our_title():
    sealed = book(BOOK_CLIENT, general=True).seal(GET, 1)
    assert sealed[:12] == b"\xdb\x08" + BOOK_CLIENT + b"\x1e\x30"


@pytest.mark.parametrize(
    ("kek", "key", "wrapped"),
    [
        ("000102030405060708090A0B0C0D0E0F", "00112233445566778899AABBCCDDEEFF", "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"),
        (
            "000102030405060708090A0B0C0D0E0F1011121314151617",
            "00112233445566778899AABBCCDDEEFF",
            "96778B25AE6CA435F92B5B97C050AED2468AB8A17AD84E5D",
        ),
        (
            "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
            "00112233445566778899AABBCCDDEEFF0001020304050607",
            "A8F9BC1612C68B3FF6E6F4FBE30E71E4769C8B80A32CB8958CD5D17D6B254DA1",
        ),
        (
            "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
            "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F",
            "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21",
        ),
    ],
)
def test_rfc_3394(kek, key, wrapped):
    assert security.wrap_key(bytes.fromhex(kek), bytes.fromhex(key)).hex().upper() == wrapped


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=2000), st.integers(0, 2**32 - 1), st.sampled_from([0x10, 0x20, 0x30]), st.booleans())
def test_what_is_sealed_another_implementation_opens(body, counter, asked, general):
    apdu = b"\xc3" + body
    made = security.Protection(EK, AK, CLIENT_TITLE, asked, general=general)
    sealed = made.seal(apdu, counter)
    assert len(sealed) == len(apdu) + made.overhead(len(apdu))
    sc, text, tag = bytes((asked,)), apdu, b""
    if asked == 0x30:
        text, tag = gcm(EK, CLIENT_TITLE, counter, apdu, sc + AK)
    elif asked == 0x20:
        text = gcm(EK, CLIENT_TITLE, counter, apdu, b"")[0]
    else:
        tag = gcm(EK, CLIENT_TITLE, counter, b"", sc + AK + apdu)[1]
    assert sealed.endswith(sc + counter.to_bytes(4, "big") + text + tag)
    assert sealed.startswith(b"\xdb\x08" + CLIENT_TITLE if general else b"\xcb")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=600), st.sampled_from([0x10, 0x20, 0x30]), st.booleans())
def test_both_sides_of_our_own(body, asked, general):
    apdu = b"\xc4" + body
    meter = security.Protection(EK, AK, METER_TITLE, asked, general=general)
    client = security.Protection(EK, AK, CLIENT_TITLE, asked)
    client.pair(METER_TITLE)
    assert client.unseal(meter.seal(apdu, 7)) == apdu
    with pytest.raises(DeviceError) as caught:
        client.unseal(meter.seal(apdu, 7))
    assert caught.value.reason == "dlms_replayed_answer"


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=60), st.data())
def test_no_changed_octet_is_taken(body, draw):
    sealed = security.Protection(EK, AK, METER_TITLE, 0x30).seal(b"\xc4" + body, 7)
    at = draw.draw(st.integers(0, len(sealed) - 1))
    changed = sealed[:at] + bytes((sealed[at] ^ draw.draw(st.integers(1, 255)),)) + sealed[at + 1 :]
    client = security.Protection(EK, AK, CLIENT_TITLE, 0x30)
    client.pair(METER_TITLE)
    with pytest.raises(DeviceError):
        client.unseal(changed)


def test_a_stronger_answer_than_asked_for_is_taken():
    client = security.Protection(EK, AK, CLIENT_TITLE, 0x10)
    client.pair(METER_TITLE)
    assert client.unseal(security.Protection(EK, AK, METER_TITLE, 0x30).seal(b"\xc4\x01", 1)) == b"\xc4\x01"


def test_another_authentication_key_is_noticed():
    client = security.Protection(EK, b"another-auth-key", CLIENT_TITLE, 0x30)
    client.pair(METER_TITLE)
    with pytest.raises(DeviceError) as caught:
        client.unseal(security.Protection(EK, AK, METER_TITLE, 0x30).seal(b"\xc4\x01", 1))
    assert caught.value.reason == "dlms_answer_forged"


def test_challenges_are_of_sixteen_octets_and_never_the_same():
    made = {security.challenge() for dummy in range(50)}
    assert len(made) == 50
    assert {len(one) for one in made} == {16}


def test_no_other_suite():
    with pytest.raises(ValueError):
        security.Protection(EK, AK, CLIENT_TITLE, 0x30, suite=1)


def test_a_missing_library_is_one_sentence(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **options):
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DependencyError, match="'cryptography' is missing"):
        security.require_library()


def test_keys_do_not_show():
    made = security.Protection(EK, AK, CLIENT_TITLE, 0x30)
    assert EK.hex() not in repr(made)
    assert not dataclasses.is_dataclass(made)  # whose repr would show them
