"""Several hosts that compute together: how each is reached, and how many of the workers it has.

A host is a name that a command line reaches by `via`, `ssh {host}` unless another one is given; `NAME=ADDRESS` where
its name is no address. The first one's workers come first, and it is where the others meet. Python and the package
have to lie in the same places on all of them.
"""

import shlex
import shutil
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from underhood.errors import BadInput, MissingPiece
from underhood.torchrun import Node

SSH = "ssh {host}"


@dataclass(frozen=True)
class Hosts:
    """Several hosts by name and address, how to reach them, and the port on which the first one listens."""

    names: tuple[tuple[str, str], ...]
    via: str = SSH
    port: int = 29_600

    @classmethod
    def of(cls, words: Sequence[str], via: str | None) -> "Hosts":
        names = [(name, address or name) for name, _, address in (word.partition("=") for word in words)]
        if not all(name for name, _ in names):
            raise BadInput(f'--hosts "{",".join(words)}": a name is missing; write it as here,there or NAME=ADDRESS,…')
        if twice := [name for name, _ in names if [each for each, _ in names].count(name) > 1]:
            raise BadInput(f"--hosts: {twice[0]} stands there twice")
        via = via or SSH
        if "{host}" not in via:
            raise BadInput(f'--via: "{via}" does not say where the host\'s name stands; write it as {SSH}')
        try:
            shlex.split(via)
        except ValueError as error:
            raise BadInput(f"--via: {via}: {error}") from error
        return cls(tuple(names), via)

    def line(self, number: int, words: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        """The words that run `words` on a host; ssh gives them to a shell, others take them as they are."""
        whole = ["env", *(f"{key}={value}" for key, value in environment.items()), *words]
        reach = shlex.split(self.via.replace("{host}", self.names[number][0]))
        return [*reach, shlex.join(whole)] if reach[0].endswith("ssh") else [*reach, *whole]

    def nodes(self, devices: int) -> list[Node]:
        """The hosts that `devices` workers take, as torchrun has them. BadInput where they do not divide."""
        used = min(devices, len(self.names))
        if devices % used:
            raise BadInput(f"--devices {devices}: does not divide over {used} hosts")
        return [Node(number, used, self.names[0][1], self.port) for number in range(used)]

    def on_free_port(self) -> "Hosts":
        """The same, meeting on a port of this machine that nobody listens on."""
        return replace(self, port=free_port())

    def check(self) -> None:
        """BadInput where the first host is not this machine, or where the others could not reach it; MissingPiece where
        nothing here reaches them.
        """
        if shutil.which(program := shlex.split(self.via)[0]) is None:
            raise MissingPiece(f"--via: there is no {program} on this machine")
        name, address = self.names[0]
        try:
            found = socket.gethostbyname(address)
            with socket.socket() as probe:
                probe.bind((found, 0))
        except OSError:
            raise BadInput(
                f"--hosts: the first one, {name}, has to be this machine, which records; {address} is no address "
                "of it. Write it as NAME=ADDRESS, by which the others reach it"
            ) from None
        if found.startswith("127."):
            raise BadInput(
                f"--hosts: {address} is {found} here, where no other host finds this machine; "
                f"write it as {name}=ADDRESS, by which the others reach it"
            )


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])
