"""A Franka arm. Its driver is not part of this version: the launch says so and starts nothing."""


def generate_launch_description():
    """Refuse in words."""
    raise RuntimeError(
        "the Franka driver is not part of this version of Stage; nothing was started. Use maniskill.launch.py or fake.launch.py."
    )
