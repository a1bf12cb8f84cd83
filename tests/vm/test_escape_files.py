"""From inside a sandbox no file outside the shares is in reach, whatever is linked in them, here or there."""
import os

from escape import inside, on_the_host
from harness import scratch, succeeds, write
from sandboxes import execute, sandbox

TOKEN, NAME = "cloche-escape-token", "secret"


def test_files_outside_the_shares_are_out_of_reach():
    secret = write(f"out/{NAME}", TOKEN)
    os.makedirs(scratch("out/share/sub"))
    share = scratch("out/share")
    for index, target in enumerate(["..", f"../{NAME}", secret, os.path.dirname(secret), "../../.."]):
        os.symlink(target, f"{share}/link-{index}")
        os.symlink(target, f"{share}/sub/link-{index}")
    # On the host the links lead there.
    assert {"above", "below", "a link of its own"} <= set(on_the_host("files", TOKEN, NAME, share))
    with sandbox(flags=["-v", f"{share}:/mnt/share"]) as box:
        # The folder that the links name is there as well, and empty: they lead into it and no further.
        succeeds(execute(box, "mkdir", "-p", os.path.dirname(secret)))
        print("before", flush=True)
        assert inside(box, "files", TOKEN, NAME, "/mnt/share") == []
        # It would have been found.
        write("out/share/sub/inside", TOKEN)
        assert inside(box, "files", TOKEN, NAME, "/mnt/share") == ["a handle", "below"]
        # Hard links, mounts and renames across the edge.
        script = f"""ln /mnt/share/../{NAME} /mnt/share/x; ln {secret} /mnt/share/x; mv /mnt/share/sub /mnt/share/../out
          mount --bind /mnt/share/.. /mnt; mount -t virtiofs root /srv; cat /srv{secret} /srv/../{NAME} /mnt/{NAME}"""
        outcome = execute(box, "sh", "-c", script)
        assert TOKEN.encode() not in outcome.out
    assert sorted(os.listdir(scratch("out"))) == [NAME, "share"]
    with open(secret, encoding="ascii") as file:
        assert file.read() == TOKEN
