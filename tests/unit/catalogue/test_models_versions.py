# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Spellings of models and versions, and the names of the FTP method's files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import ftp_files, models
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import MODELS, find_model
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Band, Dotted, Version

requirement = pytest.mark.requirement


@requirement("R-241", "R-015")
@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2.9.9", "2.9.9"),
        ("v4.3.5", "4.3.5"),
        ("V003.000.000", "3.0.0"),
        ("003.000.000", "3.0.0"),
        (" 10.6.3\n", "10.6.3"),
        ("v3.0.0", "3.0.0"),
    ],
)
def test_version_spellings(text, canonical):
    assert str(Version.parse(text)) == canonical


@requirement("R-241")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "2.9",
        "2.9.9.1",
        "2.9.x",
        "2..9",
        "-1.0.0",
        "2.9.9-rc1",
        "two",
        "v",
        "vv2.9.9",
        "2,9,9",
        "١.٢.٣",
        "2.9.999999",
        "2. 9.9",
        "2.X.Y",
        None,
        2.9,
        3,
        True,
        ["2.9.9"],
        {},
    ],
)
def test_malformed_versions_are_refused_with_one_sentence(text):
    with pytest.raises(InputError, match=r"version: .* is not accepted; expected a version of three numbers .*R-241"):
        Version.parse(text)


@requirement("R-015")
@given(st.tuples(*[st.integers(0, 99999)] * 3), st.tuples(*[st.integers(0, 99999)] * 3))
def test_versions_compare_as_numbers(one, other):
    assert (Version(*one) < Version(*other)) == (one < other)
    assert Version.parse(str(Version(*one))) == Version(*one)
    assert Version(*one).next() > Version(*one)


@requirement("R-015")
def test_eleven_is_above_nine():
    assert Version.parse("2.11.0") > Version.parse("2.9.9")


@requirement("R-164", "R-083")
def test_program_versions():
    assert Dotted.parse("3.2.20218.01") < Dotted.parse("3.2.22341.01")
    assert Dotted.parse("3.10") > Dotted.parse("v3.8")
    assert Dotted.parse("3.8.0") == Dotted.parse("3.8")
    assert str(Dotted.parse("v3.2.20218.01")) == "3.2.20218.01"
    for bad in ("", "3", "3.x", None, 3.8, "3.8-b"):
        with pytest.raises(InputError, match="R-164"):
            Dotted.parse(bad)


@pytest.mark.parametrize(
    ("band", "text"),
    [
        (Band(Version(2, 5, 0), Version(2, 9, 9)), "2.5.0 to 2.9.9"),
        (Band(Version(4, 0, 0)), "4.0.0 and above"),
        (Band(None, Version(2, 9, 9)), "2.9.9 and earlier"),
        (Band(Version(3, 0, 0), below=Version(4, 0, 0)), "3.0.0 to 3.x"),
        (Band(Version(3, 0, 0), below=Version(3, 4, 0)), "3.0.0 to 3.3.x"),
        (Band(), "any version"),
    ],
)
def test_bands_as_text(band, text):
    assert str(band) == text


@requirement("R-006", "R-026", "R-160", "R-242")
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("PM5560", "PM5560"),
        ("pm5560", "PM5560"),
        (" PM 5560 ", "PM5560"),
        ("METSEPM5560", "PM5560"),
        ("metsepm5562mc", "PM5562MC"),
        ("PowerLogic PM5563", "PM5563"),
        ("PM5570L", "PM5570L"),
        ("METSEPM5570", "PM5570"),
        ("PM8000", "PM8000"),
        ("PM8240", "PM8000"),
        ("METSEPM8244", "PM8000"),
        ("ion9000t", "ION9000T"),
        ("ION9000", "ION9000"),
        ("ION 7400", "ION7400"),
        ("MCS301", "MCS301"),
    ],
)
def test_model_spellings(text, name):
    assert find_model(text).name == name


@requirement("R-006", "R-026", "R-160")
@pytest.mark.parametrize(
    "text",
    ["", "PM5561L", "PM5562M", "PM556", "PM55600", "PM5340", "ION8650", "PM80000", "METSE", "MCS302", "9000", None, 5560, ["PM5560"]],
)
def test_unknown_models_are_refused_with_what_is_accepted(text):
    with pytest.raises(InputError, match=r"model: .* is not accepted; expected one of PM5560, .*R-006"):
        find_model(text)


@requirement("R-026")
def test_a_long_model_is_another_model():
    assert find_model("PM5570L") != find_model("PM5570")


@requirement("R-047", "R-096", "R-132")
def test_three_models_have_a_lock():
    assert (
        {model.name for model in MODELS if model.has_lock}
        == {"PM5561", "PM5661", "PM5761"}
        == {model.name for model in models.locked_models()}
    )


@requirement("R-160", "R-242", "R-201", "G-13")
def test_families():
    assert {model.name for model in models.models_of("hep")} == {"ION9000", "ION9000T", "PM8000", "ION7400"}
    assert {model.name for model in models.models_of("mcs301")} == {"MCS301"}
    assert len(models.models_of("pm5000")) == 15
    assert models.family_of_product_id(18000) == models.family_of_product_id(18019) == "hep"
    assert models.family_of_product_id(17999) is models.family_of_product_id(18020) is None


@requirement("R-037", "R-039", "R-055", "R-057", "R-058", "R-062")
def test_names_of_the_ftp_method():
    assert (ftp_files.COMM_CARD, ftp_files.TRIGGER_PAGE) == ("App2.out", "PM5500StartUpgrade.shtml")
    assert ftp_files.TRIGGER_PATH == "/PM5500StartUpgrade.shtml"
    assert (ftp_files.FOLDER_FW, ftp_files.FOLDER_WWW) == ("fw", "www")


@requirement("R-038")
@pytest.mark.parametrize(
    ("name", "model", "version"),
    [("PM5560_v2.9.9.fwa", "PM5560", "2.9.9"), ("PM5562MC_v2.5.0.fwa", "PM5562MC", "2.5.0"), ("PM5661_v11.2.9.fwa", "PM5661", "11.2.9")],
)
def test_firmware_archive_names(name, model, version):
    found = ftp_files.parse_fwa_name(name)
    assert found == (find_model(model), Version.parse(version))
    assert ftp_files.fwa_name(*found) == name


@requirement("R-038", "R-085")
@pytest.mark.parametrize(
    "name",
    [
        "PM5560.fwa",
        "pm5560_v2.9.9.fwa",
        "PM5560_2.9.9.fwa",
        "PM5560_v2.9.fwa",
        "PM5560_v2.9.9.FWA",
        "PM5560_v2.9.9.fwa.bak",
        "PM5560_v2.9.9 (1).fwa",
        "PM5999_v2.9.9.fwa",
        "PM5560_v02.9.9.fwa",
        "PM5560_v2.9.9.sedp",
        "../PM5560_v2.9.9.fwa",
        "METSEPM5560_v2.9.9.fwa",
        "PM5560_v2.9.9.fwa\n",
        "",
    ],
)
def test_renamed_archives_are_refused(name):
    with pytest.raises(InputError, match="file name"):
        ftp_files.parse_fwa_name(name)
