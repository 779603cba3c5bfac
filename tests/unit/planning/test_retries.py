# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What a campaign tries again by itself: once, after the documented hold, and never what only a person can mend (R-092, R-119)."""

from __future__ import annotations

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue import reasons
from ansible_collections.gridops.metering.plugins.module_utils._engine.planning import retries

NEVER = (
    "artifact_hash_mismatch",
    "serial_mismatch",
    "mid_lock_enabled",
    "ftp_auth_failed",
    "web_auth_failed",
    "locked_out",
    "wrong_version_after",
    "artifact_suspect",
    "attempts_exhausted",
    "plan_stale",
)


@pytest.mark.requirement("R-092", "R-119")
def test_the_table_holds_once_and_300_seconds() -> None:
    table = retries.retry_table()
    assert {row["times"] for row in table} == {1} and {row["after_seconds"] for row in table} == {300}
    codes = [row["reason"] for row in table]
    assert len(codes) == len(set(codes)) and set(codes) <= set(reasons.REASONS)


@pytest.mark.requirement("R-092")
@pytest.mark.parametrize("reason", NEVER)
def test_what_a_person_must_mend_is_never_repeated(reason: str) -> None:
    assert reason in reasons.REASONS and reason not in {row["reason"] for row in retries.retry_table()}
    assert all(
        retries.how_to_retry(outcome, reason, attempted) == "" for outcome in ("blocked", "failed_final") for attempted in (True, False)
    )


@pytest.mark.requirement("R-119", "invariant-d")
def test_a_second_try_costs_an_attempt_only_where_the_first_did() -> None:
    assert retries.how_to_retry("failed_retryable", "upgrade_process_failed", True) == retries.RETRY
    assert retries.how_to_retry("blocked", "ftp_connect_failed", False) == retries.AGAIN
    assert retries.how_to_retry("failed_final", "transport_failed", True) == "", "the attempt may have worked"
    assert retries.how_to_retry("verified", "", True) == retries.how_to_retry("not_responding", "not_responding", True) == ""
