"""Findings -> a new round: when, what to label first, replay of stored traffic, promotion and undo.

Decisions are pure functions over figures and a clock that is passed in; `project.py` strings them together.
"""
