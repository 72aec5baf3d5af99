"""What words may name a network, what is refused and how it is said, branch by branch."""

import sys

import pytest
import torch
from torch import nn

from underhood import nn as ours
from underhood.errors import BadInput
from underhood.instruments.target import (
    Target,
    build,
    is_file,
    is_place,
    locate,
    maker,
    parse_arguments,
    place,
    resolve,
    short,
)


@pytest.mark.parametrize(
    ("what", "found", "named"),
    [
        ("net.py", ("net.py", ""), True),
        ("net.py:Net", ("net.py", "Net"), True),
        ("net.py:build()", ("net.py", "build"), True),
        ("a.b:C.D", ("a.b", "C.D"), True),
        ("c:/x/net.py", ("c:/x/net.py", ""), True),
        ("c:/x/net.py:Net", ("c:/x/net.py", "Net"), True),
        ("vgg16", ("vgg16", ""), False),
        ("vgg16:", ("vgg16", ""), False),
    ],
)
def test_a_place_and_what_is_meant_in_it(what, found, named):
    assert place(what) == found
    assert is_place(what) is named


def test_a_file_is_one_by_its_name_or_because_it_is_there(tmp_path):
    (tmp_path / "script").write_text("")
    assert is_file("no/such.py")
    assert is_file(str(tmp_path / "script"))
    assert not is_file(str(tmp_path))
    assert not is_file(str(tmp_path / "other"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1", 1), ("a=-2.5", -2.5), ("a=True", True), ("a=FALSE", False), ("a=None", None), ("a=NoNe", None),
        ("a=(1, 2)", (1, 2)), ("a=1 +", "1 +"), ("a=", ""), ("a= wide ", "wide"), ("a='1'", "1"), ("a=b=c", "b=c"),
    ],
)  # fmt: skip
def test_the_value_of_an_argument(text, value):
    found = parse_arguments([text])
    assert found == {"a": value}
    assert type(found["a"]) is type(value)


@pytest.mark.parametrize("text", ["a", "=1", " =1", "1a=2", "a b=1", "a-b=1", ""])
def test_an_argument_without_a_name_is_refused(text):
    with pytest.raises(BadInput) as error:
        parse_arguments(["ok=1", text])
    assert str(error.value) == f'--args: "{text}" is not of the form name=value'


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("a line\nand more"), 'ValueError ("a line")'),
        (KeyError(), "KeyError"),
        (ValueError("  \n "), "ValueError"),
        (ValueError("x" * 90), f'ValueError ("{"x" * 90}")'),
        (ValueError("x" * 91), f'ValueError ("{"x" * 90}…")'),
    ],
)
def test_an_error_in_short(error, said):
    assert short(error) == said


def page(nn, width, *, deep=True):
    return nn.Linear(width, 2, bias=deep)


def plain(width=3):
    return nn.Linear(width, 2)


def test_what_a_maker_takes_and_makes():
    made = maker(page, "page")
    assert made.pages
    assert [p.name for p in made.parameters] == ["width", "deep"]
    assert isinstance(made(ours, width=3), ours.Linear)
    assert made(nn, width=3, deep=False).bias is None
    own = maker(plain, "plain")
    assert not own.pages
    assert [p.name for p in own.parameters] == ["width"]
    assert own(None, width=5).in_features == 5
    assert maker(dict, "dict").parameters == ()


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (3, "^it is a int, not a network or something that builds one$"),
        ("text", "^it is a str, not a network"),
        (nn.Linear(2, 2), "^it is built already: name its class, or a function that builds it$"),
        (
            ours.Linear(2, 2),
            "^it is a module of the engine: give a function of `nn` that builds it on either back end$",
        ),
    ],
)
def test_what_makes_no_network_is_refused(thing, said):
    with pytest.raises(BadInput, match=said):
        maker(thing, "it")


@pytest.mark.parametrize(
    ("what", "arguments", "said"),
    [
        (page, {}, "^page: --args: missing a required .*argument: 'width'; it takes width, deep=True$"),
        (plain, {"wide": 1}, "^plain: --args: got an unexpected keyword argument 'wide'; it takes width=3$"),
        (lambda: None, {"a": 1}, "; it takes no arguments$"),
        (lambda nn: None, {"a": 1}, "; it takes no arguments$"),
        (nn.Linear(2, 2), {"a": 1}, "^Linear is built already: --args would change nothing$"),
    ],
)
def test_arguments_are_tried_before_anything_is_built(what, arguments, said):
    with pytest.raises(BadInput, match=said):
        resolve(what, arguments)


