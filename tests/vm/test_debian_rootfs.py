"""--rootfs DIR: a Debian made with mmdebstrap runs as the host's own programs do."""
import os

import programs
from harness import deadline, run, settings, sh, succeeds


def flags():
    assert settings.rootfs, "run.py was started without --rootfs"
    return ["--rootfs", settings.rootfs]


def test_it_is_that_debian():
    out = succeeds(sh("cat /etc/debian_version; ls -d /root /home /etc/shadow", flags())).out.decode().split()
    with open(os.path.join(settings.rootfs, "etc/debian_version"), encoding="ascii") as file:
        assert out == [file.read().strip(), "/etc/shadow", "/home", "/root"], out


def test_python():
    programs.check_python(flags())


def test_gcc_compiles_and_runs():
    programs.check_gcc(flags())


def test_apt_get():
    programs.check_apt(flags())


def test_git_clones():
    programs.check_git(flags())


@deadline(180)
def test_four_processes_on_four_processors():
    programs.check_four_processors(flags())


def test_writes_stay_in_the_guest():
    succeeds(
        sh("rm -rf /usr/share/doc/p*; echo x > /etc/new; echo y >> /etc/debian_version; ls /etc/new", flags()),
        out=b"/etc/new\n",
    )
    assert os.path.isdir(os.path.join(settings.rootfs, "usr/share/doc/passwd"))
    assert not os.path.exists(os.path.join(settings.rootfs, "etc/new"))
    with open(os.path.join(settings.rootfs, "etc/debian_version"), encoding="ascii") as file:
        assert "y" not in file.read().split()


def test_read_only():
    outcome = sh("echo x > /etc/new", [*flags(), "--read-only"])
    assert outcome.code != 0 and b"ead-only" in outcome.err, outcome
    succeeds(run(["true"], [*flags(), "--read-only"]))
