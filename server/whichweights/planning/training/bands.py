from __future__ import annotations
from dataclasses import dataclass, fields
from typing import Final

from whichweights.planning.memory_types import Part
from whichweights.planning.training.activations import ActivationShape
from whichweights.planning.training.recipes import Recipe
from whichweights.planning.training.states import States

@dataclass(frozen=True, slots=True)
class Factors:
    saved: float
    checkpoints: float
    layer: float
    logits: float
    chunked_logits: float
    scores: float
    workspace: float

FACTORS: Final = Factors(1.0, 1.0, 1.5, 16, 4, 16, 1.0)
RESIDUALS = {"x":1}

@dataclass(frozen=True, slots=True)
class ActivationTerms:
    saved: int
    checkpoints: int
    layer: int
    logits: int
    chunked_logits: int
    scores: int
    workspace: int
    dequantized: int
    overlap: int
    offloaded: int

    @classmethod
    def of(cls, shape, recipe, states):
        t=recipe.tokens; ck=recipe.gradient_checkpointing
        sq=recipe.sequence_length*t
        heads = 0 if recipe.flash_attention else (shape.widest_heads if ck else shape.score_heads)
        return cls(
            saved=0 if ck else shape.layers*t,
            checkpoints=shape.inputs*t if ck and not recipe.activation_offload else 0,
            layer=shape.largest*t if ck else 0,
            logits=0 if recipe.chunked_loss else shape.logits*t,
            chunked_logits=shape.logits*t if recipe.chunked_loss else 0,
            scores=heads*sq,
            workspace=2**30,
            dequantized=2*states.largest_matrix if recipe.workload=="qlora" else 0,
            overlap=states.gradients if recipe.workload=="full_finetune" and not recipe.accumulates and not recipe.optimizer_in_backward else 0,
            offloaded=shape.inputs*t if recipe.activation_offload else 0)
    def size(self, f=FACTORS):
        a=sum(getattr(f,n.name)*getattr(self,n.name) for n in fields(f)) + self.dequantized
        act=a-f.workspace*self.workspace
        return a-min(self.overlap, 0.9*act)
    def parts(self, recipe, known):
        s=round(self.size())
        return (Part("activations","activations",s,s,s,"fitted",""),)
