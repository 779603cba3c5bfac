# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Every product number once, with its unit and the rule it comes from.

``stricter`` tells in which direction an operator may move a documented number (G-22): waits ``longer``, caps ``smaller``;
None where the number is a fact and not a setting. A rule ``own`` marks a choice of this collection without a document.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..base.errors import InputError
from .versions import Dotted


@dataclass(frozen=True)
class Constant:
    """One number or text, what it means and where it comes from."""

    name: str
    value: int | str | Dotted
    unit: str
    rules: tuple[str, ...]
    text: str
    stricter: str | None = None

    @property
    def number(self) -> int:
        """The value of a numeric constant."""
        if not isinstance(self.value, int):
            raise TypeError(f"{self.name} is not a number")
        return self.value

    def check(self, value: float, option: str) -> float:
        """``value`` where it is at least as strict as the documented one (G-22). Raises InputError."""
        if self.stricter == "longer" and value < self.number:
            raise InputError(
                option, value, f"{self.number} {self.unit} or longer; a documented wait is never shortened", f"{self.rules[0]}, G-22"
            )
        if self.stricter == "smaller" and value > self.number:
            raise InputError(
                option, value, f"at most {self.number} {self.unit}; a documented cap is never raised", f"{self.rules[0]}, G-22"
            )
        return value


def _wait(name: str, value: int, rules: tuple[str, ...], text: str) -> Constant:
    return Constant(name, value, "s", rules, text, stricter="longer")


def _cap(name: str, value: int, unit: str, rules: tuple[str, ...], text: str) -> Constant:
    return Constant(name, value, unit, rules, text, stricter="smaller")


# Waits and deadlines
SETTLE = _wait("settle", 60, ("R-089",), "after a completed upgrade, before the next meters")
RETRY_HOLD = _wait("retry_hold", 300, ("R-119",), "before a retry in a mass upgrade, from the end of the batch")
RESUME = _wait("resume", 40, ("R-143",), "for communication to resume after a successful upgrade by webpages")
LATE_GRACE = _wait("late_grace", 180, ("R-143",), "after the documented silence, before a meter counts as lost")
CARD_RESET_MIN = Constant("card_reset_min", 60, "s", ("R-064",), "shortest documented silence after the trigger page")
CARD_RESET = _wait("card_reset", 120, ("R-064",), "longest documented silence after the trigger page")
EXPECTED_DURATION = Constant("expected_duration", 300, "s", ("R-142",), "about how long an upgrade by webpages takes, or more")
STALL = _wait("stall", 300, ("R-149", "G-07"), "since the start, before an upgrade may count as unresponsive")
STALL_NO_PROGRESS = _wait("stall_no_progress", 60, ("G-07",), "without progress, before a late upgrade counts as stalled")
HARD_TIMEOUT = _wait("hard_timeout", 1800, ("R-142",), "after which an upgrade is no longer watched")
POWER_OFF = _wait("power_off", 10, ("R-150",), "control power stays off, by a person, webpages method only")
POLL_INTERVAL = Constant("poll_interval", 5, "s", ("R-143",), "between two looks at a meter that is being upgraded")
POLL_NEAR = Constant("poll_near", 1, "s", ("own",), "between two looks while the meter is silent or near the end of its work")
NEAR_THE_END = Constant("near_the_end", 85, "%", ("own",), "of all processes done, from where on the end is awaited any second")
PARKED_LOOK = Constant("parked_look", 40, "s", ("R-091", "R-143"), "of looking again at a meter that was parked as silent")
STAGE_RETRY_PAUSE = Constant("stage_retry_pause", 5, "s", ("own",), "before an interrupted copy starts again (F-04)")
UPLOAD_ANSWER = Constant(
    "upload_answer", 60, "s", ("own",), "for a meter's answer to a package it has received whole; it may check it first"
)
TOOL_DEADLINE = Constant("tool_deadline", 1800, "s", ("own",), "for the tool and its meter, before they are no longer watched")
TOOL_ENDED_LOOK = Constant(
    "tool_ended_look",
    420,
    "s",
    ("R-090", "R-142", "own"),
    "of looking at an old version after the tool ended: a begun upgrade goes on alone",
)
TOOL_END_GRACE = Constant("tool_end_grace", 120, "s", ("own",), "for the tool to end after the meter runs the new version")
HANDOVER_HOLD = Constant("handover_hold", 604_800, "s", ("own",), "a hand-over to a technician keeps its slot, unless a run sees its end")
CLOCK_SKEW = Constant("clock_skew", 30, "s", ("own",), "between a control node's clock and the ledger's, at most (F-25)")
LEDGER_PATIENCE = Constant(
    "ledger_patience", 300, "s", ("own",), "of trying to write down how a started upgrade ended, while the database is away"
)
LEASE_TTL = Constant("lease_ttl", 60, "s", ("own",), "after which a lease that nobody renews may be taken over")
LEASE_WAIT = Constant("lease_wait", 30, "s", ("own",), "for another run to give a meter back, before this one gives up")
OBSERVE_SLICE = Constant(
    "observe_slice", 60, "s", ("own",), "of watching in one call on a jump host, so that the controller can beat its leases"
)
SEARCH_LIMIT = Constant("search_limit", 1024, "addresses", ("own",), "looked at for a serial number that left its address (R-032)")

