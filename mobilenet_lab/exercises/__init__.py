"""Exercises that check themselves: `from mobilenet_lab.exercises import check, hint, solution`."""

from mobilenet_lab.exercises.asking import ExerciseFailed as ExerciseFailed
from mobilenet_lab.exercises.asking import check as check
from mobilenet_lab.exercises.asking import exercise as exercise
from mobilenet_lab.exercises.asking import hint as hint
from mobilenet_lab.exercises.asking import predict as predict
from mobilenet_lab.exercises.asking import reveal as reveal
from mobilenet_lab.exercises.asking import solution as solution
from mobilenet_lab.exercises.exploring import explore as explore

__all__ = [
    "ExerciseFailed",
    "check",
    "exercise",
    "explore",
    "hint",
    "predict",
    "reveal",
    "solution",
]
