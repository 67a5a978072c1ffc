"""Memory of fine-tuning: LoRA, QLoRA and full, on one or several devices."""

from __future__ import annotations

from whichweights.planning.training.adapters import adapter_parameters
from whichweights.planning.training.limits import find_training_limits
from whichweights.planning.training.plan import PlacedTraining, TrainingPlanner, plan_training
from whichweights.planning.training.recipes import Recipe, resolve_recipe

__all__ = [
    "PlacedTraining",
    "Recipe",
    "TrainingPlanner",
    "adapter_parameters",
    "find_training_limits",
    "plan_training",
    "resolve_recipe",
]
