from underhood.figures import Figure
from underhood.report.document import Document, Section
from underhood.tables import Table


def test_blocks_have_file_names_of_their_own():
    named, namesake = Table("a", [], [], name="results"), Table("b", [], [], name="results")
    unnamed, figure = Table("c", [], []), Figure("d", "", {})
    document = Document("t", "q", "a", [Section("1", ["words", named, unnamed]), Section("2", [namesake, figure])])
    names = document.names()
    assert [names[id(block)] for block in (named, namesake, unnamed, figure)] == [
        "results",
        "results-2",
        "table-1",
        "figure-1",
    ]


def test_a_block_that_stands_twice_has_one_name():
    table = Table("a", [], [])
    assert Document("t", "q", "a", [Section("1", [table, table])]).names() == {id(table): "table-1"}


def test_a_given_name_is_not_given_again():
    first, second = Table("a", [], [], name="table-1"), Table("b", [], [])
    names = Document("t", "q", "a", [Section("1", [first, second])]).names()
    assert sorted(names.values()) == ["table-1", "table-2"]