# Caps
TOOL_CAP_SINGLE = _cap("tool_cap_single", 1, "meters at a time", ("R-083", "G-03"), "tool before 3.8")
TOOL_CAP_MASS = _cap("tool_cap_mass", 10, "meters at a time", ("R-084",), "tool 3.8 and later")
TOOL_DIRECT_LAST = Constant(
    "tool_direct_last", Dotted.parse("3.6"), "", ("R-080", "R-083"), "last tool version that is named for a direct cable"
)
TOOL_MASS_FIRST = Constant("tool_mass_first", Dotted.parse("3.8"), "", ("R-084",), "first tool version that takes several meters")
UNDOCUMENTED_CAP_DEFAULT = Constant("undocumented_cap_default", 1, "meters at a time", ("G-18",), "where the documents give no number")
UNDOCUMENTED_CAP_CEILING = _cap(
    "undocumented_cap_ceiling", 10, "meters at a time", ("G-18",), "highest number an operator may choose there"
)
MAX_READ_CONNECTIONS = _cap("max_read_connections", 8, "connections", ("R-087",), "TCP connections for reading during an upgrade")
ATTEMPTS_RESERVE_DEFAULT = Constant("attempts_reserve", 1, "attempts", ("R-044",), "kept back for a security fix")
MAX_RETRIES_DEFAULT = Constant("max_retries", 1, "retries", ("R-092",), "of a failed upgrade, each a new attempt")
STAGE_TRIES = Constant("stage_tries", 2, "tries", ("own",), "of the copy steps before anything was triggered (F-04)")
CORRUPT_REPORTS = Constant(
    "corrupt_reports", 2, "reports", ("R-148",), "of a damaged image in one campaign, before no meter gets it any more"
)
LINK_PROBES = Constant("link_probes", 5, "probes", ("R-130", "own"), "of a meter's port, to see whether the connection is stable")
LOGIN_TRIES = Constant("login_tries", 1, "tries", ("R-344", "R-054"), "with one secret")

IMAGE_INVALID_TEXT = Constant(
    "image_invalid_text",
    "The firmware upgrade failed. The selected firmware is either invalid or corrupted.",
    "",
    ("R-145",),
    "the meter's words for an image that it cannot use",
)

