"""What a page may do, as a browser reads it; that browsers obey it is seen in tests/browser."""

from underhood.content_policy import digest_of, policy


def test_a_digest_is_the_one_of_the_standard():
    # the example of W3C's Content Security Policy Level 2, 4.17
    assert digest_of("alert('Hello, world.');") == "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"


def test_what_is_not_allowed_is_forbidden():
    found = dict(part.split(" ", 1) for part in policy({"img-src": "data:"}).split("; "))
    assert found == {
        "default-src": "'none'", "base-uri": "'none'", "form-action": "'none'", "img-src": "data:"
    }  # fmt: skip
