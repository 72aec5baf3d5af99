"""Hosts as network namespaces of this machine, joined by a link of a known rate: `ip netns`, veth, `tc tbf`.

    with hosts("100mbit") as words:           uh7-0=10.77.0.1, uh7-1=10.77.0.2, reached by `ip netns exec {host}`
        scaling(…, hosts=words, via=VIA)

A token bucket limits each end's sending. The names have the process's number, for tests of other processes make some
too. This takes the right to make namespaces; `missing` says what lacks.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

VIA = "ip netns exec {host}"
NAMES, ADDRESSES = (f"uh{os.getpid()}-0", f"uh{os.getpid()}-1"), ("10.77.0.1", "10.77.0.2")


def missing() -> str:
    """Why there can be no namespaces here; "" where there can."""
    if sys.platform != "linux" or os.geteuid():
        return "making network namespaces takes Linux and its root"
    for tool in ("ip", "tc"):
        if shutil.which(tool) is None:
            return f"there is no {tool}"
    probe = f"underhood-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    subprocess.run(["ip", "netns", "del", probe], capture_output=True, check=False)
    return "" if made.returncode == 0 else f"ip netns add: {made.stderr.strip()}"


@contextmanager
def hosts(rate: str | None) -> Iterator[list[str]]:
    """Two hosts with a link of `rate` ("100mbit") each way, or as quick as this machine where it is None."""
    _remove()
    try:
        for name in NAMES:
            _do("ip", "netns", "add", name)
        _do("ip", "link", "add", "veth0", "netns", NAMES[0], "type", "veth", "peer", "veth1", "netns", NAMES[1])
        for number, (name, address) in enumerate(zip(NAMES, ADDRESSES, strict=True)):
            within, device = ("ip", "netns", "exec", name), f"veth{number}"
            _do(*within, "ip", "address", "add", f"{address}/24", "dev", device)
            _do(*within, "ip", "link", "set", device, "up")
            _do(*within, "ip", "link", "set", "lo", "up")
            if rate:
                shape = ("root", "tbf", "rate", rate, "burst", "128kb", "latency", "100ms")
                _do(*within, "tc", "qdisc", "add", "dev", device, *shape)
        yield [f"{name}={address}" for name, address in zip(NAMES, ADDRESSES, strict=True)]
    finally:
        _remove()


def _do(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def _remove() -> None:
    for name in NAMES:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