# Ports and Modbus
PORT_MODBUS = Constant("port_modbus", 502, "", ("own",), "Modbus TCP, IANA")
PORT_FTP = Constant("port_ftp", 21, "", ("R-053",), "FTP server of a PM5000")
PORT_HTTP = Constant("port_http", 80, "", ("R-097",), "HTTP; the vendor's tool needs it or HTTPS at its default")
PORT_HTTPS = Constant("port_https", 443, "", ("R-098",), "HTTPS; the vendor's tool needs it or HTTP at its default")
PORT_SSH = Constant("port_ssh", 22, "", ("own",), "SFTP and SSH of HEP meters (product help)")
PORT_TELNET = Constant("port_telnet", 23, "", ("own",), "Telnet of HEP meters with old firmware (product manual)")
PORT_ION = Constant("port_ion", 7700, "", ("own",), "ION of HEP meters (product help)")
PORT_ION_TLS = Constant("port_ion_tls", 7443, "", ("X-10",), "ION over TLS of HEP meters from 4.0.0 on")
PORT_MODBUS_RTU = Constant("port_modbus_rtu", 7701, "", ("own",), "Modbus RTU over TCP of HEP meters (product help)")
PORT_ETHERGATE_1 = Constant("port_ethergate_1", 7801, "", ("own",), "serial gateway Com1 of HEP meters (product help)")
PORT_ETHERGATE_4 = Constant("port_ethergate_4", 7802, "", ("own",), "serial gateway Com4 of HEP meters (product help)")
PORT_DNP3 = Constant("port_dnp3", 20000, "", ("own",), "DNP3 of HEP meters (product help)")
PORT_IEC61850 = Constant("port_iec61850", 102, "", ("own",), "IEC 61850 of HEP meters (product help)")
PORT_DLMS = Constant("port_dlms", 4059, "", ("own",), "DLMS/COSEM over TCP, IANA")
UNIT_ID = Constant("unit_id", 255, "", ("R-103",), "Modbus unit id of a meter itself over TCP")
UNIT_ID_MIN = Constant("unit_id_min", 1, "", ("R-108",), "lowest unit id")
UNIT_ID_MAX = Constant("unit_id_max", 255, "", ("R-108",), "highest unit id")
MODBUS_MAX_REGISTERS = Constant("modbus_max_registers", 125, "registers", ("own",), "one FC 3 request, Modbus standard")

# The vendor tool's Config.csv
CSV_FIELDS = Constant("csv_fields", 6, "fields", ("R-101",), "one meter in Config.csv")
CSV_LINES = Constant("csv_lines", 1, "lines", ("R-102",), "in one Config.csv")

