"""Hosts as a command line names them: their names, the words that reach them, and the workers that each has."""

import socket
import sys

import pytest

from underhood import hosts
from underhood.errors import BadInput, MissingPiece
from underhood.hosts import Hosts


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["here"], (("here", "here"),)),
        (["here", "there"], (("here", "here"), ("there", "there"))),
        (["here=10.0.0.1", "there"], (("here", "10.0.0.1"), ("there", "there"))),
        (["here=", "there=b"], (("here", "here"), ("there", "b"))),
        (["a=same", "b=same"], (("a", "same"), ("b", "same"))),
    ],
)
def test_names_and_addresses(words, names):
    assert Hosts.of(words, None) == Hosts(names, "ssh {host}", 29_600)
    assert Hosts.of(words, "docker exec {host}") == Hosts(names, "docker exec {host}")


@pytest.mark.parametrize(
    ("words", "via", "said"),
    [
        (["a", ""], None, '--hosts "a,": a name is missing; write it as here,there or NAME=ADDRESS,…'),
        (["=10.0.0.1"], None, '--hosts "=10.0.0.1": a name is missing; write it as here,there or NAME=ADDRESS,…'),
        (["a", "b", "b"], None, "--hosts: b stands there twice"),
        (["a=1", "b", "a=2"], None, "--hosts: a stands there twice"),
        (["a"], "ssh", '--via: "ssh" does not say where the host\'s name stands; write it as ssh {host}'),
        (["a"], "ssh '{host}", "--via: ssh '{host}: No closing quotation"),
    ],
)
def test_mistakes_in_hosts_are_named(words, via, said):
    with pytest.raises(BadInput) as caught:
        Hosts.of(words, via)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("via", "line"),
    [
        (None, ["ssh", "b", "env A=1 'B=two words' python -c 'a b'"]),
        ("/usr/bin/ssh -p 22 {host}", ["/usr/bin/ssh", "-p", "22", "b", "env A=1 'B=two words' python -c 'a b'"]),
        ("docker exec {host}", ["docker", "exec", "b", "env", "A=1", "B=two words", "python", "-c", "a b"]),
    ],
)
def test_ssh_is_given_one_line_for_a_shell_and_others_the_words(via, line):
    found = Hosts.of(["a", "b=10.0.0.2"], via)
    assert found.line(1, ["python", "-c", "a b"], {"A": "1", "B": "two words"}) == line


@pytest.mark.parametrize(
    ("devices", "nodes"),
    [(1, [(0, 1)]), (2, [(0, 2), (1, 2)]), (3, [(0, 3), (1, 3), (2, 3)]), (6, [(0, 3), (1, 3), (2, 3)])],
)
def test_workers_take_the_first_hosts(devices, nodes):
    found = Hosts.of(["a=x", "b", "c"], None).nodes(devices)
    assert [(node.number, node.of) for node in found] == nodes
    assert {(node.address, node.port) for node in found} == {("x", 29_600)}


@pytest.mark.parametrize("devices", [4, 5, 7])
def test_workers_divide_over_the_hosts(devices):
    with pytest.raises(BadInput, match=rf"^--devices {devices}: does not divide over 3 hosts$"):
        Hosts.of(["a", "b", "c"], None).nodes(devices)


def test_another_port_is_one_that_can_be_listened_on():
    found = Hosts.of(["a", "b"], "{host}").on_free_port()
    assert (found.names, found.via) == ((("a", "a"), ("b", "b")), "{host}")
    with socket.socket() as probe:
        probe.bind(("", found.port))
    assert 1024 <= found.port < 65_536


def test_the_program_that_reaches_hosts_is_there():
    with pytest.raises(MissingPiece, match=r"^--via: there is no no-such-program on this machine$"):
        Hosts.of(["localhost"], "no-such-program -x {host}").check()


def test_the_first_host_is_this_machine_by_an_address_that_others_find(monkeypatch):
    """Names are looked up in a table: the test needs no network."""
    table = {"near": "0.0.0.0", "loop": "127.0.1.1", "far": "203.0.113.7"}

    def look_up(name):
        if name in table:
            return table[name]
        raise OSError

    monkeypatch.setattr(hosts.socket, "gethostbyname", look_up)
    via = f"{sys.executable} {{host}}"
    Hosts.of(["near", "unknown"], via).check()
    for address in ("far", "unknown"):
        with pytest.raises(BadInput) as caught:
            Hosts.of([f"first={address}", "near"], via).check()
        assert str(caught.value) == (
            f"--hosts: the first one, first, has to be this machine, which records; {address} is no address of it. "
            "Write it as NAME=ADDRESS, by which the others reach it"
        )
    with pytest.raises(BadInput) as caught:
        Hosts.of(["first=loop", "near"], via).check()
    assert str(caught.value) == (
        "--hosts: loop is 127.0.1.1 here, where no other host finds this machine; "
        "write it as first=ADDRESS, by which the others reach it"
    )
