"""From the robot's arrays to the observation a contract asks for: crop, resize, join, convert. Pure functions.

The policy node calls `build_observation` on live data and the trainers call it on logs, so both see the same pixels
and numbers. Start there. Needs Pillow only where an image has to be resized.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from policy_server.contract import CameraEntry, PolicyContract, StateEntry
from policy_server.transforms import gripper_from_opening
from stage_core.errors import ConfigurationError, MissingDependencyError, StageError, nearest


class ObservationError(StageError, ValueError):
    """An observation does not have what the contract names."""


def build_observation(
    contract: PolicyContract, states: Mapping[str, np.ndarray], images: Mapping[str, np.ndarray], instruction: str
) -> dict[str, Any]:
    """Return the observation of one control step, ready to be sent.

    Args:
        contract: Of the policy.
        states: ArmState field name -> (d,) float array in Stage's units (m, rad, xyzw, opening in [0, 1]).
        images: Camera name -> (H, W, 3) uint8 RGB, of any size.
        instruction: What to do, in words.

    Returns:
        Observation key -> array of the contract's shape and dtype; the prompt as text.

    Raises:
        ConfigurationError: If a camera or field is missing or has the wrong shape.
    """
    observation: dict[str, Any] = {}
    for camera in contract.cameras:
        if camera.name not in images:
            raise ConfigurationError(f'camera "{camera.name}" gave no image for {camera.key}. {nearest(camera.name, images)}')
        observation[camera.key] = prepare_image(images[camera.name], camera)
    joints = len(contract.action.joint_names)
    for entry in contract.state:
        observation[entry.key] = join_state(entry, states, joints)
    if contract.prompt_key:
        observation[contract.prompt_key] = str(instruction)
    return observation


def join_state(entry: StateEntry, states: Mapping[str, np.ndarray], joints: int) -> np.ndarray:
    """Return the vector under `entry.key`: its fields one after the other, converted to its units, (d,) float32.

    Args:
        entry: Of the contract.
        states: Field name -> (d,) array in Stage's units.
        joints: Joints of the arm.

    Raises:
        ConfigurationError: If a field is missing or has the wrong length.
    """
    parts = []
    for name, unit in zip(entry.fields, entry.units, strict=True):
        if name not in states or states[name] is None:
            raise ConfigurationError(f"{name} is missing; {entry.key} needs it. {nearest(name, states)}")
        values = np.asarray(states[name], dtype=np.float64).reshape(-1)
        if name == "ee_orientation":
            if values.size != 4:
                raise ConfigurationError(f"ee_orientation has {values.size} values; expected 4 (x, y, z, w).")
            values = _orientation(values, entry.order)
        else:
            values = _in_unit(values, unit)
        wanted = entry.field_width(name, joints)
        if values.size != wanted:
            raise ConfigurationError(f"{name} has {values.size} values; {entry.key} expects {wanted}. Is it the right arm?")
        parts.append(values)
    return np.concatenate(parts).astype(np.float32)


def _in_unit(values: np.ndarray, unit: str) -> np.ndarray:
    if unit == "mm":
        return values * 1000.0
    if unit in ("deg", "deg/s"):
        return np.rad2deg(values)
    if unit in ("droid", "libero", "maniskill"):
        return gripper_from_opening(values, unit)
    return values


def _orientation(quaternion: np.ndarray, order: str) -> np.ndarray:
    """Return (x, y, z, w) in another form; the quaternion's sign is kept."""
    if order == "xyzw":
        return quaternion
    if order == "wxyz":
        return np.roll(quaternion, 1)
    x, y, z, w = quaternion if quaternion[3] >= 0 else -quaternion
    sine = float(np.sqrt(x * x + y * y + z * z))
    # Near the unit rotation angle/sine tends to 2; dividing would give NaN.
    scale = 2.0 if sine < 1e-9 else 2.0 * np.arctan2(sine, w) / sine
    return np.array([x, y, z]) * scale


