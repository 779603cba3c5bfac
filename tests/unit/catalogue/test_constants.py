# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Every product number against a second reading of the documents, written down here by hand."""

from __future__ import annotations

import ipaddress

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import InputError
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import constants
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.versions import Dotted

requirement = pytest.mark.requirement
BY_NAME = {item.name: item for item in constants.CONSTANTS}


def _number(name, value, stricter, *rules):
    return pytest.param(name, value, stricter, marks=list(rules), id=name)


NUMBERS = [
    _number("settle", 60, "longer", requirement("R-089")),
    _number("retry_hold", 300, "longer", requirement("R-119")),
    _number("resume", 40, "longer", requirement("R-143")),
    _number("late_grace", 180, "longer", requirement("R-143")),
    _number("card_reset_min", 60, None, requirement("R-064")),
    _number("card_reset", 120, "longer", requirement("R-064")),
    _number("expected_duration", 300, None, requirement("R-142")),
    _number("stall", 300, "longer", requirement("R-149", "G-07")),
    _number("stall_no_progress", 60, "longer", requirement("G-07")),
    _number("hard_timeout", 1800, "longer", requirement("R-142")),
    _number("power_off", 10, "longer", requirement("R-150")),
    _number("poll_interval", 5, None, requirement("R-143")),
    _number("poll_near", 1, None),
    _number("near_the_end", 85, None),
    _number("parked_look", 40, None, requirement("R-091", "R-143")),
    _number("corrupt_reports", 2, None, requirement("R-148")),
    _number("link_probes", 5, None, requirement("R-130")),
    _number(
        "image_invalid_text",
        "The firmware upgrade failed. The selected firmware is either invalid or corrupted.",
        None,
        requirement("R-145"),
    ),
    _number("stage_retry_pause", 5, None),
    _number("upload_answer", 60, None),
    _number("clock_skew", 30, None),
    _number("tool_deadline", 1800, None),
    _number("tool_ended_look", 420, None),
    _number("tool_end_grace", 120, None),
    _number("handover_hold", 604_800, None),
    _number("ledger_patience", 300, None),
    _number("lease_ttl", 60, None),
    _number("lease_wait", 30, None),
    _number("observe_slice", 60, None),
    _number("search_limit", 1024, None),
    _number("tool_cap_single", 1, "smaller", requirement("R-083", "G-03")),
    _number("tool_cap_mass", 10, "smaller", requirement("R-084")),
    _number("tool_direct_last", "3.6", None, requirement("R-080", "R-083")),
    _number("tool_mass_first", "3.8", None, requirement("R-084")),
    _number("undocumented_cap_default", 1, None, requirement("G-18")),
    _number("undocumented_cap_ceiling", 10, "smaller", requirement("G-18")),
    _number("max_read_connections", 8, "smaller", requirement("R-087")),
    _number("attempts_reserve", 1, None, requirement("R-044")),
    _number("max_retries", 1, None, requirement("R-092")),
    _number("stage_tries", 2, None),
    _number("login_tries", 1, None, requirement("R-344", "R-054")),
    _number("port_modbus", 502, None),
    _number("port_ftp", 21, None, requirement("R-053")),
    _number("port_http", 80, None, requirement("R-097")),
    _number("port_https", 443, None, requirement("R-098")),
    _number("port_ssh", 22, None),
    _number("port_telnet", 23, None),
    _number("port_ion", 7700, None),
    _number("port_ion_tls", 7443, None, requirement("X-10")),
    _number("port_modbus_rtu", 7701, None),
    _number("port_ethergate_1", 7801, None),
    _number("port_ethergate_4", 7802, None),
    _number("port_dnp3", 20000, None),
    _number("port_iec61850", 102, None),
    _number("port_dlms", 4059, None),
    _number("unit_id", 255, None, requirement("R-103")),
    _number("unit_id_min", 1, None, requirement("R-108")),
    _number("unit_id_max", 255, None, requirement("R-108")),
    _number("modbus_max_registers", 125, None),
    _number("csv_fields", 6, None, requirement("R-101")),
    _number("csv_lines", 1, None, requirement("R-102")),
    _number("ion_setup_min_v3", "3.2.20218.01", None, requirement("R-164", "G-19")),
    _number("ion_setup_min_v4", "3.2.22341.01", None, requirement("X-12")),
    _number("ion_programming", 600, None, requirement("R-168")),
    _number("ion_settled", 30, None),
    _number("ion_serial_bits", 10, None),
    _number("ion_serial_share", 4, None, requirement("R-177")),
    _number("ion_baud", 9600, None),
    _number("ion_baud_min", 300, None),
    _number("ion_baud_max", 115_200, None),
    _number("lss_password_min", 0, None, requirement("R-258")),
    _number("lss_password_max", 99999999, None, requirement("R-258")),
    _number("lss_password_length", 8, None, requirement("R-259")),
    _number("lss_default_user", "User1", None, requirement("R-255", "R-187")),
    _number("lss_default_password", "0", None, requirement("R-257", "R-187")),
    _number("password_complex_min", 6, None, requirement("R-306")),
    _number("password_alphanumeric_max_v3", 6, None, requirement("X-01", "G-14")),
    _number("password_max_v4", 16, None),
    _number("strength_fair", 30, None, requirement("R-264")),
    _number("strength_strong", 60, None, requirement("R-264")),
    _number("users_max_old", 16, "smaller"),
    _number("lockout_duration_max", 65_535, None, requirement("R-346")),
    _number("password_age_max", 3650, None, requirement("R-307")),
    _number("ip_filter_max", 10, "smaller"),
    _number("lockout_duration_min", 1, None, requirement("R-346")),
    _number("event_priority_max", 255, None, requirement("R-273")),
    _number("event_priority_logged", 6, None, requirement("R-273")),
    _number("users_max", 50, "smaller", requirement("R-322")),
    _number("lockout_attempts_min", 0, None, requirement("R-344")),
    _number("lockout_attempts_max", 255, None, requirement("R-344")),
    _number("session_timeout_min", 1, None, requirement("R-345")),
    _number("session_timeout_max", 43200, None, requirement("R-345")),
    _number("master_map_modules", 40, None, requirement("R-237")),
    _number("master_map_modules_old", 20, None, requirement("R-237")),
    _number("master_device_modules", 128, None, requirement("R-238")),
    _number("master_device_modules_old", 64, None, requirement("R-238")),
    _number("pm_user_max", 15, None),
    _number("pm_password_min", 8, None),
    _number("pm_password_max", 16, None),
    _number("dlms_b_metrology", 0, None, requirement("R-214")),
    _number("dlms_b_application", 1, None, requirement("R-215")),
    _number("dlms_b_other_min", 2, None, requirement("R-216")),
    _number("dlms_b_other_max", 9, None, requirement("R-216")),
    _number("dlms_client_public", 16, None),
    _number("dlms_client_management", 1, None),
    _number("dlms_server", 1, None),
    _number("dlms_sap_max", 65_535, None),
    _number("dlms_pdu", 1224, None),
    _number("dlms_pdu_min", 64, None),
    _number("dlms_pdu_max", 65_535, None),
    _number("dlms_events", 20, None),
    _number("dlms_facts_counters", 512, None),
    _number("dlms_slots", 2, None, requirement("R-221")),
    _number("dlms_signature", "ECDSA P-256", None, requirement("R-218")),
    _number("dlms_identifier_max", 64, None),
    _number("dlms_status_poll", 2, None),
    _number("dlms_status_settle", 30, None),
    _number("dlms_busy_tries", 10, None),
    _number("dlms_verify_limit", 600, None, requirement("R-227")),
    _number("dlms_activation_limit", 600, None),
    _number("dlms_self_test_limit", 600, None),
    _number("dlms_confirm_hold", 20, None, requirement("R-222")),
    _number("dlms_fill_rounds", 10, None),
    _number("dlms_reconnects", 5, None),
    _number("dlms_reconnect_pause", 5, None),
    _number("dlms_clock_tolerance", 60, None),
    _number("dlms_lead_time", 60, None),
    _number("dlms_round_trip_min", 50, None),
    _number("dlms_round_trip_max", 500, None),
    _number("dlms_block_large", 1024, None),
    _number("dlms_block_small", 128, None),
    _number("dlms_step_counters", 256, None),
    _number("dlms_slice_counters", 20_000, None),
    _number("dlms_not_begun", 60, None),
    _number("dlms_counter_max", 4_294_967_295, None),
    _number("dlms_counter_jump", 1_000_000, None),
    _number("dlms_counter_first", 2_147_483_648, None),
    _number("dlms_data_depth", 16, None),
    _number("dlms_data_elements", 100_000, None),
    _number("dlms_data_bits", 1_048_576, None),
    _number("dlms_data_octets", 1_048_576, None),
    _number("dlms_pdu_meter_min", 12, None),
    _number("dlms_pdu_margin", 256, None),
    _number("dlms_challenge", 16, None),
    _number("dlms_challenge_min", 8, None),
    _number("dlms_challenge_max", 64, None),
    _number("dlms_counter_block", 64, None),
    _number("dlms_busy_wait", 75, None),
    _number("dlms_release_wait", 2, None),
    _number("dlms_client_preestablished", 102, None),
    _number("security_lease_ttl", 300, None),
    _number("security_clock_tolerance", 60, None),
    _number("dlms_public_objects", 20, None),
    _number("dlms_lls_min", 8, None),
    _number("dlms_lls_max", 64, None),
    _number("marks_key_min", 16, None),
    _number("password_history", 5, None, requirement("R-307")),
    _number("login_hold", 86_400, None, requirement("R-369")),
    _number("login_failures", 2, None, requirement("R-344")),
    _number("login_unanswered", 2, None, requirement("R-344")),
    _number("port_change_wait", 60, None),
    _number("harden_shortest", 10, None),
    _number("harden_longest", 900, None),
    _number("security_events", 20, None),
    _number("evidence_age_max", 35, None),
    _number("waiver_days_max", 400, None),
    _number("attested_days", 365, None),
    _number("attested_days_max", 456, None),
    _number("baseline_depth", 16, None),
    _number("baseline_faults", 20, None),
    _number("sarif_results", 25_000, None),
    _number("sarif_tags", 20, None),
    _number("markdown_characters", 60_000, None),
    _number("markdown_meters", 50, None),
    _number("markdown_tasks", 5, None),
    _number("markdown_named", 10, None),
    _number("markdown_cell", 200, None),
    _number("report_scans", 400, None),
    _number("html_meters", 200, None),
    _number("report_cache", 16_384, None),
    _number("waiver_soon", 30, None),
]


