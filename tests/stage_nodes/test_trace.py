import hashlib
import math
import struct

from stage_nodes.trace import TraceHash


def test_the_trace_is_the_hash_of_the_documented_bytes():
    trace = TraceHash()
    trace.add(3, (0.5, -1.0), 1.0, 2)
    expected = struct.pack("<I", 3) + struct.pack("<ff", 0.5, -1.0) + struct.pack("<f", 1.0) + struct.pack("<B", 2)
    assert trace.hexdigest() == hashlib.sha256(expected).hexdigest()


def test_one_bit_of_one_action_changes_the_trace():
    one, other = TraceHash(), TraceHash()
    one.add(0, (0.1,), 1.0, 0)
    other.add(0, (0.1 + 1e-7,), 1.0, 0)
    assert one.hexdigest() != other.hexdigest()


def test_every_nan_of_an_absent_gripper_is_the_same():
    one, other = TraceHash(), TraceHash()
    one.add(0, (), math.nan, 0)
    other.add(0, (), -math.nan, 0)
    assert one.hexdigest() == other.hexdigest()