# HEP meters and ION Setup
ION_SETUP_MIN_V3 = Constant("ion_setup_min_v3", Dotted.parse("3.2.20218.01"), "", ("R-164", "G-19"), "ION Setup for firmware 3.0.0")
ION_SETUP_MIN_V4 = Constant("ion_setup_min_v4", Dotted.parse("3.2.22341.01"), "", ("X-12",), "ION Setup for firmware 4.0.0 and later")
ION_PROGRAMMING = Constant(
    "ion_programming", 600, "s", ("R-168", "own"), "for ION Setup to load the template and write the registers back after the restart"
)
ION_SETTLED = Constant("ion_settled", 30, "s", ("own",), "for template and registers to show after ION Setup has ended")
ION_SERIAL_BITS = Constant("ion_serial_bits", 10, "bits", ("own",), "of one octet on a serial line (estimates only)")
ION_SERIAL_SHARE = Constant("ion_serial_share", 4, "", ("R-177", "own"), "times longer than the bare line time, at most (estimates only)")
ION_BAUD = Constant("ion_baud", 9600, "bit/s", ("own",), "of a serial line, where ion.baud does not tell (estimates only)")
ION_BAUD_MIN = Constant("ion_baud_min", 300, "bit/s", ("own",), "slowest serial line that is believed")
ION_BAUD_MAX = Constant("ion_baud_max", 115_200, "bit/s", ("own",), "fastest serial line that is believed")
LSS_PASSWORD_MIN = Constant("lss_password_min", 0, "", ("R-258",), "lowest password under Legacy security support")
LSS_PASSWORD_MAX = Constant("lss_password_max", 99_999_999, "", ("R-258",), "highest password under Legacy security support")
LSS_PASSWORD_LENGTH = Constant("lss_password_length", 8, "characters", ("R-259",), "longest password under Legacy security support")
LSS_DEFAULT_USER = Constant("lss_default_user", "User1", "", ("R-255", "R-187"), "user that anonymous requests are mapped to")
LSS_DEFAULT_PASSWORD = Constant("lss_default_password", "0", "", ("R-257", "R-187"), "documented factory password")
PASSWORD_COMPLEX_MIN = Constant("password_complex_min", 6, "characters", ("R-306",), "shortest complex password")
PASSWORD_ALPHANUMERIC_MAX_V3 = Constant(
    "password_alphanumeric_max_v3", 6, "characters", ("X-01", "G-14"), "longest non-numeric password before 4.0.0"
)
PASSWORD_MAX_V4 = Constant("password_max_v4", 16, "characters", ("own",), "longest password from HEP 4.0.0 on (product help)")
STRENGTH_FAIR = Constant("strength_fair", 30, "bits", ("R-264", "own"), "a password with less is weak")
STRENGTH_STRONG = Constant("strength_strong", 60, "bits", ("R-264", "own"), "a password with less is not strong")
USERS_MAX_OLD = _cap("users_max_old", 16, "users", ("own",), "on one meter before 3.0.0 (product manual)")
USERS_MAX = _cap("users_max", 50, "users", ("R-322",), "on one meter")
LOCKOUT_ATTEMPTS_MIN = Constant("lockout_attempts_min", 0, "tries", ("R-344",), "0 means never (product manual)")
LOCKOUT_ATTEMPTS_MAX = Constant("lockout_attempts_max", 255, "tries", ("R-344",), "highest setting (product manual)")
SESSION_TIMEOUT_MIN = Constant("session_timeout_min", 1, "min", ("R-345",), "lowest setting, ION only (product manual)")
SESSION_TIMEOUT_MAX = Constant("session_timeout_max", 43_200, "min", ("R-345",), "highest setting, ION only (product manual)")
LOCKOUT_DURATION_MAX = Constant(
    "lockout_duration_max", 65_535, "min", ("R-346", "own"), "a longer lockout is a mistake; no document gives a number"
)
PASSWORD_AGE_MAX = Constant("password_age_max", 3650, "days", ("R-307", "own"), "a longer life of a password is a mistake")
IP_FILTER_MAX = _cap("ip_filter_max", 10, "addresses", ("own",), "in a PM5000's IP filter (product help)")
LOCKOUT_DURATION_MIN = Constant("lockout_duration_min", 1, "min", ("R-346",), "a shorter lockout is none")
EVENT_PRIORITY_MAX = Constant("event_priority_max", 255, "", ("R-273",), "highest event priority (product manual)")
EVENT_PRIORITY_LOGGED = Constant("event_priority_logged", 6, "", ("R-273",), "lowest priority that is no mere information (product manual)")
MASTER_MAP_MODULES = Constant("master_map_modules", 40, "modules", ("R-237",), "Modbus master map modules from 3.0.0 on")
MASTER_MAP_MODULES_OLD = Constant("master_map_modules_old", 20, "modules", ("R-237",), "Modbus master map modules before 3.0.0")
MASTER_DEVICE_MODULES = Constant("master_device_modules", 128, "modules", ("R-238",), "Modbus master device modules from 3.0.0 on")
MASTER_DEVICE_MODULES_OLD = Constant("master_device_modules_old", 64, "modules", ("R-238",), "Modbus master device modules before 3.0.0")

# PM5000 accounts of the new generation
PM_USER_MAX = Constant("pm_user_max", 15, "characters", ("own",), "user name on new PM5000 firmware (product help)")
PM_PASSWORD_MIN = Constant("pm_password_min", 8, "characters", ("own",), "password on new PM5000 firmware (product help)")
PM_PASSWORD_MAX = Constant("pm_password_max", 16, "characters", ("own",), "password on new PM5000 firmware (product help)")

