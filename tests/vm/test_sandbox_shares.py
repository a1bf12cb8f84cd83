"""Whose a sandbox's shares are."""
import os

from harness import scratch, succeeds, settings
from sandboxes import execute, sandbox

USER = 1000


def test_they_belong_to_the_user_of_its_command():
    folder = scratch("share")
    os.mkdir(folder)
    if not settings.user:
        os.chown(folder, USER, USER)  # For root the ids are the same on both sides.
    with sandbox("owner", flags=["-u", str(USER), "-v", f"{folder}:/s"]) as box:
        assert succeeds(execute(box, "stat", "-c", "%u", "/s")).out == b"1000\n"
        succeeds(execute(box, "touch", "/s/file"))
    status = os.stat(f"{folder}/file")
    assert status.st_uid == (os.geteuid() if settings.user else USER)
