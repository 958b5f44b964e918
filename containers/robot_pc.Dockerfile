# The robot PC: ROS 2 Jazzy, Stage, its drivers and its recorder. Built from the checkout's root:
#   docker build -f containers/robot_pc.Dockerfile -t stage-robot-pc .
# docs/containers.md says what the container must be given when it runs.
FROM ros:jazzy-ros-base

SHELL ["/bin/bash", "-o", "pipefail", "-c"]

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        ca-certificates git iproute2 iputils-ping libusb-1.0-0 make python3-venv python3-dev usbutils \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/stage
COPY . .

# ROS is sourced, so the set-up takes rclpy from it and builds the messages with colcon. The system packages it needs are installed by itself.
RUN source /opt/ros/jazzy/setup.bash \
    && apt-get update \
    && make setup \
    && rm -rf /var/lib/apt/lists/* /root/.cache

# The environment knows its ROS, so no shell has to source anything.
ENV PATH="/opt/stage/.venv/bin:${PATH}" \
    PYTHONUNBUFFERED=1

WORKDIR /data
VOLUME ["/data/episodes", "/data/workcells"]

# The nodes come to hold on SIGINT; Docker's own signal would be SIGTERM.
STOPSIGNAL SIGINT
ENTRYPOINT ["stage"]
CMD ["--help"]
