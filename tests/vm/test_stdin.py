"""Standard input: every byte arrives once, its end is seen, and nobody waits for input that is not wanted."""
import hashlib
import os
import subprocess
import threading

from harness import command, deadline, run, size, start, succeeds

CHUNK = 1 << 20


def feed(pipe, mib, digest):
    """Writes random bytes, none of them twice."""
    for _ in range(mib):
        chunk = os.urandom(CHUNK)
        digest.update(chunk)
        pipe.write(chunk)
    pipe.close()


def copy_through(words, mib):
    """(digest of what went in, digest of what came out, bytes that came out)."""
    sent, came, total = hashlib.sha256(), hashlib.sha256(), 0
    process = start(words, stdin=subprocess.PIPE)
    feeder = threading.Thread(target=feed, args=(process.stdin, mib, sent))
    feeder.start()
    while chunk := process.stdout.read1(CHUNK):
        came.update(chunk)
        total += len(chunk)
    feeder.join()
    error = process.stderr.read()
    assert process.wait(timeout=30) == 0, (process.returncode, error)
    return sent.hexdigest(), came.hexdigest(), total


@deadline(300)
def test_random_bytes_through_cat():
    mib = size(16, 1024)
    sent, came, total = copy_through(["cat"], mib)
    assert total == mib * CHUNK and sent == came, (total, sent, came)


def test_every_size_around_a_page_arrives():
    for count in (1, 4095, 4096, 4097, 65536, 65537):
        data = os.urandom(count)
        outcome = run(["sha256sum"], stdin=data)
        assert outcome.out.split()[0].decode() == hashlib.sha256(data).hexdigest(), (count, outcome)


def test_end_of_input_is_seen():
    succeeds(run(["wc", "-c"], stdin=b"x" * 1000), out=b"1000\n")


def test_input_that_is_not_wanted_is_not_carried():
    process = start(["cat"], ["--stdin=never"], stdin=subprocess.PIPE)
    out, err = process.communicate(b"secret", timeout=60)
    assert (process.returncode, out, err) == (0, b"", b""), (process.returncode, out, err)


def test_an_open_unused_input_delays_nothing():
    reader, writer = os.pipe()
    outcome = subprocess.run(command(["echo", "x"]), stdin=reader, capture_output=True, timeout=60)
    os.close(reader)
    os.close(writer)
    assert (outcome.returncode, outcome.stdout) == (0, b"x\n"), outcome


def test_a_command_that_stops_reading_early():
    outcome = run(["head", "-c", "5"], stdin=b"12345" + b"x" * (8 << 20))
    assert (outcome.code, outcome.out) == (0, b"12345"), outcome