# DLMS/COSEM meters
DLMS_B_METROLOGY = Constant("dlms_b_metrology", 0, "", ("R-214",), "OBIS field B of the legally relevant part")
DLMS_B_APPLICATION = Constant("dlms_b_application", 1, "", ("R-215",), "OBIS field B of the main application")
DLMS_B_OTHER_MIN = Constant("dlms_b_other_min", 2, "", ("R-216",), "lowest OBIS field B of other parts")
DLMS_B_OTHER_MAX = Constant("dlms_b_other_max", 9, "", ("R-216",), "highest OBIS field B of other parts")
DLMS_CLIENT_PUBLIC = Constant("dlms_client_public", 16, "", ("own",), "service access point of the public client (Green Book)")
DLMS_CLIENT_MANAGEMENT = Constant("dlms_client_management", 1, "", ("own",), "service access point of the management client (IDIS)")
DLMS_SERVER = Constant("dlms_server", 1, "", ("own",), "the management logical device, the only one of an MCS301")
DLMS_SAP_MAX = Constant("dlms_sap_max", 0xFFFF, "", ("own",), "highest service access point of the TCP wrapper (Green Book)")
DLMS_PDU = Constant("dlms_pdu", 1224, "octets", ("own",), "largest APDU that this client takes, unless told otherwise")
DLMS_PDU_MIN = Constant("dlms_pdu_min", 64, "octets", ("own",), "below it a protected answer has no room")
DLMS_PDU_MAX = Constant("dlms_pdu_max", 0xFFFF, "octets", ("own",), "16 bits in the association request (Green Book)")
DLMS_EVENTS = Constant("dlms_events", 20, "entries", ("own",), "read of each event log, the last ones")
DLMS_FACTS_COUNTERS = Constant("dlms_facts_counters", 512, "counters", ("own",), "reserved for one reading by a jump host")
DLMS_SLOTS = Constant("dlms_slots", 2, "versions", ("R-221",), "stored in the meter: one in use, one to install")
DLMS_SIGNATURE = Constant("dlms_signature", "ECDSA P-256", "", ("R-218",), "signature of an image")
DLMS_IDENTIFIER_MAX = Constant("dlms_identifier_max", 64, "octets", ("own",), "of an identifier of a firmware part or an image, at most")
DLMS_STATUS_POLL = Constant("dlms_status_poll", 2, "s", ("own",), "between two looks at the state of an image transfer")
DLMS_STATUS_SETTLE = Constant("dlms_status_settle", 30, "s", ("own",), "for an initiated transfer to show as such")
DLMS_BUSY_TRIES = Constant("dlms_busy_tries", 10, "tries", ("own",), "of a request that the meter puts off (temporary-failure)")
DLMS_VERIFY_LIMIT = Constant("dlms_verify_limit", 600, "s", ("R-227", "own"), "for a meter to check an image; no document gives a number")
DLMS_ACTIVATION_LIMIT = Constant("dlms_activation_limit", 600, "s", ("own",), "of silence after an activation; no document gives a number")
DLMS_SELF_TEST_LIMIT = Constant("dlms_self_test_limit", 600, "s", ("own",), "for a meter's own test of new firmware (X-05)")
DLMS_CONFIRM_HOLD = Constant("dlms_confirm_hold", 20, "s", ("R-222", "own"), "between the two readings that confirm new firmware")
DLMS_FILL_ROUNDS = Constant("dlms_fill_rounds", 10, "rounds", ("own",), "of sending missing blocks again, each with fewer left")
DLMS_RECONNECTS = Constant("dlms_reconnects", 5, "tries", ("own",), "to connect again without a block more in the meter")
DLMS_RECONNECT_PAUSE = Constant("dlms_reconnect_pause", 5, "s", ("own",), "before a lost connection is opened again (F-04)")
DLMS_CLOCK_TOLERANCE = Constant(
    "dlms_clock_tolerance", 60, "s", ("own",), "between a meter's clock and the control node's, for an activation at a given time"
)
DLMS_LEAD_TIME = Constant("dlms_lead_time", 60, "s", ("own",), "from now to an activation at a given time, at least")
DLMS_ROUND_TRIP_MIN = Constant("dlms_round_trip_min", 50, "ms", ("own",), "of one block over a good network (estimates only)")
DLMS_ROUND_TRIP_MAX = Constant("dlms_round_trip_max", 500, "ms", ("own",), "of one block over a cellular network (estimates only)")
DLMS_BLOCK_LARGE = Constant("dlms_block_large", 1024, "octets", ("own",), "a large image block, where the meter's own is not known yet")
DLMS_BLOCK_SMALL = Constant("dlms_block_small", 128, "octets", ("own",), "a small image block, where the meter's own is not known yet")
DLMS_STEP_COUNTERS = Constant("dlms_step_counters", 256, "counters", ("own",), "reserved for one step on a jump host, without the blocks")
DLMS_SLICE_COUNTERS = Constant("dlms_slice_counters", 20_000, "counters", ("own",), "reserved for one slice of a transfer on a jump host")
DLMS_NOT_BEGUN = Constant("dlms_not_begun", 60, "s", ("own",), "after an activation without any sign that it began")
DLMS_COUNTER_MAX = Constant("dlms_counter_max", 2**32 - 1, "", ("own",), "highest invocation counter, 32 bits (Green Book)")
DLMS_COUNTER_JUMP = Constant("dlms_counter_jump", 1_000_000, "", ("own",), "a meter's counter this far above ours is not believed")
DLMS_COUNTER_FIRST = Constant("dlms_counter_first", 2**31, "", ("own",), "a meter of which nothing is recorded is not believed above it")
DLMS_DATA_DEPTH = Constant("dlms_data_depth", 16, "levels", ("own",), "of arrays and structures in one value")
DLMS_DATA_ELEMENTS = Constant("dlms_data_elements", 100_000, "elements", ("own",), "in one value")
DLMS_DATA_BITS = Constant("dlms_data_bits", 2**20, "bits", ("own",), "in one bit-string: a bitmap of 4 MiB in blocks of 4 octets")
DLMS_DATA_OCTETS = Constant("dlms_data_octets", 2**20, "octets", ("own",), "of one value that comes in blocks")
DLMS_PDU_METER_MIN = Constant("dlms_pdu_meter_min", 12, "octets", ("own",), "a meter takes APDUs of this length at least (Green Book)")
DLMS_PDU_MARGIN = Constant(
    "dlms_pdu_margin", 256, "octets", ("own",), "by which protection, or an association, may make an answer longer than agreed"
)
DLMS_CHALLENGE = Constant("dlms_challenge", 16, "octets", ("own",), "of our HLS challenge; some meters refuse more")
DLMS_CHALLENGE_MIN = Constant("dlms_challenge_min", 8, "octets", ("own",), "of a meter's HLS challenge (Green Book)")
DLMS_CHALLENGE_MAX = Constant("dlms_challenge_max", 64, "octets", ("own",), "of a meter's HLS challenge (Green Book)")
DLMS_COUNTER_BLOCK = Constant("dlms_counter_block", 64, "counters", ("own",), "written down at a time for a short association")
DLMS_BUSY_WAIT = Constant(
    "dlms_busy_wait", 75, "s", ("own",), "before the one second try, when an association of an earlier run is still open in the meter"
)
DLMS_RELEASE_WAIT = Constant("dlms_release_wait", 2, "s", ("own",), "for a meter's answer to a release, at most")

