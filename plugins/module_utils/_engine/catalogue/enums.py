# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The words that options, facts and results may hold (requirements 6.4 and 6.5). The first word is no default unless it is said."""

from __future__ import annotations

METHODS = ("ftp", "tool", "web", "ion", "dlms", "unsupported", "undocumented")
EXECUTABLE_METHODS = ("ftp", "tool", "web", "ion", "dlms")

SECURITY_MODES = ("none", "standard", "legacy_support", "advanced")
SECURITY_MODES_BELOW_V3 = ("none", "standard", "advanced")
SECURITY_MODES_FROM_V3 = ("legacy_support", "advanced")
MODBUS_ACCESS = ("none", "read_only", "read_write")
MODBUS_ACCESS_DEFAULT = "read_only"
WEB_PROTOCOLS = ("https_redirect", "https", "disabled")
WEB_PROTOCOL_DEFAULT = "https_redirect"
WEB_PROTOCOLS_OBSERVED = (*WEB_PROTOCOLS, "http")  # plain http only as an observed value below 3.0.0
# one setting, three spellings (G-12).
WEB_PROTOCOL_SPELLINGS = {
    "http with redirect to https": "https_redirect",
    "https with http redirect": "https_redirect",
    "https": "https",
    "disabled": "disabled",
}
PERMISSIONS = ("time_sync", "read", "peak_demand_reset", "comm_config", "test_mode", "full_config", "security_config")
IP_MODES = ("stored", "dhcp", "other", "unknown")
LOCK_STATES = ("locked", "unlocked", "not_applicable", "unknown")
DLMS_SERVICES = ("unicast", "multicast")
DLMS_SERVICE_DEFAULT = "unicast"
CONTROL_RESULTS = ("pass", "fail", "not_applicable", "unknown", "waived", "attested")
PRECHECK_RESULTS = ("pass", "fail", "attested", "unknown")
PROVENANCE = ("register", "object", "probe", "ledger", "attested")
CAMPAIGN_REASONS = ("performance", "enhancement", "feature", "compliance", "security")  # R-001…R-005

STATES = (
    "planned",
    "blocked",
    "ready",
    "leased",
    "staged",
    "attempt_recorded",
    "triggered",
    "in_progress",
    "stalled",
    "restarting",
    "resumed",
    "verifying",
    "verified",
    "verified_late",
    "upgraded_unconfigured",
    "wrong_version",
    "failed_retryable",
    "failed_final",
    "not_responding",
    "comms_lost",
    "escalate_vendor",
    "attempts_exhausted",
)
DLMS_STATES = ("initiated", "transferred", "checked", "scheduled", "activated_unconfirmed", "confirmed")
TERMINAL_STATES = (
    "verified",
    "verified_late",
    "blocked",
    "upgraded_unconfigured",
    "failed_final",
    "comms_lost",
    "attempts_exhausted",
    "escalate_vendor",
    "skipped_by_abort",
)
RESTING_STATES = ("current", "planned", "staged", "scheduled", "activated_unconfirmed", "handed_over", "not_responding", "paused")
#: Where a meter rests because it was asked to: nothing failed and nothing is overdue.
ASKED_TO_REST = ("staged", "scheduled")
GOOD_OUTCOMES = ("verified", "verified_late", "current")


def web_protocol(text: str) -> str | None:
    """The canonical word for a spelling of the web protocol setting, None where it is not known (G-12)."""
    folded = " ".join(text.split()).lower()
    return folded if folded in WEB_PROTOCOLS_OBSERVED else WEB_PROTOCOL_SPELLINGS.get(folded)
