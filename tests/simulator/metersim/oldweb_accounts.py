# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The page of accounts with old firmware, both surfaces (SURFACE.md, section 2b)."""

from __future__ import annotations

import html
import json
from typing import Any

from aiohttp import web

from metersim import accounts
from metersim.accounts import NUMBERS, Wanted
from metersim.meter import Meter
from metersim.newweb import RefusedError

# word: text of surface a, status and text of surface b
REFUSALS = {
    "account": ("There is no such user.", 404, "no such slot"),
    "group": ("User 1 must be a Web Master and user 2 a Product Master.", 409, "slots 1 and 2 keep their groups"),
    "at_least_one": (
        "At least one Web Master and one Product Master are required.",
        409,
        "one web-master and one product-master must remain",
    ),
    "name_taken": ("The user name is already in use.", 409, "account name in use"),
    "name_form": ("The user name is not valid.", 422, "account name not valid"),
    "password_form": ("The password is not valid.", 422, "secret not valid"),
    "request": ("The form is not complete.", 400, "request not understood"),
    "busy": ("An upgrade is already in progress.", 409, "busy with an update"),
}
FIELDS_B = {"slot": "number", "account": "name", "secret": "password", "group": "group", "remove": "remove"}


class AccountsPage:
    """Listing and changing; for the Product Master only."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    async def answer(self, request: web.BaseRequest, user: str, role: str) -> web.Response:
        """GET shows, POST changes one account."""
        if role != "product_master":
            return web.Response(status=403, text="Product Master only\n")
        if request.method == "GET":
            return self._page("")
        if request.method != "POST":
            return web.Response(status=405, headers={"Allow": "GET, POST"}, text="Method not allowed\n")
        try:
            self._save(await self._fields(request), user)
        except RefusedError as exc:
            self._meter.record("web_refused", user=user, why=exc.code)
            return self._page(exc.code)
        return self._page("saved")

    async def _fields(self, request: web.BaseRequest) -> dict[str, str]:
        if self._meter.surface.name == "a":
            return {key: value for key, value in (await request.post()).items() if isinstance(value, str) and value}
        try:
            body = json.loads(await request.text())
            return {FIELDS_B[key]: str(value) for key, value in body.items()}
        except (ValueError, KeyError, AttributeError):
            raise RefusedError("request") from None

    def _save(self, fields: dict[str, str], user: str) -> None:
        meter = self._meter
        number = fields.get("number", "")
        if not number.isascii() or not number.isdigit() or int(number) not in NUMBERS:
            raise RefusedError("account")
        group = NUMBERS[int(number)]
        if fields.get("remove") in ("yes", "True"):
            accounts.remove(meter, group, user)
            return
        words = {word: role for role, word in meter.surface.roles.items()}
        meant = words.get(fields["group"], fields["group"]) if "group" in fields else None
        wanted = Wanted(fields.get("name"), fields.get("password"), meant)
        if group in meter.accounts():
            accounts.save(meter, group, wanted, user)
        elif meant in (None, group):
            accounts.add(meter, group, wanted, user)
        else:
            raise RefusedError("group")

    def _page(self, word: str) -> web.Response:
        meter = self._meter
        shown = meter.accounts()
        rows = [(number, shown[group]["user"], meter.surface.roles[group]) for number, group in NUMBERS.items() if group in shown]
        if meter.surface.name == "b":
            if word in REFUSALS:
                return web.json_response({"refused": REFUSALS[word][2]}, status=REFUSALS[word][1])
            body: dict[str, Any] = {"saved": True} if word else {}
            body["accounts"] = [{"slot": number, "account": name, "group": group} for number, name, group in rows]
            return web.json_response(body)
        note = f'<p id="error">{REFUSALS[word][0]}</p>\n' if word in REFUSALS else '<p id="notice">Account saved.</p>\n' if word else ""
        lines = "\n".join(
            f'<tr class="account"><td>{number}</td><td>{html.escape(name)}</td><td>{group}</td></tr>' for number, name, group in rows
        )
        table = f'<table id="accounts">\n<tr><th>Number</th><th>Name</th><th>Group</th></tr>\n{lines}\n</table>'
        text = (
            "<!DOCTYPE html>\n<html><head><title>User Accounts</title></head>\n<body>\n<h1>User Accounts</h1>\n"
            f"{note}{table}\n</body></html>\n"
        )
        return web.Response(text=text, content_type="text/html", charset="utf-8")
