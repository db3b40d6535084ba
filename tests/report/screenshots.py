"""Take the pictures of the report that the documents show.

python -m tests.report.screenshots processed/demo/report.html docs/images
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.report.browser import CHROMIUM, Browser

WIDTH, HEIGHT = 1280, 860


def take(page: Path, folder: Path) -> None:
    """Save the top of the page, an opened clip, the results and the dark page as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    with Browser(WIDTH, HEIGHT) as browser:
        for name, scheme, fragment, script in (
            ("report", "light", "", "scrollTo(0, 0)"),
            ("report-clip", "light", "", "document.querySelector('.opener').click()"),
            ("report-results", "light", "#results", "0"),
            ("report-dark", "dark", "", "scrollTo(0, 0)"),
        ):
            browser.prefer(scheme)
            browser.open(page, fragment)
            browser.run(script)
            if name == "report-clip":
                browser.run("document.getElementById('filters').scrollIntoView()")
            browser.run("new Promise((done) => setTimeout(done, 800))")
            browser.screenshot(folder / f"{name}.png", whole=False)


if __name__ == "__main__":
    if CHROMIUM is None or len(sys.argv) != 3:
        sys.exit(
            "usage: python -m tests.report.screenshots PAGE FOLDER (with Chromium on the PATH)"
        )
    take(Path(sys.argv[1]), Path(sys.argv[2]))
