"""Pictures of a page that `conv1d-codegen explore` wrote, to be looked at: at two widths, in both themes, as PNG files.

    python tools/page_pictures.py kernel.html pictures/

The line in the middle of the loops is active, and the middle tile. Needs Chromium, its driver, and Selenium, of the
dependency group `test`.
"""

from __future__ import annotations

import argparse
import base64
import shutil
from pathlib import Path

WIDTHS, HEIGHT = (1280, 1920), 800
THEMES = ("light", "dark")
#: What is active: a line in the middle of the loops, and a tile.
SHOWN = """
if (volumes[0]) volumes[0].activate(Math.floor(volumes[0].data.tiles.length / 2));
columns[0].activate(Math.floor(columns[0].count / 2));
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in ("--headless=new", "--no-sandbox", "--hide-scrollbars"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for width in WIDTHS:
        for theme in THEMES:
            driver.set_window_size(width, HEIGHT)
            features = [{"name": "prefers-color-scheme", "value": theme}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            driver.get(arguments.page.resolve().as_uri())
            driver.execute_script(SHOWN)
            picture = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
            file = arguments.folder / f"{arguments.page.stem}-{width}-{theme}.png"
            file.write_bytes(base64.b64decode(picture["data"]))
            print(file)
    driver.quit()


if __name__ == "__main__":
    main()
