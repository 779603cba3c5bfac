# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Images of DLMS/COSEM meters: component, identifiers, and a signature that is checked before the first packet (F-09)."""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils

from ansible_collections.gridops.metering.plugins.module_utils._engine.artifacts import manifest, signature
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DependencyError, InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import identifiers
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import find_model
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.reasons import REASONS

requirement = pytest.mark.requirement
KEY = ec.generate_private_key(ec.SECP256R1())
IMAGE = b"image " * 999
ID = "020500020001"


def pem(key: Any) -> str:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def signed(key: ec.EllipticCurvePrivateKey = KEY, data: bytes = IMAGE, raw: bool = False) -> bytes:
    made = key.sign(data, ec.ECDSA(hashes.SHA256()))
    if not raw:
        return made
    r, s = utils.decode_dss_signature(made)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def folder(path: Path, **changes: Any) -> Path:
    """An artifact folder with one signed image; a change of None takes the word out."""
    (path / "img").mkdir()
    (path / "img" / "fw.img").write_bytes(IMAGE)
    (path / "img" / "fw.sig").write_bytes(signed())
    (path / "vendor.pem").write_text(pem(KEY))
    entry: dict[str, Any] = {
        "id": "p1",
        "family": "mcs301",
        "models": ["MCS301"],
        "version": ID,
        "method": "dlms",
        "component": 1,
        "image_identifier": "hex:4D4353",
        "files": [{"name": "fw.img", "role": "image", "path": "img", "size": len(IMAGE), "sha256": hashlib.sha256(IMAGE).hexdigest()}],
        "signature": {"kind": "detached", "algorithm": "ecdsa-p256-sha256", "public_key": "vendor.pem", "file": "img/fw.sig"},
    }
    entry = {name: value for name, value in {**entry, **changes}.items() if value is not None}
    (path / "firmware.yml").write_text(yaml.safe_dump({"packages": [entry]}))
    return path


def found(path: Path) -> list[str]:
    reasons = [fault.reason for fault in manifest.faults(manifest.load(path).packages[0])]
    assert set(reasons) <= set(REASONS)
    return reasons


@requirement("R-212", "R-216", "R-217", "R-218", "R-225")
def test_a_good_image(tmp_path):
    package = manifest.load(folder(tmp_path, version="0205 0002 0001".replace(" ", ""), expected_signature="AB" * 32)).packages[0]
    assert list(manifest.faults(package)) == []
    assert (package.component, package.image_identifier, package.expected_identifier) == (1, b"MCS", ID)
    assert (package.expected_signature, package.signature) == ("ab" * 32, "present")


def put(name: str, value: Any) -> dict[str, Any]:
    return {name: value}


DETACHED = {"kind": "detached", "algorithm": "ecdsa-p256-sha256", "public_key": "vendor.pem", "file": "img/fw.sig"}


@requirement("R-213", "R-214", "R-215", "R-216", "R-217", "R-218", "F-09")
@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        (put("component", None), ["component_b_invalid"]),
        (put("component", 10), ["component_b_invalid"]),
        (put("component", -1), ["component_b_invalid"]),
        (put("component", 0), []),
        (put("component", 9), []),
        (put("image_identifier", None), ["image_identifier_missing"]),
        (put("expected_identifier", "hex:020500020001"), []),
        (put("expected_identifier", "020500020002"), ["artifact_version_mismatch"]),
        (put("signature", None), ["image_unsigned"]),
        (put("signature", {"kind": "embedded_opaque"}), []),
        (put("signature", {**DETACHED, "algorithm": "rsa-sha256"}), ["signature_algorithm_not_allowed"]),
        (put("signature", {**DETACHED, "algorithm": "ECDSA P-256"}), []),
        (put("signature", {**DETACHED, "file": "img/none.sig"}), ["image_signature_missing"]),
        (put("signature", {**DETACHED, "public_key": "none.pem"}), ["image_signature_missing"]),
        (put("signature", {**DETACHED, "public_key": "../vendor.pem"}), ["image_signature_missing"]),
        (put("signature", {**DETACHED, "file": "img/fw.sig\0"}), ["image_signature_missing"]),
        (put("signature", {"kind": "detached", "public_key": "vendor.pem"}), ["image_signature_missing"]),
        (put("signature", {"kind": "detached", "file": "img/fw.sig"}), ["image_signature_missing"]),
        (put("signature", {**DETACHED, "public_key": pem(KEY)}), []),
        (put("signature", {**DETACHED, "public_key": "img/fw.sig"}), ["image_signature_missing"]),
    ],
)
def test_what_the_manifest_may_say_of_an_image(tmp_path, changes, reasons):
    assert found(folder(tmp_path, **changes)) == reasons


Spoil = Callable[[Path], object]


