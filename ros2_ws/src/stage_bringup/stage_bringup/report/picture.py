"""A picture of a report's first episode, for a README: `python -m stage_bringup.report.picture reports/demo picture.png`.

Chromium draws the page, so the picture is what a reader sees.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from stage_core.errors import ConfigurationError, MissingDependencyError, StageError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def take_picture(report: Path, picture: Path, *, at: float = 0.7, width: int = 1100, height: int = 1160) -> Path:
    """Write a PNG of the top of a report, with the first episode's video at a share of its length.

    Args:
        report: Directory of a report.
        picture: The PNG.
        at: Share of the video's length, [0, 1].
        width: Pixels.
        height: Pixels.

    Raises:
        ConfigurationError: If there is no report.
        MissingDependencyError: If no browser is installed.
    """
    page = report / "index.html"
    if not page.is_file():
        raise ConfigurationError(f"{page} does not exist; expected a report. Make one with: stage demo --report {report}")
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise MissingDependencyError("no chromium is installed; a picture of the report needs one. Install the package chromium.")
    with tempfile.TemporaryDirectory(prefix="stage_picture_") as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--hide-scrollbars"]
        command += [f"--window-size={width},{height}", "--virtual-time-budget=6000", f"--screenshot={picture.absolute()}"]
        subprocess.run([*command, f"{page.absolute().as_uri()}#at={at}"], capture_output=True, timeout=120, check=True)
    return picture


if __name__ == "__main__":
    try:
        print(take_picture(Path(sys.argv[1]), Path(sys.argv[2])))
    except StageError as error:
        sys.exit(f"stage: {error}")
