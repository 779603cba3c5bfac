# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The filters: shape of the answer, and one clear sentence for bad input."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.gridops.metering.plugins.filter import firmware_version as version_file
from ansible_collections.gridops.metering.plugins.filter import upgrade_path as path_file

requirement = pytest.mark.requirement
upgrade_path = path_file.FilterModule().filters()["upgrade_path"]
firmware_version = version_file.FilterModule().filters()["firmware_version"]


@requirement("R-008", "R-009")
def test_a_chain_as_plain_values():
    answer = upgrade_path(" metsepm5560", "2.3.1", "v4.3.5", available=["V002.008.003", "4.3.5"])
    assert set(answer) == {"supported", "reason", "remedy", "hops"}
    assert (answer["supported"], answer["reason"], answer["remedy"]) == (True, "", "")
    first, second = answer["hops"]
    assert set(first) == {"row", "method", "source", "target", "target_range", "reversible", "attempts_limit", "notes"}
    assert (first["row"], first["method"], first["source"], first["target"]) == ("A-1", "ftp", "2.3.1", "2.8.3")
    assert first["target_range"] == {"min": "2.5.0", "max": "2.9.9"}
    assert (first["reversible"], first["attempts_limit"]) == (None, None)
    assert (second["source"], second["target"], second["reversible"]) == ("2.8.3", "4.3.5", False)
    assert second["target_range"] == {"min": "4.0.0", "max": None}
    assert json.loads(json.dumps(answer)) == answer


@requirement("R-008", "R-009")
def test_without_a_list_the_hop_has_a_range():
    first, second = upgrade_path("PM5560", "2.3.1", "4.3.5")["hops"]
    assert (first["target"], second["source"]) == (None, None)
    assert first["target_range"] == {"min": "2.5.0", "max": "2.9.9"}


@requirement("R-013", "R-157")
def test_a_refusal_carries_reason_and_remedy():
    answer = upgrade_path("PM5570", "3.2.1", "6.0.0")
    assert (answer["supported"], answer["reason"], answer["hops"]) == (False, "path_not_supported", [])
    assert "Technical Support" in answer["remedy"]


@requirement("G-01", "G-10")
@pytest.mark.parametrize("yes", [True, "true", "yes", 1])
@pytest.mark.parametrize("no", [False, "false", "no", 0])
def test_flags(yes, no):
    assert upgrade_path("PM5570", "3.2.1", "3.2.9", strict_matrix=no)["supported"]
    assert upgrade_path("PM5570", "3.2.1", "3.2.9", strict_matrix=yes)["reason"] == "undocumented_path"
    assert upgrade_path("PM5560", "2.9.0", "2.8.0", allow_downgrade=no)["reason"] == "downgrade_forbidden"
    assert upgrade_path("PM5560", "2.9.0", "2.8.0", allow_downgrade=yes)["supported"]


@requirement("R-006")
def test_current_version():
    assert upgrade_path("PM5560", "2.9.9", "v2.9.9") == {"supported": True, "reason": "", "remedy": "", "hops": []}


@requirement("R-223", "R-212")
def test_identifiers_of_an_mcs301():
    (hop,) = upgrade_path("MCS301", "AF01", "AF02")["hops"]
    assert (hop["row"], hop["method"], hop["source"], hop["target"]) == ("M-1", "dlms", "AF01", "AF02")
    assert hop["target_range"] == {"min": None, "max": None}


@requirement("R-006", "R-241", "R-036", "G-01", "G-10", "R-212")
@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        (("PM9999", "2.9.9", "4.0.0"), {}, r"model: 'PM9999' is not accepted; expected one of PM5560, "),
        ((None, "2.9.9", "4.0.0"), {}, r"model: None is not accepted"),
        (("PM5560", "2.9", "4.0.0"), {}, r"source: '2\.9' is not accepted; expected a version of three numbers"),
        (("PM5560", 2.9, "4.0.0"), {}, r"source: 2\.9 is not accepted"),
        (("PM5560", "2.9.9", "latest"), {}, r"target: 'latest' is not accepted"),
        (("PM5560", "2.9.9", None), {}, r"target: None is not accepted"),
        (("PM5560", "2.9.9", "4.0.0"), {"available": "2.9.9"}, r"available: '2\.9\.9' is not accepted; expected a list"),
        (("PM5560", "2.9.9", "4.0.0"), {"available": ["2.9.9", "x"]}, r"available\[1\]: 'x' is not accepted"),
        (("PM5560", "2.9.9", "4.0.0"), {"strict_matrix": "perhaps"}, r"strict_matrix: 'perhaps' is not accepted; expected true or false"),
        (("PM5560", "2.9.9", "4.0.0"), {"allow_downgrade": []}, r"allow_downgrade: \[\] is not accepted"),
        (("MCS301", "", "AF01"), {}, r"source: '' is not accepted; expected the firmware identifier"),
    ],
)
def test_bad_input_is_one_sentence_with_the_rule(arguments, options, sentence):
    with pytest.raises(AnsibleFilterError, match=sentence) as caught:
        upgrade_path(*arguments, **options)
    text = str(caught.value)
    assert text.startswith("gridops.metering.upgrade_path: ")
    assert text.endswith(")") and "\n" not in text


@requirement("R-241")
def test_canonical_text_of_a_version():
    assert firmware_version("V003.000.000") == "3.0.0"
    with pytest.raises(AnsibleFilterError, match=r"firmware_version: version: '3' is not accepted"):
        firmware_version("3")
