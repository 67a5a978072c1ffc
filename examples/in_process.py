"""One model on several machines: which of them holds it, and with how long a context?"""

import sys

import anyio

import whichweights
from whichweights_schemas.errors import WhichweightsError

MACHINES = ("RTX 4090", "2x RTX 3090", "M3 Max 64GB", "H100 80GB")


async def main(model: str) -> int:
    async with whichweights.open_toolbox() as tools:
        for machine in MACHINES:
            try:
                answer = await tools.estimate_vram(
                    model=model, accelerators=machine, context_tokens="32k"
                )
            except WhichweightsError as error:
                print(f"{error.message}. {error.hint}", *error.suggestions, sep="\n  ")
                return 1
            memory, settings = answer.memory_gib, answer.settings
            longest = answer.limits.max_context_tokens
            print(
                f"{machine:12} {answer.verdict:18} {settings.quantization:7} {settings.engine:10}"
                f"{memory.total:6.1f} GiB ({memory.low:.1f}-{memory.high:.1f}), "
                f"longest context {longest or 'unknown'}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(anyio.run(main, " ".join(sys.argv[1:]) or "qwen3 32b"))
