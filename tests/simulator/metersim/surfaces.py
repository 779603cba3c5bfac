# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The two invented surfaces: how status, role and lock look from outside.

SURFACE.md describes both the way a vendor's manual would. Keep it in step.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metersim.meter import Meter

# internal names, in the order of the documents
CARD, SYSTEM, LANGUAGE, PAGES = "communications_card", "operating_system", "language_files", "webpages"
# only in upgrades with a .sedp package: first and last process
CHECK, RESTART = "compatibility_check", "restart"


@dataclass(frozen=True)
class Surface:
    """Words, addresses and register values of one kind of meter."""

    name: str
    realm: str
    server: str
    status_path: str
    role_path: str
    ethernet_path: str
    lock_open: tuple[int, int]
    lock_closed: tuple[int, int]
    order: tuple[str, ...]
    processes: dict[str, str]
    states: dict[str, str]
    results: dict[str, str]
    roles: dict[str, str]
    texts: dict[str, str] = field(default_factory=dict)
    profile: str = ""
    accounts_path: str = ""

    def status_page(self, meter: Meter) -> tuple[str, str]:
        """Content type and body of the status page."""
        return _status_html(self, meter) if self.name == "a" else _status_json(self, meter)

    def role_page(self, user: str, role: str) -> tuple[str, str]:
        """Content type and body of the page that names the signed-in user."""
        word = self.roles[role]
        if self.name == "a":
            return "text/html", _page("Session", f'<p id="session">Signed in as <b>{html.escape(user)}</b> ({word})</p>')
        return "application/json", json.dumps({"session": {"account": user, "group": word}})

    def ethernet_page(self, meter: Meter) -> tuple[str, str]:
        """Content type and body of the network settings, old generation."""
        if self.name == "b":
            words = {"web_port": meter.web_ports["http"], "ftp": meter.ftp_enabled, "address_from": meter.ip_mode}
            return "application/json", json.dumps({"network": words})
        rows = {
            "HTTP port": meter.web_ports["http"],
            "FTP server": "Enabled" if meter.ftp_enabled else "Disabled",
            "IP method": {"stored": "Stored", "dhcp": "DHCP", "bootp": "BOOTP"}[meter.ip_mode],
        }
        cells = "\n".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in rows.items())
        return "text/html", _page("Advanced Ethernet Settings", f'<table id="ethernet">\n{cells}\n</table>')


def _page(title: str, body: str) -> str:
    return f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n{body}\n</body></html>\n"