@pytest.mark.parametrize(("name", "value", "stricter"), NUMBERS)
def test_number(name, value, stricter):
    found = BY_NAME[name]
    shown = str(found.value) if isinstance(found.value, Dotted) else found.value
    assert (shown, type(shown), found.stricter) == (value, type(value), stricter)


def test_every_number_is_read_twice_and_named_once():
    assert {case.values[0] for case in NUMBERS} == set(BY_NAME)
    assert len(BY_NAME) == len(constants.CONSTANTS)
    assert all(item.text and item.rules for item in constants.CONSTANTS)


@requirement("G-22", "R-089", "R-119")
@pytest.mark.parametrize("name", [item.name for item in constants.CONSTANTS if item.stricter == "longer"])
def test_a_documented_wait_can_only_be_longer(name):
    wait = BY_NAME[name]
    assert wait.check(wait.number, name) == wait.number
    assert wait.check(wait.number + 1, name) == wait.number + 1
    with pytest.raises(InputError, match=f"^{name}: .* or longer.*G-22"):
        wait.check(wait.number - 0.1, name)


@requirement("G-22", "R-084", "R-087", "G-18")
@pytest.mark.parametrize("name", [item.name for item in constants.CONSTANTS if item.stricter == "smaller"])
def test_a_documented_cap_can_only_be_smaller(name):
    cap = BY_NAME[name]
    assert cap.check(cap.number, name) == cap.number
    with pytest.raises(InputError, match=f"^{name}: .* at most .*G-22"):
        cap.check(cap.number + 1, name)


@requirement("R-080", "R-083", "R-084", "G-03")
@pytest.mark.parametrize(
    ("tool", "cap", "direct"),
    [
        ("3.0", 1, True),
        ("3.6", 1, True),
        ("3.6.9", 1, True),
        ("3.7", 1, True),
        ("3.7.9", 1, True),
        ("3.8", 10, False),
        ("3.10", 10, False),
        ("4.0", 10, False),
    ],
)
def test_cap_and_cable_of_the_vendor_tool(tool, cap, direct):
    version = Dotted.parse(tool)
    assert constants.tool_cap(version).value == cap
    assert constants.tool_needs_direct_cable(version) is direct


def test_a_text_is_not_a_number():
    with pytest.raises(TypeError):
        dummy = constants.DLMS_SIGNATURE.number


@requirement("R-103")
def test_the_sample_line_of_the_chapter_fits():
    fields = ["192.168.0.10", "255", "user1", "pass1", "user2", "pass2"]
    assert len(fields) == constants.CSV_FIELDS.value
    assert ipaddress.ip_address(fields[0])
    assert int(fields[1]) == constants.UNIT_ID.value
