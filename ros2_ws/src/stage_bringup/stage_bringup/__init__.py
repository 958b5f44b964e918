"""Starting and stopping whole graphs of Stage, the `stage` command, its checks, reports and benchmarks.

Start at `cli/main.py` for the commands and at `graph.py` for which nodes run with which parameters.
"""
