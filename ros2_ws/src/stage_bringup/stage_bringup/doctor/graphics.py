"""Whether this machine can render: the Vulkan driver, tried in a process of its own because a broken one crashes."""

from __future__ import annotations

from stage_bringup.doctor.finding import Finding
from stage_bringup.doctor.software import check_import


def check_vulkan() -> Finding:
    """A Vulkan driver that SAPIEN can render with; Debian 12's own mesa 22.3 is too old."""
    code = "import sapien; from sapien import render; system = render.RenderSystem('cpu'); print(system.device.name)"
    remedy = "install mesa-vulkan-drivers 24 or newer (Debian 12: from bookworm-backports), then run stage doctor again"
    return check_import("vulkan", code, required=False, remedy=remedy)
