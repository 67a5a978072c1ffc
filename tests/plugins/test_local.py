"""The `local` provider on real files: sizes and shapes from headers, nothing outside the roots."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest

from whichweights.config import Config
from whichweights.planning.weights import weigh
from whichweights.resolve.models import resolve_model
from whichweights.testing import ModelProviderContract, construct
from whichweights.toolbox import open_toolbox
from whichweights_plugins.local import LocalProvider
from whichweights_schemas.errors import (
    AmbiguousModel,
    InvalidArgument,
    ModelNotFound,
    PathNotAllowed,
    UnsupportedArchitecture,
)
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.requests import FindModel, ModelQuestion

gguf: Any = importlib.import_module("gguf")  # has no complete types

H, FF, V, LAYERS = 256, 512, 512, 2
CONFIG = {
    "model_type": "llama", "hidden_size": H, "intermediate_size": FF, "vocab_size": V,
    "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 4096, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
}  # fmt: skip


Shapes = dict[str, tuple[int, ...]]


def gguf_tensors() -> Shapes:
    shapes: Shapes = {
        "token_embd.weight": (V, H), "output_norm.weight": (H,), "output.weight": (V, H),
    }  # fmt: skip
    for index in range(LAYERS):
        shapes |= {
            f"blk.{index}.{name}.weight": shape
            for name, shape in {
                "attn_q": (256, H), "attn_k": (128, H), "attn_v": (128, H),
                "attn_output": (H, 256), "ffn_gate": (FF, H), "ffn_up": (FF, H),
                "ffn_down": (H, FF), "attn_norm": (H,), "ffn_norm": (H,),
            }.items()
        }  # fmt: skip
    return shapes


def write_gguf(path: Path, *, kind: str = "Q8_0", file_type: int = 7, **writer_options: Any) -> int:
    """A whole small Llama; the bytes of its tensors."""
    writer = gguf.GGUFWriter(path, "llama", **writer_options)
    writer.add_file_type(file_type)
    writer.add_block_count(LAYERS)
    writer.add_context_length(4096)
    writer.add_embedding_length(H)
    writer.add_feed_forward_length(FF)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_chat_template("{{ messages }}")
    total = 0
    for name, shape in gguf_tensors().items():
        stored = gguf.GGMLQuantizationType[kind if len(shape) > 1 else "F32"]
        block, size = gguf.GGML_QUANT_SIZES[stored]
        data = numpy.zeros((*shape[:-1], list(shape)[-1] // block * size), dtype=numpy.uint8)
        total += data.nbytes
        writer.add_tensor(name, data, raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return total


def checkpoint_tensors() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (V, H), "model.norm.weight": (H,), "lm_head.weight": (V, H),
    }  # fmt: skip
    for index in range(LAYERS):
        shapes |= {
            f"model.layers.{index}.{name}.weight": shape
            for name, shape in {
                "self_attn.q_proj": (256, H), "self_attn.k_proj": (128, H),
                "self_attn.v_proj": (128, H), "self_attn.o_proj": (H, 256),
                "mlp.gate_proj": (FF, H), "mlp.up_proj": (FF, H), "mlp.down_proj": (H, FF),
                "input_layernorm": (H,), "post_attention_layernorm": (H,),
            }.items()
        }  # fmt: skip
    return shapes


def write_safetensors(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """A file of BF16 zeros, made by hand; the bytes of its tensors."""
    header: dict[str, Any] = {}
    end = 0
    for name, shape in shapes.items():
        size = 2 * int(numpy.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(end))
    return end


def weights(shapes: Mapping[str, tuple[int, ...]]) -> int:
    return sum(int(numpy.prod(shape)) for shape in shapes.values())


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return folder


@pytest.fixture
def provider(root: Path) -> LocalProvider:
    return construct(LocalProvider, name="local")


async def spec_of(provider: LocalProvider, query: str) -> ModelSpec:
    (ref,) = await provider.find(FindModel(query=query))
    spec = await provider.spec(ref)
    assert spec is not None
    assert spec.id == ref.id == query
    return spec


class TestContract(ModelProviderContract):
    known_query = "./tiny.gguf"
    has_candidates = False
    has_files = True

    @pytest.fixture
    def provider(self, root: Path) -> LocalProvider:
        write_gguf(root / "tiny.gguf")
        return construct(LocalProvider)


async def test_a_gguf_file_tells_its_shape_and_exact_size(root: Path, provider: LocalProvider):
    write_gguf(root / "tiny-Q8_0.gguf")
    (root / "mmproj-tiny-F16.gguf").write_bytes(b"GGUF")
    spec = await spec_of(provider, "./tiny-Q8_0.gguf")
    assert (spec.layers, spec.hidden_size, spec.vocab_size) == (LAYERS, H, V)
    assert spec.parameters.total == weights(gguf_tensors())
    assert spec.stored_bytes == (root / "tiny-Q8_0.gguf").stat().st_size
    assert spec.native is not None
    assert (spec.native.format, spec.native.container) == ("Q8_0", "gguf")
    assert spec.kind == "instruct"
    assert any("vision projector" in note for note in spec.notes)
    assert any(row.basis == "exact" and "file header" in row.source for row in spec.evidence)
    (ref,) = await provider.find(FindModel(query="./tiny-Q8_0.gguf"))
    files = await provider.files(ModelQuestion(ref=ref))
    assert {file.path for file in files} == {"tiny-Q8_0.gguf", "mmproj-tiny-F16.gguf"}


async def test_any_part_of_a_split_file_means_all_of_them(root: Path, provider: LocalProvider):
    write_gguf(root / "tiny.gguf", split_max_tensors=8)
    parts = [root / name for name in sorted(os.listdir(root))]
    assert len(parts) > 1
    spec = await spec_of(provider, f"./{parts[-1].name}")
    assert spec.parameters.total == weights(gguf_tensors())
    assert spec.stored_bytes == sum(part.stat().st_size for part in parts)
    parts[0].unlink()
    with pytest.raises(InvalidArgument, match="1 of"):
        await spec_of(provider, f"./{parts[-1].name}")


async def test_a_folder_has_its_counts_from_headers_and_its_shape_from_the_config(
    root: Path, provider: LocalProvider
):
    folder = root / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    shapes = checkpoint_tensors()
    first = dict(list(shapes.items())[:5])
    rest = {name: shape for name, shape in shapes.items() if name not in first}
    write_safetensors(folder / "model-00001-of-00002.safetensors", first)
    write_safetensors(folder / "model-00002-of-00002.safetensors", rest)
    whole = ["./model", str(folder), "./model/model-00002-of-00002.safetensors"]
    for query in whole:
        spec = await spec_of(provider, query)
        assert spec.parameters.total == weights(shapes)
        assert spec.parameters.total_basis == "exact"
        assert (spec.layers, spec.vocab_size) == (LAYERS, V)
        assert spec.stored_bytes == sum(f.stat().st_size for f in folder.glob("*.safetensors"))
        assert not {"stored_bytes", "parameters.total"} & {gap.field for gap in spec.unknown}
    (folder / "model-00001-of-00002.safetensors").unlink()
    spec = await spec_of(provider, "./model")
    assert spec.parameters.total is None
    assert spec.stored_bytes is None
    assert {"parameters.total", "stored_bytes"} <= {gap.field for gap in spec.unknown}


async def test_vision_weights_are_counted_apart(root: Path, provider: LocalProvider):
    shapes = {**checkpoint_tensors(), "model.visual.patch.weight": (64, 32)}
    write_safetensors(root / "model.safetensors", shapes)
    spec = await spec_of(provider, "./model.safetensors")
    assert spec.parameters.vision == 64 * 32
    assert spec.parameters.language == weights(checkpoint_tensors())
    assert not spec.layout
    assert {"blocks", "native"} <= {gap.field for gap in spec.unknown}


async def test_a_config_alone_tells_the_shape(root: Path, provider: LocalProvider):
    (root / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    spec = await spec_of(provider, "./config.json")
    assert spec.layers == LAYERS
    assert spec.parameters.total is None


async def test_a_class_that_is_not_understood_keeps_its_size(root: Path, provider: LocalProvider):
    (root / "config.json").write_text(json.dumps({"model_type": "mystery"}), encoding="utf-8")
    with pytest.raises(UnsupportedArchitecture):
        await spec_of(provider, "./config.json")
    write_safetensors(root / "model.safetensors", {"a": (4, 4)})
    spec = await spec_of(provider, "./model.safetensors")
    assert spec.parameters.total == 16


@pytest.mark.parametrize(
    "query", ["/etc/hostname.gguf", "../x.gguf", "a/../../x.gguf", "~root/a", "/"]
)
async def test_what_lies_outside_the_roots_is_refused(provider: LocalProvider, query: str):
    with pytest.raises((PathNotAllowed, InvalidArgument)) as caught:
        await provider.find(FindModel(query=query))
    assert "path" in caught.value.hint or "`roots` in [providers.local]" in caught.value.hint


async def test_a_link_out_of_the_roots_is_refused(root: Path, provider: LocalProvider):
    outside = root.parent / "outside"
    outside.mkdir()
    write_gguf(outside / "secret.gguf")
    (root / "inside.gguf").symlink_to(outside / "secret.gguf")
    (root / "folder").symlink_to(outside)
    (root / "mixed").mkdir()
    (root / "mixed" / "model.gguf").symlink_to(outside / "secret.gguf")
    for query in ("./inside.gguf", "inside.gguf", "./folder", "folder/secret.gguf", "./mixed"):
        with pytest.raises(PathNotAllowed) as caught:
            await provider.find(FindModel(query=query))
        assert "[providers.local]" in caught.value.hint
    allowed = construct(LocalProvider, {"roots": [str(root), str(outside)]}, name="local")
    assert (await spec_of(allowed, "./mixed")).layers == LAYERS


async def test_the_links_of_the_hub_cache_are_followed(root: Path, provider: LocalProvider):
    repo = root.parent / "hub" / "models--a--b"
    snapshot = repo / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repo / "blobs").mkdir()
    write_gguf(repo / "blobs" / "0123")
    (snapshot / "tiny.gguf").symlink_to(Path("../../blobs/0123"))
    assert (await spec_of(provider, str(snapshot / "tiny.gguf"))).layers == LAYERS


@pytest.mark.parametrize("name", ["a.gguf", "a.safetensors", "config.json"])
@pytest.mark.parametrize(
    "content",
    [b"", b"GGUF", b"GGUF\x03\0\0\0" + b"\xff" * 16, b"\xff" * 8, b"nonsense" * 100, b"[" * 9999],
)
async def test_a_broken_file_is_a_typed_error_that_names_it(
    root: Path, provider: LocalProvider, name: str, content: bytes
):
    (root / name).write_bytes(content)
    with pytest.raises(InvalidArgument) as caught:
        await spec_of(provider, f"./{name}")
    assert name in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("cut", [100, 2000, 100_000])
async def test_a_truncated_download_is_a_typed_error(root: Path, provider: LocalProvider, cut: int):
    write_gguf(root / "a.gguf")
    content = (root / "a.gguf").read_bytes()
    (root / "a.gguf").write_bytes(content[:cut])
    with pytest.raises(InvalidArgument, match=r"a\.gguf"):
        await spec_of(provider, "./a.gguf")


async def test_a_pipe_is_no_model_and_nobody_waits_for_it(root: Path, provider: LocalProvider):
    os.mkfifo(root / "pipe.gguf")
    with pytest.raises(ModelNotFound):
        await provider.find(FindModel(query="./pipe.gguf"))


async def test_only_the_header_is_read(
    root: Path, provider: LocalProvider, monkeypatch: pytest.MonkeyPatch
):
    size = 3 * 2**30
    header = {"w": {"dtype": "BF16", "shape": [size // 2], "data_offsets": [0, size]}}
    text = json.dumps(header).encode()
    with (root / "big.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + size)
    read: list[int] = []
    original = os.read

    def counted(handle: int, length: int) -> bytes:
        read.append(length)
        return original(handle, length)

    monkeypatch.setattr(os, "read", counted)
    spec = await spec_of(provider, "./big.safetensors")
    assert spec.parameters.total == size // 2
    assert sum(read) < 1_000_000


async def test_several_models_in_one_folder_are_ambiguous(root: Path, provider: LocalProvider):
    write_gguf(root / "a-Q8_0.gguf")
    write_gguf(root / "b-Q8_0.gguf")
    with pytest.raises(AmbiguousModel) as caught:
        await provider.find(FindModel(query="."))
    assert caught.value.suggestions == ("a-Q8_0.gguf", "b-Q8_0.gguf")


@pytest.mark.parametrize("query", ["llama 3.1 8b", "a/b", "no/such.gguf", "ollama:llama3", "7B"])
async def test_what_is_no_path_is_left_to_others(provider: LocalProvider, query: str):
    assert await provider.find(FindModel(query=query)) == ()


@pytest.mark.parametrize("query", ["./none.gguf", "./empty", "./note.txt", "./\0.gguf"])
async def test_what_is_not_there_is_said(root: Path, provider: LocalProvider, query: str):
    (root / "empty").mkdir()
    (root / "note.txt").write_text("x", encoding="utf-8")
    with pytest.raises((ModelNotFound, InvalidArgument)) as caught:
        await provider.find(FindModel(query=query))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("kind", "file_type"), [("Q8_0", 7), ("F16", 1), ("Q6_K", 18), ("Q4_0", 2)]
)
async def test_estimate_vram_of_a_file_has_exactly_its_tensors_as_weights(
    root: Path, kind: str, file_type: int
):
    total = write_gguf(root / "some.gguf", kind=kind, file_type=file_type)
    async with open_toolbox(Config()) as tools:
        answer = await tools.estimate_vram(model="./some.gguf", accelerators="RTX 4090")
        spec = await tools.describe_model(model="./some.gguf")
        resolved = await resolve_model(tools.registry.session(), "./some.gguf")
    assert answer.model.id == "./some.gguf"
    plan = weigh(resolved.spec, "native", "llama.cpp")
    assert plan.language == total
    assert plan.basis == "exact"
    assert answer.memory_gib.total > 0
    assert spec.source == "local"
    assert spec.files


async def test_a_refused_path_is_refused_by_the_tools_too(root: Path):
    async with open_toolbox(Config()) as tools:
        with pytest.raises(PathNotAllowed):
            await tools.estimate_vram(model="/etc/a.gguf")
        with pytest.raises(ModelNotFound):
            await tools.estimate_vram(model="./a@b.gguf")
