"""One GGUF file of a repository: its header is read by range, its body never."""

from pathlib import Path
from typing import Any

import gguf
import numpy
import pytest
from local_hub import Fault, File, LocalHub, MakeProvider, Repo

from whichweights_plugins.hub.provider import HubProvider
from whichweights_schemas.errors import InvalidArgument, UpstreamError
from whichweights_schemas.models import ModelSpec
from whichweights_schemas.requests import FindModel, ModelQuestion

ID = "packers/Tiny-GGUF"
HIDDEN, WIDTH, VOCABULARY, LAYERS = 64, 128, 96, 2
BODY = 10_000_000


def llama_file(path: Path, *, vocabulary: int = VOCABULARY) -> bytes:
    """The header of a small Llama as the gguf package writes it, and the start of its tensors."""
    writer: Any = gguf.GGUFWriter(path, "llama")
    writer.add_name("Tiny")
    writer.add_block_count(LAYERS)
    writer.add_context_length(4096)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_token_list([f"token-{number}" for number in range(vocabulary)])
    shapes = {"token_embd.weight": (vocabulary, HIDDEN), "output_norm.weight": (HIDDEN,)}
    for index in range(LAYERS):
        at = f"blk.{index}"
        shapes |= {
            f"{at}.attn_q.weight": (64, 64), f"{at}.attn_k.weight": (32, 64),
            f"{at}.attn_v.weight": (32, 64), f"{at}.attn_output.weight": (64, 64),
            f"{at}.ffn_gate.weight": (WIDTH, 64), f"{at}.ffn_up.weight": (WIDTH, 64),
            f"{at}.ffn_down.weight": (64, WIDTH), f"{at}.attn_norm.weight": (64,),
            f"{at}.ffn_norm.weight": (64,),
        }  # fmt: skip
    for name, shape in shapes.items():
        writer.add_tensor(name, numpy.zeros(shape, dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return llama_file(tmp_path / "tiny.gguf")


@pytest.fixture
def stocked(hub: LocalHub, content: bytes) -> LocalHub:
    files = {
        "Tiny-F32.gguf": File(content, len(content) + BODY, lfs=True),
        "Tiny-Q8_0.gguf": File(content, len(content), lfs=True),
        "mmproj-Tiny-F16.gguf": File(b"GGUF", 100, lfs=True),
    }
    hub.add(Repo(ID, files, tags=["license:mit"]))
    return hub


async def spec_of(provider: HubProvider, query: str) -> ModelSpec:
    (ref,) = await provider.find(FindModel(query=query))
    spec = await provider.spec(ref)
    assert spec is not None
    assert spec.id == ref.id
    return spec


@pytest.mark.parametrize("query", [f"{ID}/Tiny-F32.gguf", f"{ID}:F32", f"{ID}:f32"])
async def test_the_header_of_the_named_file_tells_the_shape(
    stocked: LocalHub, provider: HubProvider, content: bytes, query: str
):
    spec = await spec_of(provider, query)
    assert spec.id == f"{ID}/Tiny-F32.gguf"
    assert (spec.layers, spec.hidden_size, spec.vocab_size) == (LAYERS, HIDDEN, VOCABULARY)
    assert spec.native is not None
    assert spec.native.container == "gguf"
    assert spec.stored_bytes == len(content) + BODY
    assert spec.license == "mit"
    assert spec.revision is not None


async def test_only_the_start_of_the_file_is_read_and_only_once(
    stocked: LocalHub, provider: HubProvider
):
    first = await spec_of(provider, f"{ID}/Tiny-F32.gguf")
    reads = stocked.requests("/storage/")
    assert len(reads) == 1
    assert reads[0].status == 206
    assert reads[0].sent_bytes <= 2**20
    assert await spec_of(provider, f"{ID}/Tiny-F32.gguf") == first
    assert stocked.requests("/storage/") == reads


@pytest.mark.parametrize("query", [f"{ID}:Q2_K", f"{ID}/no.gguf", f"{ID}/mmproj-Tiny-F16.gguf"])
async def test_a_file_that_is_not_there_is_not_found(
    stocked: LocalHub, provider: HubProvider, query: str
):
    assert await provider.find(FindModel(query=query)) == ()


async def test_files_of_the_repository_are_told_for_one_of_them_too(
    stocked: LocalHub, provider: HubProvider
):
    (ref,) = await provider.find(FindModel(query=f"{ID}:F32"))
    assert len(await provider.files(ModelQuestion(ref=ref))) == 3


@pytest.mark.parametrize("head", [b"GGUF", b"nonsense" * 100, b""])
async def test_a_broken_header_is_a_typed_error_and_is_forgotten(
    hub: LocalHub, make: MakeProvider, content: bytes, head: bytes
):
    repo = hub.add(Repo(ID, {"T-F32.gguf": File(head, len(head), lfs=True)}))
    with pytest.raises(InvalidArgument):
        await spec_of(make(), f"{ID}:F32")
    repo.files["T-F32.gguf"] = File(content, len(content), lfs=True)
    assert (await spec_of(make(fresh_seconds=0), f"{ID}:F32")).layers == LAYERS


async def test_a_store_that_fails_is_an_upstream_error(stocked: LocalHub, make: MakeProvider):
    stocked.faults.append(Fault("/storage/", 500))
    with pytest.raises(UpstreamError):
        await spec_of(make(timeout=1), f"{ID}:F32")
