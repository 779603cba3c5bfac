# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Trust in a meter's certificate: authorities, a file, a pin; what is wrong is one reason with the fingerprint that was seen."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from webkit import Identity, Server, identity, page

from ansible_collections.gridops.metering.plugins.module_utils._argspec import check_tls
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Credential, Target, Timeouts, Tls
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.tls import context, tls_facts
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.web_session import ProfileSession

PASSWORD = "Canary-tls-4410"
PROFILE = {
    "name": "t",
    "transport": {"scheme": "https"},
    "login": {"kind": "form", "path": "/in", "user": "u", "password": "p", "ok": {"status": [200]}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def own(folder: Path) -> Identity:
    return identity(folder)


@pytest.fixture(scope="module")
def meter(own: Identity) -> Iterator[Server]:
    with Server(lambda dummy: page(200, "hello"), own.context()) as server:
        yield server


def target(port: int, tls: Tls) -> Target:
    return Target("m", "127.0.0.1", {"https": port, "http": 1}, 255, Timeouts(2, 2), None, {"r": Credential("u", PASSWORD)}, tls)


def login(port: int, tls: Tls) -> None:
    with ProfileSession(target(port, tls), PROFILE, "r") as session:
        session.login()


@pytest.mark.requirement("F-31")
def test_a_self_signed_meter_is_trusted_by_pin_or_by_file_and_by_nothing_else(meter: Server, own: Identity, folder: Path) -> None:
    login(meter.port, Tls(fingerprint=own.fingerprint))
    login(meter.port, Tls(ca_file=str(own.pem)))
    seen = len(meter.requests)
    other = identity(folder, "127.0.0.9")
    for tls, reason in (
        (Tls(), "tls_untrusted"),
        (Tls(ca_file=str(other.pem)), "tls_untrusted"),
        (Tls(fingerprint=other.fingerprint), "tls_fingerprint_mismatch"),
        (Tls(legacy=True), "tls_untrusted"),
    ):
        with pytest.raises(DeviceError) as caught:
            login(meter.port, tls)
        assert caught.value.reason == reason and own.fingerprint in str(caught.value) and PASSWORD not in str(caught.value)
    assert len(meter.requests) == seen, "no request, no password"


@pytest.mark.requirement("F-31")
def test_the_ca_bundle_of_the_environment_is_not_asked(meter: Server, own: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(own.pem))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(own.pem))
    with pytest.raises(DeviceError) as caught:
        login(meter.port, Tls())
    assert caught.value.reason == "tls_untrusted"


def test_a_ca_file_replaces_the_systems_authorities(own: Identity) -> None:
    assert [item["serialNumber"] for item in context(Tls(ca_file=str(own.pem))).get_ca_certs()] != []
    assert len(context(Tls(ca_file=str(own.pem))).get_ca_certs()) == 1


@pytest.mark.requirement("F-31")
@pytest.mark.parametrize(("name", "days", "reason"), [("127.0.0.1", -1, "tls_expired"), ("127.0.0.2", 30, "tls_untrusted")])
def test_an_expired_certificate_and_one_for_another_host(folder: Path, name: str, days: int, reason: str) -> None:
    wrong = identity(folder, name, days)
    with Server(lambda dummy: page(200), wrong.context()) as server:
        with pytest.raises(DeviceError) as caught:
            login(server.port, Tls(ca_file=str(wrong.pem)))
        assert caught.value.reason == reason
        login(server.port, Tls(fingerprint=wrong.fingerprint))  # with a pin neither name nor date is asked


@pytest.mark.requirement("F-31")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1 is deprecated")
def test_an_old_protocol_needs_legacy_for_this_meter_which_is_a_finding(own: Identity) -> None:
    old = own.context()
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with Server(lambda dummy: page(200), old) as server:
        with pytest.raises(DeviceError) as caught:
            login(server.port, Tls(fingerprint=own.fingerprint))
        assert caught.value.reason == "tls_protocol_too_old"
        login(server.port, Tls(fingerprint=own.fingerprint, legacy=True))
        facts = tls_facts(target(server.port, Tls()))
        assert (facts["version"], facts["fingerprint"], facts["self_signed"]) == ("TLSv1", own.fingerprint, True)
    assert [item["id"] for item in ProfileSession(target(1, Tls(legacy=True)), PROFILE, "r").findings] == ["legacy_tls"]


def test_facts_of_a_certificate_and_of_a_port_without_tls(meter: Server, own: Identity) -> None:
    facts = tls_facts(target(meter.port, Tls()))
    assert facts["subject"] == facts["issuer"] == "CN=127.0.0.1" and facts["not_after"] and facts["cipher"]
    with Server(lambda dummy: page(200)) as plain, pytest.raises(DeviceError):
        tls_facts(target(plain.port, Tls()))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(DeviceError) as caught:
        tls_facts(target(port, Tls()))
    assert caught.value.reason == "transport_failed"


def test_the_option_takes_any_usual_spelling_of_a_fingerprint(own: Identity) -> None:
    spelled = ":".join(own.fingerprint[at : at + 2] for at in range(0, 64, 2)).upper()
    assert check_tls({"fingerprint": spelled, "ca_file": None, "legacy": None}) == Tls(fingerprint=own.fingerprint)
    assert check_tls(None) == Tls()


@pytest.mark.parametrize(
    "given",
    [{"fingerprint": "ab"}, {"fingerprint": "z" * 64}, {"pin": "x"}, {"legacy": "yes"}, {"ca_file": 5}, {"fingerprint": "a" * 64, "ca_file": "x"}, ["x"]],
)  # fmt: skip
def test_a_bad_option_is_one_sentence(given: object) -> None:
    with pytest.raises(InputError, match=r"^tls"):
        check_tls(given)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [None, "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_ca_file_that_is_none(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="PEM"):
        context(Tls(ca_file=str(path)))
