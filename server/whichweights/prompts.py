"""What a host offers its user to start from: three questions, each as a text with a way to work."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MAX_ARGUMENT_CHARACTERS = 500
"""What a user types into a form; anything longer is a text, and belongs into the chat."""


class PromptArgumentError(ValueError):
    """An argument is missing, unknown or too long; the text says which."""


@dataclass(frozen=True)
class PromptInput:
    """An argument of a prompt; `completes` names what it is completed from, None = nothing."""

    name: str
    description: str
    required: bool = False
    completes: str | None = None


@dataclass(frozen=True)
class PromptEntry:
    """A prompt: what it is called, what it takes, and the message it becomes."""

    name: str
    title: str
    description: str
    inputs: tuple[PromptInput, ...]
    write: Callable[[Mapping[str, str]], str]

    def render(self, arguments: Mapping[str, str]) -> str:
        """The user's message. Raises PromptArgumentError."""
        known = {one.name: one for one in self.inputs}
        for name in arguments:
            if name not in known:
                near = difflib.get_close_matches(name[:80], known, n=1, cutoff=0)
                raise PromptArgumentError(
                    f"unknown argument of {self.name}: {_line(name)[:80]}; nearest: {near[0]}"
                )
        given = {name: _line(text) for name, text in arguments.items() if text.strip()}
        for one in self.inputs:
            if one.required and one.name not in given:
                raise PromptArgumentError(f"{self.name} needs {one.name}: {one.description}")
            if len(given.get(one.name, "")) > MAX_ARGUMENT_CHARACTERS:
                raise PromptArgumentError(
                    f"{one.name} is longer than {MAX_ARGUMENT_CHARACTERS} characters"
                )
        return self.write(given)


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


_MACHINE = PromptInput(
    "accelerators",
    "one machine, such as 2x RTX 4090; left out: the one the server runs on",
    completes="accelerators",
)
_MODEL = PromptInput(
    "model", "a Hub id or a short name, such as llama 3.1 8b", required=True, completes="models"
)
_CONTEXT = PromptInput("context_tokens", "prompt and output of one sequence, such as 32k")

_HONESTLY = (
    "Quote figures with their band, plan with `high`, name the basis where it is prior or "
    "assumed, and say what is unknown; estimate nothing yourself."
)


def _machine(given: Mapping[str, str]) -> str:
    named = given.get("accelerators")
    return f"on {named}" if named else "on this machine (ask gpu_status what it has)"


def _context(given: Mapping[str, str]) -> str:
    tokens = given.get("context_tokens")
    return f" with {tokens} tokens of context" if tokens else ""


def _choose_model(given: Mapping[str, str]) -> str:
    languages = given.get("languages", "en")
    return "\n".join(
        (
            f"Which model should I run for {given['task']}, in {languages}, "
            f"{_machine(given)}{_context(given)}?",
            "",
            "Settle these six questions, asking me only what changes the answer:",
            "1. Tokens: how long are prompt and output? (count_tokens on a sample of mine)",
            "2. Parameters: which size and format fit? (estimate_vram)",
            "3. Hardware: what is there, and what is free? (gpu_status)",
            "4. Agentic: does it call tools, in one step or over a long horizon? (`autonomy`)",
            "5. Context and language: does it hold up in them? (check_language_coverage)",
            "6. Open weights or an API: what do privacy and volume ask for? (`deployment`)",
            "",
            "Then call recommend_model once with what you know, and compare its first two. "
            + _HONESTLY,
        )
    )


def _plan_deployment(given: Mapping[str, str]) -> str:
    users = given.get("concurrent_sequences", "1")
    return "\n".join(
        (
            f"Plan how to serve {given['model']} {_machine(given)}{_context(given)}, "
            f"{users} at the same time.",
            "",
            "1. describe_model: licence, gating, window, what it is made of.",
            f"2. estimate_vram with concurrent_sequences={users}: verdict, what binds, headroom, "
            "limits.",
            "3. Where the verdict is not `fits`: its alternatives, and quantize_plan.",
            "4. Give me the engine and its version, the format with a ready-made file or the "
            "commands that make it, the start options that match the answer's `settings`, and "
            "how to check the memory once it runs.",
            "",
            _HONESTLY,
        )
    )


def _explain_memory(given: Mapping[str, str]) -> str:
    return "\n".join(
        (
            f"Explain what the memory of {given['model']} {_machine(given)}{_context(given)} "
            "consists of.",
            "",
            "Call estimate_vram. Go through its parts from large to small: what each one is, what "
            "it depends on (bits per weight, tokens, sequences, engine), and what would make it "
            "smaller. Say how the KV cache follows from the kind of attention "
            "(kv_cache.bytes_per_token), and where a rule of thumb in `rules_of_thumb` goes "
            "wrong. Explain a word I may not know from whichweights://glossary/{term}.",
            "",
            _HONESTLY,
        )
    )


PROMPTS: tuple[PromptEntry, ...] = (
    PromptEntry(
        "choose_model",
        "Choose a model",
        "Six questions, then one recommendation that fits the machine.",
        (
            PromptInput("task", "chat, coding, agent, rag, translation …", True, "tasks"),
            PromptInput("languages", "such as de, Tamil; left out: English", completes="languages"),
            _MACHINE,
            _CONTEXT,
        ),
        _choose_model,
    ),
    PromptEntry(
        "plan_deployment",
        "Plan a deployment",
        "From a model and a machine to engine, format, options and checks.",
        (
            _MODEL,
            _MACHINE,
            _CONTEXT,
            PromptInput("concurrent_sequences", "how many are served at the same time"),
        ),
        _plan_deployment,
    ),
    PromptEntry(
        "explain_memory",
        "Explain the memory",
        "What a model's memory consists of, part by part, and what makes it smaller.",
        (_MODEL, _MACHINE, _CONTEXT),
        _explain_memory,
    ),
)


def find(name: str) -> PromptEntry | None:
    """The prompt of that name, None where there is none."""
    return next((entry for entry in PROMPTS if entry.name == name), None)
