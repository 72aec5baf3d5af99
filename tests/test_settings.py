"""Settings: layers, kinds, and mistakes that are all said at once, each with its place."""

import enum
import tomllib
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, field_validator, model_validator

from underhood.errors import BadInput
from underhood.settings import (
    Mistakes,
    SettingError,
    Settings,
    from_dict,
    from_file,
    load,
    non_default,
    settings_fields,
    value_at,
)


class Optimizer(Settings):
    name: Literal["sgd", "adam", "adamw"] = "sgd"
    lr: float = 0.01


class Network(Settings):
    name: str = "mlp"
    hidden: tuple[int, ...] = (64,)


class Color(enum.Enum):
    RED = "red"


class Trial(Settings):
    optimizer: Optimizer = Optimizer()
    network: Network = Network()
    epochs: int = 3
    limit: int | None = 4
    rate: float | Literal["auto"] = "auto"
    shuffle: bool = True
    color: Color = Color.RED
    notes: dict[str, Any] = Field(default_factory=dict)


def mistakes(*sets: str, text: str | None = None, tmp_path: Path | None = None, **base: Any) -> list[str]:
    """The lines said about these settings."""
    file = None
    if text is not None and tmp_path is not None:
        file = tmp_path / "trial.toml"
        file.write_text(text)
    with pytest.raises(Mistakes) as caught:
        load(Trial, file=file, sets=sets, base=base)
    return [line.replace(f"{tmp_path}/", "") for line in str(caught.value).splitlines()]


# ---- reading


def test_layers_lie_over_one_another(tmp_path):
    file = tmp_path / "trial.toml"
    file.write_text("epochs = 5\n[optimizer]\nname = 'adam'\nlr = 0.5\n")
    settings = load(Trial, file=file, sets=["optimizer.lr=0.25"], base={"epochs": 7, "limit": 9})
    assert settings == Trial(epochs=5, limit=9, optimizer=Optimizer(name="adam", lr=0.25))


def test_a_name_stands_for_its_model():
    assert load(Trial, sets=["network=template"]) == load(Trial, sets=["network.name=template"])
    assert Trial(network="template").network == Network(name="template")
    over_a_name = load(Trial, sets=["network.hidden=[8]"], base={"network": "template"})
    assert over_a_name.network == Network(name="template", hidden=(8,))
    over_a_table = load(Trial, sets=["network=template"], base={"network": {"hidden": [8]}})
    assert over_a_table.network == Network(name="template", hidden=(8,))


def test_keys_with_dots_are_paths():
    assert load(Trial, base={"optimizer.lr": 1.0, "optimizer": {"name": "adam"}}).optimizer.lr == 1.0
    assert from_dict({"a.b": {"c.d": 1}}).values == {"a": {"b": {"c": {"d": 1}}}}


def test_none_means_none_where_a_setting_may_be_none():
    assert load(Trial, sets=["limit=none"]).limit is None
    assert load(Trial, sets=["network.name=none"]).network.name == "none"


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Trial().epochs = 4


# ---- mistakes


