# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""A web meter of another, imaginary maker (FOREIGN.md is its manual). It shares nothing with the collection or with metersim.

One meter, in a thread of the process that asks for it::

    with ForeignMeter(firmware="4.3.5", clock_factor=50) as meter:
        ...

Times are meter seconds: they run ``clock_factor`` times faster than real ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import html
import json
import os
import random
import re
import secrets
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from aiohttp import BodyPartReader, web
from kdesk_modbus import Facts, Modbus, Version

Event = dict[str, Any]
TASKS = ("seal", "kernel", "tongues", "sheets")
PARTS = ("nothing", "a quarter", "half", "three quarters", "all of it")
NAME = re.compile(r"(PM\w+)_v(\d+)\.(\d+)\.(\d+)\.sedp")
LARGEST = 100 * 1024 * 1024
CHAIRS, IDLE, TRIES, BARRED = 2, 300.0, 3, 600.0
WORK, LOOKED_AFTER, SILENCE = 200.0, 10.0, 20.0
HEAD = b"KDESK-PARCEL "


def parcel(model: str, release: str, size: int = 60_000) -> bytes:
    """A package in the maker's own format."""
    body = HEAD + f"{model} {release}\n".encode()
    body += random.Random(f"{model}{release}{size}").randbytes(max(0, size - len(body) - 32))
    return body + hashlib.sha256(body).digest()


@dataclass
class Session:
    """Somebody on a chair."""

    caller: str
    rank: str
    ticket: str
    guard: str
    seen: float


@dataclass
class Renewal:
    """The last renewal as the page shows it."""

    verdict: str = "never done"
    release: str = ""
    since: dt.datetime | None = None
    words: str = "no renewal so far"
    tasks: list[list[str]] = field(default_factory=list)  # name, state, how far, remark


class Answer(Exception):
    """Leave a handler early with this answer."""

    def __init__(self, response: web.Response) -> None:
        super().__init__(response.status)
        self.response = response


def _json(content: Any, status: int = 200) -> web.Response:
    return web.json_response(content, status=status)


def _sheet(title: str, body: str) -> web.Response:
    text = f"<!DOCTYPE html>\n<html><head><meta charset=utf-8><title>{title}</title></head><body>\n{body}\n</body></html>\n"
    return web.Response(text=text, content_type="text/html", charset="utf-8")