def test_what_has_no_signature_says_itself_what_it_takes():
    target = resolve(dict, {"a": 1})
    with pytest.raises(BadInput, match=r"^dict gave a dict, not a torch.nn.Module$"):
        build(target)


class NeedsNumbers(nn.Module):
    def __init__(self):
        super().__init__()
        self.width = int(torch.ones(3).sum().item())


class Fails(nn.Module):
    def __init__(self):
        super().__init__()
        raise ValueError("never")


def refuses(nn):
    raise BadInput("said by itself")


def test_a_network_is_built_on_meta_or_says_why_not():
    module, why = build(resolve(nn.Identity), meta=True)
    assert isinstance(module, nn.Identity)
    assert why == ""
    module, why = build(resolve(plain), meta=True)
    assert next(module.parameters()).device.type == "meta"
    assert next(build(resolve(plain))[0].parameters()).device.type == "cpu"
    module, why = build(resolve(NeedsNumbers), meta=True)
    assert module.width == 3
    assert why.startswith('on meta its constructor raised RuntimeError ("')
    assert build(resolve(NeedsNumbers))[1] == ""
    own = nn.Linear(2, 2)
    assert build(resolve(own), meta=True) == (own, "")


@pytest.mark.parametrize("meta", [True, False])
@pytest.mark.parametrize(
    ("what", "said"),
    [
        (Fails, "^Fails could not be built: ValueError: never$"),
        (refuses, "^said by itself$"),
        (lambda: 3, "gave a int, not a torch.nn.Module$"),
    ],
)
def test_what_cannot_be_built_says_so(what, said, meta):
    with pytest.raises(BadInput, match=said):
        build(resolve(what), meta)


def test_a_target_is_what_it_is():
    target = Target("x", lambda nn: nn.Identity(), (3, 4, 4), pages=True)
    assert resolve(target) is target
    assert resolve("listing1").input == (1, 28, 28)


def written(path, text):
    path.write_text(text)
    return str(path)


def test_the_only_network_of_a_file(tmp_path):
    head = "from torch import nn\n\n\n"
    net, function = "class Net(nn.Module): ...\n\n\n", "def page(nn): return nn.Identity()\n\n\n"
    other = "def other(x): return x\n\n\nclass Plain: ...\n"
    for text, found in [
        (head + net + other, "Net"),
        (head + net + function, "Net"),  # a class goes before functions
        (head + function + other, "page"),
    ]:
        file = written(tmp_path / f"{found}{len(text)}.py", text)
        thing, name, home = locate(file)
        assert name == f"{file}:{found}"
        assert thing is getattr(home, found)
    file = written(tmp_path / "two.py", head + function + "def more(nn): ...\n")
    with pytest.raises(BadInput, match=r"two\.py: say which network, as .*two\.py:Class; it defines page, more$"):
        locate(file)
    file = written(tmp_path / "none.py", head + other)
    with pytest.raises(BadInput, match=r"; it defines no torch.nn.Module and no function of nn$"):
        locate(file)


def test_a_name_of_two_meanings_is_refused(tmp_path):
    text = "class Net: ...\n\n\ndef Net(): ...\n\n\ndef twice(): ...\n\n\ndef twice(): ...\n"
    file = written(tmp_path / "both.py", text)
    with pytest.raises(BadInput, match=r"both\.py: Net is a class \(line 1\) and a function \(line 4\); rename one of"):
        locate(f"{file}:Net")
    assert locate(f"{file}:twice")[1] == f"{file}:twice"


def test_a_name_within_a_name(tmp_path):
    file = written(tmp_path / "deep.py", "class A:\n    class B:\n        x = 3\n    _hidden = 1\n")
    assert locate(f"{file}:A.B.x")[0] == 3
    with pytest.raises(BadInput) as error:
        locate(f"{file}:A.C")
    assert 'has no "C": there is B' in str(error.value)
    assert "_hidden" not in str(error.value)


def test_a_module_is_imported_by_its_name():
    assert locate("torch.nn:Linear") == (nn.Linear, "torch.nn:Linear", sys.modules["torch.nn"])
