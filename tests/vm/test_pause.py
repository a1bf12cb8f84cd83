"""A paused VM makes no progress, its clocks do not jump when it goes on, and it can be ended."""
import os
import select
import subprocess
import threading
import time

from harness import deadline, guest_program, no_leftovers, same_for_everyone, settings, size, wait_until

CPUS = 2
LOST, KILLED = "by 2", "reason 9"  # EndedBy and LostReason of cloche/vm.h.
# A line per round, on one processor after the other: CLOCK_MONOTONIC and the TSC (rdtsc; shl rdx, 32; or rax, rdx).
CLOCKS = """
import ctypes, itertools, mmap, os, time
page = mmap.mmap(-1, 4096, prot=7)
page.write(bytes.fromhex("0f3148c1e2204809d0c3"))
tsc = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
for round in itertools.count():
    os.sched_setaffinity(0, {round % %d})
    print(time.monotonic_ns(), tsc(), flush=True)
    time.sleep(0.05)
""".replace("%d", str(CPUS))


class Controlled:
    """A command in a VM that the test pauses and resumes, and the lines that it prints."""

    def __init__(self, *command):
        installation = os.path.dirname(os.path.dirname(settings.cloche))
        words = [guest_program("vm_control"), installation, str(CPUS), *command]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe)
        self.said, self._rest = [], b""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self):
        for line in self.process.stderr:
            self.said.append(line.decode().rstrip("\n"))

    def heard(self, word):
        return [line for line in self.said if line.startswith(f"{word}: ")]

    def tell(self, word):
        """Commands it, and expects that to work."""
        before = len(self.heard(word))
        self.process.stdin.write(f"{word}\n".encode())
        self.process.stdin.flush()
        wait_until(lambda: len(self.heard(word)) > before, what=f"an answer to {word}, after {self.said}")
        assert self.heard(word)[-1] == f"{word}: ", self.said

    def lines(self, seconds, count=None):
        """The whole lines that come within so many seconds, and then until there are none at once; no more of them than
        `count`."""
        lines, end = [], time.monotonic() + seconds
        while count is None or len(lines) < count:
            if b"\n" in self._rest:
                line, self._rest = self._rest.split(b"\n", 1)
                lines.append([int(word) for word in line.split()])
            elif not select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                break
            else:
                read = os.read(self.process.stdout.fileno(), 4096)
                assert read, self.said
                self._rest += read
        assert count is None or len(lines) == count, f"{lines} {self.said}"
        return lines

    def discard(self, seconds):
        """Reads for that long, however much there is."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and select.select([self.process.stdout], [], [], left)[0]:
            assert os.read(self.process.stdout.fileno(), 1 << 16), self.said

    def end(self):
        self.tell("kill")
        self._listener.join(20)
        assert not self._listener.is_alive() and LOST in self.said[-1] and KILLED in self.said[-1], self.said
        with self.process:  # Closes the pipes.
            pass


def paused_for(vm, seconds):
    """The lines that were under way when it was paused, and those that came after a pause of that long."""
    vm.tell("pause")
    before = vm.lines(1.5)
    assert vm.lines(seconds) == []
    vm.tell("resume")
    return before, vm.lines(30, count=10)


@same_for_everyone
def test_clocks_stand_still_with_the_guest():
    with no_leftovers():
        vm = Controlled("python3", "-c", CLOCKS)
        lines = vm.lines(90, count=20)
        rate = (lines[-1][1] - lines[0][1]) / (lines[-1][0] - lines[0][0])  # Ticks of the TSC in a nanosecond.
        for seconds in (5, 0.1, 5):
            before, after = paused_for(vm, seconds)
            lines += before
            clock, tsc = (after[0][i] - lines[-1][i] for i in (0, 1))
            print(f"paused {seconds + 1.5} s: monotonic {clock / 1e6:.1f} ms, TSC {tsc / rate / 1e6:.1f} ms")
            # 50 ms pass between two lines; on a busy computer more, but not as long as a pause that is long.
            assert seconds < 1 or (clock < 3e9 and tsc < 3e9 * rate)
            lines += after
        # All processors are still in step.
        assert lines == sorted(lines) and sorted(line[1] for line in lines) == [line[1] for line in lines], lines
        vm.end()


@same_for_everyone
@deadline(300)
def test_pauses_from_the_first_moment_on():
    """While the guest boots and its devices are set up, and while it is busy on all processors."""
    with no_leftovers():
        vm = Controlled("sh", "-c", "while :; do :; done & while :; do echo 1; done")
        for _ in range(size(40, 1000)):
            vm.tell("pause")
            vm.tell("resume")
            vm.discard(0.1)
        vm.lines(60, count=1000)
        vm.end()


@same_for_everyone
def test_a_paused_one_can_be_paused_and_resumed_again_and_ended():
    with no_leftovers():
        vm = Controlled("sh", "-c", "while :; do echo 1; done")
        vm.lines(90, count=1)
        for word in ("resume", "pause", "pause", "resume", "resume", "pause"):
            vm.tell(word)
        vm.lines(2)
        assert vm.lines(1) == []
        vm.end()
