"""--timings shows where the start went; --timings=FILE is a trace that browsers open."""
import json

from harness import run, scratch, succeeds

PHASES = ("create VM", "load kernel", "run: first vCPU instruction to PID 1", "kernel", "mount", "command")


def test_table():
    outcome = run(["echo", "x"], ["--timings"])
    assert (outcome.code, outcome.out) == (0, b"x\n"), outcome
    for phase in PHASES:
        assert phase in outcome.err.decode(), f"{phase!r} is not in the table: {outcome}"


def test_file():
    succeeds(run(["echo", "x"], [f"--timings={scratch('trace.json')}"]), out=b"x\n")
    with open(scratch("trace.json"), encoding="utf-8") as file:
        trace = json.load(file)
    events = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    names = {event["name"] for event in events}
    assert set(PHASES) <= names, names
    for event in events:
        assert event["ts"] >= 0 and event["dur"] >= 0 and "pid" in event and "tid" in event, event
    by_name = {event["name"]: event for event in events}
    assert by_name["create VM"]["ts"] <= by_name["command"]["ts"]
