"""Files injected into a share: the guest finds, runs and maps them, cannot change them; the host has none of them."""
import os

from harness import refuses, scratch, settings, sh, succeeds, write


def share():
    folder = scratch("share")
    os.makedirs(f"{folder}/etc")
    write("share/etc/hosts", "the host's\n")
    write("share/etc/other", "other\n")
    write("motd", "from memory\n")
    write("tool", "#!/bin/sh\necho ran $1\n", mode=0o755)
    return folder


def tree(folder):
    return sorted((where, tuple(folders), tuple(files)) for where, folders, files in os.walk(folder))


OPTIONS = "inject=etc/hosts={0}/motd,inject=opt/,inject=opt/bin/,inject=opt/bin/tool={0}/tool,inject=opt/echo=/bin/echo"


def test_found_run_and_mapped():
    folder = share()
    before = tree(folder)
    script = """cd /s; cat etc/hosts; cat etc/other; opt/bin/tool here; ls etc opt/bin; stat -c '%A %u %s' etc/hosts
      opt/echo mapped"""
    expected = b"from memory\nother\nran here\netc:\nhosts\nother\n\nopt/bin:\ntool\n-rw-r--r-- 0 12\nmapped\n"
    for more in ("", ",cache=none", ",cache=always", ",ro"):
        outcome = sh(script, ["-v", f"{folder}:/s:" + OPTIONS.format(settings.scratch) + more])
        succeeds(outcome, expected)
    assert tree(folder) == before


def test_cannot_be_changed():
    folder = share()
    before = tree(folder)
    script = """cd /s
      for act in 'rm etc/hosts' 'rmdir opt/bin' 'mv etc/hosts x' 'mv etc/other etc/hosts' 'chmod 600 etc/hosts' \
        'truncate -s 0 etc/hosts' 'touch opt/bin/new' 'mkdir opt' 'ln etc/other opt/bin/tool' 'rmdir opt'; do
        $act 2>/dev/null && echo "$act: done"
      done; echo x >> etc/other; cat etc/hosts"""
    succeeds(sh(script, ["-v", f"{folder}:/s:" + OPTIONS.format(settings.scratch)]), b"from memory\n")
    assert tree(folder) == before
    with open(f"{folder}/etc/hosts", "rb") as file:
        assert file.read() == b"the host's\n"


def test_once():
    folder = share()
    script = """cd /s; ls etc; exec 3< etc/hosts; cat etc/hosts; cat <&3; cat etc/hosts
      cat key && echo again; ls; cat key"""
    motd = scratch("motd")
    outcome = sh(script, ["-v", f"{folder}:/s:inject-once=etc/hosts={motd},inject-once=key={motd}"])
    assert outcome.out == b"hosts\nother\nthe host's\nfrom memory\nthe host's\nfrom memory\nagain\netc\n", outcome
    assert b"key: No such file or directory" in outcome.err, outcome


def test_a_thousand():
    folder = share()
    names = [f"f{i}" for i in range(1000)]
    options = "inject=many/" + "".join(f",inject=many/{name}={scratch('motd')}" for name in names)
    outcome = sh("cd /s/many; ls | wc -l; cat * | wc -l", ["-v", f"{folder}:/s:{options}"])
    succeeds(outcome, b"1000\n1000\n")


def test_wrong_ones_are_named():
    folder = share()
    motd = scratch("motd")
    wrong = [("a", "is not PATH=FILE"), ("a=/none/such", "/none/such"), (f"no/a={motd}", "no such directory")]
    wrong += [(f"../a={motd}", "no such directory"), (f"etc/..={motd}", "names no file")]
    for value, why in wrong:
        refuses(sh("true", ["-v", f"{folder}:/s:inject={value}"]), why)
