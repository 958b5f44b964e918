"""Does this policy fit this workcell? Both sides in one table, and no motion where a line does not agree.

Start at `check_contract`; `policy_server.contract` offers it too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stage_core.errors import ContractMismatchError

if TYPE_CHECKING:
    from policy_server.contract import PolicyContract


@dataclass(frozen=True, kw_only=True)
class WorkcellOffer:
    """What a workcell has to give, for comparison with a contract; made by `describe_workcell`.

    Attributes:
        cameras: Camera name -> (height, width) pixels.
        joint_names: Base to wrist.
        control_rate_hz: Control steps per second.
        action_spaces: Names of the action spaces the arm can take.
        state_fields: Names of the ArmState arrays that have values.
        robot_model: For example `franka`, `panda`, `fake`.
    """

    cameras: dict[str, tuple[int, int]]
    joint_names: tuple[str, ...]
    control_rate_hz: float
    action_spaces: tuple[str, ...]
    state_fields: tuple[str, ...]
    robot_model: str


def describe_workcell(
    *,
    cameras: Mapping[str, tuple[int, int]],
    joint_names: Sequence[str],
    control_rate_hz: float,
    action_spaces: Sequence[str],
    state_fields: Sequence[str],
    robot_model: str,
) -> WorkcellOffer:
    """Return the workcell's side of the table. Arguments as in `WorkcellOffer`; enum members are taken for their values."""
    return WorkcellOffer(
        cameras={name: (int(size[0]), int(size[1])) for name, size in cameras.items()},
        joint_names=tuple(joint_names),
        control_rate_hz=float(control_rate_hz),
        action_spaces=tuple(str(getattr(space, "value", space)) for space in action_spaces),
        state_fields=tuple(state_fields),
        robot_model=robot_model,
    )


def compare(contract: PolicyContract, offer: WorkcellOffer) -> list[tuple[str, str, str, bool]]:
    """Return one row per thing to agree on: (what, the policy wants, the workcell has, agreed)."""
    rows = [
        (
            "robot model",
            " | ".join(contract.robot_models) or "any",
            offer.robot_model,
            not contract.robot_models or offer.robot_model in contract.robot_models,
        ),
        (
            "control rate",
            f"{contract.control_rate_hz:g} Hz",
            f"{offer.control_rate_hz:g} Hz",
            abs(contract.control_rate_hz - offer.control_rate_hz) <= 1e-3 * offer.control_rate_hz,
        ),
        ("action space", contract.action.space, " | ".join(offer.action_spaces) or "none", contract.action.space in offer.action_spaces),
    ]
    if contract.needs_joint_names:
        wanted = contract.action.joint_names
        rows.append(("joints", " ".join(wanted), " ".join(offer.joint_names) or "none", wanted == offer.joint_names))
    for camera in contract.cameras:
        size = offer.cameras.get(camera.name)
        has = f"{size[0]}x{size[1]}" if size else f"none (has {', '.join(sorted(offer.cameras)) or 'no camera'})"
        fits = size is not None and (camera.resize != "none" or camera.crop != "none" or size == (camera.height, camera.width))
        rows.append((f"camera {camera.name}", f"{camera.height}x{camera.width}, resize {camera.resize}", has, fits))
    for name in contract.state_fields:
        has_field = name in offer.state_fields
        rows.append((f"state {name}", "needed", "there" if has_field else "missing", has_field))
    return rows


def format_table(rows: Sequence[tuple[str, str, str, bool]]) -> str:
    """Return the rows of `compare` as a text table with both sides."""
    cells = [("", "what", "policy wants", "workcell has")]
    cells += [("ok" if agreed else "NO", what, wants, has) for what, wants, has, agreed in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)


def check_contract(
    contract: PolicyContract,
    *,
    cameras: Mapping[str, tuple[int, int]],
    joint_names: Sequence[str],
    control_rate_hz: float,
    action_spaces: Sequence[str],
    state_fields: Sequence[str],
    robot_model: str,
) -> None:
    """Return if the workcell can serve the policy; arguments as in `WorkcellOffer`.

    Raises:
        ContractMismatchError: With a table of both sides; the lines that do not agree begin with NO.
    """
    offer = describe_workcell(
        cameras=cameras,
        joint_names=joint_names,
        control_rate_hz=control_rate_hz,
        action_spaces=action_spaces,
        state_fields=state_fields,
        robot_model=robot_model,
    )
    rows = compare(contract, offer)
    wrong = [what for what, _, _, agreed in rows if not agreed]
    if wrong:
        raise ContractMismatchError(
            f'policy "{contract.policy_name}" does not fit the workcell: {", ".join(wrong)}. Nothing moves. '
            f"Serve another policy or choose another workcell.\n{format_table(rows)}"
        )
