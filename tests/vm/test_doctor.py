"""`cloche doctor` measures every precondition and says what to do about one that is not met."""
import json

import devices
from harness import cloche, no_leftovers, only_root


def check(report, name):
    return next(each for each in report["checks"] if each["name"] == name)


def test_a_healthy_host():
    with no_leftovers():
        outcome = cloche("doctor")
    assert outcome.code == 0 and outcome.err == b"" and b"works on this host" in outcome.out, outcome


def test_json():
    report = json.loads(cloche("doctor", "--json").out)
    assert report["runs_directly"] is True and check(report, "kvm")["state"] == "ok", report
    assert all(each["state"] != "FAIL" for each in report["checks"]), report


@only_root
def test_a_missing_kvm_is_named_with_its_remedy():
    devices.own_dev()
    outcome, report = cloche("doctor"), json.loads(cloche("doctor", "--json").out)
    assert b"/dev/kvm" in outcome.out, outcome
    kvm = check(report, "kvm")
    assert report["runs_directly"] is False and kvm["state"] != "ok" and kvm["remedy"], report
