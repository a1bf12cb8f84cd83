"""The default root, the host's own programs: they run, and find what they need."""
import os
import programs

from harness import deadline, run, succeeds


def test_python():
    programs.check_python([])


def test_gcc_compiles_and_runs():
    programs.check_gcc([])


def test_apt_get():
    programs.check_apt([])


def test_git_clones():
    programs.check_git([])


@deadline(180)
def test_four_processes_on_four_processors():
    programs.check_four_processors([])


def test_one_processor_by_default_or_as_many_as_asked_for():
    succeeds(run(["nproc"], ["--cpus", "1"]), out=b"1\n")
    succeeds(run(["nproc"], ["-q", "--cpus", "3"]), out=b"3\n")


def test_its_own_kernel():
    out = succeeds(run(["uname", "-r"])).out.decode().strip()
    assert out.endswith("-cloche") and out != os.uname().release, out
