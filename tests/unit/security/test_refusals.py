# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""What is said of a refusal that is not for a password's sake."""

from __future__ import annotations

import pytest

from ansible_collections.gridops.metering.plugins.module_utils._engine.security import settings_apply
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.password_rotation import Verdict
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.settings_look import moved_to
from ansible_collections.gridops.metering.plugins.module_utils._engine.security.state import USER_ADD, Change, State


@pytest.mark.requirement("R-335")
@pytest.mark.parametrize(
    ("want", "reason", "told"),
    [
        (["read", "test_mode"], "option_not_available", True),
        (["read"], "option_not_available", False),
        (["read", "test_mode"], "password_refused", False),
        (None, "option_not_available", False),
    ],
)
def test_a_user_with_a_permission_that_a_type_may_lack(want, reason, told):
    said = settings_apply._no_test_mode(
        Change("user:USER2", USER_ADD, "USER2", want), Verdict(reason, "the meter refused the change", "known")
    )
    assert ("test_mode" in said) is told


@pytest.mark.requirement("R-404")
@pytest.mark.parametrize(("told", "hint"), [(8449, "registers say 8449"), (443, ""), (None, "")])
def test_webpages_that_moved_are_named_by_their_port(told, hint):
    seen = State("hep", "ION9000", settings={} if told is None else {"web_port_https": told})
    text = moved_to(443, False, seen)
    assert "HTTPS, port 443" in text and hint in text
    assert ("correct ports.https" in text) is bool(hint)
