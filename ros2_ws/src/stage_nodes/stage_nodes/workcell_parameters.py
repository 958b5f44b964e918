"""The parameters by which every node that opens a workcell is told which one, and what this launch changes of its file."""

from __future__ import annotations

from dataclasses import dataclass, field

from robot_drivers.launch_choices import LaunchChoices, apply
from robot_drivers.workcell import WorkcellConfig, load_workcell_config


@dataclass(frozen=True, kw_only=True)
class WorkcellParameters:
    """Parameters that arm_node and camera_node share."""

    workcell: str = field(metadata={"description": "workcell file"})
    task: str = field(default="", metadata={"description": "task, for workcells that build a scene"})
    robot_address: str = field(default="", metadata={"description": "IP address of the arm's controller; empty keeps the file's"})
    dry_run: bool = field(default=False, metadata={"description": "talk to fake controllers on loopback"})
    read_only: bool = field(default=False, metadata={"description": "connect and publish, never command"})
    full_speed: bool = field(default=False, metadata={"description": "the file's speeds instead of the reduced ones"})

    def load(self) -> WorkcellConfig:
        """Return the workcell as this launch wants it. Raises ConfigurationError in one line."""
        choices = LaunchChoices(
            robot_address=self.robot_address, dry_run=self.dry_run, read_only=self.read_only, full_speed=self.full_speed
        )
        return apply(load_workcell_config(self.workcell), choices)
