# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A stand-in for what the examples use of the REST APIs of GitLab (v4) and GitHub (2022-11-28): issues, and comments of a merge request.

Paths, fields, methods and status codes are those of the public documentation: docs.gitlab.com/api/issues, /api/notes, and
docs.github.com/rest/issues. What is not known is refused, and so is a wrong token.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Item = dict[str, Any]
#: Most characters of a text: a GitHub body, a GitLab description, a GitLab note.
GITHUB_BODY, GITLAB_DESCRIPTION, GITLAB_NOTE = 65536, 1048576, 1000000


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Forges:
    """Both systems with one project each; use it as a context manager."""

    def __init__(self, gitlab_token: str, github_token: str) -> None:
        self.tokens = {"gitlab": gitlab_token, "github": github_token}
        self.issues: dict[str, list[Item]] = {"gitlab": [], "github": []}
        self.comments: dict[str, list[Item]] = {"gitlab": [], "github": []}
        self.requests: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    def __enter__(self) -> Forges:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def open(self, system: str) -> list[Item]:
        return [issue for issue in self.issues[system] if issue["state"] in ("open", "opened")]

    def answer(self, method: str, path: str, query: dict[str, str], headers: Any, body: Item) -> tuple[int, Any]:
        """Find what a request is for."""
        if path.startswith("/api/v4/projects/7/"):
            system, given = "gitlab", headers.get("PRIVATE-TOKEN")
        elif path.startswith("/repos/grid/meters/"):
            system, given = "github", str(headers.get("Authorization")).removeprefix("Bearer ")
        else:
            raise Refused(404)
        if given != self.tokens[system]:
            raise Refused(401)
        rest = "/" + path.split("/", 5 if system == "gitlab" else 4)[-1]
        for pattern, act in (self._gitlab() if system == "gitlab" else self._github()).items():
            if found := re.fullmatch(pattern, f"{method} {rest}"):
                return act(body, query, *map(int, found.groups()))
        raise Refused(404)

    def _gitlab(self) -> dict[str, Callable[..., tuple[int, Any]]]:
        issues, notes = self.issues["gitlab"], self.comments["gitlab"]

        def find(body: Item, query: dict[str, str]) -> tuple[int, Any]:
            return 200, [one for one in issues if query.get("state") in (None, one["state"]) and query["labels"] in one["labels"]]

        def make(body: Item, query: dict[str, str]) -> tuple[int, Any]:
            _short(body["description"], GITLAB_DESCRIPTION)
            labels = body["labels"].split(",")
            issues.append({"iid": len(issues) + 1, "state": "opened", "notes": [], **body, "labels": labels})
            return 201, issues[-1]

        def change(body: Item, query: dict[str, str], number: int) -> tuple[int, Any]:
            event = body.pop("state_event", None)
            issues[number - 1] |= {**body, **({"state": "closed"} if event == "close" else {})}
            return 200, issues[number - 1]

        def note(body: Item, query: dict[str, str], number: int) -> tuple[int, Any]:
            issues[number - 1]["notes"].append(body["body"])
            return 201, {}

        def say(body: Item, query: dict[str, str], number: int) -> tuple[int, Any]:
            _short(body["body"], GITLAB_NOTE)
            notes.append({"id": len(notes) + 1, "request": number, "body": body["body"]})
            return 201, notes[-1]

        def correct(body: Item, query: dict[str, str], number: int, note_id: int) -> tuple[int, Any]:
            notes[note_id - 1]["body"] = body["body"]
            return 200, notes[note_id - 1]

        return {
            r"GET /issues": find,
            r"POST /issues": make,
            r"PUT /issues/(\d+)": change,
            r"POST /issues/(\d+)/notes": note,
            r"GET /merge_requests/(\d+)/notes": lambda body, query, number: (200, [one for one in notes if one["request"] == number]),
            r"POST /merge_requests/(\d+)/notes": say,
            r"PUT /merge_requests/(\d+)/notes/(\d+)": correct,
        }

    def _github(self) -> dict[str, Callable[..., tuple[int, Any]]]:
        issues, comments = self.issues["github"], self.comments["github"]
        if not issues:  # a pull request is an issue too, and comes in lists of issues
            issues.append({"number": 1, "state": "open", "labels": ["meter-audit"], "body": "", "notes": [], "pull_request": {}})

        def find(body: Item, query: dict[str, str]) -> tuple[int, Any]:
            return 200, [one for one in issues if one["state"] == query.get("state", "open") and query["labels"] in one["labels"]]

        def make(body: Item, query: dict[str, str]) -> tuple[int, Any]:
            _short(body["body"], GITHUB_BODY)
            issues.append({"number": len(issues) + 1, "state": "open", "notes": [], **body})
            return 201, issues[-1]

        def change(body: Item, query: dict[str, str], number: int) -> tuple[int, Any]:
            issues[number - 1] |= body
            return 200, issues[number - 1]

        def say(body: Item, query: dict[str, str], number: int) -> tuple[int, Any]:
            _short(body["body"], GITHUB_BODY)
            comments.append({"id": len(comments) + 1, "request": number, "body": body["body"]})
            return 201, comments[-1]

        def correct(body: Item, query: dict[str, str], comment: int) -> tuple[int, Any]:
            comments[comment - 1]["body"] = body["body"]
            return 200, comments[comment - 1]

        return {
            r"GET /issues": find,
            r"POST /issues": make,
            r"PATCH /issues/(\d+)": change,
            r"GET /issues/(\d+)/comments": lambda body, query, number: (200, [one for one in comments if one["request"] == number]),
            r"POST /issues/(\d+)/comments": say,
            r"PATCH /issues/comments/(\d+)": correct,
        }


def _short(text: str, most: int) -> None:
    if len(text) > most:
        raise Refused(422)


def _handler(forges: Forges) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            forges.requests.append(f"{self.command} {parts.path}")
            try:
                status, answer = forges.answer(self.command, parts.path, dict(parse_qsl(parts.query)), self.headers, body)
            except Refused as refused:
                status, answer = refused.status, {"message": str(refused)}
            raw = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PUT = do_PATCH = _do

        def log_message(self, *_: object) -> None:
            pass

    return Handler