def test_all_mistakes_are_said_at_once_with_their_places(tmp_path):
    text = '''
words = """
a
epochs = 3
"""
epochs = 2.5

[optimizer]
name = "adamx"

lr = "1e-3 "
'''
    said = mistakes("lr=3", "optimizr.lr=3", "shuffle=1", "nonsense", text=text, tmp_path=tmp_path)
    assert sorted(said[:-1]) == sorted(
        [
            "--set nonsense: write it as --set KEY=VALUE",
            'trial.toml:9: optimizer.name: unknown "adamx"; did you mean "adam" or "adamw"?',
            'trial.toml:11: optimizer.lr: "1e-3 " is text; write 1e-3',
            "trial.toml:6: epochs: 2.5 should be a valid integer, got a number with a fractional part",
            "--set shuffle: 1 is a number; write true",
            "trial.toml:2: words: unknown setting; there is "
            "optimizer, network, epochs, limit, rate, shuffle, color, notes",
            '--set lr: unknown setting; did you mean "optimizer.lr"?',
            '--set optimizr: unknown setting; did you mean "optimizer"?',
        ]
    )
    assert said[-1] == "8 mistakes; nothing was started."


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("epochs=true", "--set epochs: true is a truth value; write a number"),
        (
            "optimizer.lr=fast",
            '--set optimizer.lr: "fast" should be a valid number, unable to parse string as a number',
        ),
        ("optimizer=3", "--set optimizer: 3 is not a table of settings (name, lr)"),
        ("optimizer.lrr=3", '--set optimizer.lrr: unknown setting; did you mean "lr"?'),
        ("network.hidden=[64, wide]", '--set network.hidden: "wide" should be a valid integer, unable to parse'),
        ('network.hidden=[64, "wide"]', '--set network.hidden: "wide" should be a valid integer, unable to parse'),
        ("color=blue", '--set color: unknown "blue"; there is red'),
        ("rate=quick", '--set rate: "quick" should be a valid number, unable to parse string as a number, or unknown'),
        ("optimizer.name=3", "--set optimizer.name: 3 is none of 'sgd', 'adam' or 'adamw'"),
        ("=3", "--set =3: write it as --set KEY=VALUE"),
        ("a..b=3", "--set a..b=3: write it as --set KEY=VALUE"),
    ],
)
def test_a_mistake_says_what_to_write(word, line):
    said = mistakes(word)
    assert len(said) == 2
    assert said[0].startswith(line)
    assert said[1] == "1 mistake; nothing was started."


def test_a_setting_without_default_is_asked_for():
    class Needs(Settings):
        optimizer: Optimizer
        size: int

    with pytest.raises(Mistakes, match=r"size: is needed and has no default") as caught:
        load(Needs, sets=["optimizer=adam"])
    assert caught.value.lines == ("size: is needed and has no default",)


def test_a_models_own_check_speaks_for_itself():
    class Checked(Settings):
        name: str = "a"

        @field_validator("name")
        @classmethod
        def _known(cls, name: str) -> str:
            if name != "a":
                raise ValueError(f'unknown "{name}"; there is a')
            return name

    with pytest.raises(Mistakes) as caught:
        load(Checked, sets=["name=b"])
    assert caught.value.lines == ('--set name: unknown "b"; there is a',)


def test_a_check_of_a_whole_model_can_name_the_setting(tmp_path):
    class Page(Settings, extra="allow"):
        name: str = "a"

        @model_validator(mode="after")
        def _known(self):
            if self.name != "a":
                raise SettingError("name", f'unknown "{self.name}"; there is a')
            if self.model_extra:
                raise SettingError(next(iter(self.model_extra)), "a takes none")
            return self

    class Whole(Settings):
        first: Page = Page()
        second: Page = Page()

    (tmp_path / "t.toml").write_text("[first]\nwidth = 3\nname = 'b'\n")
    with pytest.raises(Mistakes) as caught:
        load(Whole, file=tmp_path / "t.toml", sets=["second.depth=3"])
    assert [line.replace(f"{tmp_path}/", "") for line in caught.value.lines] == [
        't.toml:3: first.name: unknown "b"; there is a',
        "--set second.depth: a takes none",
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"epochs = 1\nepochs 2\n", "trial.toml:2: Expected '=' after a key in a key/value pair"),
        (b"hidden = [1,\n", "trial.toml: Invalid value at the end of the file"),
        (b"\xff\xfe", "trial.toml: is not UTF-8 text, as TOML must be"),
    ],
)
def test_a_file_that_is_not_toml(tmp_path, content, line):
    file = tmp_path / "trial.toml"
    file.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        load(Trial, file=file)
    assert str(caught.value).replace(f"{tmp_path}/", "").splitlines()[0] == line


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BadInput, match=r"none\.toml: cannot be read: No such file or directory"):
        load(Trial, file=tmp_path / "none.toml")


def test_bad_input_is_exit_code_2():
    with pytest.raises(BadInput) as caught:
        load(Trial, sets=["epochs=x"])
    assert caught.value.exit_code == 2


