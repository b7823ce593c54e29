"""The base of every paper: arms, planner, collector, report, settings."""
