"""A real browser, and pages in it that may neither err nor ask the network for anything."""

import pytest

QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def browser(chromium):
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def open_address(browser):
    """A function that opens an address; a script's error or a request to the network fails the test."""
    contexts, errors = [], []

    def open_address(address, width=1100, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: errors.append(request.url) if request.url.startswith("http") else None)
        page.goto(address)
        return page

    yield open_address
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="session")
def serious():
    """A function: what axe-core finds serious or critical on a page.

    The page is opened with `bypass_csp`: the checker is a script, too.
    """
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def serious(page):
        found = axe.run(page).response["violations"]
        return [
            (each["id"], [node["html"][:120] for node in each["nodes"][:3]])
            for each in found
            if each["impact"] in ("serious", "critical")
        ]

    return serious
