# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""One meter's web server, request by request, for sessions that a profile describes.

Environment proxies, CA bundles and netrc files are ignored. Redirects are followed on the meter's own address only, and only for GET.
Nothing is ever sent twice by itself. An answer is cut at one MiB, also when it unpacks to more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urljoin, urlsplit

from ..base.errors import DeviceError
from ..base.target import Credential, Target, Tls
from ..profiles.answers import Answer
from . import tls
from .anonymous import starts_upgrade
from .web import MISSING, PAGE_LIMIT, ChallengeAuth, charset, never_connected, why

if MISSING is None:
    import requests
    import urllib3
    from requests.adapters import HTTPAdapter
    from urllib3.exceptions import HTTPError
else:  # asked for by require_library() before a session is made
    HTTPAdapter = object  # type: ignore[assignment,misc]

_REDIRECTS = 3
_READ_SIZE = 1 << 16
DEFAULT_PORTS = {"http": 80, "https": 443}


class _MeterAdapter(HTTPAdapter):
    """Connections to one meter, with its own idea of trust."""

    def __init__(self, settings: Tls) -> None:
        self._pool: dict[str, Any] = {"ssl_context": tls.context(settings)}
        if settings.fingerprint:
            self._pool["assert_fingerprint"] = settings.fingerprint
        super().__init__(max_retries=0, pool_maxsize=1)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs, **self._pool)


class MeterHttp:
    """Requests to one meter over ``scheme``. ``observe`` sees every answer, redirects too."""

    def __init__(self, target: Target, scheme: str, credential: Credential | None, observe: Callable[[Answer], None]) -> None:
        self._target = target
        self._observe = observe
        self.auth = ChallengeAuth(credential) if credential else None
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers.update({"User-Agent": "gridops.metering", "Accept-Encoding": "gzip, deflate"})
        if scheme == "https":
            self.session.mount("https://", _MeterAdapter(target.tls))
        # With a pin the context verifies nothing and the fingerprint is compared instead.
        self.session.verify = not target.tls.fingerprint and (target.tls.ca_file or True)
        port = target.ports[scheme]
        host = f"[{target.host}]" if ":" in target.host else target.host
        self.base = f"{scheme}://{host}" + (f":{port}" if port != DEFAULT_PORTS[scheme] else "")
        self.last_error: Exception | None = None

    def close(self) -> None:
        """Drop the connections."""
        self.session.close()

    def get(self, stage: str, path: str, headers: Callable[[], Mapping[str, str]], stop: Callable[[Answer], bool]) -> Answer:
        """One page; redirects are followed on this meter unless ``stop`` says that the answer is the one. Raises DeviceError."""
        url = urljoin(self.base, path)
        for _hop in range(_REDIRECTS + 1):
            answer = self.send(stage, "GET", url, headers=headers())
            onward = self._onward(url, answer)
            if onward is None or stop(answer):
                return answer
            url = onward
        raise DeviceError(stage, "web_not_understood", f"{path} redirects without an end")

    def send(
        self,
        stage: str,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, Any] | None = None,
        json: Any = None,
        body: Iterable[bytes] | None = None,
        read: float | None = None,
    ) -> Answer:
        """One request and its answer; ``read`` seconds to wait for it. Raises DeviceError; ``last_error`` keeps what broke."""
        self.last_error = None
        timeouts = (self._target.timeouts.connect, read or self._target.timeouts.read)
        try:
            with self.session.request(
                method,
                urljoin(self.base, path),
                headers=dict(headers or {}),
                data=body if body is not None else dict(form) if form is not None else None,
                json=json,
                auth=self.auth,
                timeout=timeouts,
                allow_redirects=False,
                stream=True,
            ) as received:
                answer = _read(received, time.monotonic() + max(timeouts[1], 5.0))
        except (requests.RequestException, OSError, ValueError, HTTPError) as error:
            self.last_error = error
            raise self._fault(stage, error) from None
        self._observe(answer)
        return answer

    def _fault(self, stage: str, error: Exception) -> DeviceError:
        found = tls.fault(stage, error, self._target)
        return found or DeviceError(stage, "transport_failed", why(error))

    def nothing_sent(self) -> bool:
        """Whether the last request failed before it could have reached the meter."""
        error = self.last_error
        return error is not None and (never_connected(error) or tls.fault("web", error, self._target) is not None)

    def _onward(self, url: str, answer: Answer) -> str | None:
        """Where a redirect leads on this meter; None elsewhere, where credentials never travel, and for the page that starts an upgrade."""
        if answer.status not in (301, 302, 303, 307, 308) or not answer.location:
            return None
        try:
            onward = urljoin(url, answer.location)
            return onward if _place(onward) == _place(self.base) and not starts_upgrade(onward) else None
        except ValueError:  # an address that cannot be read leads nowhere
            return None


def _place(url: str) -> tuple[str, str | None, int | None, bool]:
    parts = urlsplit(url)
    port = DEFAULT_PORTS.get(parts.scheme) if parts.port is None else parts.port
    return parts.scheme, parts.hostname, port, "@" in parts.netloc


def _read(received: requests.Response, deadline: float) -> Answer:
    """The answer up to the page limit, and up to a deadline: a device may send one byte a minute."""
    body = b""
    # read() waits for the whole block, in which every byte begins a new time limit; read1() returns what there is.
    read = getattr(received.raw, "read1", received.raw.read)
    while len(body) < PAGE_LIMIT:
        block = read(min(_READ_SIZE, PAGE_LIMIT - len(body)), decode_content=True)
        if not block:
            break
        body += block
        if time.monotonic() > deadline:
            raise urllib3.exceptions.ReadTimeoutError(None, None, "the answer does not end")  # type: ignore[arg-type]
    headers = {name.lower(): value for name, value in received.headers.items()}
    return Answer(received.status_code, body.decode(charset(received), errors="replace"), headers, _cookies(received))


def _cookies(received: requests.Response) -> dict[str, str]:
    """Cookies that this answer sets, whatever path they are for; broken ones are left out."""
    found: dict[str, str] = {}
    for line in getattr(received.raw.headers, "getlist", lambda name: [])("Set-Cookie"):
        try:
            found.update((name, morsel.value) for name, morsel in SimpleCookie(line).items())
        except CookieError:
            continue
    return found
