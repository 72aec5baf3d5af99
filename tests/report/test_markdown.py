from underhood.report.markdown import write_markdown


def test_the_report_and_its_files(document, facts, tmp_path):
    path = write_markdown(document, facts, tmp_path / "new")
    assert path == tmp_path / "new" / "report.md"
    files = sorted(str(file.relative_to(tmp_path / "new")) for file in path.parent.rglob("*") if file.is_file())
    assert files == ["figures/loss.csv", "figures/loss.svg", "report.md", "tables/results.csv"]
    assert (path.parent / "figures/loss.svg").read_text(encoding="utf-8").startswith("<svg")


def test_it_reads_as_markdown(document, facts, tmp_path):
    text = write_markdown(document, facts, tmp_path).read_text(encoding="utf-8")
    lines = text.splitlines()
    assert lines[0] == "# Optimisers & <rules>"
    assert lines[2] == "> Which rule is *fastest*?"
    headings = [line for line in lines if line.startswith("## ")]
    assert headings == ["## Training", "## Rule", "## Links", "## How it was run", "## Run it again"]
    assert "$$\n\\theta \\leftarrow \\theta - \\eta\\,g\n$$" in text
    alt = "Training loss. Curves of loss against step; series: sgd, adam. Mean of 3 seeds."
    assert f"![{alt}](figures/loss.svg)" in text
    assert "| sgd <plain> | 2.10 ± 0.10 |" in text
    assert "> 1 of 6 trials failed" in text
    assert "| `optimizer.name` | sgd  ·  adam | chosen |" in text
    assert "| `epochs` | 2 | default |" in text
    assert f"```\n{facts.command}\n```" in text


def test_it_writes_over_what_was_there(document, facts, tmp_path):
    first = write_markdown(document, facts, tmp_path).read_text(encoding="utf-8")
    assert write_markdown(document, facts, tmp_path).read_text(encoding="utf-8") == first
