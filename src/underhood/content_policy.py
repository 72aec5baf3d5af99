"""The Content-Security-Policy of a page: what it may run and fetch. What is not named, it may not.

    policy({"script-src": digest_of(script), "style-src": "'unsafe-inline'"})

Source: W3C, Content Security Policy Level 3.
"""

import base64
import hashlib
from collections.abc import Mapping

NOTHING = {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'"}


def policy(allowed: Mapping[str, str]) -> str:
    """The policy's text: the sources by directive, and nothing of all others."""
    return "; ".join(f"{directive} {sources}" for directive, sources in (NOTHING | dict(allowed)).items())


def digest_of(text: str) -> str:
    """A script or a style as a policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
