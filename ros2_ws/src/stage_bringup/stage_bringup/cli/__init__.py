"""The `stage` command: one module per subcommand, each with `Options` (a frozen dataclass) and `run(options) -> int`.

Start at `main.py`. Modules here import nothing heavy at the top, so that every `--help` is quick.
"""
