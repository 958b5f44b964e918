#!/bin/sh
# Finds a Python that Stage supports and hands over to scripts/setup (Python, standard library only).
# STAGE_PYTHON=/path/to/python3.12 chooses one by hand.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

supported() {
    command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1
}

# The Python that .venv was made with comes first: setting up again must not change it.
made_with=$(sed -n 's/^home = //p' "$here/../.venv/pyvenv.cfg" 2>/dev/null || true)
# ROS 2 is compiled for the system's Python, so with ROS sourced no other one will do.
if [ -n "${ROS_DISTRO:-}" ]; then candidates=/usr/bin/python3; else candidates="python3 python3.12 python3.11 /usr/bin/python3"; fi
if [ -n "${STAGE_PYTHON:-}" ]; then
    if supported "$STAGE_PYTHON"; then exec "$STAGE_PYTHON" "$here/setup" "$@"; fi
    echo "stage set-up: STAGE_PYTHON is '$STAGE_PYTHON'; expected a Python 3.11 or 3.12 that runs. Correct or unset it." >&2
    exit 1
fi
if [ -z "${ROS_DISTRO:-}" ] && [ -n "$made_with" ] && supported "$made_with/python3"; then exec "$made_with/python3" "$here/setup" "$@"; fi
for python in $candidates; do
    if supported "$python"; then exec "$python" "$here/setup" "$@"; fi
done

# A bare Debian or Ubuntu may have no Python at all; the set-up itself runs on one.
if ! command -v python3 >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" -eq 0 ]; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3 python3-venv
        exec python3 "$here/setup" "$@"
    fi
    echo "stage set-up: no Python found; run 'sudo apt-get install python3 python3-venv', then this again." >&2
    exit 1
fi
found=$(python3 -c 'import platform; print(platform.python_version())' 2>/dev/null || echo none)
echo "stage set-up: Python is $found; expected 3.11 or 3.12. Use Debian 12 or Ubuntu 24.04, or set STAGE_PYTHON=/path/to/python3.12." >&2
exit 1