# Security of meters
DLMS_CLIENT_PREESTABLISHED = Constant("dlms_client_preestablished", 102, "", ("own",), "client of broadcasts, which never signs in (IDIS)")
SECURITY_LEASE_TTL = Constant("security_lease_ttl", 300, "s", ("own",), "a change of security keeps its meter from one step to the next")
HARDEN_SHORTEST = Constant("harden_shortest", 10, "s", ("own",), "in which a batch of changes of security may end")
HARDEN_LONGEST = Constant(
    "harden_longest", 900, "s", ("own",), "that a batch of changes of security may need; a window must stay open for it"
)
PORT_CHANGE_WAIT = Constant("port_change_wait", 60, "s", ("own",), "until a meter's webpages answer in their new place, at most (R-405)")
SECURITY_EVENTS = Constant("security_events", 20, "events", ("own",), "of a meter's log that an audit shows, the newest (R-273)")
SECURITY_CLOCK_TOLERANCE = Constant("security_clock_tolerance", 60, "s", ("own",), "between a meter's clock and the control node's")
DLMS_PUBLIC_OBJECTS = Constant("dlms_public_objects", 20, "objects", ("own",), "which a public client may see, at most")
DLMS_LLS_MIN = Constant("dlms_lls_min", 8, "octets", ("own",), "of a low-level password, at least")
DLMS_LLS_MAX = Constant("dlms_lls_max", 64, "octets", ("own",), "of a low-level password, at most")
LOGIN_HOLD = Constant(
    "login_hold", 86_400, "s", ("R-369", "own"), "a refused password is not tried again, where the lockout duration is not known"
)
LOGIN_FAILURES = Constant(
    "login_failures", 2, "logins", ("R-344", "own"), "that may fail on one account before a hold, where the meter's limit is not known"
)
LOGIN_UNANSWERED = Constant("login_unanswered", 2, "logins", ("R-344", "own"), "with one password that got no answer, before a hold")
PASSWORD_HISTORY = Constant(
    "password_history", 5, "passwords", ("R-307", "own"), "of an account, set before, that are told when one comes again"
)
MARKS_KEY_MIN = Constant("marks_key_min", 16, "characters", ("own",), "of the key under which marks of passwords are made")

