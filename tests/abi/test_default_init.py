"""Guests whose first program is the one that krun_get_default_init() answers with: on a root of the host's, on an empty
one before a disk, and in an initramfs."""
import json
import os
import shutil
import signal

from harness import LIBKRUNFW, call, scratch
from installed import HERE, compiled, in_machine, installed, make_root

CONFIG = ".krun_config.json"
DEBIANS = [os.path.dirname(LIBKRUNFW)]


def guest(*words, language="c", **options):
    return in_machine(compiled("default_init", language), *words, **options)


def write(root, name, text):
    with open(f"{root}/{name}", "w", encoding="utf-8") as file:
        file.write(text)


def shell(script, *words, root=None, **options):
    """What becomes of a script of a guest's, in a file: there are things that no kernel's command line can say."""
    root = root or make_root()
    write(root, "script", script)
    return guest(f"root={root}", *words, "--", "/bin/sh", "/script", **options)


def lines(outcome):
    return outcome.out.decode(errors="replace").replace("\r", "").splitlines()


def make_disk(root):
    image = scratch("root.img")
    assert call(["mke2fs", "-q", "-t", "ext4", "-d", root, image, "32M"]).code == 0
    return image


def test_the_commands_code_is_the_vms():
    root = make_root()
    for code in (0, 7):
        outcome = shell(f"exit {code}", root=root)
        assert outcome.code == code and outcome.out == b"", outcome


def test_a_signal_is_128_and_its_number():
    outcome = shell("kill -TERM $$")
    assert outcome.code == 128 + signal.SIGTERM, outcome


def test_a_program_that_is_not_there_is_127():
    outcome = guest(f"root={make_root()}", "--", "/bin/nowhere")
    assert outcome.code == 127 and b"krun-init: /bin/nowhere: No such file" in outcome.err, outcome


def test_one_that_cannot_be_executed_is_126():
    outcome = guest(f"root={make_root()}", "--", "/etc")
    assert outcome.code == 126 and b"krun-init: /etc: Permission denied" in outcome.err, outcome


def test_a_directory_that_is_not_there_is_125():
    outcome = shell("true", "workdir=/no/such")
    assert outcome.code == 125 and b"/no/such" in outcome.err, outcome


def test_it_comes_with_arguments_environment_directory_and_limits():
    script = 'echo "$COLOUR"; echo "$SPACED"; pwd; ulimit -n; ulimit -Hn; echo "$1" "$2"; cat /proc/sys/kernel/hostname'
    words = ["env=COLOUR=blue", "env=SPACED=a b", "env=HOSTNAME=here", "limit=7=100:200", "workdir=/tmp"]
    root = make_root()
    write(root, "script", script)
    command = ["/bin/sh", "/script", "two words", "two"]
    outcome = guest(f"root={root}", *words, "--", *command, language="c++")
    expected = ["blue", "a b", "/tmp", "100", "200", "two words two", "here"]
    assert outcome.code == 0 and lines(outcome) == expected, outcome


def test_more_words_than_linux_hands_on_are_refused():
    root = make_root()
    write(root, "script", 'echo $# $V29; busybox env | grep -c ^V')
    variables = [f"env=V{number}=v" for number in range(30)]  # KRUN_INIT is one more.
    words, command = [f"root={root}", *variables, "env=HOME=/"], ["--", "/bin/sh", "/script", *["x"] * 31]
    outcome = guest(*words, *command)
    assert outcome.code == 0 and lines(outcome) == ["31 v", "30"], outcome
    for refused in (guest(*words, "env=ONE=more", *command), guest(*words, *command, "more")):
        assert refused.code == 1 and b"krun_start_enter: -7" in refused.err, refused


def test_streams_are_the_callers():
    text = b"some words\n" * 10_000
    outcome = shell("cat; echo to the error output >&2", stdin=text)
    assert outcome.code == 0 and outcome.out == text, outcome
    assert outcome.err == b"to the error output\n", outcome


def test_the_guest_has_what_programs_expect():
    script = """
    for each in /proc /sys /sys/fs/cgroup /dev /dev/pts /dev/shm; do
      grep -q " $each " /proc/mounts || echo no $each
    done
    echo x > /dev/tty && echo a terminal; busybox readlink /proc/1/fd/0
    busybox ip address show lo | grep -c 127.0.0.1; ls -a / | grep -c init.krun
    busybox sleep 1000 & exit 3"""
    outcome = shell(script)
    assert outcome.code == 3 and lines(outcome) == ["a terminal", "/dev/hvc0", "1", "0"], outcome


def test_on_debians_kernel():
    script = "cat /proc/version | grep -c cloche; cat; exit 5"
    outcome = shell(script, stdin=b"the input\n", libraries=DEBIANS)
    assert outcome.code == 5 and lines(outcome) == ["0", "the input"], outcome


def test_a_file_of_the_root_says_what_runs():
    script = "echo $COLOUR $SIZE $HOME; pwd; grep -c ' /scratch tmpfs ' /proc/mounts; grep -c ' /dev ' /proc/mounts"
    process = {"args": ["sh", "-c", script], "env": ["COLOUR=red", "SIZE=big", "HOME=/h", "PATH=/bin"], "cwd": "/tmp"}
    mounts = [{"destination": each, "type": "tmpfs", "source": "tmpfs"} for each in ("/dev", "/scratch")]
    root = make_root()
    write(root, CONFIG, json.dumps({"process": process, "mounts": mounts}))
    outcome = guest(f"root={root}", "env=COLOUR=blue")
    expected = ["blue big /h", "/tmp", "1", "1"]
    assert outcome.code == 0 and lines(outcome) == expected, outcome
    write(root, "other.json", json.dumps({"Entrypoint": ["sh", "-c"], "Cmd": ["exit 9"], "Env": ["PATH=/bin"]}))
    assert guest(f"root={root}", "env=KRUN_CONFIG=/other.json").code == 9


