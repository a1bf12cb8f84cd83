"""The default root shows the host's programs and nobody's data, and what is written to it stays in the guest."""
import os

from harness import run, settings, sh, succeeds


def test_nobodys_data():
    home = os.environ["HOME"]
    script = f"""ls -A /home /root /mnt /media /srv /opt 2>/dev/null | grep -v '^/' | grep .
      for f in /etc/shadow /etc/gshadow /etc/sudoers /etc/ssh /etc/machine-id /etc/ssl/private /var/lib/dpkg \\
        /boot /work {home} {settings.scratch}; do
      test -e $f && echo "there: $f"; done; exit 0"""
    succeeds(sh(script), out=b"")


def test_what_programs_need_is_there():
    succeeds(
        sh(
            "test -r /etc/passwd && test -r /etc/ld.so.cache && test -d /proc/1 && test -c /dev/null && "
            "test -d /sys/kernel && getent passwd root | cut -d: -f1 && touch /tmp/x /var/tmp/x /run/x && "
            "ls -ld /tmp | cut -c1-10"
        ),
        out=b"root\ndrwxrwxrwt\n",
    )


DOC = "/usr/share/doc/base-files"  # On every Debian, and missed by nobody, should it come to that.
NEW = "/usr/cloche-test-new"


def test_writes_stay_in_the_guest():
    script = f"rm -rf {DOC}; echo x > {NEW}; echo x > /etc/new; test -e {NEW} && test ! -e {DOC} && echo ok"
    succeeds(sh(script), out=b"ok\n")
    assert os.path.exists(DOC) and not os.path.exists(NEW) and not os.path.exists("/etc/new")
    succeeds(sh(f"ls {NEW} /etc/new 2>/dev/null; test -e {DOC} && echo again"), out=b"again\n")


def test_read_only():
    outcome = sh(f"touch {NEW} /etc/new; echo code $?; touch /tmp/x && echo tmp", ["--read-only"])
    assert b"code 1" in outcome.out and b"ead-only" in outcome.err, outcome


def test_root_cannot_reach_below_the_overlay():
    """Whatever guest root mounts or digs up, the share itself is read-only in the VMM."""
    script = f"""mkdir /m; mount -t virtiofs root /m || exit 0
      touch /m/{NEW}; rm -r /m/{DOC}; mount -o remount,rw /m; touch /m/{NEW}; rm -r /m/{DOC}; exit 0"""
    sh(script)
    assert os.path.exists(DOC) and not os.path.exists(NEW)


def test_no_network():
    succeeds(run(["python3", "-c", "import os; print(sorted(os.listdir('/sys/class/net')))"]), out=b"['lo']\n")


def test_alone():
    out = succeeds(sh("ls -d /proc/[0-9]* | wc -l; hostname; cat /proc/1/comm")).out.decode().split()
    assert out[1] != os.uname().nodename, out
