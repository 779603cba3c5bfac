# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The FTP server: accounts, roles, space, layout."""

from __future__ import annotations

import ftplib
import io
import shutil
import subprocess
from pathlib import Path

import pytest

from metersim.bench import Bench

CUSTOM = {"www/site.bin": 30_000, "log.txt": "hello"}
OWN = {"product_master": {"user": "chief", "password": "Secret-77"}, "web_user": {"user": "eye", "password": "look"}}

FLEET = {
    "meters": [
        {"name": "m1", "model": "PM5560", "firmware": "2.7.8", "http_auth": "digest"},
        {"name": "small", "model": "PM5560", "firmware": "2.7.8", "free_space": 50_000, "custom_files": CUSTOM},
        {"name": "off", "model": "PM5560", "firmware": "2.7.8", "ftp": False},
        {"name": "new", "model": "PM5560", "firmware": "4.3.5"},
        {"name": "odd", "model": "PM5560", "firmware": "2.7.8", "faults": {"F-21": {"mode": "layout"}}},
        {"name": "full", "model": "PM5560", "firmware": "2.7.8", "faults": {"F-21": {"mode": "space_full"}}},
        {"name": "idle", "model": "PM5560", "firmware": "2.7.8", "ftp_idle": 1},
        {"name": "own", "model": "PM5560", "firmware": "2.7.8", "accounts": OWN},
    ],
}  # fmt: skip


@pytest.mark.simulates("R-055")
def test_two_folders_store_size_and_read_back(bench: Bench) -> None:
    with bench.ftp("m1") as session:
        assert sorted(session.nlst()) == ["fw", "www"]
        session.storbinary("STOR /fw/App2.out", io.BytesIO(b"x" * 5000))
        session.storbinary("STOR /fw/App2.out", io.BytesIO(b"y" * 3000))
        session.voidcmd("TYPE I")
        assert session.size("/fw/App2.out") == 3000
        back: list[bytes] = []
        session.retrbinary("RETR /fw/App2.out", back.append)
        assert b"".join(back) == b"y" * 3000
        session.delete("/fw/App2.out")
    stored = bench.meter("m1").events("ftp_stored")
    assert [(event["path"], event["size"]) for event in stored] == [("/fw/App2.out", 5000), ("/fw/App2.out", 3000)]


@pytest.mark.simulates("R-034", "R-054")
def test_only_the_product_master_writes(bench: Bench) -> None:
    with bench.ftp("m1", ("user1", "pass1")) as session:
        assert "fw" in session.nlst()
        with pytest.raises(ftplib.error_perm, match=r"^550"):
            session.storbinary("STOR /fw/App2.out", io.BytesIO(b"x"))
    denied = bench.meter("m1").events("ftp_denied")
    assert denied and denied[0]["path"] == "/fw/App2.out" and denied[0]["why"] == "role"


def test_logins_are_counted(bench: Bench) -> None:
    before = bench.meter("own").state()["logins"]["ftp"]
    with pytest.raises(ftplib.error_perm, match=r"^530"):
        bench.ftp("own", ("chief", "wrong"))
    bench.ftp("own", ("chief", "Secret-77")).quit()
    bench.ftp("own", ("eye", "look")).quit()
    after = bench.meter("own").state()["logins"]["ftp"]
    assert (after["ok"] - before["ok"], after["failed"] - before["failed"]) == (2, 1)
    assert "Secret" not in str(bench.meter("own").events())


@pytest.mark.simulates("R-060")
def test_custom_files_eat_the_space(bench: Bench) -> None:
    with bench.ftp("small") as session:
        with pytest.raises((ftplib.error_perm, OSError)) as caught:
            session.storbinary("STOR /fw/App2.out", io.BytesIO(b"x" * 40_000))
        if not isinstance(caught.value, ftplib.error_perm):  # the meter closed the data connection first; its answer follows
            with pytest.raises(ftplib.error_perm) as caught:
                session.voidresp()
        assert str(caught.value).startswith("552")
    with bench.ftp("small") as session:
        session.delete("/www/site.bin")
        session.storbinary("STOR /fw/App2.out", io.BytesIO(b"x" * 40_000))


@pytest.mark.simulates("R-060")
def test_no_space_at_all(bench: Bench) -> None:
    with bench.ftp("full") as session, pytest.raises(ftplib.error_temp, match=r"^452"):
        session.storbinary("STOR /fw/App2.out", io.BytesIO(b"x"))


@pytest.mark.simulates("R-033")
def test_disabled_means_closed(bench: Bench) -> None:
    for name in ("off", "new"):
        with pytest.raises(ConnectionRefusedError):
            bench.ftp(name)
    bench.meter("off").action("ftp_on")
    bench.ftp("off").quit()
    bench.meter("off").faults({"F-21": {}})
    with pytest.raises(ConnectionRefusedError):
        bench.ftp("off")


def test_new_generation_has_other_accounts(bench: Bench) -> None:
    bench.meter("new").action("ftp_on")
    mac = f"0080F4{bench.meter('new').state()['serial'] & 0xFFFFFF:06X}"
    bench.ftp("new", ("Administrator", mac)).quit()


@pytest.mark.simulates("R-055")
def test_odd_layout(bench: Bench) -> None:
    with bench.ftp("odd") as session:
        assert sorted(session.nlst()) == ["firmware", "web"]


def test_big_file_arrives_whole(bench: Bench) -> None:
    raw = bytes(range(256)) * 40_000
    with bench.ftp("m1") as session:
        session.storbinary("STOR /fw/big.bin", io.BytesIO(raw))
    event = bench.meter("m1").events("ftp_stored")[-1]
    import hashlib

    assert (event["size"], event["sha256"]) == (len(raw), hashlib.sha256(raw).hexdigest())


def test_idle_client_is_sent_away(bench: Bench) -> None:
    session = bench.ftp("idle")
    assert session.sock is not None
    session.sock.settimeout(5)
    assert session.getline().startswith("421")


def test_active_mode_and_a_client_that_dies(bench: Bench) -> None:
    with bench.ftp("m1") as session:
        session.set_pasv(False)
        session.storbinary("STOR /fw/active.bin", io.BytesIO(b"z" * 70_000))
    assert bench.meter("m1").events("ftp_stored")[-1]["size"] == 70_000
    session = bench.ftp("m1")
    data = session.transfercmd("STOR /fw/half.bin")
    data.sendall(b"h" * 1000)
    session.close()
    data.close()
    with bench.ftp("m1") as other:
        assert "fw" in other.nlst()


@pytest.mark.needs_debian("curl")
def test_curl_as_a_foreign_client(bench: Bench, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    assert curl
    (tmp_path / "App2.out").write_bytes(b"c" * 12_345)
    ip = bench.ip("own")
    url = f"ftp://{ip}/fw/App2.out"
    subprocess.run([curl, "-sS", "-u", "chief:Secret-77", "-T", str(tmp_path / "App2.out"), url], check=True, timeout=20)
    back = subprocess.run([curl, "-sS", "-u", "chief:Secret-77", url], check=True, timeout=20, capture_output=True)
    assert back.stdout == b"c" * 12_345
    for name, scheme in (("own", "--basic"), ("m1", "--digest")):
        user = "chief:Secret-77" if name == "own" else "user2:pass2"
        page = subprocess.run([curl, "-sS", scheme, "-u", user, f"http://{bench.ip(name)}/Session.shtml"], check=True, capture_output=True)
        assert b"Product Master" in page.stdout
