"""The flags that shape the command's surroundings: each does what its help says, and only that."""
import os

from harness import run, scratch, sh, succeeds, write


def test_working_directory():
    succeeds(run(["pwd"], ["-w", "/usr/lib"]), out=b"/usr/lib\n")
    succeeds(run(["pwd"], ["-w", "/made/for/it"]), out=b"/made/for/it\n")


def test_environment():
    write("env", "# comment\nA=from file\nB=two words\n\nC=a=b\n")
    flags = ["--env-file", scratch("env"), "-e", "A=1", "-e", "EMPTY="]
    script = 'echo "$A|$B|$C|${EMPTY-unset}|${SECRET-unset}"; test -n "$PATH" && test -n "$HOME" && echo both'
    environment = dict(os.environ, SECRET="x")
    succeeds(sh(script, flags, environment=environment), out=b"1|two words|a=b||unset\nboth\n")


def test_environment_by_name_alone():
    succeeds(sh('echo "$PASSED"', ["-e", "PASSED"], environment=dict(os.environ, PASSED="on")), out=b"on\n")


def test_user():
    succeeds(sh("id -u; id -g; id -G"), out=b"0\n0\n0\n")
    succeeds(sh("id -u; id -g; id -G", ["-u", "1000"]), out=b"1000\n1000\n1000\n")
    succeeds(sh("id -u; id -g", ["-u", "1000:1001"]), out=b"1000\n1001\n")


def test_ordinary_user_has_no_power_in_the_guest():
    script = """grep CapEff /proc/self/status; touch /usr/cloche-test-new; mount -t tmpfs none /mnt
      head -c 1 /proc/1/mem; exit 0"""
    outcome = sh(script, ["-u", "1000"])
    assert outcome.out == b"CapEff:\t0000000000000000\n", outcome


def test_hostname():
    succeeds(sh("hostname; cat /proc/sys/kernel/hostname", ["--hostname", "some-host"]), out=b"some-host\nsome-host\n")


def test_limits():
    succeeds(
        sh("ulimit -Sn; ulimit -Hn; ulimit -Sc", ["--ulimit", "nofile=64:128", "--ulimit", "core=0"]),
        out=b"64\n128\n0\n",
    )


def test_words_arrive_as_they_are():
    words = ["a b", "", "$HOME", "*", "--flag", "'", "\n", "ü"]
    out = succeeds(run(["python3", "-c", "import sys; print(sys.argv[1:])", *words])).out.decode()
    assert out == f"{words}\n", out


def test_many_words():
    words = [str(number) * 20 for number in range(3000)]
    succeeds(
        run(["sh", "-c", 'echo $#; echo "$*" | wc -c', "sh", *words]),
        out=f"3000\n{len(' '.join(words)) + 1}\n".encode(),
    )


def test_q_and_v_are_about_cloches_own_messages():
    succeeds(run(["echo", "x"], ["-q"]), out=b"x\n")
    outcome = run(["echo", "x"], ["--verbose"])
    assert outcome.out == b"x\n" and outcome.code == 0, outcome


def test_console_goes_to_a_file():
    succeeds(run(["true"], ["--console", scratch("console")]))
    outcome = sh("echo '<1>a line for the console' > /dev/kmsg; sleep 1", ["--console", scratch("console")])
    with open(scratch("console"), encoding="utf-8", errors="replace") as file:
        assert "a line for the console" in file.read(), outcome