def _status_html(surface: Surface, meter: Meter) -> tuple[str, str]:
    job = meter.job
    lines = [
        f'<p id="device">{meter.model} {meter.serial}</p>',
        f'<p id="version">Present firmware: {meter.firmware_text}</p>',
        f'<p id="result">Result: {surface.results[job.result]}</p>',
        f'<p id="message">{html.escape(job.message)}</p>',
        '<table id="processes">',
        "<tr><th>Process</th><th>State</th><th>Progress</th><th>Remark</th></tr>",
    ]
    for step in job.steps:
        cells = (surface.processes[step.name], surface.states[step.state], f"{step.progress} %", html.escape(step.text))
        lines.append('<tr class="process">' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    lines.append("</table>")
    return "text/html", _page("Firmware Upgrade Status", "\n".join(lines))


def _status_json(surface: Surface, meter: Meter) -> tuple[str, str]:
    job = meter.job
    body: dict[str, Any] = {
        "unit": {"type": meter.model, "number": str(meter.serial), "software": meter.firmware_text},
        "update": {
            "phase": surface.results[job.result],
            "note": job.message,
            "jobs": [
                {
                    "title": surface.processes[step.name],
                    "status": surface.states[step.state],
                    "done": step.progress / 100,
                    "detail": step.text,
                }
                for step in job.steps
            ],
        },
    }
    return "application/json", json.dumps(body)


SURFACES = {
    "a": Surface(
        name="a",
        realm="PowerLogic PM5000",
        server="PM5000-WebServer",
        status_path="/FirmwareUpgradeStatus.shtml",
        role_path="/Session.shtml",
        ethernet_path="/AdvancedEthernetSettings.shtml",
        accounts_path="/UserAccounts.shtml",
        lock_open=(0, 2),
        lock_closed=(1, 5),
        order=(CARD, SYSTEM, LANGUAGE, PAGES),
        processes={
            CHECK: "Compatibility check",
            CARD: "Communications card",
            SYSTEM: "Operating system",
            LANGUAGE: "Language files",
            PAGES: "Webpages",
            RESTART: "Restart",
        },
        states={"waiting": "Waiting", "running": "In progress", "done": "Completed", "failed": "Failed"},
        results={
            "none": "None",
            "running": "In progress",
            "done": "Upgrade Completed",
            "failed": "Upgrade failed",
            "refused": "Not started",
        },
        roles={
            "product_master": "Product Master",
            "web_master": "Web Master",
            "web_user": "Web User",
            "administrator": "Administrator",
            "guest": "Guest",
        },
        texts={
            "none": "No upgrade since the last restart.",
            "running": "Do not switch off the device.",
            "done": "All processes completed.",
            "refused_lock": "The MID/MIR lock is enabled. Remove the lock on the display.",
            "refused_attempts": "The number of upgrades of this device is used up.",
            "refused_files": "Upgrade files are missing.",
            "refused_busy": "An upgrade is already in progress.",
            "refused_generation": "This function is not available on this firmware.",
            "failed": "One of the upgrade processes failed. Start again from the beginning.",
            "corrupt": "The firmware upgrade failed. The selected firmware is either invalid or corrupted.",
            "incompatible": "The firmware is not compatible with this device.",
            "connections": "Too many connections during the upgrade.",
            "writer": "The configuration was changed during the upgrade.",
            "process": "Process failed",
        },
        profile="pm5000-legacy",
    ),
    "b": Surface(
        name="b",
        realm="Energy meter",
        server="httpd/2.1",
        status_path="/maint/update.cgi",
        role_path="/maint/whoami.cgi",
        ethernet_path="/maint/network.cgi",
        accounts_path="/maint/accounts.cgi",
        lock_open=(0x0100, 0x00A0),
        lock_closed=(0x0101, 0x0050),
        order=(SYSTEM, PAGES, LANGUAGE, CARD),
        processes={
            CHECK: "admission",
            CARD: "ethernet",
            SYSTEM: "metering core",
            LANGUAGE: "texts",
            PAGES: "site",
            RESTART: "reboot",
        },
        states={"waiting": "queued", "running": "active", "done": "ok", "failed": "error"},
        results={"none": "idle", "running": "working", "done": "finished", "failed": "aborted", "refused": "rejected"},
        roles={
            "product_master": "product-master",
            "web_master": "web-master",
            "web_user": "web-user",
            "administrator": "administrator",
            "guest": "guest",
        },
        texts={
            "none": "nothing to report",
            "running": "update is running, keep the supply on",
            "done": "update finished",
            "refused_lock": "sealed: open the legal lock at the front panel",
            "refused_attempts": "update budget exhausted",
            "refused_files": "no complete set of files",
            "refused_busy": "busy with an update",
            "refused_generation": "function removed in this software",
            "failed": "a job ended with an error, repeat the whole procedure",
            "corrupt": "package damaged or not genuine",
            "incompatible": "package is for another device or release",
            "connections": "client limit exceeded while updating",
            "writer": "parameters changed while updating",
            "process": "job error",
        },
        profile="pm5000-legacy-b",
    ),
}

# The same meters with new firmware: other pages, other words.
NEW_SURFACES = {
    "a": replace(
        SURFACES["a"],
        status_path="/maintenance/status.html",
        role_path="/home.html",
        states={"waiting": "Waiting", "running": "Running", "done": "Completed", "failed": "Failed"},
        results={"none": "None", "running": "Running", "done": "Successful", "failed": "Unsuccessful", "refused": "Not started"},
        texts={
            **SURFACES["a"].texts,
            "none": "No upgrade has been made.",
            "running": "The upgrade is running. Do not switch off the device.",
            "done": "The upgrade was completed.",
            "refused_files": "Upload a package first.",
            "failed": "",  # the failed step's remark instead
            "process": "The upgrade failed.",
        },
        profile="pm5000-new",
    ),
    "b": replace(
        SURFACES["b"],
        status_path="/api/v1/update",
        role_path="/api/v1/session",
        texts={**SURFACES["b"].texts, "refused_files": "no package uploaded"},
        profile="pm5000-new-b",
    ),
}
