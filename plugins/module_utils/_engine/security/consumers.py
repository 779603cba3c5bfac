# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Who else uses an account whose password changes (R-035, R-192, R-320); pure.

A meter has one password for an account, whatever the protocol. So everything that signs in with it has to follow, and whatever keeps
the old one locks the account by and by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..base.target import Credential
from ..catalogue.models import HEP, PM5000
from . import marks

#: Protocols of one meter that take the same accounts.
PROTOCOLS = {PM5000: ("web", "ftp"), HEP: ("web", "ion", "sftp", "ssh")}
_SOFTWARE = {
    "pme": "Power Monitoring Expert",
    "scada": "SCADA software",
    "ion_setup": "ION Setup",
    "modbus_master": "",  # Modbus knows no accounts
    "legacy": "older ION software",
}


def roles_of(credentials: Mapping[str, Credential], user: str, family: str) -> tuple[str, ...]:
    """The roles of ``credentials`` that sign in with this account."""
    account = marks.user_account(user, family)
    return tuple(sorted(role for role, item in credentials.items() if marks.user_account(item.user, family) == account))


def notes(family: str, user: str, roles: Sequence[str], consumers: Sequence[str] = ()) -> list[str]:
    """What has to follow when the password of ``user`` changes: lines for the plan, without any secret."""
    protocols = PROTOCOLS.get(family, ())
    found = [f"{user}: the new password holds for {_and(protocols)} at once (R-035)"] if protocols else []
    if roles:
        found.append(f"{user}: credentials.{', credentials.'.join(roles)} of the inventory must take the new password from the vault")
    software = [_SOFTWARE[name] for name in consumers if _SOFTWARE.get(name)]
    if software:
        found.append(
            f"{user}: give {_and(software)} the new password, or pause it before the change: it locks the account with the old one"
        )
    found.append(f"{user}: browsers and scripts that keep the old password must forget it (R-192)")
    return found


def _and(items: Sequence[str]) -> str:
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
