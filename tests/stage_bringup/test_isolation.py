import socket

import pytest

from stage_bringup.isolation import lease_domain
from stage_core.errors import ConfigurationError


def test_two_graphs_never_get_the_same_domain(monkeypatch):
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    leases = [lease_domain() for _ in range(8)]
    try:
        assert len({lease.domain_id for lease in leases}) == 8
    finally:
        for lease in leases:
            lease.close()


def test_a_domain_comes_back_when_its_graph_ends(monkeypatch):
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    first = lease_domain()
    first.close()
    second = lease_domain()
    second.close()
    assert first.domain_id == second.domain_id


def test_a_domain_where_another_ros_program_listens_is_left_alone(monkeypatch):
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    lease = lease_domain()
    lease.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", 7400 + 250 * lease.domain_id + 10))
        second = lease_domain()
        second.close()
    assert second.domain_id != lease.domain_id


def test_the_users_own_domain_is_respected(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "42")
    assert lease_domain().domain_id == 42


def test_a_domain_that_is_no_number_is_refused_in_words(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "left")
    with pytest.raises(ConfigurationError, match="ROS_DOMAIN_ID is 'left'; expected a number from 0 to 232"):
        lease_domain()