def prepare_image(image: np.ndarray, camera: CameraEntry) -> np.ndarray:
    """Return an image as the contract wants it: cropped, resized, in the right axis order; uint8.

    Args:
        image: (H, W, 3) uint8 RGB.
        camera: Entry of the contract.

    Raises:
        ConfigurationError: If the image is not (H, W, 3) uint8, or has another size where resizing is `none`.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ConfigurationError(f'image of camera "{camera.name}" is {image.dtype} {image.shape}; expected uint8 (H, W, 3), RGB.')
    if camera.crop == "center":
        image = _crop_centre(image, camera.height, camera.width)
    if image.shape[:2] != (camera.height, camera.width):
        if camera.resize == "none":
            raise ConfigurationError(
                f'image of camera "{camera.name}" is {image.shape[0]}x{image.shape[1]}; expected {camera.height}x{camera.width}. '
                "Set the camera's size, or resize in the contract."
            )
        image = _resize_padded(image, camera) if camera.resize == "pad" else resize_bilinear(image, camera.height, camera.width)
    if camera.encoding == "rgb8_chw":
        image = image.transpose(2, 0, 1)
    return np.ascontiguousarray(image)


def resize_bilinear(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return an (H, W, 3) uint8 image as (height, width, 3), by Pillow's bilinear filter, which averages when it shrinks.

    Raises:
        MissingDependencyError: Without Pillow.
    """
    try:
        from PIL import Image
    except ImportError:
        raise MissingDependencyError("Pillow is not installed; resizing images needs it. Run: pip install pillow") from None
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize((width, height), Image.Resampling.BILINEAR))


def _crop_centre(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the largest centred part with the aspect ratio width/height."""
    rows, columns = image.shape[:2]
    if columns * height > rows * width:
        kept = max(1, round(rows * width / height))
        start = (columns - kept) // 2
        return image[:, start : start + kept]
    kept = max(1, round(columns * height / width))
    start = (rows - kept) // 2
    return image[start : start + kept]


def _resize_padded(image: np.ndarray, camera: CameraEntry) -> np.ndarray:
    """Return the image with its aspect ratio kept, centred on black."""
    rows, columns = image.shape[:2]
    ratio = min(camera.height / rows, camera.width / columns)
    height = max(1, min(camera.height, round(rows * ratio)))
    width = max(1, min(camera.width, round(columns * ratio)))
    canvas = np.zeros((camera.height, camera.width, 3), np.uint8)
    top, left = (camera.height - height) // 2, (camera.width - width) // 2
    canvas[top : top + height, left : left + width] = resize_bilinear(image, height, width)
    return canvas


def example_observation(contract: PolicyContract) -> dict[str, Any]:
    """Return an observation of zeros in the contract's shapes, for warming up and tests."""
    observation: dict[str, Any] = {}
    for key, entry in contract.observation.items():
        observation[key] = "" if entry["dtype"] == "str" else np.zeros(entry["shape"], entry["dtype"])
    return observation


def check_observation(contract: PolicyContract, observation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the contract's keys of an observation that came over the wire, in the contract's dtypes.

    Any float is taken for a state; images must be uint8. Keys the contract does not name are left out.

    Raises:
        ObservationError: Naming the key, what came and what was expected.
    """
    checked: dict[str, Any] = {}
    for key, entry in contract.observation.items():
        shape, dtype = tuple(entry["shape"]), entry["dtype"]
        if key not in observation:
            sent = [name for name in observation if isinstance(name, str) and not name.startswith("stage/")]
            raise ObservationError(f"observation key {key} is missing; expected {dtype} {shape}. {nearest(key, sent)}")
        value = observation[key]
        if dtype == "str":
            if not isinstance(value, str):
                raise ObservationError(f"observation key {key} is {type(value).__name__}; expected text.")
            checked[key] = value
            continue
        if not isinstance(value, (np.ndarray, np.generic, list, float, int)):
            raise ObservationError(f"observation key {key} is {type(value).__name__}; expected {dtype} {shape}.")
        array = np.asarray(value)
        right_kind = array.dtype == np.uint8 if dtype == "uint8" else array.dtype.kind in "fiu"
        if array.shape != shape or not right_kind:
            raise ObservationError(f"observation key {key} is {array.dtype} {array.shape}; expected {dtype} {shape}.")
        if dtype != "uint8" and not np.isfinite(array).all():
            raise ObservationError(f"observation key {key} holds NaN or infinity; expected finite numbers. Is the arm's state valid?")
        checked[key] = array.astype(dtype, copy=False)
    return checked
