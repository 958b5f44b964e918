"""Stage's numeric core: stages, costs, potentials, episodes and statistics in numpy alone.

Start at `monitor.StageMonitor`, which the live node and the offline labeller both call.
"""
