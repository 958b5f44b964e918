"""Makes the set-up's modules importable: they are plain files beside each other, because they run before anything is installed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "setup"))
