"""`underhood data`: which data sets are here, whether their files are what they should be, and fetching them."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from underhood.cli.downloads import Downloads
from underhood.cli.output import Json, dump, print_json, print_table, say

data = App(
    name="data",
    help="""\
See which data sets are here; fetch them; check their files.

For example:

    underhood data ls
    underhood data get cifar10
    underhood data verify mnist

Sets are searched for in the folder that UNDERHOOD_DATA names, else in the platform's data folder.""",
)

Root = Annotated[
    Path | None,
    Parameter(name="--data", help="Folder of the data sets, instead of UNDERHOOD_DATA.", show_default=False),
]


@data.command
def ls(*, root: Root = None, json: Json = False) -> None:
    """List the data sets, with the folder each was found in.

    For example:

        underhood data ls
        underhood data ls --data /mnt/sets --json
    """
    from underhood.data import catalogue

    table = catalogue(root)
    if json:
        dump(table.to_json())
    else:
        print_table(table)


@data.command
def get(
    *names: Annotated[str, Parameter(name="NAME", help="Data sets to fetch; `underhood data ls` lists them.")],
    force: Annotated[
        bool, Parameter(negative="", show_default=False, help="Replace what is here but is not what was published.")
    ] = False,
    base: Annotated[
        str,
        Parameter(name="--from", show_default=False, help="Address to take the files from, instead of their authors'."),
    ] = "",
    root: Root = None,
    json: Json = False,
) -> None:
    """Fetch data sets from where their authors keep them.

    Every file is checked by its published sum. What is here and sound is left
    alone. Stopped or broken off, the same command goes on where it was. The
    exit code is 2 when files are not what was published, 3 when they cannot
    be fetched. For example:

        underhood data get mnist cifar10
        underhood data get mnist --force
        underhood data get mnist --from https://mirror.example/mnist
    """
    from underhood.data import DATA_SETS
    from underhood.data import get as fetched
    from underhood.errors import BadInput

    if not names:
        raise BadInput(f"Which data set? There is {', '.join(DATA_SETS)}.")
    tables = {}
    for name in names:
        with Downloads() as progress:
            try:
                tables[name] = fetched(name, root, force=force, base=base, on_progress=progress)
            except KeyboardInterrupt:
                say("Stopped. The same command goes on from here.")
                raise
        say(f"{name}: all files are here and sound.")
    if json:
        print_json("data-get", tables={name: table.to_json() for name, table in tables.items()})
        return
    for table in tables.values():
        print_table(table)


@data.command
def verify(
    names: Annotated[
        list[str] | None,
        Parameter(
            name="NAME",
            negative="",
            help="Data sets, `.npz` files or folders of pictures; every set that is here by default.",
        ),
    ] = None,
    /,
    *,
    root: Root = None,
    json: Json = False,
) -> int:
    """Check the files of data sets against what was published.

    By the official checksum where a file has one, else by the content in
    whatever order. The exit code is 2 when a file is damaged, or is not what
    its authors published. For example:

        underhood data verify
        underhood data verify mnist cifar10
        underhood data verify my-arrays.npz
    """
    from underhood.data import catalogue, sound
    from underhood.data import verify as verified

    if not names:
        names = [row["name"] for row in catalogue(root).rows if row["place"]]
        say(f"Checking what is here: {', '.join(names)}.")
    tables = {name: verified(name, root) for name in names}
    well = all(map(sound, tables.values()))
    if json:
        print_json("verify", sound=well, tables={name: table.to_json() for name, table in tables.items()})
        return 0 if well else 2
    for table in tables.values():
        print_table(table)
        print()
    say("All files are sound." if well else "Some files are not what they should be: see above.")
    return 0 if well else 2
