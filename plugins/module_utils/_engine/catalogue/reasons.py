# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Reason codes: one per remedy (requirements 6.7), and those that were added under the same rule. Codes of DLMS meters are in ``reasons_dlms``."""

from __future__ import annotations

from . import reasons_dlms
from .reason import AFTER_HOLD, AFTER_REMEDY, LATER, NEVER, Reason

__all__ = ["AFTER_HOLD", "AFTER_REMEDY", "LATER", "NEVER", "REASONS", "Reason", "reason", "remedy"]

_R = Reason
_FTP, _TOOL, _WEB, _ION, _DLMS = ("ftp",), ("tool",), ("web",), ("ion",), ("dlms",)

_PATHS = (
    _R(
        "path_not_supported",
        "the documents say that this upgrade is not supported",
        "Contact Schneider Electric Technical Support with model, serial number and firmware version.",
        ("R-013", "R-024", "R-157"),
        NEVER,
    ),
    _R(
        "undocumented_path",
        "no document names a way from the present version to the target",
        "Choose a target that the upgrade matrix names for this model, or ask the maker.",
        ("R-006", "G-01"),
        NEVER,
    ),
    _R(
        "source_below_minimum",
        "the present version is below the lowest one this upgrade may start from",
        "Ask the maker for a way to the stated minimum version; the documents name none.",
        ("R-042", "R-163", "G-21"),
        NEVER,
    ),
    _R(
        "target_not_higher",
        "this model takes only a version higher than the present one",
        "Choose a target above the present version.",
        ("R-042", "R-153"),
        NEVER,
    ),
    _R(
        "downgrade_forbidden",
        "the target is below the present version",
        "Keep the present version; a step down is possible only inside an FTP band, with allow_downgrade and the word downgrade.",
        ("G-10", "R-010", "R-017", "R-021", "R-173"),
        NEVER,
    ),
    _R(
        "intermediate_missing",
        "the way needs an intermediate version and no artifact for one is available",
        "Add a package of an intermediate version in the stated range to the artifact folder.",
        ("R-009", "R-036"),
    ),
    _R(
        "method_mismatch",
        "the asked method is not the one the matrix gives",
        "Leave the option method out, or choose the method that the plan shows.",
        ("R-006",),
    ),
    _R(
        "method_not_available",
        "the way needs a method that this version of the collection does not carry out",
        "Do this hop with the maker's tool as its manual says, then run again; the new version is read from the meter.",
        ("R-006",),
    ),
)
_ACCEPTANCE = (
    _R(
        "irreversible_not_accepted",
        "there is no way back from the target version",
        "Read the plan, then add 'irreversible' to accept.",
        ("R-010", "R-017", "R-021", "R-173", "R-245"),
    ),
    _R(
        "dlf3000_loss_not_accepted",
        "after an upgrade over FTP the DLF3000 software can no longer be used",
        "Add 'loses_dlf3000' to accept.",
        ("R-041",),
    ),
    _R(
        "legally_relevant_not_accepted",
        "the part under legal metrology would change",
        "Get the approval your metrology office asks for, then add 'legally_relevant' to accept.",
        ("R-214",),
        methods=_DLMS,
    ),
    _R(
        "unverified_profile",
        "the profile was never verified on a real meter",
        "Verify the profile on one meter and mark it so, or add 'unverified_profile' to accept.",
        ("G-02",),
    ),
    _R(
        "cleartext_management",
        "credentials would cross the network in clear text",
        "Attest that the way lies inside the management zone, or add 'cleartext_management' to accept.",
        ("G-17",),
    ),
    _R("not_accepted", "a needed acknowledgement is missing", "Add the word that the precheck names to accept.", ("R-010",)),
    _R(
        "not_attested",
        "a condition that no wire can tell was not attested",
        "Check it on site and state it under attest, with by and at.",
        ("R-030",),
    ),
)
_ATTEMPTS = (
    _R(
        "attempts_exhausted",
        "the meter has used up all upgrades it allows",
        "Contact the maker about this meter; it blocks every further upgrade.",
        ("R-044", "R-155"),
        NEVER,
    ),
    _R(
        "attempts_reserve",
        "the upgrade would use up the attempts kept in reserve",
        "Lower attempts_reserve for this meter if this upgrade is worth its last attempts.",
        ("R-044",),
    ),
    _R(
        "attempts_unknown",
        "the model allows a limited number of upgrades and the records know nothing of this meter",
        "Find out how many upgrades were started and attest attempts_used.",
        ("R-043", "R-154", "G-06"),
    ),
    _R(
        "ledger_unreachable",
        "the records cannot be reached or written",
        "Bring the database back or give this user the right to write, then run again: a run that was under way left its attempt on record.",
        ("R-043",),
        LATER,
    ),
    _R(
        "clock_skew",
        "the clocks of this control node and of the records differ too much",
        "Set both clocks by the same time server, then run again.",
        ("own",),
        AFTER_REMEDY,
    ),
    _R(
        "ledger_untrusted",
        "the records cannot be read or their chain is broken",
        "Restore the records from a backup. To go on with a broken journal, run meter_records with ledger_rebaseline in accept; it is written down.",
        ("R-043", "R-297"),
    ),
)
_DEVICE_STATE = (
    _R(
        "mid_lock_enabled",
        "the MID/MIR lock is on",
        "Visit the site and remove the lock on the meter's display; it cannot be removed remotely.",
        ("R-047", "R-096", "R-132"),
    ),
    _R(
        "mid_lock_unknown",
        "whether the MID/MIR lock is on is not known",
        "Look at the meter's display and attest mid_lock, or map register 1921 in a site profile.",
        ("R-047", "R-096", "R-132"),
    ),
    _R(
        "ip_mode_not_stored",
        "the meter does not use a stored IP address",
        "Set the IP method to Stored on the display, with the meter off the network if it used DHCP.",
        ("R-032", "R-074", "R-093", "G-09"),
    ),
    _R(
        "ftp_server_disabled",
        "the meter's FTP server is switched off",
        "Switch the FTP server on; on a PM5561 with 10.7.3 or 10.8.2 that is possible on the display only.",
        ("R-033", "R-095"),
    ),
    _R(
        "too_many_read_connections",
        "more than eight connections read the meter",
        "Stop readers until at most eight connections are left.",
        ("R-087",),
    ),
    _R(
        "web_port_changed",
        "neither HTTP 80 nor HTTPS 443 is open on the meter",
        "Set the web port back, or state the changed port under ports where the method allows it.",
        ("R-097", "R-098"),
    ),
    _R(
        "model_unknown",
        "the meter reports a model that the catalogue does not know",
        "Check the address; if the model is right, it has no documented upgrade.",
        ("R-006",),
        NEVER,
    ),
    _R("serial_mismatch", "another meter answers at this address", "Correct the address in the inventory, then plan again.", ("R-032",)),
    _R(
        "serial_unknown",
        "the meter's serial number cannot be read",
        "Check unit id and Modbus access; without a serial number no attempt can be recorded.",
        ("R-043",),
    ),
    _R(
        "identity_unreadable",
        "model or version cannot be read from the meter",
        "Check unit id and Modbus filtering for this address, then run again.",
        ("R-006",),
    ),
)
_TRANSPORT = (
    _R(
        "transport_failed",
        "the connection failed or did not answer in time",
        "Check address, port and firewall between this host and the meter.",
        ("R-053", "R-077"),
        LATER,
    ),
    _R("not_ethernet", "the meter is reached over a serial line or a gateway", "Do this upgrade over Ethernet.", ("R-031",)),
    _R(
        "serial_transport_not_recommended",
        "an upgrade over a serial line is very slow",
        "Use an Ethernet connection.",
        ("R-177", "R-178"),
        methods=_ION,
    ),
    _R(
        "gateway_not_suitable",
        "the gateway in between may not carry the upgrade",
        "Go around the gateway, or add 'gateway' to accept.",
        ("R-175", "R-176"),
        methods=_ION,
    ),
    _R("transport_unreliable", "this way works only sometimes", "Try one meter first, or use Ethernet directly.", ("R-174",), methods=_ION),
    _R(
        "direct_connection_required",
        "this version of the tool needs the meter on the tool host's own cable",
        "Connect the meter directly, or use a package with tool 3.8 or later.",
        ("R-080", "G-03"),
        methods=_TOOL,
    ),
    _R(
        "same_subnet_required",
        "tool host and meter are not in the same subnet",
        "Move the tool host into the meter's subnet.",
        ("R-099",),
        methods=_TOOL,
    ),
    _R(
        "icmp_blocked",
        "the meter does not answer to ping",
        "Let ICMP through between tool host and meter; do not power cycle the meter if an upgrade was already tried.",
        ("R-078", "R-079"),
        methods=_TOOL,
    ),
    _R("link_unstable", "the connection loses packets", "Mend the network before any upgrade.", ("R-073", "R-077")),
    _R(
        "ip_changed",
        "the meter came back under another address",
        "Put the new address into the inventory and set the IP method to Stored.",
        ("R-032",),
        LATER,
    ),
    _R("dependency_missing", "a Python library is missing where the code runs", "Install the named library there.", ("own",)),
)
_FTP_METHOD = (
    _R(
        "ftp_connect_failed",
        "the FTP server did not answer",
        "Check address, port and firewall; the address must be the meter's own.",
        ("R-053",),
        LATER,
        _FTP,
    ),
    _R(
        "ftp_auth_failed",
        "the FTP server refused the login",
        "Correct the Product Master credential; the same one is not tried again.",
        ("R-054", "R-034"),
        AFTER_REMEDY,
        _FTP,
    ),
    _R(
        "ftp_layout_unexpected",
        "the FTP root does not show the folders fw and www",
        "Check that this is the meter and that the account is a Product Master.",
        ("R-055",),
        AFTER_REMEDY,
        _FTP,
    ),
    _R(
        "ftp_no_space",
        "the Ethernet card has no room for the files",
        "Save custom files from the meter's FTP folders, remove them there, and run again.",
        ("R-060",),
        AFTER_REMEDY,
        _FTP,
    ),
    _R(
        "role_insufficient",
        "the account is not a Product Master",
        "Use the credential of an account in the group Product Master.",
        ("R-034", "R-054"),
        AFTER_REMEDY,
        _FTP,
    ),
    _R(
        "upload_incomplete",
        "the meter does not hold what was sent",
        "Check the network and run again; nothing was triggered.",
        ("R-057", "R-058", "R-077"),
        LATER,
        _FTP,
    ),
    _R(
        "upload_unreadable",
        "a copied file cannot be read back",
        "Nothing needs to be done; its size was compared instead.",
        ("R-057",),
        LATER,
        _FTP,
    ),
    _R(
        "trigger_auth_failed",
        "the trigger page refused the login; nothing was started",
        "Correct the Product Master credential for the web server.",
        ("R-063",),
        AFTER_REMEDY,
        _FTP,
    ),
    _R(
        "upgrade_process_failed",
        "the meter says that one of its upgrade processes failed",
        "Start again from the very beginning: connect, copy all files again, trigger.",
        ("R-066",),
        AFTER_HOLD,
        _FTP,
    ),
    _R(
        "upgrade_not_started",
        "the meter never restarted after the trigger",
        "Check that the trigger page on the meter is the one of the package, then run again.",
        ("R-064",),
        AFTER_HOLD,
        _FTP,
    ),
)
_WEB_METHOD = (
    _R(
        "web_auth_failed",
        "the meter's webpages refused the login",
        "Correct the Administrator credential (Product Master on old firmware); the same one is not tried again.",
        ("R-156", "R-344"),
        AFTER_REMEDY,
        _WEB,
    ),
    _R(
        "login_helper_failed",
        "the command that logs in did not give a session",
        "Run the login helper by hand with one JSON request on its standard input, and mend what it says.",
        ("own",),
        AFTER_REMEDY,
        _WEB,
    ),
    _R(
        "session_limit",
        "all sessions of the meter's webpages are in use",
        "Have others log out, or wait until their sessions end, then run again.",
        ("R-139",),
        LATER,
        _WEB,
    ),
    _R(
        "web_role_insufficient",
        "the account may not upgrade by webpages",
        "Use the credential of an Administrator.",
        ("R-138",),
        AFTER_REMEDY,
        _WEB,
    ),
    _R(
        "page_missing",
        "the meter does not have a page that the profile names",
        "Check that the profile is the one for this model and firmware generation; run the playbook probe.",
        ("R-135", "R-144"),
        AFTER_REMEDY,
        _WEB,
    ),
    _R(
        "web_busy",
        "the meter serves no pages at the moment",
        "Wait until the meter has finished what it is doing, then run again.",
        ("R-135",),
        LATER,
        _WEB,
    ),
    _R(
        "session_lost",
        "the session on the meter's webpages ended in the middle of the work",
        "See that nobody else works on this meter's webpages, then run again.",
        ("R-139",),
        LATER,
        _WEB,
    ),
    _R(
        "web_not_understood",
        "an answer of the meter has none of the signs that the profile names",
        "Compare the profile with the meter's pages: run the playbook probe, or capture the profile anew.",
        ("R-145",),
        AFTER_REMEDY,
        _WEB,
    ),
    _R(
        "setting_refused",
        "the meter did not take a setting",
        "Correct the value by what the meter says, then run again.",
        ("R-097",),
        AFTER_REMEDY,
        _WEB,
    ),
    _R(
        "tls_untrusted",
        "no trusted authority vouches for the meter's certificate",
        "Compare the fingerprint with the meter on site and pin it as tls.fingerprint, or name the CA as tls.ca_file.",
        ("own",),
        AFTER_REMEDY,
        _WEB,
    ),
    _R(
        "tls_fingerprint_mismatch",
        "the meter's certificate is another one than the pinned one",
        "Find out why it changed. Only when that is known, compare the new fingerprint with the meter on site and pin it.",
        ("own",),
        AFTER_REMEDY,
        _WEB,
    ),
    _R(
        "tls_expired",
        "the meter's certificate is out of date",
        "Renew the certificate, or pin its fingerprint as tls.fingerprint.",
        ("own",),
        AFTER_REMEDY,
        _WEB,
    ),
    _R(
        "tls_protocol_too_old",
        "the meter offers only TLS that is not secure today",
        "Upgrade the meter's firmware where that helps; otherwise set tls.legacy for this meter, which is reported as a finding.",
        ("own",),
        AFTER_REMEDY,
        _WEB,
    ),
    _R(
        "tls_failed",
        "no secure connection to the meter came about",
        "See that the HTTPS port of this meter is the right one and that nothing in between changes the traffic.",
        ("own",),
        AFTER_REMEDY,
        _WEB,
    ),
    _R(
        "web_upgrade_failed",
        "the meter says that the upgrade by webpages failed",
        "Remove the cause that the meter names, follow the recovery advice, attest it as recovered, then run again.",
        ("R-149", "R-150", "R-151"),
        AFTER_REMEDY,
        _WEB,
    ),
    _R(
        "recovery_not_attested",
        "the last upgrade by webpages ended badly and nobody says that the meter was brought back",
        "Follow the recovery advice of that run, see that the meter starts and answers, then set attest.recovered with by and at.",
        ("R-150", "R-151"),
        AFTER_REMEDY,
        _WEB,
    ),
)
_TOOL_METHOD = (
    _R(
        "tool_host_unusable",
        "the computer of the maker's tool cannot be used",
        "See that the inventory host named in tool.host can be reached, and that its user may write into tool.handover_dir.",
        ("R-072",),
        LATER,
        _TOOL,
    ),
    _R(
        "handover_failed",
        "the hand-over folder cannot be written",
        "Make room and rights for the folder named in tool.handover_dir, then run again.",
        ("R-100",),
        AFTER_REMEDY,
        _TOOL,
    ),
    _R(
        "tool_failed",
        "the maker's tool ended without completing the upgrade",
        "Read the kept logs. Do not power cycle the meter; after the documented hold one retry with a fresh session is made.",
        ("R-092", "R-119", "R-120"),
        AFTER_HOLD,
        _TOOL,
    ),
    _R(
        "tool_version_mismatch",
        "the tool is not the one that came with the package",
        "Use only the tool inside the package; another one can destroy the meter.",
        ("R-071", "R-081", "R-106"),
        methods=_TOOL,
    ),
    _R(
        "csv_unrepresentable",
        "a value cannot be written into Config.csv",
        "Choose a user name and password without comma, space, quote or line break.",
        ("R-101",),
        methods=_TOOL,
    ),
    _R("csv_multiple_lines", "Config.csv holds more than one line", "Write one file per meter.", ("R-102", "G-05"), methods=_TOOL),
    _R(
        "csv_trailing_characters",
        "something follows the last password in Config.csv",
        "Remove everything after the last character of the password.",
        ("R-102",),
        methods=_TOOL,
    ),
    _R(
        "not_applicable",
        "the tool does not call the upgrade applicable",
        "Check the connection, the meter, and the details in Config.csv.",
        ("R-110", "R-111"),
        methods=_TOOL,
    ),
)
_ARTIFACTS = (
    _R(
        "artifact_missing",
        "a file of the package is missing",
        "Put the file with its original name into the artifact folder.",
        ("R-036", "R-040"),
    ),
    _R(
        "artifact_hash_mismatch",
        "a file is not the pinned one",
        "Fetch the file again from its source; correct the manifest only after checking where the file came from.",
        ("R-036", "R-040", "R-147"),
    ),
    _R("artifact_renamed", "a file does not have its original name", "Give the file its original name back.", ("R-085", "R-037", "R-039")),
    _R(
        "artifact_wrong_type",
        "a file is of the wrong kind for this method",
        "Use the package that the maker gives for this method.",
        ("R-113", "R-137"),
    ),
    _R("artifact_model_mismatch", "a file is for another model", "Use the package for this model.", ("R-038",)),
    _R("artifact_version_mismatch", "a file is of another version", "Use the package of the target version.", ("R-038",)),
    _R(
        "artifact_unverifiable_min_version",
        "the bare image does not tell which ION Setup it needs",
        "Use the ZIP package, or state min_ion_setup and add 'bare_upx' to accept.",
        ("R-167", "R-172"),
        methods=_ION,
    ),
    _R(
        "artifact_suspect",
        "two meters refused the same file",
        "Stop using this file; fetch it again, and ask the maker if it is refused again.",
        ("R-148",),
        NEVER,
    ),
    _R(
        "device_rejected_image",
        "the meter refused the firmware",
        "Check that the package is for this model and version; the meter decides.",
        ("R-141",),
        AFTER_REMEDY,
    ),
    _R(
        "image_invalid_or_corrupted",
        "the meter calls the firmware invalid or corrupted",
        "Delete the package, fetch it again, check its hash, retry once.",
        ("R-145", "R-147"),
        AFTER_REMEDY,
        _WEB,
    ),
)
_SITE = (
    _R(
        "critical_control_use",
        "the meter is used for critical control or protection",
        "Take the meter out of the control circuit and correct the reviewed inventory; nothing overrides this.",
        ("R-050",),
        NEVER,
    ),
    _R(
        "digital_outputs_in_use",
        "digital outputs may change state during the upgrade",
        "Make what hangs on the outputs safe, then attest it.",
        ("R-049",),
    ),
    _R(
        "power_source_unknown",
        "whether control power is uninterrupted is not known",
        "Check the control power supply and attest it.",
        ("R-051", "R-073", "R-076", "R-130", "R-133"),
    ),
    _R("window_closed", "the maintenance window is closed or too short", "Run again inside the window.", ("R-117",), LATER),
)
_RUNS = (
    _R("firmware_in_progress", "another run works on this meter", "Wait for it to end, then run again.", ("R-086", "R-117"), LATER),
    _R("campaign_locked", "another run of this campaign is active", "Wait for it to end, then run again.", ("R-117",), LATER),
    _R(
        "no_free_slot",
        "as many upgrades as allowed are running",
        "Wait for one to end; do not raise the number above what the documents allow.",
        ("R-083", "R-084", "G-18"),
        LATER,
    ),
    _R("plan_stale", "the meter is no longer as the plan says", "Plan again and review the new plan.", ("R-116",)),
    _R("interrupted", "the run was stopped before anything was started", "Run again; it goes on from what it finds.", ("R-117",), LATER),
    _R("worker_orphaned", "the process that started the work is gone", "Run again; the next run reads the meter first.", ("R-117",), LATER),
    _R(
        "profile_missing", "no profile for this method was given", "Name a profile for this model and firmware, or capture one.", ("R-065",)
    ),
    _R(
        "retry_not_allowed",
        "there is nothing to try again for this meter in this campaign",
        "Look at its last outcome: only an upgrade that failed and may be repeated is tried again, and only once.",
        ("R-092", "R-119"),
        NEVER,
    ),
    _R("clock_factor_refused", "a faster clock is for simulated meters on loopback addresses only", "Take clock_factor out.", ("G-22",)),
)
_OBSERVATION = (
    _R(
        "not_responding",
        "the meter is silent, and the other meters of its batch are waited for first",
        "Run again when the others have ended: the meter is looked at once more before it is called lost.",
        ("R-090", "R-091"),
        LATER,
    ),
    _R(
        "stalled",
        "no progress for longer than documented",
        "Wait for the hard timeout, then follow the recovery advice of the method.",
        ("R-149", "G-07"),
    ),
    _R(
        "late_resume",
        "the meter was silent for longer than documented, and came back",
        "Nothing needs to be done; look at the network if it happens often.",
        ("R-143",),
        LATER,
    ),
    _R(
        "comms_lost",
        "the meter did not come back",
        "Follow the recovery advice of the method; if it stays silent, visit the site and call the maker's support.",
        ("R-124", "R-143", "R-151"),
    ),
    _R(
        "power_up_abnormal",
        "the meter does not start normally",
        "Call the maker's support with model, serial number and firmware version.",
        ("R-123", "R-151"),
        NEVER,
    ),
    _R(
        "wrong_version_after",
        "the meter does not report the target version",
        "Read the meter's own status, then follow the recovery advice of the method.",
        ("R-088",),
    ),
    _R(
        "upgrade_state_unknown",
        "what the upgrade did cannot be told",
        "Do not start another one; read the meter again and look at its own status page.",
        ("R-088",),
    ),
    _R(
        "restart_not_observed",
        "the new version runs, but no restart was seen",
        "Look at the meter's restart counter and uptime before trusting the result.",
        ("R-064", "R-088"),
    ),
    _R(
        "deadline_exceeded",
        "a step did not end in time",
        "Run again; if it happens again, look at the network and the meter.",
        ("R-142",),
        LATER,
    ),
    _R(
        "escalate_vendor",
        "the documents end here",
        "Contact the maker's Technical Support with model, serial number, firmware version and the log.",
        ("R-120", "R-151", "R-157"),
        NEVER,
    ),
)
_ION_METHOD = (
    _R(
        "engine_too_old",
        "ION Setup is older than the firmware needs",
        "Upgrade ION Setup before the meter.",
        ("R-164", "R-166", "G-19"),
        methods=_ION,
    ),
    _R(
        "restore_failed",
        "saved registers could not be written back",
        "Write them back with a new enough ION Setup before the meter is used again.",
        ("R-169",),
        methods=_ION,
    ),
    _R(
        "register_data_loss",
        "energy registers are lower than before",
        "Stop the campaign; restore the saved values.",
        ("R-170",),
        NEVER,
        _ION,
    ),
    _R(
        "upgraded_unconfigured",
        "the new firmware runs without its template",
        "Load the template and restore the registers with a new enough ION Setup.",
        ("R-171",),
        methods=_ION,
    ),
    _R(
        "post_security_mode_unexpected",
        "the security mode after the upgrade is not the predicted one",
        "Read the security settings and set them again.",
        ("R-252", "R-253", "G-11"),
        methods=_ION,
    ),
)
_SECURITY = (
    _R("mode_removed", "this security mode does not exist on this firmware", "Use legacy_support or advanced.", ("R-232",)),
    _R(
        "option_not_available",
        "this meter or firmware does not have the setting",
        "Take the setting out for this meter.",
        ("R-235", "R-289", "R-335", "R-345"),
    ),
    _R("control_not_supported_by_firmware", "the control needs newer firmware", "Upgrade the meter to 3.0.0 or later first.", ("R-230",)),
    _R(
        "password_out_of_range",
        "the password is outside what this mode allows",
        "Use a number from 0 to 99999999 without leading zeros.",
        ("R-258", "R-259"),
    ),
    _R(
        "password_policy",
        "the password does not meet the policy",
        "Choose one that does, within what the meter can hold.",
        ("R-306", "R-307", "G-14"),
    ),
    _R(
        "lss_alphanumeric_password",
        "some software cannot log in with this password under Legacy security support",
        "Use digits only, or move to Advanced security.",
        ("R-199",),
    ),
    _R("too_many_users", "the meter holds at most 50 users", "Remove users first.", ("R-322",)),
    _R(
        "cannot_change_own_permissions",
        "an account cannot change its own permissions",
        "Connect with another account that may configure security.",
        ("R-195",),
    ),
    _R(
        "would_lock_out",
        "the change would leave nobody who may configure security",
        "Keep one more account with that permission.",
        ("R-321",),
    ),
    _R(
        "user_name_not_valid_in_mode",
        "this user name works only under Legacy security support",
        "Use the name of a real user of the meter.",
        ("R-191", "R-194"),
    ),
    _R(
        "locked_out",
        "the account is locked for this protocol",
        "Wait until the lockout time is over, or use another configured protocol once.",
        ("R-343", "R-369"),
        LATER,
    ),
    _R(
        "credential_unknown",
        "no working credential is known",
        "Find it or reset it as the maker's manual says; nothing is guessed.",
        ("R-156",),
    ),
    _R(
        "rotation_unverified",
        "whether the new password holds is not known",
        "Both passwords are recorded; verify with one login before anything else.",
        ("R-309",),
    ),
    _R(
        "changed_out_of_band",
        "somebody else changed the setting or the password",
        "Find out who did, then run again with the right value.",
        ("R-320",),
    ),
    _R(
        "disables_upgrade_channel",
        "the change closes a way that upgrades need",
        "Keep it open, or accept that upgrades need a visit.",
        ("R-279", "R-399"),
    ),
    _R(
        "port_change_unverified",
        "the meter does not answer on the new port",
        "Look at the meter; the old port may still be in use.",
        ("R-405",),
    ),
    _R("reserved_name", "this file name belongs to the defaults", "Choose another name.", ("R-292",)),
    _R("stale_export", "the exported file no longer matches the meter", "Export again from the meter.", ("R-312",)),
)

REASONS: dict[str, Reason] = {
    reason.code: reason
    for group in (
        _PATHS,
        _ACCEPTANCE,
        _ATTEMPTS,
        _DEVICE_STATE,
        _TRANSPORT,
        _FTP_METHOD,
        _WEB_METHOD,
        _TOOL_METHOD,
        _ARTIFACTS,
        _SITE,
        _RUNS,
        _OBSERVATION,
        _ION_METHOD,
        _SECURITY,
        reasons_dlms.CODES,
    )
    for reason in group
}


def reason(code: str) -> Reason:
    """The reason of this code. Raises KeyError: a code outside the catalogue is a defect."""
    return REASONS[code]


def remedy(code: str) -> str:
    """What to do about this code; empty for the empty code."""
    return REASONS[code].remedy if code else ""
