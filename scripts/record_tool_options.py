"""Records the options of quantization tools from their released packages, for the tests.

    pip download --no-deps -d DIR mlx-lm==0.32.2 auto-round==0.16.1 exllamav3==1.6.5 \
        exllamav2==0.3.2 lm_eval==0.4.13 vllm==0.33.0 \
        llmcompressor==0.14.0.1 gptqmodel==7.7.0 compressed-tensors==0.20.0 transformers torchao
    (unpack each archive in DIR)
    python scripts/record_tool_options.py DIR > tests/data/tool_options.json

Reads argparse calls and signatures from the sources: the packages need GPU libraries to be
imported, their parsers do not. llama.cpp's programs are C++; their options were read in its
READMEs and are kept as they are in the present file.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from pathlib import Path
from typing import Any

PARSERS = {
    "mlx_lm.convert": "mlx_lm-*/mlx_lm/convert.py",
    "mlx_lm.perplexity": "mlx_lm-*/mlx_lm/perplexity.py",
    "auto-round": "auto_round-*/auto_round/cli/parser.py",
    "exllamav2.conversion.convert_exl2": "exllamav2-*/exllamav2/conversion/convert_exl2.py",
    "vllm": "vllm-*/vllm/engine/arg_utils.py",
    "lm_eval": "lm_eval-*/lm_eval/_cli/run.py",
    "exllamav3.conversion.convert_model": "exllamav3-*/exllamav3/conversion/convert_model.py",
}
_TRANSFORMERS = "transformers-*/transformers/utils/quantization_config.py"
_TORCHAO = "torchao-*/torchao/quantization/quant_api.py"
_GPTQ = "gptqmodel-*/gptqmodel"
CALLS = {
    "oneshot": ("llmcompressor-*/llmcompressor/entrypoints/oneshot.py", "oneshot"),
    "QuantizationModifier": (
        "llmcompressor-*/llmcompressor/modifiers/quantization/quantization/mixin.py",
        "QuantizationMixin",
    ),
    "GPTQModifier": (
        "llmcompressor-*/llmcompressor/modifiers/quantization/quantization/mixin.py",
        "QuantizationMixin",
    ),
    "AWQModifier": (
        "llmcompressor-*/llmcompressor/modifiers/transform/awq/base.py",
        "AWQModifier",
    ),
    "GPTQConfig": (f"{_GPTQ}/quantization/config.py", "BaseQuantizeConfig"),
    "quantize": (f"{_GPTQ}/models/base.py", "quantize"),
    "BitsAndBytesConfig": (_TRANSFORMERS, "BitsAndBytesConfig"),
    "HqqConfig": (_TRANSFORMERS, "HqqConfig"),
    "TorchAoConfig": (_TRANSFORMERS, "TorchAoConfig"),
    "Int4WeightOnlyConfig": (_TORCHAO, "Int4WeightOnlyConfig"),
    "Int8WeightOnlyConfig": (_TORCHAO, "Int8WeightOnlyConfig"),
}
"""Name in a command -> module, and the function or class there whose names it may be given."""


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def options(source: str) -> dict[str, dict[str, Any]]:
    """Every option string of a module's add_argument calls: whether it takes a value, choices."""
    found: dict[str, dict[str, Any]] = {}
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr != "add_argument":
            continue
        names = [name for arg in node.args if isinstance(name := _literal(arg), str)]
        given = {keyword.arg: _literal(keyword.value) for keyword in node.keywords if keyword.arg}
        row: dict[str, Any] = {"value": not str(given.get("action", "")).startswith("store_")}
        if given.get("choices"):
            row["choices"] = list(given["choices"])
        found.update({name: row for name in names if name.startswith("-")})
    return dict(sorted(found.items()))


def parameters(source: str, name: str) -> list[str]:
    """The parameters of a function, or of a class: those of __init__ and its annotated fields."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return _arguments(node)
        if isinstance(node, ast.ClassDef) and node.name == name:
            fields = [
                child.target.id
                for child in node.body
                if isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name)
            ]
            methods = [child for child in node.body if isinstance(child, ast.FunctionDef)]
            made = [name for m in methods if m.name == "__init__" for name in _arguments(m)]
            return sorted({name for name in (*fields, *made) if not name.startswith("_")})
    raise SystemExit(f"no function or class {name}")


def _arguments(function: ast.FunctionDef) -> list[str]:
    given = function.args
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return sorted(set(names) - {"self"})


def keys(source: str, name: str) -> list[str]:
    """The string keys of a dictionary literal assigned to a name."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        if node.target.id == name and isinstance(node.value, ast.Dict):
            return [str(_literal(key)) for key in node.value.keys if key is not None]
    raise SystemExit(f"no dictionary {name}")


def main() -> None:
    """Print the whole file: what can be read from packages anew, llama.cpp as it was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    directory: Path = parser.parse_args().directory

    def read(pattern: str) -> str:
        (path,) = directory.glob(pattern)
        return path.read_text(encoding="utf-8")

    kept = Path(__file__).parents[1] / "tests" / "data" / "tool_options.json"
    data: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    for tool, pattern in PARSERS.items():
        data["options"][tool] = options(read(pattern))
    for name, (pattern, defined) in CALLS.items():
        data["parameters"][name] = parameters(read(pattern), defined)
    schemes = read("compressed_tensors-*/compressed_tensors/quantization/quant_scheme.py")
    data["schemes"] = keys(schemes, "PRESET_SCHEMES")
    data["packages"] = sorted(path.name for path in directory.iterdir() if path.is_dir())
    json.dump(data, sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
