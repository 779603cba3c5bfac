# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""Small HAR files made by hand, in the ways in which browsers write them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

HOST = "192.0.2.7"
PASSWORD = "Canary-har-word-91c4"
USER = "Administrator"
PACKAGE = "PACKAGE-BYTES-9f2e" * 40


def entry(
    method: str,
    path: str,
    status: int = 200,
    text: str = "",
    mime: str = "text/html",
    sent: Mapping[str, str] | None = None,
    answer: Mapping[str, str] | None = None,
    body: Any = None,
    kind: str = "",
    scheme: str = "https",
    host: str = HOST,
) -> dict[str, Any]:
    """One entry. ``body`` is the text of a request's body, ``kind`` its type."""
    headers = [{"name": name, "value": value} for name, value in (sent or {}).items()]
    request: dict[str, Any] = {"method": method, "url": f"{scheme}://{host}{path}", "headers": headers, "cookies": [], "queryString": []}
    if kind:
        headers.append({"name": "Content-Type", "value": kind})
    if body is not None:
        request["postData"] = {"mimeType": kind, "text": body, "params": []}
    response = {
        "status": status,
        "headers": [{"name": name, "value": value} for name, value in (answer or {}).items()],
        "cookies": [],
        "content": {"mimeType": mime, "text": text, "size": len(text)},
    }
    return {"startedDateTime": "2026-11-21T05:00:00Z", "time": 1, "request": request, "response": response}


def har(entries: Sequence[Any]) -> str:
    return json.dumps({"log": {"version": "1.2", "creator": {"name": "hand", "version": "1"}, "entries": list(entries)}})


FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
MULTIPART = "multipart/form-data; boundary=XX"


def login_page(token: str) -> str:
    return (
        f"<html><form method=POST action='/in'><input type='hidden' name='_t' value='{token}'><input name='who'>"
        "<input type='password' name='word'></form></html>"
    )


UPLOAD_PAGE = (
    "<form method=post action=/fw enctype=multipart/form-data><input type='hidden' name='_t' value='tok3aaaaaaaaaaaa'>"
    "<input type=file name=img></form>"
)


def form_meter() -> list[dict[str, Any]]:
    """A meter with sloppy HTML, a cookie, a hidden field, and tables without classes, recorded by Firefox (body with the file as text)."""
    multipart = (
        '--XX\r\nContent-Disposition: form-data; name="_t"\r\n\r\ntok3aaaaaaaaaaaa\r\n--XX\r\nContent-Disposition: form-data; name="slot"\r\n\r\n'
        'main\r\n--XX\r\nContent-Disposition: form-data; name="img"; filename="PM5560_v4.4.0.sedp"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n{PACKAGE}\r\n--XX--\r\n"
    )
    running = "<TABLE><TR><TD>Core</TD><TD>Working</TD><TD>40%</TD></TR><TR><TD>Site</TD><TD>Pending</TD><TD>0%</TD></TR></TABLE>"
    done = running.replace("Working", "Done").replace("Pending", "Done").replace("40%", "100%").replace(">0%", ">100%")
    cookie = {"Cookie": "SID=5f5f5f5f5f5f5f5f5f5f5f5f"}
    return [
        entry("GET", "/", 302, answer={"Location": "/in"}),
        entry("GET", "/in", text=login_page("tok1aaaaaaaaaaaa")),
        entry("POST", "/in", body="_t=tok1aaaaaaaaaaaa&who=Administrator&word=wrong-Canary-1", kind=FORM, text="<p id=err>Not these.</p>" + login_page("tok2")),
        entry(
            "POST", "/in", 303, body=f"_t=tok2aaaaaaaaaaaa&who={USER}&word={PASSWORD}", kind=FORM,
            answer={"Location": "/start", "Set-Cookie": "SID=5f5f5f5f5f5f5f5f5f5f5f5f; HttpOnly"},
        ),
        entry("GET", "/start", text=f"<p id='me'>Hello <b>{USER}</b> (Product Master)</p>", sent=cookie),
        entry("GET", "/fw", text=UPLOAD_PAGE, sent=cookie),
        entry("POST", "/fw", body=multipart, kind=MULTIPART, sent=cookie, text="<h2 id='ask'>Start it now?</h2>"),
        entry("POST", "/go", body="_t=tok3aaaaaaaaaaaa&sure=1", kind=FORM, sent=cookie, text="<h2 id='gone'>The meter starts again now.</h2>"),
        entry("GET", "/stat", text=f"<i id=st>Working</i>{running}", sent=cookie),
        entry("GET", "/stat", text=f"<i id=st>Done</i>{done}", sent=cookie),
        entry("GET", "/signout", 302, answer={"Location": "/in"}, sent=cookie),
        entry("GET", "/x.js", host="cdn.example.org", text="function a(){}", mime="application/javascript"),
    ]  # fmt: skip
