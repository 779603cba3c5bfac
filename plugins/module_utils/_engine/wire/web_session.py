# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""One session on a meter's webpages, driven by a profile alone: sign in, read, write, upload, confirm, look at the status.

Silence is never success: every step needs the sign that the profile names for it. A secret is sent once for each session, to the
meter's own address, and to an https meter over https only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..base.errors import DeviceError
from ..base.redaction import Redactor
from ..base.target import Target
from ..catalogue import constants
from ..profiles import answers
from ..profiles.answers import Answer
from ..profiles.status import read_last, read_role, read_status, refusal_reason
from .web import MISSING, Trigger, plain
from .web_http import MeterHttp
from .web_upload import FileBody, multipart

if MISSING is None:
    from requests.utils import add_dict_to_cookiejar, dict_from_cookiejar

_LOGIN_REASONS = ("web_auth_failed", "login_refused", "locked_out", "session_limit", "user_name_not_valid_in_mode")
_IF_MATCH = "if-match"
Status = tuple[str, list[dict[str, Any]], str, dict[str, str]]


@dataclass(frozen=True)
class Uploaded:
    """What the meter said to a package: ``state`` is staged or refused. ``bytes`` is the size of the file."""

    state: str
    reason: str
    text: str
    bytes: int


class ProfileSession:
    """A session with one meter. ``state`` continues a session of another process.

    ``role`` names the account of ``target.credentials``, ``scheme`` stands in place of the profile's. What it signed in, it signs out.
    """

    def __init__(
        self,
        target: Target,
        profile: Mapping[str, Any],
        role: str = "product_master",
        state: Mapping[str, Any] | None = None,
        web_session: Mapping[str, Any] | None = None,
        scheme: str | None = None,
    ) -> None:
        self._profile = profile
        self._credential = target.credentials.get(role)
        self._login: Mapping[str, Any] = profile.get("login", {"kind": "challenge"})
        self._scheme = scheme or profile.get("transport", {}).get("scheme", "http")
        challenge = self._credential if self._login["kind"] == "challenge" else None
        self._http = MeterHttp(target, self._scheme, challenge, self._seen)
        if self._http.auth is not None and self._login.get("preemptive") == "basic":
            self._http.auth.send_at_once()
        self._tokens: dict[str, str] = {}
        self._extra: dict[str, str] = {}
        self._web_session = web_session or {}
        self._signed_in = self._tried = False
        self._redactor = Redactor([self._credential.password] if self._credential else [])
        self.findings = [{"id": "legacy_tls", "text": "TLS that is out of date is allowed with this meter"}] if target.tls.legacy else []
        if self._scheme == "http":
            self.findings.append({"id": "cleartext_management", "text": "passwords travel in clear to this meter"})
        if state:
            self._restore(state)

    def __enter__(self) -> ProfileSession:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- signing in and out -------------------------------------------------------------------------------------------

    def login(self) -> None:
        """Sign in, at most once in a session. Raises DeviceError: web_auth_failed, locked_out, session_limit, tls_*, page_missing, ..."""
        if self._signed_in:
            return
        kind = self._login["kind"]
        if kind == "helper":
            self._adopt()
            return
        if self._credential is None:
            raise DeviceError("web_login", "credential_unknown", "no credential for the webpages is given")
        if self._tried:
            raise DeviceError("web_login", "web_auth_failed", "this session tried its password already")
        self._tried = True
        if kind == "challenge":
            self._answer_challenge()
        else:
            self._post_login(kind, self._credential.user, self._credential.password)
        self._signed_in = True

    def _answer_challenge(self) -> None:
        """HTTP Basic or Digest has no login page: any page that needs a login tells."""
        section = self._profile.get("session_page") or self._profile.get("role_page") or self._profile.get("status_page")
        if section is None:
            return
        answer = self._page("web_login", section["path"])
        if answer.status == 403:
            raise DeviceError("web_login", "web_auth_failed", "the meter refused the login", self._words(answer))
        if answer.status != 200:
            raise self._not_understood("web_login", answer, self._words(answer))

    def _post_login(self, kind: str, user: str, password: str) -> None:
        login = self._login
        if "page" in login:
            self._page("web_login", login["page"], signed_out=False)
        fields = {**login.get("constants", {}), login["user"]: user, login["password"]: password}
        answer = self._write("web_login", login, kind, fields)
        if not answers.holds(login["ok"], answer):
            raise self._login_fault(answer)

    def _login_fault(self, answer: Answer) -> DeviceError:
        said = self._words(answer)
        if answers.is_busy(self._profile, answer):
            return DeviceError("web_login", "web_busy", "the meter serves no pages at the moment", said)
        reason = refusal_reason(self._profile, said)
        if reason in _LOGIN_REASONS:
            return DeviceError("web_login", reason, "the meter refused the login", said)
        if answer.status in (401, 403):
            return DeviceError("web_login", "web_auth_failed", "the meter refused the login", said)
        if answers.is_missing(self._profile, answer):
            return DeviceError("web_login", "page_missing", f"the login page {self._login['path']} does not exist on this firmware", said)
        return self._not_understood("web_login", answer, said)

    def _adopt(self) -> None:
        """Go on with the cookies and headers that an operator's helper brought; the role page, where known, must take them."""
        if not self._web_session:
            raise DeviceError("web_login", "login_helper_failed", "this profile signs in with a helper, and none brought a session")
        add_dict_to_cookiejar(self._http.session.cookies, dict(self._web_session.get("cookies") or {}))  # type: ignore[no-untyped-call]
        self._extra = {str(name): str(value) for name, value in (self._web_session.get("headers") or {}).items()}
        for value in [*self._http.session.cookies.values(), *self._extra.values()]:
            self._redactor.add(value)
        self._tokens.update(answers.tokens(self._profile, Answer(0, "", {}, dict(self._web_session.get("cookies") or {}))))
        self._answer_challenge()
        self._signed_in = True

    def logout(self) -> None:
        """Sign out where the profile knows how. What the meter says to it does not matter."""
        spec = self._profile.get("logout")
        if spec is None or not self._signed_in:
            return
        self._signed_in = False
        try:
            if spec.get("method", "GET") == "GET":
                self._http.get("web_logout", spec["path"], self._headers, lambda dummy_answer: True)
            else:
                self._write("web_logout", spec, "form", {})
        except DeviceError:
            pass

    def close(self) -> None:
        """Sign out and drop the connections; bounded by the time limits of one request."""
        self.logout()
        self._http.close()

    def nothing_sent(self) -> bool:
        """Whether the last request failed before it could have reached the meter."""
        return self._http.nothing_sent()

    def abandon(self) -> None:
        """Drop the connections and leave the session on the meter open, for another step to go on with ``state()``, taken before."""
        self._signed_in = False
        self._http.close()

    def state(self) -> dict[str, Any]:
        """The session as plain values, to go on elsewhere. It is a secret."""
        return {
            "cookies": dict_from_cookiejar(self._http.session.cookies),  # type: ignore[no-untyped-call]
            "tokens": dict(self._tokens),
            "headers": dict(self._extra),
            "signed_in": self._signed_in,
            "tried": self._tried,
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        add_dict_to_cookiejar(self._http.session.cookies, dict(state["cookies"]))  # type: ignore[no-untyped-call]
        self._tokens, self._extra = dict(state["tokens"]), dict(state["headers"])
        self._signed_in, self._tried = bool(state["signed_in"]), bool(state["tried"])

    # -- reading and writing ------------------------------------------------------------------------------------------

    def page(self, path: str) -> Answer:
        """One page as it is. Raises DeviceError: page_missing, session_lost, web_auth_failed, web_role_insufficient, ..."""
        answer = self._page("web_read", path)
        if answer.status != 200:
            said = self._words(answer)
            reason = refusal_reason(self._profile, said)
            if reason is None:
                raise self._not_understood("web_read", answer, said)
            raise DeviceError("web_read", reason, f"the meter does not show {path}", said)
        return answer

    def revision(self, answer: Answer) -> dict[str, str]:
        """The tokens of this answer that name the state it shows: what goes back as If-Match (F-38)."""
        found = answers.tokens(self._profile, answer)
        named = {token["name"] for token in self._profile.get("tokens", ()) if token["send"].get("header", "").lower() == _IF_MATCH}
        return {name: value for name, value in found.items() if name in named}

    def submit(
        self,
        what: str,
        spec: Mapping[str, Any],
        fields: Mapping[str, Any],
        secret: str | None = None,
        *,
        revision: Mapping[str, str] | None = None,
        compare: Callable[[Answer], None] | None = None,
    ) -> Answer:
        """One request that writes, by its place in the profile. Raises DeviceError: the reason for the device's words, or setting_refused.

        ``revision`` is that of an earlier answer and goes in place of a newer one. ``compare`` gets the page that is opened right
        before, where the profile names one, and raises where nothing may be written.
        """
        self._redactor.add(secret)
        page = self._prepare("web_write", spec)
        if page is not None and compare is not None:
            compare(page)
        self._tokens.update(revision or {})
        answer = self._write("web_write", spec, spec["body"], fields)
        if not answers.holds(spec["ok"], answer):
            said = self._words(answer)
            reason = refusal_reason(self._profile, said)
            if reason is None:
                self._refuse_common("web_write", answer, spec["path"])
            raise DeviceError("web_write", reason or "setting_refused", f"the meter did not take {what}", said)
        return answer

    def role(self) -> str | None:
        """``product_master``, the meter's own word for another role, or None where the profile or the firmware has no such page."""
        section = self._profile.get("role_page")
        if section is None:
            return None
        try:
            answer = self._page("web_read", section["path"])
        except DeviceError as error:
            if error.reason == "page_missing":
                return None
            raise
        return read_role(self._profile, answer.status, answer.text)

    def read(self, name: str) -> str | None:
        """A setting by our name for it; None where this firmware does not have the page or the field (R-029). Raises KeyError for an unknown name."""
        spec = self._profile["settings"][name]
        try:
            return answers.setting(spec, self._page("web_read", spec["path"]))
        except DeviceError as error:
            if error.reason == "page_missing":
                return None
            raise

    def write(self, name: str, value: str) -> None:
        """Change a setting. Raises DeviceError: page_missing, setting_refused with the device's words, ..."""
        spec = self._profile["settings"][name]
        how = spec["write"]
        self._prepare("web_write", how)
        answer = self._write("web_write", how, how["body"], {**how.get("constants", {}), how["field"]: answers.device_word(spec, value)})
        if not answers.holds(how["ok"], answer):
            self._refuse_common("web_write", answer, how["path"])
            said = self._words(answer)
            raise DeviceError("web_write", refusal_reason(self._profile, said) or "setting_refused", f"the meter did not take {name}", said)

    def status(self) -> Status:
        """(overall, processes, the device's words, version and time of the last upgrade) of the status page (R-065, R-144)."""
        section = self._profile["status_page"]
        answer = self._page("web_status", section["path"])
        return (*read_status(self._profile, answer.status, answer.text), read_last(self._profile, answer.status, answer.text))

    # -- the package --------------------------------------------------------------------------------------------------

    def upload(self, path: Path, name: str, sha256: str, progress: Callable[[int], None]) -> Uploaded:
        """Send one file under its own name, streamed (R-085, R-138). ``progress`` gets the bytes of each block.

        Raises DeviceError: upload_incomplete for a cut connection, artifact_hash_mismatch before the last byte is sent.
        """
        spec = self._section("upload")
        try:
            size = path.stat().st_size
        except OSError as error:
            raise DeviceError("web_upload", "artifact_missing", f"{path.name} cannot be read: {error.strerror}") from None
        if size > spec.get("max_bytes", size):
            return Uploaded("refused", "device_rejected_image", f"the file has {size} bytes; the page takes {spec['max_bytes']}", size)
        self._prepare("web_upload", spec)
        answer = self._send_file(spec, FileBody(path, size, sha256, progress), path, size, name, sha256, progress)
        if answers.holds(spec["ok"], answer):
            return Uploaded("staged", "", self._words(answer), size)
        self._refuse_common("web_upload", answer, spec["path"])
        said = self._words(answer)
        reason = refusal_reason(self._profile, said)
        if reason is None and answer.status == 200:
            raise self._not_understood("web_upload", answer, said)
        return Uploaded("refused", reason or "device_rejected_image", said, size)

    def _send_file(
        self, spec: Mapping[str, Any], body: FileBody, path: Path, size: int, name: str, sha256: str, progress: Callable[[int], None]
    ) -> Answer:
        where, headers = spec["path"].replace("{name}", quote(name)), self._headers(write=True)
        if spec.get("body", "multipart") == "multipart":
            fields = {key: str(value) for key, value in {**spec.get("constants", {}), **self._fields()}.items()}
            kind, before, after = multipart(fields, spec.get("field", "file"), name)
            body = FileBody(path, size, sha256, progress, before, after)
            headers["Content-Type"] = kind
        try:
            seconds = float(constants.UPLOAD_ANSWER.number)
            return self._http.send("web_upload", spec.get("method", "POST"), where, headers, body=body, read=seconds)
        except DeviceError as error:
            if error.reason == "transport_failed" and not self._http.nothing_sent():
                raise DeviceError("web_upload", "upload_incomplete", f"the upload was cut: {error.text}") from None
            raise

    @property
    def applies_at_once(self) -> bool:
        """Whether the upload itself starts the upgrade, without a question."""
        return bool(self._profile.get("upload", {}).get("applies_at_once"))

    def confirm(self) -> Trigger:
        """Answer the question "apply now" with yes: the point of no return (R-140). The caller has written the ledger before.

        ``not_started`` only where the meter surely did not take it; an answer that is not understood counts as taken.
        """
        spec = self._section("confirm")
        try:
            self._prepare("web_confirm", spec)
        except DeviceError as error:
            return Trigger("not_started", None, "", error.reason, error.device_text or error.text)
        try:
            answer = self._write("web_confirm", spec, spec["body"], spec.get("fields", {}))
        except DeviceError as error:
            if self._http.nothing_sent():
                return Trigger("not_started", None, "", error.reason, error.text)
            return Trigger("triggered", None, "", "", f"the connection ended with the request: {error.text}")
        return self._judge(spec, answer)

    def _judge(self, spec: Mapping[str, Any], answer: Answer) -> Trigger:
        said = self._words(answer)
        if answers.holds(spec["ok"], answer):
            self._signed_in = False  # all users are disconnected
            return Trigger("triggered", answer.status, answer.location, "", said)
        try:
            self._refuse_common("web_confirm", answer, spec["path"])
        except DeviceError as error:
            return Trigger("not_started", answer.status, "", error.reason, error.device_text or error.text)
        reason = refusal_reason(self._profile, said)
        if reason is not None or 400 <= answer.status < 500:
            return Trigger("refused", answer.status, "", reason or "device_rejected_image", said or f"HTTP status {answer.status}")
        return Trigger("triggered", answer.status, answer.location, "", f"an answer that is not understood (HTTP status {answer.status})")

    # -- details ------------------------------------------------------------------------------------------------------

    def _section(self, name: str) -> Mapping[str, Any]:
        section: Mapping[str, Any] | None = self._profile.get(name)
        if section is None:
            raise DeviceError(f"web_{name}", "profile_missing", f"the profile {self._profile['name']} does not tell how to {name}")
        return section

    def _seen(self, answer: Answer) -> None:
        found = answers.tokens(self._profile, answer)
        for value in [*found.values(), *answer.cookies.values()]:
            self._redactor.add(value)
        self._tokens.update(found)
        for name in answer.cookies:  # a cookie that came with the session gives way to the meter's newer one
            with contextlib.suppress(KeyError):
                self._http.session.cookies.clear("", "/", name)

    def _headers(self, write: bool = False) -> dict[str, str]:
        headers = dict(self._extra)
        for token in self._profile.get("tokens", ()):
            send, value = token["send"], self._tokens.get(token["name"])
            if value is not None and "header" in send and (write or token.get("with", "all") == "all"):
                headers[send["header"]] = send.get("prefix", "") + value
        return headers

    def _fields(self) -> dict[str, str]:
        sends = ((token["send"], self._tokens.get(token["name"])) for token in self._profile.get("tokens", ()))
        return {send["field"]: value for send, value in sends if value is not None and "field" in send}

    def _prepare(self, stage: str, spec: Mapping[str, Any]) -> Answer | None:
        """Open the page of a step first, where the profile names one: its tokens are the fresh ones."""
        return self._page(stage, spec["page"]) if "page" in spec else None

    def _page(self, stage: str, path: str, signed_out: bool = True) -> Answer:
        """A page that must exist. Raises DeviceError."""
        answer = self._http.get(stage, path, self._headers, lambda item: signed_out and answers.is_signed_out(self._profile, item))
        self._refuse_common(stage, answer, path, signed_out)
        return answer

    def _write(self, stage: str, spec: Mapping[str, Any], body: str, fields: Mapping[str, Any]) -> Answer:
        """A request that carries fields. Its answer is not followed when it redirects."""
        fields = {**fields, **self._fields()}
        headers, method = self._headers(write=True), spec.get("method", "POST")
        if body == "json":
            return self._http.send(stage, method, spec["path"], headers, json=fields)
        return self._http.send(stage, method, spec["path"], headers, form=fields)

    def _refuse_common(self, stage: str, answer: Answer, path: str, signed_out: bool = True) -> None:
        """Raise DeviceError where the answer is none of this step: no such page, signed out, not now."""
        said = self._words(answer)
        if answers.is_busy(self._profile, answer):
            raise DeviceError(stage, "web_busy", "the meter serves no pages at the moment", said)
        if answers.is_missing(self._profile, answer):
            raise DeviceError(stage, "page_missing", f"{path} does not exist on this firmware")
        if signed_out and answers.is_signed_out(self._profile, answer):
            if self._login["kind"] == "challenge" or not self._tried:
                raise DeviceError(stage, "web_auth_failed", "the meter refused the login", said)
            raise DeviceError(stage, "session_lost", "the session ended", said)

    def _words(self, answer: Answer) -> str:
        """The device's words, masked; of a refusal without known words, what can be read of the page."""
        said = answers.words(self._profile, answer)
        if not said and answer.status >= 400 and answer.document is None:
            said = plain(answer.text[:4096])
        return self._redactor.text(said)

    def _not_understood(self, stage: str, answer: Answer, said: str) -> DeviceError:
        return DeviceError(stage, "web_not_understood", f"HTTP status {answer.status} without the sign that the profile names", said)