@requirement("R-217", "R-218", "F-09")
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: (path / "img" / "fw.sig").write_bytes(signed(raw=True)), None),
        (lambda path: (path / "img" / "fw.sig").write_bytes(b""), "image_signature_invalid"),
        (lambda path: (path / "img" / "fw.sig").write_bytes(b"\x00" * 64), "image_signature_invalid"),
        (lambda path: (path / "img" / "fw.sig").write_bytes(b"\x30" * 70_000), "image_signature_missing"),
        (lambda path: (path / "img" / "fw.sig").write_bytes(signed(data=IMAGE + b".")), "image_signature_invalid"),
        (lambda path: (path / "vendor.pem").write_text(pem(ec.generate_private_key(ec.SECP256R1()))), "image_signature_invalid"),
        (lambda path: (path / "vendor.pem").write_text(pem(ec.generate_private_key(ec.SECP384R1()))), "signature_algorithm_not_allowed"),
        (lambda path: (path / "vendor.pem").write_text(pem(ec.generate_private_key(ec.SECP256K1()))), "signature_algorithm_not_allowed"),
        (
            lambda path: (path / "vendor.pem").write_text(pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))),
            "signature_algorithm_not_allowed",
        ),
        (lambda path: (path / "vendor.pem").write_text("-----BEGIN PUBLIC KEY-----\nxx\n"), "signature_algorithm_not_allowed"),
        (lambda path: (path / "vendor.pem").write_text(""), "image_signature_missing"),
    ],
)
def test_a_signature_that_does_not_hold(tmp_path, spoil: Spoil, reason):
    folder(tmp_path)
    spoil(tmp_path)
    assert found(tmp_path) == ([reason] if reason else [])


@requirement("R-036", "R-040", "F-07")
def test_a_changed_image_is_a_wrong_hash_before_any_signature_is_looked_at(tmp_path):
    folder(tmp_path)
    (tmp_path / "img" / "fw.img").write_bytes(IMAGE[:-1] + b"?")
    assert found(tmp_path) == ["artifact_hash_mismatch"]


@requirement("R-216")
def test_files_of_other_methods_do_not_belong_here(tmp_path):
    files = [{"name": "fw.img", "role": "firmware", "path": "img", "size": len(IMAGE), "sha256": hashlib.sha256(IMAGE).hexdigest()}]
    assert found(folder(tmp_path, files=files))[:2] == ["artifact_missing", "artifact_wrong_type"]


@requirement("R-217")
def test_a_listed_signature_file_is_found_and_pinned(tmp_path):
    listed = [
        {"name": "fw.img", "role": "image", "path": "img", "size": len(IMAGE), "sha256": hashlib.sha256(IMAGE).hexdigest()},
        {"name": "fw.sig", "role": "signature", "path": "img", "size": 1, "sha256": "0" * 64},
    ]
    folder(tmp_path, files=listed, signature={"kind": "detached", "public_key": "vendor.pem"})
    assert found(tmp_path) == ["artifact_hash_mismatch"]
    data = (tmp_path / "img" / "fw.sig").read_bytes()
    listed[1].update(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    document = yaml.safe_load((tmp_path / "firmware.yml").read_text())
    document["packages"][0]["files"] = listed
    (tmp_path / "firmware.yml").write_text(yaml.safe_dump(document))
    assert found(tmp_path) == []


def test_a_missing_library_is_one_sentence(tmp_path, monkeypatch):
    folder(tmp_path)
    kept = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return kept(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DependencyError, match="cryptography"):
        signature.verify_detached(tmp_path / "img" / "fw.img", tmp_path / "img" / "fw.sig", pem(KEY))


@requirement("R-212")
def test_identifiers_are_found_in_any_spelling_and_per_component(tmp_path):
    loaded = manifest.load(folder(tmp_path))
    model = find_model("MCS301")
    for text in ("020500020001", "HEX:020500020001", " 020500020001 "):
        assert loaded.find(model, text, "dlms") is loaded.packages[0]
    assert loaded.find(model, ID, "dlms", component=1) is loaded.packages[0]
    assert loaded.find(model, ID, "dlms", component=2) is None
    assert loaded.offered(model) == {}


@requirement("R-212")
@pytest.mark.parametrize(("text", "octets"), [("hex:00FF", b"\x00\xff"), ("MCS-1", b"MCS-1"), ("0a", b"0a"), ("hex: 0A 0b", b"\x0a\x0b")])
def test_octets_of_an_identifier(text, octets):
    assert identifiers.octets(text, "image_identifier") == octets


@requirement("R-212")
@pytest.mark.parametrize("text", ["", "  ", "hex:", "hex:0", "hex:zz", "a" * 65, "a\nb", 7, None])
def test_what_is_no_identifier_is_named(text):
    with pytest.raises(InputError, match=r"^image_identifier: "):
        identifiers.octets(text, "image_identifier")


def test_canonical_text():
    assert identifiers.canonical("0205AB") == identifiers.canonical("hex:0205ab") == "0205ab"
    assert identifiers.canonical("0205A") == b"0205A".hex()
