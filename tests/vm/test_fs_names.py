"""File names of any bytes are the same on both sides of a share."""
import os
import random

from harness import deadline, run, scratch, size, succeeds

# Makes, or finds and then removes, a file of each name in the list, with the name as its contents.
GUEST = r"""
import os
with open(b"/s/names", "rb") as file:
    names = [bytes.fromhex(line) for line in file.read().decode().split()]
theirs, mine = names[:len(names) // 2], names[len(names) // 2:]
assert set(os.listdir(b"/s/host")) == set(theirs)
for name in theirs:
    path = b"/s/host/" + name
    assert os.stat(path).st_size == len(name)
    with open(path, "rb") as file:
        assert file.read() == name
    os.unlink(path)
os.mkdir(b"/s/guest")
for name in mine:
    with open(b"/s/guest/" + name, "wb") as file:
        file.write(name)
assert set(os.listdir(b"/s/guest")) == set(mine)
print("ok")
"""


def random_names(count):
    choose, names = random.Random(1), set()
    while len(names) < count:
        length = choose.choice((1, 2, choose.randrange(1, 256), 255))
        name = bytes(choose.choice([*range(1, 47), *range(48, 256)]) for _ in range(length))
        if name not in (b".", b".."):
            names.add(name)
    return list(names)


@deadline(60)
def test_names_of_any_bytes():
    count, folder = size(100, 1000), os.fsencode(scratch("share"))
    names = random_names(2 * count)
    theirs, mine = names[:count], names[count:]
    os.makedirs(folder + b"/host")
    for name in theirs:
        with open(folder + b"/host/" + name, "wb") as file:
            file.write(name)
    with open(folder + b"/names", "w", encoding="ascii") as file:
        file.write("\n".join(each.hex() for each in names))
    flags = ["-v", f"{scratch('share')}:/s"]
    succeeds(run(["python3", "-c", GUEST], flags, timeout=size(55, 500)), out=b"ok\n")
    assert not os.listdir(folder + b"/host")
    assert set(os.listdir(folder + b"/guest")) == set(mine)
    for name in mine:
        with open(folder + b"/guest/" + name, "rb") as file:
            assert file.read() == name
