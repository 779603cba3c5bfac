# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Reason codes, words to accept, recovery advice, enumerations and advisories."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import accept, advisories, enums, matrix, reasons, recovery
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.models import find_model
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Version

requirement = pytest.mark.requirement
ROOT = Path(__file__).resolve().parents[3]

# Second reading of requirements 6.7.
CODES = [
    "path_not_supported",
    "undocumented_path",
    "source_below_minimum",
    "target_not_higher",
    "downgrade_forbidden",
    "irreversible_not_accepted",
    "attempts_exhausted",
    "attempts_reserve",
    "mid_lock_enabled",
    "ip_mode_not_stored",
    "ftp_server_disabled",
    "ftp_connect_failed",
    "ftp_auth_failed",
    "ftp_layout_unexpected",
    "ftp_no_space",
    "trigger_auth_failed",
    "upgrade_process_failed",
    "tool_version_mismatch",
    "direct_connection_required",
    "same_subnet_required",
    "icmp_blocked",
    "link_unstable",
    "too_many_read_connections",
    "web_port_changed",
    "artifact_missing",
    "artifact_hash_mismatch",
    "artifact_renamed",
    "artifact_wrong_type",
    "artifact_model_mismatch",
    "artifact_version_mismatch",
    "artifact_unverifiable_min_version",
    "image_unsigned",
    "signature_algorithm_not_allowed",
    "component_b_invalid",
    "device_rejected_image",
    "image_invalid_or_corrupted",
    "artifact_suspect",
    "critical_control_use",
    "digital_outputs_in_use",
    "power_source_unknown",
    "firmware_in_progress",
    "campaign_locked",
    "window_closed",
    "stalled",
    "late_resume",
    "comms_lost",
    "power_up_abnormal",
    "ip_changed",
    "wrong_version_after",
    "upgraded_unconfigured",
    "register_data_loss",
    "post_security_mode_unexpected",
    "engine_too_old",
    "restore_failed",
    "gateway_not_suitable",
    "transport_unreliable",
    "not_ethernet",
    "serial_transport_not_recommended",
    "mode_removed",
    "option_not_available",
    "control_not_supported_by_firmware",
    "password_out_of_range",
    "password_policy",
    "lss_alphanumeric_password",
    "too_many_users",
    "cannot_change_own_permissions",
    "would_lock_out",
    "user_name_not_valid_in_mode",
    "locked_out",
    "credential_unknown",
    "rotation_unverified",
    "changed_out_of_band",
    "disables_upgrade_channel",
    "port_change_unverified",
    "csv_unrepresentable",
    "csv_multiple_lines",
    "csv_trailing_characters",
    "reserved_name",
    "stale_export",
    "ledger_untrusted",
    "escalate_vendor",
]


@pytest.mark.parametrize("code", CODES)
def test_each_code_of_the_list_is_known(code):
    assert reasons.reason(code).code == code


@pytest.mark.parametrize("code", sorted(reasons.REASONS))
def test_each_code_has_one_remedy(code):
    found = reasons.reason(code)
    assert re.fullmatch(r"[a-z][a-z0-9_]+", code)
    assert found.text and not found.text.endswith(".")
    assert found.remedy.endswith(".") and len(found.remedy) > 15
    assert found.rules and all(re.fullmatch(r"own|[RGX]-\d{2,3}", rule) for rule in found.rules)
    assert found.retry in (reasons.NEVER, reasons.AFTER_REMEDY, reasons.AFTER_HOLD, reasons.LATER)
    assert set(found.methods) <= set(enums.EXECUTABLE_METHODS)


def test_no_two_codes_share_a_remedy_but_the_run_again_ones():
    remedies = [item.remedy for item in reasons.REASONS.values()]
    twice = {text for text in remedies if remedies.count(text) > 1}
    assert twice <= {"Wait for it to end, then run again."}


def test_unknown_code_is_a_defect_and_no_code_has_no_remedy():
    assert reasons.remedy("") == ""
    with pytest.raises(KeyError):
        reasons.remedy("nonsense")


