"""After a kill the next start must know."""

from robot_drivers.unclean_end import InUse


def test_a_clean_end_leaves_nothing_to_remember(tmp_path):
    mark = InUse("franka /left 127.0.0.1", folder=tmp_path)
    assert not mark.begin()
    mark.end()
    mark.end()
    assert not InUse("franka /left 127.0.0.1", folder=tmp_path).begin()


def test_a_killed_session_is_remembered_for_its_own_arm_alone(tmp_path):
    InUse("franka /left 127.0.0.1", folder=tmp_path).begin()
    assert InUse("franka /left 127.0.0.1", folder=tmp_path).begin()
    assert not InUse("franka /right 127.0.0.1", folder=tmp_path).begin()


def test_a_folder_that_cannot_be_written_keeps_nobody_from_the_arm(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert not InUse("franka", folder=blocked / "below").begin()