class ForeignMeter:
    """The meter, its web front and its journal; a context manager."""

    def __init__(
        self,
        firmware: str = "4.3.5",
        model: str = "PM5560",
        serial: int = 51_790_001,
        tls: bool = False,
        clock_factor: float = 50.0,
        address: str = "",
        ports: dict[str, int] | None = None,
    ) -> None:
        self.model, self.serial, self.tls, self.factor = model, serial, tls, clock_factor
        self.address = address or f"127.{random.randint(32, 247)}.{random.randint(0, 254)}.{random.randint(1, 250)}"
        self.ports = dict(ports or {})
        self.keeper = {"user": "miller", "password": "Canary-keeper-4d1b"}
        self.visitor = {"user": "guest of miller", "password": "Canary-visitor-77e0"}
        self.journal: list[Event] = []
        self.fingerprint = ""
        self._start, self._calendar = time.monotonic(), dt.datetime.now(dt.UTC)
        self.facts = Facts(model, serial, _version(firmware), self.wall)
        self.settings = {"plain_port": "80", "sealed_port": "443", "file_door": "shut", "address_is": "fixed"}
        self.motto = "measure twice"
        self.renewal = Renewal()
        self.attempts = 0
        self._sessions: list[Session] = []
        self._guards: list[str] = []
        self._wrong: dict[str, int] = {}
        self._barred: dict[str, float] = {}
        self._looked_after = False
        self._failing = ""
        self._shelf: tuple[str, Path] | None = None
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="kdesk-")
        self._modbus = Modbus(self.facts, self.note)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._web: tuple[asyncio.Server, web.Server] | None = None
        self._task: asyncio.Task[None] | None = None
        self._routes: dict[tuple[str, str], Callable[..., Any]] = {
            ("GET", "/desk/badge"): self._badge,
            ("POST", "/desk/leave.do"): self._leave,
            ("GET", "/desk/sheets/wires"): self._wires,
            ("POST", "/desk/sheets/wires"): self._keep,
            ("GET", "/desk/facts.json"): self._facts,
            ("GET", "/desk/motto.txt"): self._motto,
            ("POST", "/desk/parcels"): self._multipart,
            ("POST", "/desk/renewal/decision"): self._decision,
            ("GET", "/desk/renewal/"): self._renewal_redirect,
            ("GET", "/desk/renewal/latest"): self._latest,
        }

    # -- for tests -------------------------------------------------------------

    @property
    def state(self) -> dict[str, Any]:
        """How the meter is now."""
        return {
            "release": ".".join(map(str, self.facts.release)),
            "verdict": self.renewal.verdict,
            "sessions": len(self._sessions),
            "looked_after": self._looked_after,
            "attempts": self.attempts,
            "settings": dict(self.settings),
        }

    def events(self, kind: str | None = None) -> list[Event]:
        """Journal entries of one kind."""
        with self._lock:
            return [event for event in self.journal if kind in (None, event["kind"])]

    def wait(self, kind: str, seconds: float = 20, count: int = 1) -> Event:
        """The n-th event of a kind, waiting real seconds for it at most."""
        until = time.monotonic() + seconds
        while True:
            found = self.events(kind)
            if len(found) >= count:
                return found[count - 1]
            if time.monotonic() > until:
                raise TimeoutError(f"no event '{kind}' within {seconds} s")
            time.sleep(0.01)

    def package(self, folder: Path, release: str, model: str = "", size: int = 60_000, spoil: bool = False) -> dict[str, Any]:
        """Write a package and ``firmware.yml``; the entry of the manifest."""
        model = model or self.model
        raw = parcel(model, release, size)
        if spoil:
            raw = raw[:-40] + bytes([raw[-40] ^ 1]) + raw[-39:]
        place = folder / "kdesk"
        place.mkdir(parents=True, exist_ok=True)
        name = f"{model}_v{release}.sedp"
        (place / name).write_bytes(raw)
        file = {"name": name, "role": "package", "path": "kdesk", "sha256": hashlib.sha256(raw).hexdigest(), "size": len(raw)}
        entry = {
            "id": f"kdesk-{release}-web",
            "family": "pm5000",
            "models": [model],
            "version": release,
            "method": "web",
            "files": [file],
            "source_url": "sample package of the foreign meter",
            "approved_by": "webmeter",
        }
        (folder / "firmware.yml").write_text(json.dumps({"packages": [entry]}, indent=1), encoding="utf-8")  # JSON is YAML
        return entry

    def fail(self, remark: str) -> None:
        """The next renewal fails in its second task with this remark."""
        self._failing = remark

    def look_after(self, on: bool) -> None:
        """A technician is at the unit, or has left."""
        self._looked_after = on

    def take_chairs(self, count: int) -> None:
        """Somebody else's sessions."""
        for dummy in range(count):
            self._sessions.append(Session("somebody", "visitor", secrets.token_hex(8), "", self.now()))

    # -- clock and journal ---------------------------------------------------------

    def now(self) -> float:
        """Meter seconds since the start."""
        return (time.monotonic() - self._start) * self.factor

    def wall(self) -> dt.datetime:
        """The unit's calendar (UTC)."""
        return self._calendar + dt.timedelta(seconds=self.now())

    def note(self, kind: str, **fields: Any) -> None:
        """Put an event into the journal."""
        with self._lock:
            self.journal.append({"t": round(self.now(), 3), "real": time.time(), "kind": kind, **fields})

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.factor)

    # -- start and end -----------------------------------------------------------------

    def __enter__(self) -> ForeignMeter:
        for name in ("modbus", "https" if self.tls else "http"):
            self.ports.setdefault(name, _free_port(self.address))
        self.settings["sealed_port" if not self.tls else "plain_port"] = "none"
        ready: list[BaseException | None] = []
        started = threading.Event()

        def run() -> None:
            self._loop = asyncio.new_event_loop()
            try:
                self._loop.run_until_complete(self._open())
                ready.append(None)
            except BaseException as exc:
                ready.append(exc)
                started.set()
                return
            started.set()
            self._loop.run_forever()
            self._loop.run_until_complete(self._end())
            self._loop.close()

        self._thread = threading.Thread(target=run, name="kdesk", daemon=True)
        self._thread.start()
        started.wait(20)
        if not ready or ready[0]:
            raise RuntimeError(f"the foreign meter did not start: {ready}")
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._loop and self._thread:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
        self._folder.cleanup()

    async def _end(self) -> None:
        if self._task:
            self._task.cancel()
        await self._close()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _open(self) -> None:
        await self._modbus.start(self.address, self.ports["modbus"])
        front = web.Server(self._handle, access_log=None)
        loop = asyncio.get_running_loop()
        port = self.ports["https" if self.tls else "http"]
        server = await loop.create_server(front, self.address, port, ssl=self._context() if self.tls else None)
        self._web = (server, front)

    async def _close(self) -> None:
        await self._modbus.stop()
        if self._web:
            server, front = self._web
            self._web = None
            server.close()
            for connection in list(front.connections):
                if transport := getattr(connection, "transport", None):
                    transport.abort()
            with contextlib.suppress(asyncio.TimeoutError):
                await front.shutdown(0)

    def _context(self) -> ssl.SSLContext:
        folder = Path(self._folder.name)
        if not self.fingerprint:
            self.fingerprint = _certificate(folder, self.address)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        return context

    # -- requests --------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        session: Session | None = None
        try:
            if self._looked_after:
                raise Answer(_sheet("Please wait", "<p>This unit is being looked after. Come back in a minute.</p>"))
            answer = self._lobby(request) or await self._doorbell(request)
            if answer is None:
                session = self._admit(request)
                answer = await self._route(request, session)
        except Answer as early:
            answer = early.response
        if session in self._sessions and session is not None:
            self._renew(request, session, answer)
        self.note("request", method=request.method, path=request.path, status=answer.status)
        answer.headers["Server"] = "K-Desk/3"
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            answer.enable_compression(web.ContentCoding.gzip)
        return answer

    def _renew(self, request: web.BaseRequest, session: Session, answer: web.Response) -> None:
        session.ticket = secrets.token_hex(8)
        answer.headers["X-Next-Ticket"] = session.ticket
        if request.method in ("POST", "PUT"):
            session.guard = secrets.token_hex(6)
            answer.headers["X-Guard"] = session.guard

    async def _route(self, request: web.BaseRequest, session: Session) -> web.Response:
        if request.method in ("POST", "PUT") and (not session.guard or request.headers.get("X-Guard") != session.guard):
            self.note("guard_refused", path=request.path)
            return _json({"outcome": "stale", "say": "Ring again."}, 403)
        if request.method == "PUT" and request.path.startswith("/desk/parcels/"):
            return await self._bare(request, session)
        handler = self._routes.get((request.method, request.path))
        if handler is None:
            return _sheet("No such sheet", "<h1>No such sheet</h1>")
        answer = handler(request, session)
        return answer if isinstance(answer, web.Response) else await answer

    # -- signing in ----------------------------------------------------------------------------

    def _lobby(self, request: web.BaseRequest) -> web.Response | None:
        if (request.method, request.path) != ("GET", "/desk/lobby"):
            return None
        self._guards = [*self._guards[-19:], secrets.token_hex(6)]
        answer = _json({"desk": "K-Desk 3", "greeting": "ring the bell"})
        answer.headers["X-Guard"] = self._guards[-1]
        return answer

    async def _doorbell(self, request: web.BaseRequest) -> web.Response | None:
        if (request.method, request.path) != ("POST", "/desk/doorbell.do"):
            return None
        guard = request.headers.get("X-Guard", "")
        if guard not in self._guards:
            self.note("guard_refused", path=request.path)
            return _json({"outcome": "stale", "say": "Ring again."})
        self._guards.remove(guard)
        try:
            given = await request.json()
            caller, phrase, door = given["caller"], given["phrase"], given["door"]
        except (ValueError, KeyError, TypeError):
            return _json({"outcome": "stale", "say": "Ring again."})
        answer = self._judge(str(caller), str(phrase)) if door == "front" else {"outcome": "unknown", "say": "We do not know this caller."}
        response = _json(answer)
        if answer["outcome"] == "welcome":
            session = Session(str(caller), str(answer["rank"]), "", "", self.now())
            self._sessions.append(session)
            self._renew(request, session, response)
        self.note("login", caller=str(caller), outcome=answer["outcome"])
        return response

    def _judge(self, caller: str, phrase: str) -> dict[str, Any]:
        left = self._barred.get(caller, 0.0) - self.now()
        if left > 0:
            minutes = int(left // 60) + 1
            return {"outcome": "barred", "say": f"This caller is barred for {minutes} minutes.", "minutes": minutes}
        for rank, account in (("keeper", self.keeper), ("visitor", self.visitor)):
            if caller == account["user"] and phrase == account["password"]:
                self._wrong.pop(caller, None)
                self._tidy()
                return (
                    {"outcome": "crowded", "say": "All chairs are taken."}
                    if len(self._sessions) >= CHAIRS
                    else {
                        "outcome": "welcome",
                        "rank": rank,
                    }
                )
        self._wrong[caller] = self._wrong.get(caller, 0) + 1
        if self._wrong[caller] >= TRIES:
            self._wrong[caller] = 0
            self._barred[caller] = self.now() + BARRED
        return {"outcome": "unknown", "say": "We do not know this caller."}

    def _tidy(self) -> None:
        self._sessions = [session for session in self._sessions if self.now() - session.seen <= IDLE]

    def _admit(self, request: web.BaseRequest) -> Session:
        self._tidy()
        scheme, dummy, ticket = request.headers.get("Authorization", "").partition(" ")
        for session in self._sessions:
            if scheme == "Ticket" and ticket and secrets.compare_digest(session.ticket, ticket):
                session.seen = self.now()
                return session
        self.note("ticket_refused", path=request.path)
        raise Answer(_json({"outcome": "no ticket"}, 401))

    def _leave(self, request: web.BaseRequest, session: Session) -> web.Response:
        self._sessions.remove(session)
        self.note("leave", caller=session.caller)
        return _json({"outcome": "goodbye"})

    def _badge(self, request: web.BaseRequest, session: Session) -> web.Response:
        return _json({"badge": {"caller": session.caller, "rank": session.rank}})

    # -- settings ----------------------------------------------------------------------------------

    def _facts(self, request: web.BaseRequest, session: Session) -> web.Response:
        return _json({"unit": {"type": self.model, "number": self.serial, "release": self.state["release"]}, "beat": "50 Hz"})

    def _motto(self, request: web.BaseRequest, session: Session) -> web.Response:
        return web.Response(text=self.motto + "\n", content_type="text/plain")

    def _wires(self, request: web.BaseRequest, session: Session, stamp: str = "") -> web.Response:
        def port(name: str) -> str:
            return "none" if self.settings[name] == "none" else f"port {self.settings[name]}"

        rows = {
            "Plain web": port("plain_port"),
            "Sealed web": port("sealed_port"),
            "File door": self.settings["file_door"],
            "Address is": self.settings["address_is"],
        }
        lines = [f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows.items()]
        head = f'<p class="stamp">{stamp}</p>\n' if stamp else ""
        return _sheet("Wires", head + '<table class="wires">\n' + "\n".join(lines) + "\n</table>")

    async def _keep(self, request: web.BaseRequest, session: Session) -> web.Response:
        self._only_keeper(session)
        given = {key: str(value) for key, value in (await request.post()).items()}
        for name, value in given.items():
            good = value in ("open", "shut") if name == "file_door" else name in ("plain_port", "sealed_port") and value.isdigit()
            if not good:
                return self._wires(request, session, f"Not kept: {html.escape(name)}.")
        if self.renewal.verdict == "under way":
            self.note("violation", what="settings_during_renewal")
        self.settings.update(given)
        self.note("kept", fields=given)
        return self._wires(request, session, "Kept.")

    def _only_keeper(self, session: Session) -> None:
        if session.rank != "keeper":
            raise Answer(_json({"outcome": "not your desk"}, 403))

    # -- delivery ------------------------------------------------------------------------------------

    async def _multipart(self, request: web.BaseRequest, session: Session) -> web.Response:
        self._only_keeper(session)
        try:
            reader = await request.multipart()
            shelf = await reader.next()
            if not isinstance(shelf, BodyPartReader) or shelf.name != "shelf" or await shelf.text() != "software":
                return _json({"outcome": "returned", "say": "not a parcel for this desk"})
            part = await reader.next()
            if not isinstance(part, BodyPartReader) or part.name != "parcel":
                return _json({"outcome": "returned", "say": "not a parcel for this desk"})
            return await self._deliver("multipart", part.filename or "", _chunks(part.read_chunk))
        except ValueError:
            return _json({"outcome": "returned", "say": "not a parcel for this desk"})

    async def _bare(self, request: web.BaseRequest, session: Session) -> web.Response:
        self._only_keeper(session)
        return await self._deliver("bare", request.path.rpartition("/")[2], request.content.iter_chunked(65536))

    async def _deliver(self, how: str, name: str, chunks: AsyncIterator[bytes]) -> web.Response:
        path = Path(self._folder.name) / f"{secrets.token_hex(4)}.part"
        digest, octets = hashlib.sha256(), 0
        with path.open("wb") as out:
            async for chunk in chunks:
                digest.update(chunk)
                octets += len(chunk)
                if octets <= LARGEST:
                    out.write(chunk)
        why = self._refuse(name, octets, path)
        outcome = "returned" if why else "shelved"
        self.note("delivered", how=how, name=name, octets=octets, sha256=digest.hexdigest(), outcome=outcome)
        if why:
            path.unlink()
            return _json({"outcome": "returned", "say": why})
        self._shelf = (name, path)
        return _json({"outcome": "shelved", "parcel": name, "octets": octets, "question": "renew now? everybody has to leave"})

    def _refuse(self, name: str, octets: int, path: Path) -> str:
        if self.renewal.verdict == "under way":
            self.note("violation", what="delivery_during_renewal")
            return "a renewal is under way"
        if not NAME.fullmatch(name) or octets > LARGEST:
            return "not a parcel for this desk"
        raw = path.read_bytes()
        sound = raw.startswith(HEAD) and hashlib.sha256(raw[:-32]).digest() == raw[-32:]
        return "" if sound else "the seal is broken"

    # -- renewal ---------------------------------------------------------------------------------------

    async def _decision(self, request: web.BaseRequest, session: Session) -> web.Response:
        self._only_keeper(session)
        try:
            decision = (await request.json())["decision"]
        except (ValueError, KeyError, TypeError):
            decision = ""
        answer = self._decide(decision)
        self.note("decision", decision=decision, outcome=answer["outcome"])
        return _json(answer)

    def _decide(self, decision: Any) -> dict[str, str]:
        if self.renewal.verdict == "under way":
            self.note("violation", what="decision_during_renewal")
            return {"outcome": "declined", "say": "a renewal is under way"}
        if self._shelf is None or decision not in ("now", "never"):
            return {"outcome": "declined", "say": "nothing on the shelf"}
        if decision == "never":
            self._shelf = None
            return {"outcome": "thrown away"}
        self.attempts += 1
        name, path = self._shelf
        self._shelf = None
        first = path.read_bytes().partition(b"\n")[0].decode().split()
        self.renewal = Renewal(
            "under way", first[2], self.wall(), "please do not pull the plug", [[task, "not yet", PARTS[0], ""] for task in TASKS]
        )
        self.note("begun", name=name, release=first[2], attempt=self.attempts)
        self._sessions.clear()
        self._task = asyncio.get_running_loop().create_task(self._run(first[1], _version(first[2])))
        return {"outcome": "begun"}

    async def _run(self, model: str, release: Version) -> None:
        wrong = model != self.model or release < self.facts.release
        for task in self.renewal.tasks:
            task[1] = "at work"
            self.note("task", name=task[0], state=task[1])
            for part in PARTS[1:]:
                await self._sleep(WORK / len(TASKS) / 4)
                task[2] = part
                remark = "wrong desk" if wrong else self._failing if task[0] == "kernel" and part == "half" else ""
                if remark:
                    self._spoil(task, remark)
                    return
            task[1] = "settled"
            self.note("task", name=task[0], state=task[1])
        await self._restart(release)

    def _spoil(self, task: list[str], remark: str) -> None:
        self._failing = ""
        task[1], task[3] = "broken", remark
        self.renewal.verdict, self.renewal.words = "spoiled", f"renewal went wrong: {remark}"
        self.note("task", name=task[0], state="broken", remark=remark)
        self.note("renewed", ok=False, release=self.state["release"])

    async def _restart(self, release: Version) -> None:
        self._looked_after = True
        await self._sleep(LOOKED_AFTER)
        self.note("silence_begin")
        await self._close()
        await self._sleep(SILENCE)
        self._sessions.clear()
        self.facts.previous, self.facts.release = self.facts.release, release
        self.facts.restarts += 1
        self.facts.booted = self.facts.renewed = self.wall()
        self.renewal.verdict, self.renewal.words = "renewed", "renewal is complete"
        await self._open()
        self.note("silence_end")
        await self._sleep(LOOKED_AFTER)
        self._looked_after = False
        self.note("renewed", ok=True, release=self.state["release"])

    def _renewal_redirect(self, request: web.BaseRequest, session: Session) -> web.Response:
        return web.Response(status=302, headers={"Location": "latest"}, text="")

    def _latest(self, request: web.BaseRequest, session: Session) -> web.Response:
        last = self.renewal
        since = last.since.strftime("%d %b %Y, %H:%M:%S") if last.since else ""
        tasks = [f"<li>{name}: <b>{state}</b> <i>{part}</i><s>{html.escape(remark)}</s></li>" for name, state, part, remark in last.tasks]
        lines = [
            f'<article data-unit="{self.serial}" data-release="{self.state["release"]}">',
            f"<h2>Renewal{' to ' + last.release if last.release else ''}</h2>",
            f'<p class="verdict">{last.verdict}</p>',
            f'<p class="since">{since}</p>',
            "<ol>",
            *tasks,
            "</ol>",
            f'<p class="words">{html.escape(last.words)}</p>',
            "</article>",
        ]
        return _sheet("Renewal", "\n".join(lines))


async def _chunks(read: Callable[[int], Any]) -> AsyncIterator[bytes]:
    while chunk := await read(65536):
        yield bytes(chunk)


def _version(text: str) -> Version:
    one, two, three = (int(part) for part in text.split("."))
    return (one, two, three)


def _free_port(address: str) -> int:
    with socket.socket() as sock:
        sock.bind((address, 0))
        return int(sock.getsockname()[1])


def _certificate(folder: Path, address: str) -> str:
    """Write key.pem and cert.pem; the SHA-256 fingerprint in hex."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "K-Desk 3")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1))
    builder = builder.not_valid_after(now + dt.timedelta(days=3650))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    descriptor = os.open(folder / "key.pem", os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(private)
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate.fingerprint(hashes.SHA256()).hex()
