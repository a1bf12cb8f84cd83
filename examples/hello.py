"""Looks around in the microVM it runs in, and does a little work there.

    cloche run -v ./examples:/examples:ro -- python3 /examples/hello.py
"""
import os
import platform


def primes_below(limit):
    """How many primes there are below `limit`."""
    sieve = bytearray([1]) * limit
    sieve[:2] = b"\0\0"
    for number in range(2, int(limit**0.5) + 1):
        if sieve[number]:
            sieve[number * number::number] = bytes(len(range(number * number, limit, number)))
    return sum(sieve)


def main():
    programs = [name for name in os.listdir("/proc") if name.isdigit() and os.path.exists(f"/proc/{name}/exe")]
    others = [name for name in programs if int(name) not in (1, os.getpid())]
    networks = [name for name in os.listdir("/sys/class/net") if name != "lo"]
    homes = os.listdir("/home")
    print(f"Hello from Linux {platform.release()} with Python {platform.python_version()}.")
    print(f"There are {primes_below(100_000)} primes below 100000.")
    print(f"Programs here besides me and PID 1: {len(others)}. Networks: {len(networks)}. Homes: {len(homes)}.")


if __name__ == "__main__":
    main()
