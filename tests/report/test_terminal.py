import io

from underhood.report.terminal import print_report


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_plain_text_where_there_is_no_terminal(document, facts):
    file = io.StringIO()
    print_report(document, facts, file)
    text = file.getvalue()
    assert "\x1b" not in text
    parts = ["Optimisers & <rules>", "Which rule is fastest?", "θ ← θ − η g", "Results", "2.10 ± 0.10"]
    parts += ["Adam: 1.60 % ± 0.10, in underhood 5 < 7.", "• first", "Note: 1 of 6 trials failed"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_rich_on_a_terminal(document, facts, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm-256color")
    file = Terminal()
    print_report(document, facts, file)
    text = file.getvalue()
    assert "\x1b[" in text
    assert "Answer" in text
    assert "sgd <plain>" in text
    assert "1 of 6 trials failed" in text
