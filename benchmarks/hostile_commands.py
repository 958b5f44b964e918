"""Whether hostile commands get past SafeArm to a controller, and lawful ones through unaltered, on both arms.

SafeArm in real time, the real drivers with the vendors' libraries, and fake controllers whose own logs are the proof. Hostile and
lawful commands come in one run and between each other, in every action space, at 20 Hz.

Run: python benchmarks/hostile_commands.py [--quick]
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.controller_judge import ControllerJudge
from benchmarks.controller_rig import ARMS, Rig
from benchmarks.hostile_sources import Source
from robot_drivers.arm import ActionSpace, ArmMode
from robot_drivers.poses import pose_distance

RATE_HZ = 20.0
SMALLEST_SHARE = 0.999  # of the lawful commands that pass unaltered
SAME = 1e-6  # m and rad between the target that was asked and the one that was taken
LATE_S = 0.03  # after its time a lawful command is none any more: nine tenths of two periods after the last the watchdog acts
CAMPAIGN = 8  # commands of one campaign; those that must go far before they meet their limit have more
FAR = {"into the table": 30, "into the base": 30, "out of the workspace": 30, "past a joint limit": 90}
BURST = 8  # commands in one control period
CAMPAIGN_SHARE = 0.5  # of the hostile commands; the others go between lawful ones
WAY_HOME_S = 20.0


class Trial:
    """One arm's run: blocks of hostile campaigns and of lawful commands with hostile ones between."""

    def __init__(self, name: str, *, seed: int) -> None:
        """Start the controller and connect."""
        self.rig = Rig(name, rate_hz=RATE_HZ)
        self.source = Source(self.rig, seed)
        self.judge = ControllerJudge(self.rig)
        self.hostile: Counter[str] = Counter()
        self.let_through: Counter[str] = Counter()
        self.lawful = self.unaltered = 0
        self.altered: Counter[str] = Counter()
        self.worst_at_driver = 0.0
        self.late = 0
        self._due = time.monotonic()

    def run(self, *, blocks: int, hostile: int, lawful: int) -> dict:
        """Return what was seen after `blocks` times `hostile` and `lawful` commands."""
        begun = time.monotonic()
        campaigns = round(hostile * CAMPAIGN_SHARE)
        try:
            for _ in range(blocks):
                self._campaigns(campaigns)
                self._go_home()
                self._between_lawful_ones(lawful, hostile - campaigns)
                self._rest()
            return self._result(time.monotonic() - begun)
        finally:
            self.rig.close()

    # ---- hostile alone

    def _campaigns(self, count: int) -> None:
        while count > 0:
            self._set_out()
            name, make = self.source.campaign()
            burst = self.source.random.random() < 0.15
            for _ in range(min(count, BURST if burst else FAR.get(name, CAMPAIGN))):
                if not burst:
                    self._wait_a_period()
                    if self.source.state().mode is not ArmMode.MOVING:
                        self._set_out()  # the watchdog acted, for nothing of this was taken
                self.source.catch_up()
                verdict = self.rig.safe_arm.submit(make())
                self.hostile[f"{name}, all at once" if burst else name] += 1
                self.let_through[name] += verdict.accepted
                count -= 1
        self._rest()

    def _set_out(self) -> None:
        """Take the arm and stay where it is: what follows is no first target any more, and meets every other limit."""
        if self.source.state().mode is not ArmMode.MOVING:
            self.source.begin()
        self.source.catch_up()
        self.rig.safe_arm.submit(self.source.command(ActionSpace.JOINT_POSITION, self.source.joints))
        self._wait_a_period()

    # ---- lawful, with hostile ones between

    def _between_lawful_ones(self, lawful: int, hostile: int) -> None:
        self.source.begin()
        self._due, sent = time.monotonic(), 0
        wanted = self.lawful + lawful
        while self.lawful < wanted and self.late < lawful:  # a machine that is always late gets no figure
            if time.monotonic() - self._due > LATE_S:  # nobody may blame SafeArm for a hold that this process earned by coming late
                self.late += 1
                self._begin_again()
            unaltered = self._send_lawful()
            k = lawful - (wanted - self.lawful)
            for _ in range(k * hostile // lawful - sent):
                name, command = self.source.admission(following=unaltered)
                self.hostile[name] += 1
                self.let_through[name] += self.rig.safe_arm.submit(command).accepted
                sent += 1
            self._due += 1.0 / RATE_HZ
            time.sleep(max(0.0, self._due - time.monotonic()))
            if unaltered:
                self._look_at_the_driver()

    def _send_lawful(self) -> bool:
        safe_arm = self.rig.safe_arm
        before = _limits_applied(safe_arm.status().interventions)
        previous = self.source.stamp_of_lawful
        command, pose = self.source.lawful(time.time() - (time.monotonic() - self._due))
        verdict = safe_arm.submit(command)
        if not verdict.accepted and previous and time.time() - previous > 1.0 / RATE_HZ + LATE_S:
            self.late += 1  # this process was held up in the middle of a turn: the watchdog was right
            self._begin_again()
            return False
        self.lawful += 1
        applied = _limits_applied(safe_arm.status().interventions)
        same = max(pose_distance(safe_arm.commanded_pose(), pose)) <= SAME
        if verdict.accepted and same and applied == before:
            self.unaltered += 1
            return True
        limits = ", ".join(sorted(name for name, number in applied.items() if number > before.get(name, 0)))
        self.altered[(limits or "another target") if verdict.accepted else verdict.reason] += 1
        self._begin_again()
        return False

    def _begin_again(self) -> None:
        """Come to rest and begin anew, as an operator would."""
        self.rig.safe_arm.hold("the benchmark begins again")
        self.rig.wait_for(self.rig.at_rest, 3.0)
        self.source.begin()
        self._due = time.monotonic()

    def _look_at_the_driver(self) -> None:
        """Compare what reached the driver with what was asked; an arm that SafeArm interpolates for is still on its way."""
        newest = self.rig.driver.newest
        if newest is None or newest.sequence != self.source.sequence_of_lawful:
            return
        asked = self.rig.kinematics.forward(self.source.joints)
        taken = newest.values if newest.action_space is ActionSpace.EE_POSE else self.rig.kinematics.forward(newest.values)
        self.worst_at_driver = max(self.worst_at_driver, *pose_distance(asked, taken))

    # ---- between the blocks

    def _rest(self) -> None:
        """Let the stream end, as a source that fell silent, and look at what the controller took."""
        self.rig.safe_arm.hold("the block is over")
        self.rig.wait_for(self.rig.at_rest, 3.0)
        self.judge.look()

    def _go_home(self) -> None:
        """Go back to the middle of the workspace: first the tool on a straight way, then the joints. Not counted."""
        deadline = time.monotonic() + WAY_HOME_S
        self.source.begin()
        self._due = time.monotonic()
        while time.monotonic() < deadline:
            self.source.catch_up()
            step, space = self.source.step_home()
            if step is None:
                break
            values, more = self.source.express(space, step)
            if not self.rig.safe_arm.submit(self.source.command(space, values, **more)).accepted:
                self.source.begin()
            self._wait_a_period()
        self._rest()

    def _wait_a_period(self) -> None:
        self._due = max(self._due + 1.0 / RATE_HZ, time.monotonic() - 1.0 / RATE_HZ)
        time.sleep(max(0.0, self._due - time.monotonic()))

    def _result(self, seconds: float) -> dict:
        interventions = dict(self.rig.safe_arm.status().interventions)
        return {
            "hostile": sum(self.hostile.values()),
            "hostile_kinds": dict(sorted(self.hostile.items())),
            "let_through_within_limits": {name: number for name, number in sorted(self.let_through.items()) if number},
            "lawful": self.lawful,
            "lawful_unaltered": self.unaltered,
            "lawful_unaltered_share": round(self.unaltered / max(1, self.lawful), 5),
            "altered": dict(self.altered.most_common(5)),
            "largest_distance_at_the_driver": self.worst_at_driver,
            "times_this_process_was_late": self.late,
            "interventions": interventions,
            "faults": dict(self.source.faults),
            "seconds": round(seconds, 1),
            **self.judge.result(),
        }


def _limits_applied(interventions: dict[str, int]) -> dict[str, int]:
    """Return the limits that changed a command, without the refusals."""
    return {name: number for name, number in interventions.items() if not name.startswith("refused_")}


def _trial(name: str, blocks: int, count: int) -> dict:
    """Return what one arm's trial showed; in a process of its own."""
    return Trial(name, seed=7).run(blocks=blocks, hostile=count, lawful=count)


def run(quick: bool, arms: tuple[str, ...] = ARMS) -> dict:
    """Return the figure: commands beyond a limit that reached a controller; the lawful share decides too.

    Args:
        quick: 500 hostile and 500 lawful commands per arm instead of 5,000 and 5,000, which take about 10 minutes per arm.
        arms: Which of them.
    """
    blocks, count = (1, 500) if quick else (10, 500)
    with ProcessPoolExecutor(max_workers=len(arms), mp_context=multiprocessing.get_context("spawn")) as pool:  # the arms side by side
        details = dict(zip(arms, pool.map(_trial, arms, [blocks] * len(arms), [count] * len(arms)), strict=True))
    beyond = sum(entry["beyond_limits"] + entry["controller_violations"] + entry["controller_stops"] for entry in details.values())
    share = min(entry["lawful_unaltered_share"] for entry in details.values())
    complete = all(entry["hostile"] == entry["lawful"] == blocks * count for entry in details.values())
    return {
        "name": "hostile-commands",
        "claim": "no hostile command reaches a controller outside the limits, and at least 99.9 % of the lawful ones pass unaltered",
        "value": beyond,
        "limit": 0,
        "passed": beyond == 0 and share >= SMALLEST_SHARE and complete,
        "details": details | {"lawful_unaltered_share": share, "smallest_lawful_share": SMALLEST_SHARE},
    }


if __name__ == "__main__":
    chosen = tuple(name for name in ARMS if name in sys.argv[1:]) or ARMS
    result = run("--quick" in sys.argv[1:], chosen)
    for name, entry in result["details"].items():
        print(f"{name}: {entry}")
    print(f"{result['claim']}: {result['value']} beyond, {'passed' if result['passed'] else 'FAILED'}")
    sys.exit(0 if result["passed"] else 1)
