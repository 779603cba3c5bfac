# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The lookup meter_password."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader


def made(*accounts: str, **options: Any) -> list[str]:
    found: list[str] = lookup_loader.get("gridops.metering.meter_password").run(list(accounts), {}, **options)
    return found


@pytest.mark.requirement("R-306", "G-14", "R-258", "R-259")
def test_the_form_follows_model_version_and_mode() -> None:
    assert [len(item) for item in made("admin", "User1", model="ION9000", version="3.1.0", mode="legacy_support")] == [6, 8]
    assert made("user1", model="PM8000", version="v3.0.0", mode="legacy_support")[0].isdigit()
    assert len(made("User1", model="ION7400", version="4.0.0", mode="advanced")[0]) == 16
    assert len(made("User1", model="ION7400", mode="legacy_support", alphanumeric=True)[0]) == 6
    assert len(made("user2", model="PM5560", version="2.8.3")[0]) == 8
    assert len(made("Administrator", model="PM5560", version="4.3.5", readable=True)[0]) == 16


@pytest.mark.parametrize(
    ("accounts", "options", "said"),
    [
        (("a",), {"model": "MCS301"}, "no named accounts"),
        (("a",), {"model": "PM9999"}, "model"),
        (("a",), {"model": "ION9000", "version": "three"}, "version"),
        ((), {"model": "ION9000"}, "names of one or more accounts"),
    ],
)
def test_bad_options_are_refused(accounts: tuple[str, ...], options: dict[str, Any], said: str) -> None:
    with pytest.raises(AnsibleLookupError, match=said):
        made(*accounts, **options)
