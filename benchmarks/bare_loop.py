"""A loop that does nothing at a fixed rate, and prints when it did: what this machine's clock and scheduler alone can do.

Run: python -m benchmarks.bare_loop RATE_HZ SECONDS
"""

from __future__ import annotations

import json
import sys
import time


def main() -> int:
    """Print the times of all turns on the steady clock, s, as one JSON list."""
    period, seconds = 1.0 / float(sys.argv[1]), float(sys.argv[2])
    times: list[float] = []
    due = end = time.monotonic()
    end += seconds
    while due < end:
        times.append(time.monotonic())
        due += period
        time.sleep(max(0.0, due - time.monotonic()))
    print(json.dumps(times))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