# Baselines
EVIDENCE_AGE_MAX = Constant(
    "evidence_age_max",
    35,
    "days",
    ("own",),
    "since a meter was last seen, and since advisories were looked through, at most (rollout 4.2; NERC CIP-010 R2, CIP-007 R2)",
)
WAIVER_DAYS_MAX = Constant("waiver_days_max", 400, "days", ("own",), "that a waiver may run from today: a person looks at it once a year")
ATTESTED_DAYS = Constant(
    "attested_days", 365, "days", ("own",), "that what a person saw of a meter counts, where the baseline says nothing"
)
ATTESTED_DAYS_MAX = Constant(
    "attested_days_max", 456, "days", ("own",), "that it may count at most: 15 months, as of passwords (NERC CIP-007 R5)"
)
BASELINE_DEPTH = Constant("baseline_depth", 16, "levels", ("own",), "of dictionaries and lists in a baseline")
BASELINE_FAULTS = Constant("baseline_faults", 20, "faults", ("own",), "of one baseline that are told at once")

# Reports
SARIF_RESULTS = Constant("sarif_results", 25_000, "results", ("own",), "in one run; GitHub refuses more (docs.github.com, SARIF support)")
SARIF_TAGS = Constant("sarif_tags", 20, "tags", ("own",), "of one rule; GitHub refuses more (docs.github.com, SARIF results exceed limits)")
MARKDOWN_CHARACTERS = Constant(
    "markdown_characters", 60_000, "characters", ("own",), "of a summary: below the 65,536 that a comment on GitHub may hold"
)
MARKDOWN_METERS = Constant("markdown_meters", 50, "rows", ("own",), "of a table in a summary; the others are counted")
MARKDOWN_TASKS = Constant("markdown_tasks", 5, "tasks", ("own",), "shown for one control of a summary, and campaigns at all")
MARKDOWN_NAMED = Constant("markdown_named", 10, "meters", ("own",), "named beside a task of a summary")
MARKDOWN_CELL = Constant("markdown_cell", 200, "characters", ("own",), "of one value or sentence in a summary")
REPORT_SCANS = Constant("report_scans", 400, "audits", ("own",), "of the past that reports show, the newest: a year of nights")
HTML_METERS = Constant("html_meters", 200, "meters", ("own",), "listed on the page for readers without scripts")
REPORT_CACHE = Constant("report_cache", 16_384, "texts", ("own",), "that a report keeps in the form in which it writes them")
WAIVER_SOON = Constant("waiver_soon", 30, "days", ("own",), "before its end, a waiver is marked in reports")

CONSTANTS: tuple[Constant, ...] = tuple(item for item in list(globals().values()) if isinstance(item, Constant))


def tool_cap(tool_version: Dotted) -> Constant:
    """How many meters this version of the vendor's tool takes at a time (R-083, R-084); one for 3.7, which no text names (G-03)."""
    mass_first = TOOL_MASS_FIRST.value
    return TOOL_CAP_MASS if isinstance(mass_first, Dotted) and tool_version >= mass_first else TOOL_CAP_SINGLE


def tool_needs_direct_cable(tool_version: Dotted) -> bool:
    """Whether this version of the vendor's tool needs the meter on its own cable (R-080); also 3.7 (G-03)."""
    mass_first = TOOL_MASS_FIRST.value
    return not (isinstance(mass_first, Dotted) and tool_version >= mass_first)
