from stage_nodes.lockstep import COMMAND, LockstepGate


def test_a_step_is_complete_only_when_everybody_answered():
    gate = LockstepGate(("recorder", "runner"))
    gate.open(1, 7)
    assert not gate.acknowledge("recorder", 1, 7)
    assert not gate.command(1, 7)
    assert gate.missing() == ("runner",)
    assert gate.acknowledge("runner", 1, 7)


def test_answers_to_another_step_or_episode_do_not_count():
    gate = LockstepGate(("recorder",))
    gate.open(2, 7)
    gate.command(2, 7)
    assert not gate.acknowledge("recorder", 2, 6)
    assert not gate.acknowledge("recorder", 1, 7)
    assert gate.missing() == ("recorder",)


def test_a_second_answer_does_not_advance_twice():
    gate = LockstepGate(())
    gate.open(1, 0)
    assert gate.command(1, 0)
    assert not gate.command(1, 0)


def test_overdue_names_who_is_missing_and_nobody_is_overdue_when_all_answered():
    gate = LockstepGate(("recorder",), deadline_s=0.0)
    gate.open(1, 0)
    assert gate.overdue()
    assert gate.missing() == (COMMAND, "recorder")
    gate.command(1, 0)
    gate.acknowledge("recorder", 1, 0)
    assert not gate.overdue()
