"""Thin ROS 2 shells around the plain-Python parts: each node is one process.

`conversions` is the only place where messages become core data; `node_process.run_node` is every node's main.
"""
