# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""One simulated HEP meter: identity, settings, users, modes, lockouts, restarts."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from metersim import faults as common
from metersim import tables
from metersim.clock import FleetClock
from metersim.device import Device
from metersim.hep import events, faults, lockout, settings, spec, users
from metersim.hep.spec import HepSpec
from metersim.hep.users import FIRST, Refused, User
from metersim.journal import Journal

USUAL = {"web_port_http": ("http", 80), "web_port_https": ("https", 443)}
ANONYMOUS = "anonymous"
MODEL_NUMBER_MODES = ("none", "standard", "legacy_support")


class Denied(Exception):
    """A login failed: password, unknown or locked."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Login:
    """Somebody who is signed in."""

    name: str
    permissions: frozenset[str]


class HepMeter(Device):
    """The meter."""

    def __init__(self, given: HepSpec, clock: FleetClock, journal: Journal, ports: dict[str, int], folder: Path) -> None:
        super().__init__(given.name, given.address, clock, journal, ports, folder)
        self.spec = given
        self.model = given.model
        self.serial = str(given.serial)
        self.label = given.label or given.name
        self.latency = given.latency
        self.unit_id = given.unit_id
        self.firmware = given.firmware
        self.mode = given.hep.mode
        self.settings = {**settings.factory(given.firmware[0]), **given.hep.settings}
        self.users = users.Users(User(item.name, item.password, set(item.permissions)) for item in given.hep.users or ())
        self.numeric_password = given.hep.password
        self.revenue_lock = given.hep.revenue_lock
        self.template = f"{given.model}_V1.4.0.1" if given.hep.template is None else given.hep.template
        first = zlib.crc32(self.serial.encode()) % 90_000_000 + 1_000_000
        self.energies = list(given.hep.energies) or [first, first // 50, first // 7, first // 90]
        self.upgrades: list[dict[str, Any]] = []
        self.revision = 1
        self.certificates = 0
        self.lockouts = lockout.Lockouts(self, clock.now)
        self.event_log = events.EventLog()
        self.faults = dict(given.faults)
        self._settings_reads = 0
        self.web_sessions: dict[str, Any] = {}
        self.limits_used = {"modbus": 0, "http": 0, "https": 0, "shared": 0, "ssh": 0, "ftp": 0, "telnet": 0}
        self._following = False
        self._moving = asyncio.Lock()
        self._equip()
        self.log(events.POWER_UP, "", "power up")
        self._locked_already()

    def _equip(self) -> None:
        from metersim.hep import modbus, ports, web  # they know this class

        self.services["modbus"] = modbus.HepModbus(self)
        self.services["http"] = web.HepWeb(self, secure=False)
        self.services["https"] = web.HepWeb(self, secure=True)
        self.services.update(ports.all_of(self))

    # -- facts -------------------------------------------------------------------

    @property
    def generation(self) -> str:
        """below 3, 3 or 4."""
        return spec.generation(self.firmware)

    @property
    def major(self) -> int:
        """First number of the firmware."""
        return self.firmware[0]

    @property
    def firmware_text(self) -> str:
        """As register 1717 spells it."""
        if self.spec.hep.firmware_text and self.firmware == self.spec.firmware:
            return self.spec.hep.firmware_text
        if self.major < 3:
            return tables.version_text(self.firmware)
        return "V" + ".".join(f"{part:03d}" for part in self.firmware)

    @property
    def model_number(self) -> str:
        """The user name of old: 9000."""
        return spec.MODELS[self.model][1]

    @property
    def has_test_mode(self) -> bool:
        """Whether this type can be set to test mode."""
        return spec.MODELS[self.model][3]

    @property
    def user_limit(self) -> int:
        """So many users at most."""
        return 16 if self.major < 3 else 50

    @property
    def certificate_subject(self) -> tuple[str, int]:
        """Common name and number of the certificate."""
        return f"{self.model}-{self.spec.serial}", zlib.crc32(str(self.spec.serial).encode())

    def wall(self) -> datetime:
        """The meter's calendar; F-25 sets it wrong."""
        fault = self.faults.get("F-25")
        return self.clock.wall() + timedelta(seconds=fault["offset"] if fault else 0)

    def log(self, code: int, user: str, text: str) -> None:
        """A line in the meter's own event log."""
        self.event_log.add(self.wall(), code, user, text, self.settings)

    def summary(self) -> dict[str, Any]:
        """What the control endpoint lists. Never a password."""
        return {
            "name": self.name,
            "address": self.address,
            "ports": {name: self.port(name) for name in self.services},
            "open": [name for name in self.services if self.state not in ("silent", "dead") and self.wants(name)],
            "model": self.model,
            "firmware": tables.version_text(self.firmware),
            "generation": self.generation,
            "serial": self.serial,
            "state": self.state,
            "attempts": 0,
            "attempts_limit": None,
            "restarts": self.restarts,
            "icmp": self.state not in ("silent", "dead") and "F-19" not in self.faults,
            "mode": self.mode,
            "users": [{"name": user.name, "permissions": sorted(user.permissions)} for user in self.users.all()],
            "settings": dict(self.settings),
            "revenue_lock": self.revenue_lock,
            "revision": self.revision,
            "lockouts": self.lockouts.shown(),
            "template": self.template,
            "energies": list(self.energies),
            "upgrades": list(self.upgrades),
            "sessions": len(self.web_sessions),
            "connections": self.connections,
            "clock": self.wall().isoformat(),
            "faults": self.faults,
        }

    # -- ports ---------------------------------------------------------------------

    def wants(self, service: str) -> bool:
        """Whether this port is open with the present settings and faults."""
        now, major = self.settings, self.major
        if service in self.spec.hep.closed:
            return False
        if service in ("http", "https"):
            return self._web_open(service)
        if service == "ssh":
            return bool(now.get("sftp") or now.get("ssh"))
        if service in ("ion", "ion_tls", "ftp", "telnet"):
            return bool(now.get(service)) and settings.SETTINGS[service].exists(major)
        return True

    def _web_open(self, service: str) -> bool:
        protocol = self.settings["web_protocol"]
        if not self.settings["web_server"] or protocol == "disabled" or self.faults.get("F-32", {}).get("mode") == "disabled":
            return False
        if service == "https":
            return protocol in ("https", "https_redirect")
        return protocol in ("http", "https_redirect")

    def own_port(self, service: str) -> int:
        """The port the owner knows of."""
        return int(self.spec.hep.port_numbers.get(service, self.ports[service]))

    def port(self, service: str) -> int:
        """The port a service really has; other web ports than the usual ones are really used."""
        main = "https" if self.major >= 3 else "http"
        if service == main and self.faults.get("F-32", {}).get("mode") == "port":
            return int(self.faults["F-32"]["port"])
        for name, (which, usual) in USUAL.items():
            if service == which and self.settings.get(name, usual) != usual:
                return int(self.settings[name])
        return self.own_port(service)

    async def refresh(self) -> None:
        """Open, close or move ports after a setting or a fault has changed."""
        async with self._moving:
            for name, service in self.services.items():
                if self.state in ("silent", "dead"):
                    return
                if not self.wants(name):
                    await service.stop()
                else:
                    await service.start(self.address, self.port(name))

    # -- logins ----------------------------------------------------------------------

    def canonical(self, name: str) -> str:
        """The user a name stands for; unknown names stay as they are, in capitals."""
        if name == self.model_number and self.mode == "legacy_support":
            return FIRST
        return name.upper()

    def login(self, name: str, password: str, protocol: str) -> Login:
        """Check a login and count it. Raises Denied."""
        if self.mode == "none":
            return Login(name or ANONYMOUS, users.ALL)
        who = self.canonical(name)
        if self.lockouts.locked(who, protocol):
            self._denied(who, protocol, "locked")
        if self.mode == "standard":
            known, good = who == self.model_number, password == self.numeric_password
            rights = frozenset(users.ALL)
        else:
            user = self.users.get(who)
            known, good = user is not None, user is not None and password == user.password
            rights = frozenset(user.permissions) if user else frozenset()
        if not known or not good:
            self.lockouts.wrong(who, protocol, password)
            self._denied(who, protocol, "password" if known else "unknown")
        self.lockouts.good(who, protocol)
        self.record("login_ok", user=who, protocol=protocol)
        self.log(events.LOGIN, who, f"login over {protocol}")
        return Login(who, rights)

    def _denied(self, who: str, protocol: str, why: str) -> None:
        self.record("login_failed", user=who, protocol=protocol, why=why)
        self.log(events.INVALID_LOGIN, who, f"invalid login over {protocol}")
        raise Denied(why)

    # -- changes -----------------------------------------------------------------------

    def may_write(self, passwords: bool = False) -> None:
        """Whether anything may be changed now. Raises Refused."""
        if self.state == "upgrading":
            raise Refused("busy")
        if self.revenue_lock and not passwords:
            raise Refused("revenue_locked")

    def change(self, values: dict[str, Any], by: str, protocol: str) -> list[str]:
        """Change settings, all or none; the names that really changed. Raises Refused."""
        self.may_write()
        checked = {name: settings.check(name, value, self.major) for name, value in values.items()}
        taken = {self.port(name) for name in self.services if name not in ("http", "https")}
        settings.together(checked, self.settings, self.mode, taken)
        changed = [name for name, value in checked.items() if self.settings[name] != value]
        for name in changed:
            self.set_setting(name, checked[name], by, protocol)
        return changed

    def set_setting(self, name: str, value: Any, by: str, protocol: str) -> None:
        """Change one setting without asking; ports follow a second later."""
        old, self.settings[name] = self.settings.get(name), value
        self.revision += 1
        self.record("setting_written", name=name, old=old, new=value, by=by, protocol=protocol)
        self.log(events.SETTING, by, f"{name} set to {value}")
        if name in settings.PORT_CHANGES and not self._following:
            self._following = True
            self.spawn(self._ports_follow)

    async def _ports_follow(self) -> None:
        await asyncio.sleep(max(0.05, 1.0 / self.clock.factor))
        self._following = False
        await self.refresh()

    def factory_settings(self) -> None:
        """All settings as a new meter has them (after an upgrade that lost them)."""
        self.settings = settings.factory(self.major)
        self.revision += 1

    def keep_settings(self) -> None:
        """Settings after a change of firmware: what is gone goes, what is new gets its default."""
        usual = settings.factory(self.major)
        kept = {name: self.settings.get(name, value) for name, value in usual.items()}
        if kept["web_protocol"] not in settings.SETTINGS["web_protocol"].words(self.major):
            kept["web_protocol"] = usual["web_protocol"]
        self.settings = kept
        self.revision += 1

    def set_mode(self, mode: str, by: str, cause: str = "web") -> None:
        """Another security mode. Raises Refused."""
        if mode not in spec.MODES[self.generation]:
            known = any(mode in words for words in spec.MODES.values())
            raise Refused("option_not_available" if known else "value:mode")
        if mode == "advanced" and not self.users.admins():
            raise Refused("no_security_admin")
        if mode == "legacy_support" and self.users.get(FIRST) is None:
            self.users.put(User(FIRST, users.FACTORY_PASSWORD, users.permissions_of("all", self.has_test_mode)))
        old, self.mode = self.mode, mode
        self.revision += 1
        if old != mode:
            self.record("mode_changed", old=old, new=mode, cause=cause)
            self.log(events.MODE, by, f"security mode {mode}")
            self._end_strangers()

    def _end_strangers(self) -> None:
        """Sessions of names that the mode does not know end."""
        for ident, session in list(self.web_sessions.items()):
            name = session.login.name
            known = name == self.model_number if self.mode == "standard" else self.mode == "none" or self.users.get(name) is not None
            if not known:
                del self.web_sessions[ident]
                self.record("session_end", user=name, why="mode")

    def check_password(self, password: Any, numeric_only: bool = False) -> None:
        """Whether this firmware takes it. Raises Refused."""
        if not users.password_fits(password, self.major, numeric_only):
            raise Refused("password_form")

    def set_password(self, name: str, password: str, by: str) -> None:
        """Another password for a user, or the numeric one for the model number. Raises Refused."""
        who = self.canonical(name)
        if who == self.model_number and self.mode in ("none", "standard"):
            self.check_password(password, numeric_only=True)
            self.numeric_password = password
        else:
            user = self.users.get(who)
            if user is None:
                raise Refused("no_such_user")
            self.check_password(password)
            user.password = password
        self.revision += 1
        self.record("password_changed", user=who, by=by)
        self.log(events.PASSWORD, by, f"password of {who} changed")

    def add_user(self, name: Any, password: Any, permissions: Any, by: str) -> User:
        """A new user. Raises Refused."""
        who = users.name_of(name, self.user_limit) if len(self.users) < self.user_limit else ""
        if not who:
            raise Refused("too_many_users")
        if self.users.get(who):
            raise Refused("user_exists")
        self.check_password(password)
        user = User(who, password, users.permissions_of(permissions, self.has_test_mode))
        self.users.put(user)
        self.revision += 1
        self.record("user_added", user=who, permissions=sorted(user.permissions), by=by)
        self.log(events.USER_ADDED, by, f"{who} added")
        return user

    def set_permissions(self, name: str, permissions: Any, by: str) -> None:
        """Other permissions for a user. Raises Refused."""
        user = self._other(name, by)
        wanted = users.permissions_of(permissions, self.has_test_mode)
        if "security_config" not in wanted:
            self._not_the_last(user)
        user.permissions = wanted
        self.revision += 1
        self.record("user_changed", user=user.name, permissions=sorted(wanted), by=by)
        self.log(events.USER_CHANGED, by, f"permissions of {user.name} changed")

    def remove_user(self, name: str, by: str) -> None:
        """A user goes. Raises Refused."""
        user = self._other(name, by)
        self._not_the_last(user)
        self.users.drop(user.name)
        self.revision += 1
        self.record("user_removed", user=user.name, by=by)
        self.log(events.USER_REMOVED, by, f"{user.name} removed")

    def _other(self, name: str, by: str) -> User:
        user = self.users.get(name)
        if user is None:
            raise Refused("no_such_user")
        if user.name == by:
            raise Refused("own_permissions")
        return user

    def _not_the_last(self, user: User) -> None:
        if self.mode in ("advanced", "legacy_support") and self.users.admins() == [user.name]:
            raise Refused("last_security_admin")

    # -- faults -----------------------------------------------------------------------------

    def set_faults(self, wanted: dict[str, common.Fault]) -> None:
        """Replace all faults."""
        self.faults = dict(wanted)
        self._used = {}
        self._settings_reads = 0
        self._locked_already()

    def check_faults(self, raw: Any) -> dict[str, common.Fault]:
        """Faults as the control endpoint gets them. Raises ValueError."""
        return faults.normalise(raw, f"meter {self.name}")

    def password_in_transit(self, name: str) -> str:
        """F-27: what becomes of this change of a password: '', refused, lost_reply, lost_request or ignored."""
        fault = self.take("F-27")
        if fault is None:
            return ""
        self.record("fault", name="F-27", mode=fault["mode"], user=name)
        return str(fault["mode"])

    def after_settings_read(self, protocol: str) -> None:
        """F-38: another tool writes after the settings were read (the values read are the old ones)."""
        fault = self.faults.get("F-38")
        if fault is None:
            return
        self._settings_reads += 1
        if self._settings_reads <= fault["skip"] or not self.take("F-38"):
            return
        values = fault["values"] or {"event_cutoff": (self.settings["event_cutoff"] + 1) % 256}
        for name, value in values.items():
            self.set_setting(name, value, "other tool", "ion")

    def _locked_already(self) -> None:
        """F-26: somebody else has locked this user out."""
        fault = self.faults.get("F-26")
        if fault:
            self.lockouts.lock(self.canonical(fault["user"]), fault["protocol"], fault["seconds"] or self.settings["lockout_duration"] * 60)

    # -- restarts -------------------------------------------------------------------------------

    async def go_silent(self, why: str = "power") -> None:
        """Close everything."""
        self.state = "silent"
        self.record("silence_begin", why=why)
        self.log(events.POWER_DOWN, "", "power down")
        self.web_sessions.clear()
        await self.close()
        self.limits_used = dict.fromkeys(self.limits_used, 0)

    async def come_back(self, cause: str, state: str = "idle") -> None:
        """Open everything again."""
        self.restarts += 1
        self.state = state
        self.log(events.POWER_UP, "", "power up")
        await self.open()
        self.record("silence_end")
        self.record("restart", cause=cause, count=self.restarts)

    async def power_cycle(self, seconds: float) -> None:
        """Power goes and returns; F-14 takes longer."""
        self.record("power_lost")
        await self.go_silent()
        await self.clock.sleep(self.faults.get("F-14", {}).get("silence", seconds))
        await self.come_back("power")

    async def die(self, inside_upgrade: bool = False) -> None:
        """Power goes and stays away."""
        self.record("power_lost")
        await self.go_silent()
        self.state = "dead"
