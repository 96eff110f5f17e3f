"""Measurements: ``blocking`` is the figure of the README, ``writer`` the application that it disturbs."""