def _codes_in_code() -> set[tuple[str, str]]:
    """Second arguments of DeviceError and first ones of Fault, wherever the collection raises them."""
    found = set()
    for path in (ROOT / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("DeviceError", "Fault"):
                at = 1 if node.func.id == "DeviceError" else 0
                if len(node.args) > at and isinstance(node.args[at], ast.Constant):
                    found.add((node.args[at].value, path.name))
    return found


def test_every_code_that_the_collection_raises_is_in_the_catalogue():
    unknown = {(code, name) for code, name in _codes_in_code() if code not in reasons.REASONS}
    assert not unknown


@requirement("R-013", "R-024", "R-157")
def test_a_closed_way_sends_to_the_maker_with_the_three_facts():
    text = reasons.remedy("path_not_supported")
    assert "Technical Support" in text
    assert all(word in text for word in ("model", "serial number", "firmware version"))


# The words of accept


@requirement("R-010", "R-017", "R-021", "R-041", "R-173")
@pytest.mark.parametrize(
    ("row_id", "words"),
    [
        ("A-1", {"loses_dlf3000"}),
        ("A-2", {"irreversible"}),
        ("A-3", set()),
        ("C-2", {"irreversible"}),
        ("D-2", {"irreversible"}),
        ("H-1", {"irreversible"}),
        ("H-2", {"irreversible"}),
        ("M-1", set()),
    ],
)
def test_words_that_a_row_needs(row_id, words):
    assert set(accept.needed_for(matrix.row(row_id))) == words


@requirement("G-10")
def test_a_downgrade_needs_its_word():
    assert set(accept.needed_for(matrix.row("A-1"), downgrade=True)) == {"downgrade", "loses_dlf3000"}


@pytest.mark.parametrize("name", sorted(accept.WORDS))
def test_each_word_answers_a_code_whose_remedy_names_it(name):
    word = accept.WORDS[name]
    assert name in reasons.remedy(word.reason)


def test_known_words_pass_and_others_are_named():
    assert accept.check_words(["irreversible", "downgrade"]) == {"irreversible", "downgrade"}
    assert accept.check_words([]) == frozenset()
    for bad in (["everything"], "irreversible", None, [1], True):
        with pytest.raises(InputError, match=r"^accept: .*irreversible"):
            accept.check_words(bad)


# Recovery: opposite by method


@requirement("R-079", "R-092", "R-119", "G-08")
def test_with_the_tool_power_stays_on():
    advice = recovery.RECOVERY["tool"]
    assert advice.power_cycle == "forbidden"
    assert "Do not power cycle the meter." in advice.text
    assert "300 s" in advice.text
    assert advice.off_seconds is None


@requirement("R-150", "R-151", "G-08")
def test_with_webpages_a_person_takes_power_away_for_ten_seconds():
    advice = recovery.RECOVERY["web"]
    assert (advice.power_cycle, advice.off_seconds) == ("allowed_manual", 10)
    assert "10 s" in advice.text


@requirement("R-066", "R-051", "G-08")
def test_with_ftp_everything_starts_over_and_nobody_switches_off():
    advice = recovery.RECOVERY["ftp"]
    assert advice.power_cycle == "not_documented"
    assert "Do not switch off" in advice.text and "all three files copied again" in advice.text and "new attempt" in advice.text


def test_each_method_has_advice():
    assert set(recovery.RECOVERY) == set(enums.EXECUTABLE_METHODS)


# Enumerations (requirements 6.4, 6.5)


@requirement("R-006")
def test_methods():
    assert enums.METHODS == ("ftp", "tool", "web", "ion", "dlms", "unsupported", "undocumented")
    assert {row.method for row in matrix.ROWS} <= set(enums.METHODS)


@requirement("R-001", "R-002", "R-003", "R-004", "R-005")
def test_reasons_of_a_campaign():
    assert enums.CAMPAIGN_REASONS == ("performance", "enhancement", "feature", "compliance", "security")


@requirement("R-181", "R-183", "R-184", "R-185", "R-186", "R-232")
def test_security_modes():
    assert set(enums.SECURITY_MODES) == {"none", "standard", "legacy_support", "advanced"}
    assert set(enums.SECURITY_MODES_BELOW_V3) == {"none", "standard", "advanced"}
    assert set(enums.SECURITY_MODES_FROM_V3) == {"legacy_support", "advanced"}


@requirement("R-268", "R-284", "R-394", "R-395", "R-396", "R-236")
def test_access_words_and_defaults():
    assert (set(enums.MODBUS_ACCESS), enums.MODBUS_ACCESS_DEFAULT) == ({"none", "read_only", "read_write"}, "read_only")
    assert (set(enums.WEB_PROTOCOLS), enums.WEB_PROTOCOL_DEFAULT) == ({"https_redirect", "https", "disabled"}, "https_redirect")


@requirement("R-188", "R-394", "R-397", "G-12")
@pytest.mark.parametrize(
    "text", ["HTTP With redirect to HTTPS", "HTTPS With HTTP Redirect", "HTTP with  redirect to HTTPS", "https_redirect"]
)
def test_three_spellings_of_one_setting(text):
    assert enums.web_protocol(text) == "https_redirect"
    assert enums.web_protocol("gopher") is None


@requirement("R-331", "R-332", "R-333", "R-334", "R-335", "R-336", "R-337")
def test_permissions():
    assert set(enums.PERMISSIONS) == {
        "time_sync",
        "read",
        "peak_demand_reset",
        "comm_config",
        "test_mode",
        "full_config",
        "security_config",
    }


@requirement("R-219", "R-220", "G-20")
def test_no_broadcast_for_dlms():
    assert (enums.DLMS_SERVICES, enums.DLMS_SERVICE_DEFAULT) == (("unicast", "multicast"), "unicast")


@requirement("G-16", "R-032")
def test_ip_modes_know_dhcp_in_one_spelling():
    assert enums.IP_MODES == ("stored", "dhcp", "other", "unknown")


def test_terminal_states():
    expected = (
        "verified verified_late blocked upgraded_unconfigured failed_final comms_lost attempts_exhausted escalate_vendor skipped_by_abort"
    )
    assert set(enums.TERMINAL_STATES) == set(expected.split())
    assert set(enums.RESTING_STATES) == {
        "current",
        "planned",
        "staged",
        "scheduled",
        "activated_unconfirmed",
        "handed_over",
        "not_responding",
        "paused",
    }


# Advisories


@requirement("X-09")
@pytest.mark.parametrize(
    ("model", "fixed"),
    [("PM5560", "2.8.3"), ("PM5563", "2.8.3"), ("PM5580", "2.8.3"), ("PM5561", "10.7.3"), ("PM5562", "4.3.5")],
)
def test_versions_without_the_web_server_weakness(model, fixed):
    found, version = find_model(model), Version.parse(fixed)
    assert not advisories.advisories_for(found, version)
    below = Version(version.major, version.minor, version.patch - 1)
    assert [item.cves for item in advisories.advisories_for(found, below)] == [("CVE-2021-22763", "CVE-2021-22764")]
    assert advisories.minimum_version(found) == version


@requirement("X-10")
@pytest.mark.parametrize("model", ["ION9000", "ION7400", "PM8000"])
def test_versions_without_clear_text_ion(model):
    found = find_model(model)
    assert [item.cves for item in advisories.advisories_for(found, Version.parse("3.99.0"))] == [("CVE-2022-46680",)]
    assert not advisories.advisories_for(found, Version.parse("4.0.0"))


@requirement("X-09", "X-10")
def test_models_that_no_bulletin_names():
    assert advisories.minimum_version(find_model("PM5650")) is None
    assert not advisories.advisories_for(find_model("PM5562MC"), Version(1, 0, 0))
