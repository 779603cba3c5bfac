# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""HTTP client for the trigger page and the pages a profile names, on requests.

Credentials go to the meter's own address only, only after it asked for them, and at most once for each request.
Nothing is ever sent again by itself: the trigger request is the point of no return (R-062).
"""

from __future__ import annotations

import codecs
import platform
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from ..base.errors import DependencyError, DeviceError
from ..base.target import Credential, Target

try:
    import requests
    import urllib3
    from requests.auth import HTTPDigestAuth, _basic_auth_str
    from requests.utils import parse_dict_header
except ImportError as exc:
    MISSING = exc.name
    HTTPDigestAuth = object  # type: ignore[assignment,misc]
else:
    MISSING = None

PAGE_LIMIT = 1 << 20
_REDIRECTS = 3
_DIGESTS = ("MD5", "MD5-SESS", "SHA", "SHA-256", "SHA-512")


def require_library() -> None:
    """Raise DependencyError where requests is not installed; asked before anything is written to a meter."""
    if MISSING is not None:
        raise DependencyError(MISSING, platform.node(), "the trigger page and the status page")


@dataclass(frozen=True)
class Page:
    """One answer, cut at one MiB; ``text`` is decoded forgivingly, since the sender is a device."""

    status: int
    text: str
    location: str
    truncated: bool


@dataclass(frozen=True)
class Trigger:
    """What became of the trigger request.

    ``state`` is ``triggered`` (the meter took it, or the connection broke after it was sent), ``not_started`` (it
    never arrived, or a 401 answered it) or ``refused`` (another refusal; whether that counts is not said, G-06).
    """

    state: str
    status: int | None
    location: str
    reason: str
    text: str


class ChallengeAuth(HTTPDigestAuth):
    """Answers a 401 by the scheme it asks for: Digest where offered, else Basic, and once for each request.

    Kept for a session, it then sends the credentials along at once, in the scheme that worked.
    """

    def __init__(self, credential: Credential) -> None:
        super().__init__(credential.user, credential.password)
        # As bytes, because text outside latin-1 would raise in the middle of the request.
        self._basic_login = _basic_auth_str(credential.user.encode(), credential.password.encode())
        self.sent = False
        self._basic = False

    def send_at_once(self) -> None:
        """Send the login by Basic along with each request, unasked: for pages that answer without a login too."""
        self._basic = True

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        self.sent = self._basic
        if self._basic:
            r.headers["Authorization"] = self._basic_login
            return r
        prepared: requests.PreparedRequest = super().__call__(r)  # type: ignore[no-untyped-call]
        return prepared

    def handle_401(self, r: requests.Response, **kwargs: Any) -> requests.Response:
        if r.status_code != requests.codes.unauthorized or self.sent:
            return r
        challenge = r.headers.get("www-authenticate", "")
        if _can_digest(challenge):
            self.sent = True
            answered: requests.Response = super().handle_401(r, **kwargs)  # type: ignore[no-untyped-call]
            return answered
        if "basic" in challenge.lower():
            self.sent = True
            return self._answer_basic(r, **kwargs)
        return r

    def _answer_basic(self, answer: requests.Response, **kwargs: Any) -> requests.Response:
        answer.close()
        again = answer.request.copy()
        again.headers["Authorization"] = self._basic_login
        second: requests.Response = answer.connection.send(again, **kwargs)
        second.history.append(answer)
        second.request = again
        self._basic = second.status_code != requests.codes.unauthorized
        return second


class WebSession:
    """Requests to one meter. Environment proxies and netrc files are ignored: a meter is reached directly."""

    def __init__(self, target: Target, credential: Credential | None) -> None:
        self._target = target
        self._auth = ChallengeAuth(credential) if credential else None
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["User-Agent"] = "gridops.metering"
        port = target.ports["http"]
        host = f"[{target.host}]" if ":" in target.host else target.host
        self._base = f"http://{host}" + (f":{port}" if port != 80 else "")

    def close(self) -> None:
        """Drop the connections."""
        self._session.close()

    def get(self, path: str) -> Page:
        """One page, redirects followed on the meter's own address only. Raises DeviceError."""
        url = urljoin(self._base, path)
        for _hop in range(_REDIRECTS):
            page = self._once(url)
            target = self.same_host(url, page.location)
            if page.status not in (301, 302, 303, 307, 308) or target is None:
                return page
            url = target
        raise DeviceError("web", "transport_failed", f"{path} redirects without an end")

    def _once(self, url: str) -> Page:
        timeouts = (self._target.timeouts.connect, self._target.timeouts.read)
        try:
            with self._session.get(url, auth=self._auth, timeout=timeouts, allow_redirects=False, stream=True) as answer:
                body = answer.raw.read(PAGE_LIMIT + 1, decode_content=True)
                location = answer.headers.get("location", "")
                text = body[:PAGE_LIMIT].decode(charset(answer), errors="replace")
                return Page(answer.status_code, text, location, len(body) > PAGE_LIMIT)
        except (requests.RequestException, OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            raise DeviceError("web", "transport_failed", why(error)) from None

    def trigger(self, path: str) -> Trigger:
        """The one request that starts the upgrade (R-062…R-064). Its caller has written the ledger before."""
        url = urljoin(self._base, path)
        timeouts = (self._target.timeouts.connect, self._target.timeouts.read)
        try:
            with self._session.get(url, auth=self._auth, timeout=timeouts, allow_redirects=False, stream=True) as answer:
                return _judge(answer)
        except (requests.RequestException, OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            if never_connected(error) and not (self._auth and self._auth.sent):
                return Trigger("not_started", None, "", "transport_failed", why(error))
            return Trigger("triggered", None, "", "", f"the connection ended with the request: {why(error)}")

    def same_host(self, url: str, location: str) -> str | None:
        """``location`` as an absolute address if it leads to this meter, else None; credentials never travel elsewhere."""
        if not location:
            return None
        try:
            target = urljoin(url, location)
            return target if _place(target) == _place(self._base) else None
        except ValueError:  # an address that cannot be read leads nowhere
            return None


def _place(url: str) -> tuple[str, str | None, int, bool]:
    """Scheme, host, port and whether a login is written into the address. Raises ValueError."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, 80 if parts.port is None else parts.port, "@" in parts.netloc


def _can_digest(challenge: str) -> bool:
    """Whether this is a Digest challenge that can be answered; requests fails in the middle of one that cannot."""
    found = re.search(r"digest ", challenge, re.I)
    if found is None:
        return False
    words = challenge[: found.start()] + challenge[found.end() :]
    given: dict[str, str | None] = parse_dict_header(words)  # type: ignore[no-untyped-call]
    algorithm = (given.get("algorithm") or "MD5").upper()
    qop = given.get("qop")
    return {"realm", "nonce"} <= given.keys() and algorithm in _DIGESTS and (not qop or "auth" in qop.split(","))


def _judge(answer: requests.Response) -> Trigger:
    status, location = answer.status_code, answer.headers.get("location", "")
    if status == 401:
        return Trigger("not_started", status, "", "trigger_auth_failed", "the meter refused the login for the trigger page")
    if 400 <= status < 500:
        piece = answer.raw.read(2048, decode_content=True).decode(charset(answer), errors="replace")
        return Trigger("refused", status, "", "device_rejected_image", plain(piece) or f"HTTP status {status}")
    if status >= 500:
        return Trigger("triggered", status, location, "", f"HTTP status {status}")
    return Trigger("triggered", status, location, "", f"HTTP status {status}")


def charset(answer: requests.Response) -> str:
    """The answer's encoding where it is one of texts; codecs for host names take minutes for a large page."""
    try:
        known = codecs.lookup(answer.encoding or "utf-8").name
        "".encode(known)
    except (LookupError, ValueError):
        return "utf-8"
    return "utf-8" if known in ("idna", "punycode") else known


def plain(html: str) -> str:
    """Readable words of a small page, for messages."""
    inside, words = False, []
    for char in html:
        if char == "<":
            inside = True
        elif char == ">":
            inside = False
            words.append(" ")
        elif not inside:
            words.append(char)
    return " ".join("".join(words).split())[:300]


def never_connected(error: Exception) -> bool:
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    seen: BaseException | None = error
    for _depth in range(6):
        if seen is None:
            return False
        if type(seen).__name__ in ("NewConnectionError", "ConnectTimeoutError"):
            return True
        reason = getattr(seen, "reason", None)
        arg = seen.args[0] if seen.args and isinstance(seen.args[0], BaseException) else None
        seen = reason if isinstance(reason, BaseException) else arg
    return False


def why(error: Exception) -> str:
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "not reachable" if never_connected(error) else "the connection was cut"
    return type(error).__name__
