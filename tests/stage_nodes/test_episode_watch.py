from stage_nodes.episode_watch import EpisodeWatch

STAGES = ["reach", "contact", "push", "goal", "success"]


def feed(watch: EpisodeWatch, sequence: int, *, stage: int = 0, monitor: bool = False, environment: bool = False) -> list[int]:
    """Feed one whole step; returns the steps to acknowledge."""
    acknowledged = watch.state(sequence, sequence * 0.05)
    acknowledged += watch.status(sequence, stage, STAGES, monitor)
    acknowledged += watch.outcome(sequence, environment)
    watch.command(sequence, (0.0,) * 6, 1.0)
    return acknowledged


def test_a_step_is_acknowledged_once_all_of_it_is_in():
    watch = EpisodeWatch(horizon_steps=10, settle_steps=2)
    assert watch.state(0, 0.0) == []
    assert watch.outcome(0, False) == []
    assert watch.status(0, 0, STAGES, False) == [0]


def test_the_last_step_is_never_acknowledged_so_the_length_is_exact():
    watch = EpisodeWatch(horizon_steps=3, settle_steps=2)
    assert [feed(watch, k) for k in range(4)] == [[0], [1], [2], []]
    assert watch.ended_by == "timeout" and watch.over and watch.steps == 4


def test_a_success_counts_only_if_it_lasts_until_the_end():
    watch = EpisodeWatch(horizon_steps=50, settle_steps=2)
    for k, success in enumerate([False, True, True, True]):
        feed(watch, k, environment=success)
    assert watch.ended_by == "success"
    watch = EpisodeWatch(horizon_steps=50, settle_steps=2)
    for k, success in enumerate([False, True, True, False]):
        feed(watch, k, environment=success)
    assert watch.ended_by == "success lost" and watch.success_once and not watch.environment_success


def test_messages_in_any_order_give_the_same_trace():
    in_order, shuffled = (EpisodeWatch(horizon_steps=2, settle_steps=1) for _ in range(2))
    for k in range(3):
        feed(in_order, k, stage=k)
    for k in range(3):
        shuffled.command(k, (0.0,) * 6, 1.0)
    for k in reversed(range(3)):
        shuffled.outcome(k, False)
        shuffled.status(k, k, STAGES, False)
        shuffled.state(k, k * 0.05)
    assert shuffled.over and shuffled.trace.hexdigest() == in_order.trace.hexdigest()


def test_the_first_entry_of_each_stage_is_kept():
    watch = EpisodeWatch(horizon_steps=5, settle_steps=1)
    for k, stage in enumerate([0, 1, 0, 1, 2, 2]):
        feed(watch, k, stage=stage)
    assert [visit.entered_step for visit in watch.visits] == [0, 1, 4, None, None]


def test_an_episode_without_a_simulation_ends_by_the_monitor():
    watch = EpisodeWatch(horizon_steps=50, settle_steps=1, expects_outcome=False, expects_commands=False)
    for k, success in enumerate([False, True, True]):
        watch.state(k, k * 0.05)
        watch.status(k, 3, STAGES, success)
    assert watch.ended_by == "success" and watch.environment_success is None and watch.over
