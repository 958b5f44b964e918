"""The separator's rules, one file per family of tasks (spec/stare section 2)."""
