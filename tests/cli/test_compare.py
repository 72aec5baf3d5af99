"""`underhood compare`: the verdict on the terminal, on a page and as JSON."""


def test_two_settings_on_the_terminal(underhood, study):
    underhood("run", study, "--scale=quick", "--seeds=3")
    said = underhood("compare", "descent-quick:0.1", ":lr=0.4")
    assert said.status == 2
    assert '"lr 0.1"' in said.err  # the labels there are
    said = underhood("compare", "descent-quick:lr 0.1", ":lr=0.4")
    assert said.status == 0
    lines = said.out.splitlines()
    assert lines[0] == "lr 0.1 and lr 0.4"
    assert "Which has the lower loss, lr 0.1 or lr 0.4?" in lines
    assert any(line.startswith(("lr 0.4 is ", "not decided: lr 0.4 is ahead")) for line in lines)
    assert "Loss on the way" in lines  # the curves, as rows


def test_a_page_with_the_curves_and_json(underhood, study, tmp_path):
    underhood("run", study, "--scale=quick")
    page = tmp_path / "new" / "compared.html"
    said = underhood("compare", "descent-quick:lr=0.1", ":lr=0.4", "--metric=loss", "--html", str(page), "--json")
    assert said.json["schema"] == "underhood.comparison/1"
    assert said.json["metric"] == "loss"
    assert said.json["report"] == str(page)
    (part,) = said.json["parts"]
    assert part["seeds"] == [0, 1]
    assert part["curves"][0]["metric"] == "loss"
    assert part["curves"][0]["at"] == list(range(1, 11))
    text = page.read_text(encoding="utf-8")
    assert "lr 0.1 and lr 0.4" in text
    assert text.count('<figure class="block figure">') == 2  # both curves, and their difference
    assert "scale</span>" not in text
    assert "underhood compare descent-quick:lr=0.1 :lr=0.4 --metric loss" in text


def test_mistakes(underhood, study, tmp_path):
    underhood("run", study, "--scale=quick")
    assert underhood("compare", "descent-quick", "descent-quick").status == 2
    said = underhood("compare", "descent-quick:lr=0.1", ":lr=0.4", "--metric=los")
    assert '--metric: "los" is not a number that both sides have; did you mean "loss"?' in said.err
    assert "is a folder" in underhood("compare", "descent-quick:lr=0.1", ":lr=0.4", "--html", str(tmp_path)).err