# ---- line numbers, against TOML texts of known layout

keys = st.text("abcdef", min_size=1, max_size=4)
values = st.sampled_from(["1", "[1,\n 2,\n]", '"""\n[not]\na = 1\n"""', "{x = 1}", '"# no comment"', "'''\n=\n'''"])


@given(
    st.dictionaries(keys, values, max_size=4),
    st.dictionaries(keys.map(lambda key: f"t{key}"), st.dictionaries(keys, values, max_size=3), max_size=3),
    st.sampled_from(["", "\n", "# comment\n\n"]),
)
def test_every_key_knows_its_line(top, tables, between):
    text, expected = "", {}

    def add(path: tuple[str, ...], statement: str) -> None:
        nonlocal text
        expected[path] = text.count("\n") + 1
        text += f"{statement}\n{between}"

    for key, value in top.items():
        add((key,), f"{key} = {value}")
    for table, inner in tables.items():
        add((table,), f"[{table}]")
        for key, value in inner.items():
            add((table, key), f"{key} = {value}")
    tomllib.loads(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_text", lambda self, encoding: text)
        layer = from_file(Path("t.toml"))
    for path, line in expected.items():
        assert layer.locations[path] == f"t.toml:{line}: "


# ---- non-default


def test_only_what_differs_from_the_defaults():
    assert non_default(Trial()) == {}
    settings = load(Trial, sets=["optimizer.lr=0.5", "network.hidden=[1,2]", "limit=none"])
    assert non_default(settings) == {"optimizer": {"lr": 0.5}, "network": {"hidden": [1, 2]}, "limit": None}
    assert non_default(Trial(color=Color.RED)) == {}


def test_an_outer_default_that_differs_from_the_inner_one_is_told_apart():
    class Outer(Settings):
        optimizer: Optimizer = Optimizer(lr=0.1)

    assert non_default(Outer()) == {}
    assert non_default(Outer(optimizer=Optimizer())) == {"optimizer": {}}
    assert non_default(Outer(optimizer=Optimizer(lr=0.2))) == {"optimizer": {"lr": 0.2}}


def test_a_default_from_a_factory_is_a_default():
    class Made(Settings):
        sizes: list[int] = Field(default_factory=lambda: [1, 2])

    assert non_default(Made()) == {}
    assert non_default(Made(sizes=[1])) == {"sizes": [1]}


def test_extra_settings_count_where_a_model_allows_them():
    class Open(Settings, extra="allow"):
        name: str = "mlp"

    assert non_default(load(Open, sets=["width=3"])) == {"width": 3}


settings_of_all_kinds = st.builds(
    Trial,
    optimizer=st.builds(Optimizer, name=st.sampled_from(["sgd", "adam", "adamw"]), lr=st.floats(allow_nan=False)),
    network=st.builds(Network, name=st.text(), hidden=st.tuples() | st.tuples(st.integers(), st.integers())),
    epochs=st.integers(),
    limit=st.none() | st.integers(),
    rate=st.just("auto") | st.floats(0, 1),
    shuffle=st.booleans(),
)


@given(settings_of_all_kinds)
def test_settings_survive_the_way_to_json_and_back(settings):
    assert Trial.model_validate(settings.model_dump(mode="json")) == settings


@given(settings_of_all_kinds)
def test_what_is_not_default_is_enough(settings):
    assert Trial.model_validate(non_default(settings)) == settings


# ---- reading settings


def test_every_setting_is_listed_by_its_path():
    fields = settings_fields(Trial)
    assert list(fields)[:4] == ["optimizer", "optimizer.name", "optimizer.lr", "network"]
    assert fields["optimizer.lr"].default == 0.01


def test_value_at_a_path():
    settings = Trial(epochs=4)
    assert value_at(settings, "optimizer.lr") == value_at(settings.model_dump(), "optimizer.lr") == 0.01
    with pytest.raises(KeyError, match=r"optimizer\.beta"):
        value_at(settings, "optimizer.beta")