def test_without_a_command_it_is_a_shell_whatever_the_file_holds():
    root = make_root()
    for text in ("{", "[" * 100_000, '{"args": 7}', '{"process": {"args": [null]}}'):
        write(root, CONFIG, text)
        outcome = guest(f"root={root}", stdin=b"echo a shell; exit 4\n")
        assert outcome.code == 4 and lines(outcome) == ["a shell"], (text[:20], outcome)


def test_limits_that_say_nothing_are_125():
    outcome = shell("true", "env=KRUN_RLIMITS=nofile")
    assert outcome.code == 125 and b"KRUN_RLIMITS nofile" in outcome.err, outcome


def test_the_command_can_be_the_first_program():
    root = make_root()
    outcome = shell("echo $$; exec busybox reboot -f", "env=KRUN_INIT_PID1=1", root=root)
    assert outcome.code == 0 and lines(outcome) == ["1"], outcome
    outcome = guest(f"root={root}", "env=KRUN_INIT_PID1=1", "--", "/bin/nowhere")
    assert outcome.code == 127 and b"/bin/nowhere" in outcome.err, outcome


def check_disk(libraries):
    root = make_root()
    image = make_disk(root)
    script = "grep -c ' / ext4 ' /proc/mounts; ls -d /sys/class /newroot; echo kept > /file; exit 7"
    outcome = guest(f"disk={image}", "env=PATH=/bin", "--", "sh", "-c", script, libraries=libraries)
    assert outcome.code == 7 and lines(outcome) == ["1", "/sys/class"], outcome
    outcome = guest(f"disk={image}", "--", "/bin/cat", "/file", libraries=libraries)
    assert outcome.code == 0 and outcome.out == b"kept\n", outcome
    assert call(["e2fsck", "-fn", image]).code == 0


def test_a_root_on_a_disk():
    check_disk([])


def test_a_root_on_a_disk_with_debians_kernel():
    check_disk(DEBIANS)


def test_a_root_on_a_disk_that_holds_none():
    with open(scratch("root.img"), "wb") as file:
        file.truncate(1 << 20)
    outcome = guest(f"disk={scratch('root.img')}", "--", "/bin/true")
    assert outcome.code == 125 and b"mount the root file system on /dev/vda" in outcome.err, outcome


def test_a_root_that_holds_nothing_else():
    outcome = guest("--", "/bin/sh")
    assert outcome.code == 127 and b"/bin/sh: No such file" in outcome.err, outcome


def test_a_root_without_a_place_to_mount_at():
    outcome = guest("bare", "--", "/bin/sh")
    assert outcome.code == 125 and outcome.out == b"", outcome


def test_in_an_initramfs():
    root = make_root()
    assert guest(f"write={root}/init.krun").code == 0
    os.chmod(f"{root}/init.krun", 0o755)
    listed = call(["find", "."], cwd=root)
    packed = call(["cpio", "-o", "-H", "newc", "--quiet"], stdin=listed.out, cwd=root)
    with open(scratch("initramfs"), "wb") as file:
        file.write(packed.out)
    line = "console=hvc0 reboot=k panic=-1 quiet rdinit=/init.krun"
    kernel = [f"initramfs={scratch('initramfs')}", f"kernel={installed.prefix}/share/cloche/guest-vmlinux"]
    script = "grep -c ' / rootfs ' /proc/mounts; cat; exit 6"
    words = [*kernel, f"line={line}", "--", "/bin/sh", "-c", script]
    outcome = guest(*words, stdin=b"the input\n")
    assert outcome.code == 0 and lines(outcome) == ["1", "the input"], outcome  # Nothing hears of the code,
    outcome = guest(f"root={root}", *words)
    assert outcome.code == 6 and lines(outcome) == ["1"], outcome  # unless there is a file system that does.


def networked(peer, script):
    root = make_root()
    write(root, "script", script)
    python = shutil.which("python3", path="/usr/bin:/bin")
    command = [compiled("default_init"), f"root={root}", "--", "/bin/sh", "/script"]
    return in_machine("unshare", "--net", python, str(HERE / "network_peer.py"), peer, *command)


def test_a_network_gives_an_address():
    script = "busybox ip -4 address show eth0 | grep -o 'inet [0-9./]*'; "
    script += "busybox ip route | grep -o 'default via [0-9.]*'"
    outcome = networked("passt", script)
    assert outcome.code == 0 and lines(outcome) == ["inet 192.0.2.1/24", "default via 192.0.2.254"], outcome


def test_a_network_without_an_answer_is_no_reason_not_to_run():
    outcome = networked("nobody", "exit 5")
    assert outcome.code == 5 and b"no DHCP server answers" in outcome.err, outcome


def test_tsi_has_an_address_that_is_not_the_loopbacks():
    script = "busybox ip -4 address show dummy0 | grep -o 'inet [0-9./]*'"
    outcome = shell(script, "vsock", libraries=DEBIANS)
    assert outcome.code == 0 and lines(outcome) == ["inet 203.0.113.1/24"], outcome
