# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The methods that this release carries out, by explicit imports."""

from __future__ import annotations

from ._method import Method
from ._method_dlms import DlmsMethod
from ._method_ftp import FtpMethod
from ._method_ion import IonMethod
from ._method_tool import ToolMethod
from ._method_web import WebMethod

METHODS: dict[str, type[Method]] = {item.name: item for item in (FtpMethod, ToolMethod, IonMethod, WebMethod, DlmsMethod)}
