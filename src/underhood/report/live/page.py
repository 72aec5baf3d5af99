"""The live page as one text: the reports' style, a script of its own, and a policy that lets nothing else run.

The page holds no data. Its script asks for them and puts every string in as text, never as HTML.
"""

import json
import re
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from underhood import __version__, content_policy
from underhood.figures.theme import COLOURS, DASHES
from underhood.report.live.curves import MOST_SEEDS
from underhood.tables import style as table_style


@cache
def page() -> str:
    """The page; it is the same for every folder of runs."""
    environment = Environment(
        loader=PackageLoader("underhood.report.live"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("live.html.j2").render(
        style=Markup(_style()), script=Markup(_script()), version=__version__
    )


@cache
def policy() -> str:
    """The Content-Security-Policy: this style and this script, data from this server, and nothing else."""
    return content_policy.policy(
        {
            "script-src": content_policy.digest_of(_script()),
            "style-src": content_policy.digest_of(_style()),
            "connect-src": "'self'",
            "img-src": "data:",
            "frame-ancestors": "'none'",
            "require-trusted-types-for": "'script'",
        }
    )


@cache
def _script() -> str:
    looks = json.dumps({"colours": COLOURS, "dashes": DASHES, "seeds": MOST_SEEDS})
    return f"const LOOKS = {looks};\n{_file('live.js')}\n{_file('curves.js')}"


@cache
def _style() -> str:
    report = files("underhood.report").joinpath("templates/report.css").read_text(encoding="utf-8")
    return "\n".join([table_style(), report, _themes(report), _file("live.css")])


def _file(name: str) -> str:
    return files("underhood.report.live").joinpath(f"templates/{name}").read_text(encoding="utf-8")


def _themes(report: str) -> str:
    """The reports' light and dark colours once more, for whoever chooses one on the page."""
    light, dark = re.findall(r":root \{(.*?)\}", report, re.S)[:2]
    chosen = {"light": light, "dark": dark}
    rules = [
        f':root[data-theme="{name}"] {{ {"".join(re.findall(r"--[a-z-]+: [^;]*#[^;]*;|--shadow: [^;]*;", colours))}'
        f" color-scheme: {name}; }}"
        for name, colours in chosen.items()
    ]
    return "\n".join(rules)
