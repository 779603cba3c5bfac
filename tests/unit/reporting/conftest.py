# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A made-up audit and its past, which no test changes, and the text of a report."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

import auditmaker
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting.document import Document, History
from ansible_collections.gridops.metering.plugins.module_utils._engine.reporting.formats import Writer


@pytest.fixture(scope="session")
def audit() -> Document:
    return auditmaker.make(300)


@pytest.fixture(scope="session")
def past(audit: Document) -> History:
    return auditmaker.history(digest=audit["digest"])


@pytest.fixture(scope="session")
def text_of() -> Callable[..., str]:
    """What a writer writes of a document."""

    def write(writer: Writer, document: Document, history: History | None = None) -> str:
        out = io.StringIO(newline="")
        writer(document, history or {"scans": [], "campaigns": []}, out)
        return out.getvalue()

    return write
