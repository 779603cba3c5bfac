# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The simulated MCS301: a DLMS/COSEM meter, written from the standard as generally known. It shares nothing with the product."""
