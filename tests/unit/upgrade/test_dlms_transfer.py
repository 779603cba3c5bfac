# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The gridops.metering authors
"""The image transfer against a scripted meter: every branch of wire-dlms 3, and random losses (X-08, R-225…R-227)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scriptedmeter import IMAGE, NEW, Meter, drop

from ansible_collections.gridops.metering.plugins.module_utils._engine.base.errors import DeviceError, InputError, OrphanedError
from ansible_collections.gridops.metering.plugins.module_utils._engine.base.target import Target
from ansible_collections.gridops.metering.plugins.module_utils._engine.catalogue.reasons import REASONS
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade import dlms_rules as rules
from ansible_collections.gridops.metering.plugins.module_utils._engine.upgrade.dlms import DlmsSteps, ImageJob
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms import axdr
from ansible_collections.gridops.metering.plugins.module_utils._engine.wire.dlms.session import RefusalError

requirement = pytest.mark.requirement
CONTENT = bytes(range(38))  # ten blocks of four, the last one short
ROW = {
    "component": 1,
    "digest": hashlib.sha256(CONTENT).hexdigest(),
    "identifier": b"box".hex(),
    "size": 38,
    "block_size": 4,
    "state": "initiated",
}


class Hooks:
    """Notes phases; ``stop`` raises as a worker does whose parent is gone."""

    def __init__(self) -> None:
        self.leases: list[Any] = []
        self.phases: list[tuple[str, int | None]] = []
        self.stop: Callable[[], bool] = lambda: False

    def phase(self, state: str, percent: int | None, text: str) -> None:
        self.phases.append((state, percent))

    def guard(self, stage: str) -> None:
        if self.stop():
            raise OrphanedError(stage)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("image") / "fw.img"
    made.write_bytes(CONTENT)
    return made


def job(where: Path, **changes: Any) -> ImageJob:
    return replace(ImageJob(1, b"box", (NEW,), None, str(where), len(CONTENT), str(ROW["digest"])), **changes)


def steps(meter: Meter, where: Path, hooks: Hooks | None = None, **changes: Any) -> DlmsSteps:
    target = Target("m", "127.0.0.1", {"dlms": 4059}, 1, clock=meter.clock)
    return DlmsSteps(target, job(where, **changes), hooks or Hooks(), opener=meter.open)  # type: ignore[arg-type]


def fails(meter: Meter, made: DlmsSteps, row: Any = None) -> str:
    with pytest.raises(DeviceError) as caught:
        made.stage(row)
    assert caught.value.reason in REASONS and "\n" not in str(caught.value)
    assert meter.log[-1] == "close"
    return caught.value.reason


def whole(meter: Meter) -> bool:
    return meter.status == 3 and b"".join(meter.blocks[number] for number in sorted(meter.blocks)) == CONTENT


def times(meter: Meter, what: str) -> int:
    return meter.log.count(what)


@requirement("R-224", "R-225", "R-226", "R-227", "X-04", "X-07")
def test_in_order_and_the_last_block_is_short(path):
    meter, hooks = Meter(), Hooks()
    staged = steps(meter, path, hooks).stage()
    assert whole(meter) and meter.identifier == b"box"
    assert (staged["sent"], staged["rounds"], staged["initiated"], staged["changed"], staged["status"]) == (10, 1, True, True, 3)
    states = [state for state, dummy in hooks.phases]
    assert states[:2] == ["initiating", "initiated"] and states[-2:] == ["transferred", "checking"]
    assert [percent for state, percent in hooks.phases if state == "transferring"] == [0, *range(10, 101, 10)]
    assert staged["detail"]["images"] == [{"size": 38, "identifier": NEW, "signature": "77"}]


@requirement("R-221")
def test_a_pending_image_is_not_sent_again(path):
    meter = Meter()
    steps(meter, path).stage()
    meter.log.clear()
    staged = steps(meter, path).stage()
    assert (staged["changed"], staged["sent"], staged["status"]) == (False, 0, 3)
    assert not [item for item in meter.log if not item.startswith(("get", "close"))]


@requirement("R-221")
def test_another_pending_image_is_kept_unless_the_word_is_given(path):
    meter = Meter(offered="0c0c")
    assert fails(meter, steps(meter, path)) == "image_mismatch"
    assert fails(meter, steps(meter, path)) == "image_pending" and times(meter, "initiate") == 1
    meter.offered = NEW
    assert steps(meter, path, replace_pending=True).stage()["initiated"] is True


@requirement("R-226", "X-08")
@pytest.mark.parametrize("name", ["component", "digest", "identifier", "size", "block_size", "state"])
def test_only_the_same_image_goes_on(path, name):
    def half() -> Meter:
        return Meter(status=1, size=38, blocks={0: CONTENT[:4], 2: CONTENT[8:12]})

    meter = half()
    staged = steps(meter, path).stage(ROW)
    assert whole(meter) and times(meter, "initiate") == 0
    assert (staged["resumed_at"], staged["sent"], staged["initiated"]) == (1, 8, False)
    meter = half()
    other = {**ROW, name: {"state": "initiating", "size": 39, "block_size": 8, "component": 2}.get(name, "00")}
    assert steps(meter, path).stage(other)["initiated"] is True
    assert whole(meter) and times(meter, "initiate") == 1


@requirement("X-08")
def test_a_row_without_a_transfer_in_the_meter_begins_anew(path):
    meter = Meter(status=0)
    assert steps(meter, path).stage(ROW)["initiated"] is True


@requirement("X-08", "R-227")
def test_a_row_whose_image_is_checked_goes_on_from_there(path):
    meter = Meter(status=2, size=38, blocks={n: CONTENT[4 * n : 4 * n + 4] for n in range(10)}, verify_polls=3)
    assert steps(meter, path).stage(ROW)["sent"] == 0 and whole(meter)
    meter = Meter(status=4, size=38)
    assert fails(meter, steps(meter, path), ROW) == "image_verification_failed" and times(meter, "initiate") == 0


@requirement("R-225")
def test_disabled_transfer_is_enabled_and_put_back_at_the_end(path):
    meter = Meter(enabled=False)
    assert steps(meter, path).stage()["detail"]["restore_enabled"] is True and meter.enabled
    meter = Meter(enabled=False)
    assert steps(meter, path, activate="never").stage()["detail"]["restore_enabled"] is False and not meter.enabled
    meter = Meter(enabled=False, verdict=4)
    assert fails(meter, steps(meter, path)) == "image_verification_failed" and not meter.enabled


@requirement("R-225")
def test_disabled_for_good_is_refused_before_initiate(path):
    meter = Meter(enabled=False, enable_fault=3)
    assert fails(meter, steps(meter, path)) == "image_transfer_disabled" and times(meter, "initiate") == 0
    meter = Meter(enabled=False, enable_fault=3, status=1, size=38)
    assert steps(meter, path).stage(ROW)["initiated"] is False  # what was begun may go on


@requirement("X-07")
def test_blocks_above_the_room_need_parts(path):
    assert steps(Meter(block_size=16, room=8), path).stage()["status"] == 3
    meter = Meter(block_size=16, room=8, conformance=frozenset())
    assert fails(meter, steps(meter, path)) == "image_block_too_large" and times(meter, "initiate") == 0
    meter = Meter(block_size=4096, room=40, conformance=frozenset())
    assert steps(meter, path).stage()["sent"] == 1  # one short block fits
    meter = Meter(block_size=0)
    assert fails(meter, steps(meter, path)) == "dlms_protocol_error"


@requirement("R-225")
def test_initiate_that_is_put_off_refused_or_whose_answer_is_lost(path):
    meter = Meter()
    meter.on["initiate"] = [lambda: meter.refuse(2), lambda: meter.refuse(2)]
    assert steps(meter, path).stage()["initiated"] and times(meter, "initiate") == 3
    meter = Meter()
    meter.on["initiate"] = [lambda: meter.refuse(2)] * 99
    assert fails(meter, steps(meter, path)) == "image_transfer_refused"
    meter = Meter()
    meter.on["initiate"] = [lambda: meter.refuse(250)]
    assert fails(meter, steps(meter, path)) == "image_transfer_refused"
    meter = Meter()
    meter.on["initiate"] = [lambda: meter.refuse(3)]  # enabled, so it is the client that may not
    assert fails(meter, steps(meter, path)) == "image_transfer_refused"
    meter = Meter()
    meter.on["after initiate"] = [drop]
    assert steps(meter, path).stage()["initiated"] and times(meter, "initiate") == 1  # it was done, so it is not asked again
    meter = Meter()
    meter.on["initiate"] = [drop]
    assert steps(meter, path).stage()["initiated"] and times(meter, "initiate") == 2  # it was not done


@requirement("R-226")
def test_blocks_that_are_put_off_or_refused(path):
    meter = Meter()
    meter.on["block 3"] = [lambda: meter.refuse(2), lambda: meter.refuse(2)]
    assert steps(meter, path).stage()["sent"] == 10
    meter = Meter()
    meter.on["block 3"] = [lambda: meter.refuse(12)]
    assert fails(meter, steps(meter, path)) == "image_transfer_refused"
    meter = Meter()
    meter.on["block 3"] = [lambda: meter.refuse(2)] * 99
    assert fails(meter, steps(meter, path)) == "image_transfer_refused"


@requirement("R-227")
@pytest.mark.parametrize("bitmap", [True, False])
def test_swallowed_blocks_are_filled_with_and_without_a_bitmap(path, bitmap):
    meter = Meter(shows_bitmap=bitmap)
    for number in (2, 9):
        meter.on[f"swallow {number}"] = [lambda: True]  # type: ignore[list-item]
    staged = steps(meter, path).stage()
    assert whole(meter) and staged["rounds"] >= 2
    assert staged["sent"] == (12 if bitmap else 18)


@requirement("R-227")
def test_blocks_that_stay_missing_end_with_a_reason(path):
    meter = Meter()
    meter.on["swallow 5"] = [lambda: True] * 99  # type: ignore[list-item]
    assert fails(meter, steps(meter, path)) == "image_incomplete" and times(meter, "initiate") == 1
    assert times(meter, "block 5") == 2


@requirement("F-04")
def test_a_link_that_never_comes_back_ends_with_a_reason(path):
    meter = Meter()
    meter.on["block 4"] = [drop] * 99
    assert fails(meter, steps(meter, path)) == "transport_failed"
    assert meter.opens == 7 and times(meter, "initiate") == 1


@requirement("F-04", "X-08")
def test_a_meter_that_forgets_the_transfer_is_told_so_and_not_initiated_again(path):
    meter = Meter()

    def forget() -> Exception:
        meter.status = 0
        return drop()

    meter.on["block 4"] = [forget]
    assert fails(meter, steps(meter, path)) == "image_incomplete" and times(meter, "initiate") == 1


def test_a_refused_login_is_not_repeated(path):
    meter = Meter()
    meter.on["block 4"] = [drop]
    opened = meter.open
    meter.open = lambda stage, floor: _second(meter, opened, stage, floor)  # type: ignore[method-assign]
    assert fails(meter, steps(meter, path)) == "dlms_auth_failed" and meter.opens == 2


def _second(meter: Meter, opened: Any, stage: str, floor: int | None) -> Any:
    if meter.opens == 1:
        meter.open_faults = [DeviceError("association", "dlms_auth_failed", "refused")]
    return opened(stage, floor)


def test_a_refused_counter_is_learned(path):
    meter = Meter()
    refused = RefusalError("the meter does not take our invocation counter", "dlms_counter_refused", 6, 77)
    meter.on["block 4"] = [lambda: refused]
    floors: list[int | None] = []
    opened = meter.open
    meter.open = lambda stage, floor: (floors.append(floor), opened(stage, floor))[1]  # type: ignore[method-assign]
    assert steps(meter, path).stage()["status"] == 3 and floors == [None, 77]


@requirement("R-227", "F-35")
def test_the_check(path):
    meter = Meter(verify_polls=20)
    assert steps(meter, path).stage()["status"] == 3 and times(meter, "verify") == 1
    for polls in (0, 5):
        meter = Meter(verify_polls=polls, verdict=4)
        assert fails(meter, steps(meter, path)) == "image_verification_failed"
    meter = Meter(verify_polls=10**9)
    assert fails(meter, steps(meter, path)) == "image_verification_late"
    meter = Meter()
    meter.on["verify"] = [drop]
    assert steps(meter, path).stage()["status"] == 3 and times(meter, "verify") == 2
    meter = Meter()
    meter.on["after verify"] = [drop]
    assert steps(meter, path).stage()["status"] == 3 and times(meter, "verify") == 1
    meter = Meter()
    meter.on["verify"] = [lambda: meter.refuse(250, index=3)]
    assert fails(meter, steps(meter, path)) == "image_verification_failed"


@requirement("R-227")
def test_a_check_that_is_cut_off_by_a_power_loss_is_asked_for_again(path):
    meter = Meter(verify_polls=10**6)

    def cut() -> None:
        meter.status, meter.verify_polls = 1, 2

    meter.on["get 6"] = [lambda: None] * 5 + [cut]  # type: ignore[list-item]
    assert steps(meter, path).stage()["status"] == 3 and times(meter, "verify") == 2
    meter = Meter(verify_polls=1)
    meter.on["verify"] = [lambda: meter.refuse(2)] * 99
    assert fails(meter, steps(meter, path)) == "image_verification_late"
    meter = Meter(verdict=6)
    assert fails(meter, steps(meter, path)) == "image_incomplete"


@requirement("R-227")
def test_a_meter_that_checks_by_itself_in_the_middle_is_not_sent_more(path):
    meter = Meter()

    def itself() -> None:
        meter.status, meter.images = 3, [(38, NEW, "77")]

    meter.on["block 7"] = [itself]  # type: ignore[list-item]
    assert steps(meter, path).stage()["status"] == 3 and times(meter, "block 8") == 0


@requirement("R-225")
def test_a_meter_whose_words_and_state_differ(path):
    meter = Meter(enabled=False, obeys=False)
    assert fails(meter, steps(meter, path)) == "image_transfer_disabled" and times(meter, "initiate") == 0
    meter = Meter(odd={(IMAGE, 4): axdr.u32(3)})
    assert fails(meter, steps(meter, path)) == "image_transfer_refused"
    for index, value in ((2, axdr.octets(b"")), (4, axdr.null()), (6, axdr.boolean(True)), (3, axdr.u8(1)), (7, axdr.u8(1))):
        meter = Meter(odd={(IMAGE, index): value})
        meter.on["swallow 5"] = [lambda: True]  # type: ignore[list-item]
        assert fails(meter, steps(meter, path)) == "dlms_protocol_error"
    meter = Meter(odd={(IMAGE, 6): 3})
    assert fails(meter, steps(meter, path)) == "dlms_access_denied"
    meter = Meter(enabled=False, verdict=4)
    meter.on["enable False"] = [drop]
    assert fails(meter, steps(meter, path)) == "image_verification_failed" and meter.enabled  # it could not be put back


@requirement("X-08")
def test_a_transfer_that_is_forgotten_between_two_calls_is_not_begun_again_by_itself(path):
    meter = Meter()
    first = steps(meter, path).stage(None, 10.0)
    assert not first["done"] and first["state"]["initiated"]
    meter.status = 0
    with pytest.raises(DeviceError) as caught:
        steps(meter, path).stage(ROW, 10.0, first["state"])
    assert caught.value.reason == "image_incomplete" and times(meter, "initiate") == 1


@requirement("R-227")
def test_what_the_meter_would_activate(path):
    assert steps(Meter(shows_images=False), path).stage()["images"] is None
    meter = Meter(offered="0c0c")
    assert fails(meter, steps(meter, path)) == "image_mismatch"
    assert fails(meter, steps(meter, path), ROW) == "image_mismatch" and times(meter, "initiate") == 1
    assert steps(Meter(), path, expected_signature="77").stage()["status"] == 3
    meter = Meter()
    assert fails(meter, steps(meter, path, expected_signature="78")) == "image_mismatch"


@requirement("R-227")
def test_sizes_and_names_are_compared():
    made = ImageJob(1, b"box", (NEW,), None, "", 38, "")
    one = {"identifier": NEW, "size": 38, "signature": "77"}
    assert rules.mismatch([one], made) == rules.mismatch([{**one, "identifier": b"box".hex()}], made) == ""
    assert "39" in rules.mismatch([{**one, "size": 39}], made)
    assert rules.mismatch([{**one, "size": 20}, {**one, "identifier": "0c", "size": 10}], made) == ""
    assert "nothing" in rules.mismatch([], made)


def test_a_file_that_changed_is_not_sent(path, tmp_path):
    other = tmp_path / "fw.img"
    other.write_bytes(CONTENT[::-1])
    meter = Meter()
    assert fails(meter, steps(meter, path, path=str(other))) == "artifact_hash_mismatch" and times(meter, "initiate") == 0
    assert fails(meter, steps(meter, path, path=str(tmp_path / "none"))) == "artifact_hash_mismatch"


def test_an_orphan_stops_and_a_later_run_goes_on(path):
    meter, hooks = Meter(), Hooks()
    hooks.stop = lambda: len(meter.blocks) >= 6
    with pytest.raises(OrphanedError):
        steps(meter, path, hooks).stage()
    assert meter.log[-1] == "close" and meter.status == 1
    assert steps(meter, path).stage(ROW)["sent"] == 4 and times(meter, "initiate") == 1


@requirement("R-219", "R-220", "G-20")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"service": "multicast"}, "later"),
        ({"service": "broadcast"}, "never"),
        ({"activate": "soon"}, "activate"),
        ({"activate": "at", "at": "noon"}, "zone"),
        ({"activate": "at", "at": "2026-01-01T00:00:00"}, "zone"),
    ],
)
def test_what_no_meter_can_do_is_refused_before_contact(path, changes, words):
    meter = Meter()
    with pytest.raises(InputError, match=words):
        steps(meter, path, **changes)
    assert meter.opens == 0


FAULTS = st.sampled_from(["drop", "lost", "swallow", "busy"])


@requirement("X-08", "R-226", "F-04")
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.dictionaries(st.integers(0, 9), st.lists(FAULTS, max_size=4), max_size=8),
    slice_seconds=st.sampled_from([None, 1.0, 30.0]),
    polls=st.integers(0, 4),
)
def test_random_losses_end_complete_or_with_a_reason_and_never_initiate_twice(path, faults, slice_seconds, polls):
    meter = Meter(verify_polls=polls)
    for number, kinds in faults.items():
        for kind in kinds:
            name = {"drop": f"block {number}", "lost": f"after block {number}", "swallow": f"swallow {number}", "busy": f"block {number}"}[
                kind
            ]
            todo = {"drop": drop, "lost": drop, "swallow": lambda: True, "busy": lambda: meter.refuse(2)}[kind]
            meter.on.setdefault(name, []).append(todo)  # type: ignore[arg-type]
    state, row = None, None
    try:
        for dummy in range(400):
            result = steps(meter, path).stage(row, slice_seconds, state)
            if result["done"]:
                break
            state, row = result["state"], ROW
        assert result["done"] and whole(meter)
    except DeviceError as error:
        assert error.reason in ("transport_failed", "image_incomplete", "image_transfer_refused")
        meter.on.clear()
        assert steps(meter, path).stage(ROW)["status"] == 3 and whole(meter)
    assert times(meter, "initiate") == 1
