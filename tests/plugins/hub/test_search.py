"""Names as people type them, files, and relatives."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invented import dense, mixture, packed
from local_hub import Fault, File, LocalHub, MakeProvider, Repo, text_file

from whichweights_plugins.hub.facts import HubFile
from whichweights_plugins.hub.gguf_names import as_gguf_name
from whichweights_plugins.hub.provider import HubProvider
from whichweights_plugins.hub.search import as_repo_id, search_words
from whichweights_plugins.hub.weight_files import format_of, listed_files, model_weights
from whichweights_schemas.errors import ProviderFailed
from whichweights_schemas.models import ModelRef
from whichweights_schemas.requests import FindModel, ModelQuestion

BASE = "inventors/Thing-3.1-8B-Instruct"
QUESTION = ModelQuestion(ref=ModelRef(id=BASE, provider="hub"))


@pytest.fixture
def family(hub: LocalHub) -> LocalHub:
    quantized = f"base_model:quantized:{BASE}"
    hub.add(dense().repo(BASE, downloads=1000))
    hub.add(
        dense().repo("mirror/Thing-3.1-8B-Instruct", downloads=9000, tags=[f"base_model:{BASE}"])
    )
    hub.add(packed(dense()).repo("packers/Thing-3.1-8B-Instruct-AWQ", tags=[quantized, "awq"]))
    gguf = Repo(
        "packers/Thing-3.1-8B-Instruct-GGUF",
        {
            "Thing-Q4_K_M.gguf": File(b"GGUF", 5_000_000_000, lfs=True),
            "mmproj-Thing-f16.gguf": File(b"GGUF", 800_000_000, lfs=True),
            "Thing-Q8_0-00001-of-00002.gguf": File(b"GGUF", 4_000_000_000, lfs=True),
            "Thing-Q8_0-00002-of-00002.gguf": File(b"GGUF", 4_500_000_000, lfs=True),
            "Thing.imatrix": File(b"", 4_000_000, lfs=True),
            "README.md": text_file("hello"),
        },
        tags=[quantized, "gguf"],
        downloads=5000,
        extra={"gguf": {"total": 8_030_261_248, "architecture": "llama", "context_length": 131072}},
    )
    hub.add(gguf)
    hub.add(dense().repo("tuners/Thing-Poet", tags=[f"base_model:finetune:{BASE}"], downloads=7))
    hub.add(dense().repo("tuners/Thing-Distill-1B", tags=[f"base_model:finetune:{BASE}"]))
    return hub


async def matches(provider: HubProvider, query: str) -> dict[str, str]:
    return {ref.id: ref.match for ref in await provider.find(FindModel(query=query))}


@pytest.mark.parametrize(
    "query", ["thing 3.1 8b instruct", "Thing-3.1-8B-Instruct", "THING_3.1 8B Instruct"]
)
async def test_a_name_without_its_owner_means_the_original_not_a_copy(
    family: LocalHub, provider: HubProvider, query: str
):
    found = await matches(provider, query.replace("_", "-"))
    assert found[BASE] == "partial"
    assert set(found.values()) - {"partial"} <= {"similar"}
    assert list(found.values()).count("partial") == 1
    assert len(family.log) == 1


async def test_a_name_that_asks_for_a_copy_means_the_copy(family: LocalHub, provider: HubProvider):
    found = await matches(provider, "thing 3.1 8b instruct awq")
    assert found == {"packers/Thing-3.1-8B-Instruct-AWQ": "partial"}


async def test_half_a_name_is_answered_with_suggestions_only(
    family: LocalHub, provider: HubProvider
):
    found = await matches(provider, "thing 3.1 8b")
    assert set(found.values()) == {"similar"}
    assert next(iter(found)) == BASE


async def test_two_originals_of_one_name_are_both_named(hub: LocalHub, provider: HubProvider):
    for owner in ("one", "two"):
        hub.add(dense().repo(f"{owner}/Same-1B"))
    assert await matches(provider, "same 1b") == {
        "one/Same-1B": "partial",
        "two/Same-1B": "partial",
    }


@pytest.mark.parametrize(
    ("query", "identifier"),
    [
        ("Owner/Name", "Owner/Name"),
        ("https://huggingface.co/Owner/Name/", "Owner/Name"),
        ("hf.co/Owner/Name", "Owner/Name"),
        ("Owner/Name/extra", None),
        ("Owner/../Name", None),
        ("./Owner/Name", None),
        ("models/file.gguf", None),
        ("Owner/Na--me", None),
    ],
)
def test_an_id_is_told_from_a_path(query: str, identifier: str | None):
    assert as_repo_id(query) == identifier


@given(st.text(max_size=60))
def test_no_text_makes_a_request_to_another_path(query: str):
    identifier = as_repo_id(query)
    assert identifier is None or (identifier.count("/") == 1 and "?" not in identifier)
    words = search_words(query)
    assert words is None or (words and "/" not in words)
    name = as_gguf_name(query)
    assert name is None or name.repo.count("/") == 1


async def test_files_come_with_their_real_sizes_parts_as_one_row(
    family: LocalHub, provider: HubProvider
):
    ref = ModelRef(id="packers/Thing-3.1-8B-Instruct-GGUF", provider="hub")
    rows = await provider.files(ModelQuestion(ref=ref))
    told = {row.path: (row.size_bytes, row.format, row.note) for row in rows}
    assert told["Thing-Q4_K_M.gguf"] == (5_000_000_000, "Q4_K_M", None)
    assert told["Thing-Q8_0-*-of-00002.gguf"] == (8_500_000_000, "Q8_0", "2 files")
    assert told["mmproj-Thing-f16.gguf"][2] == "vision projector"
    assert rows[0].path == "Thing-Q4_K_M.gguf"


async def test_no_more_files_than_asked_for(family: LocalHub, provider: HubProvider):
    ref = ModelRef(id="packers/Thing-3.1-8B-Instruct-GGUF", provider="hub")
    assert len(await provider.files(ModelQuestion(ref=ref, limit=2))) == 2


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("Model-Q4_K_M.gguf", "Q4_K_M"),
        ("Model-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("model.IQ2_XXS.gguf", "IQ2_XXS"),
        ("Q8_0/Model-Q8_0-00001-of-00003.gguf", "Q8_0"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("Qwen3-8B-BF16.gguf", "BF16"),
        ("strange.gguf", "GGUF"),
        ("model.safetensors", "safetensors"),
        ("pytorch_model.bin", "bin"),
        ("training_args.bin", None),
        ("README.md", None),
    ],
)
def test_the_name_of_a_file_says_its_format(path: str, name: str | None):
    assert format_of(path) == name


def test_a_missing_part_is_said():
    files = [HubFile("m-00001-of-00003.gguf", 5), HubFile("m-00002-of-00003.gguf", 5)]
    (row,) = listed_files(files, 5)
    assert (row.size_bytes, row.note) == (10, "2 of 3 files")


def test_several_formats_side_by_side_are_no_one_set_of_weights():
    assert model_weights([HubFile("a-Q4_0.gguf", 1), HubFile("a-Q8_0.gguf", 2)]) == ()


async def test_relatives_are_told_with_what_they_are(family: LocalHub, provider: HubProvider):
    rows = {row.id: row for row in await provider.relatives(QUESTION)}
    assert list(rows) == [
        "packers/Thing-3.1-8B-Instruct-GGUF",
        "packers/Thing-3.1-8B-Instruct-AWQ",
        "tuners/Thing-Distill-1B",
        "tuners/Thing-Poet",
    ]
    assert [row.relation for row in rows.values()] == [
        "quantized", "quantized", "distilled", "finetuned",
    ]  # fmt: skip
    assert "GGUF" in (rows["packers/Thing-3.1-8B-Instruct-GGUF"].note or "")
    assert "13.3 GiB stored" in (rows["packers/Thing-3.1-8B-Instruct-GGUF"].note or "")
    assert rows["tuners/Thing-Poet"].parameters == dense().parameters
    assert len(family.log) == 3


async def test_a_copy_names_what_it_was_made_from(family: LocalHub, provider: HubProvider):
    ref = ModelRef(id="packers/Thing-3.1-8B-Instruct-AWQ", provider="hub")
    (row,) = await provider.relatives(ModelQuestion(ref=ref))
    assert (row.id, row.relation) == (BASE, "base")


async def test_one_failing_list_leaves_the_other(family: LocalHub, make: MakeProvider):
    family.faults.append(Fault("/api/models", 400, times=0))
    provider = make(timeout=1)
    await provider.find(FindModel(query=BASE))
    family.repos.pop("tuners/thing-poet")
    rows = await provider.relatives(QUESTION)
    assert {row.relation for row in rows} == {"quantized", "distilled"}


async def test_when_no_list_comes_the_failure_is_told(family: LocalHub, make: MakeProvider):
    provider = make(timeout=1.5)
    await provider.find(FindModel(query=BASE))
    family.faults.append(Fault("/api/models", 500))
    with pytest.raises(ProviderFailed):
        await provider.relatives(QUESTION)


async def test_a_repository_of_gguf_files_tells_count_window_and_origin(
    family: LocalHub, provider: HubProvider
):
    spec = await provider.spec(ModelRef(id="packers/Thing-3.1-8B-Instruct-GGUF", provider="hub"))
    assert spec is not None
    assert spec.parameters.total == 8_030_261_248
    assert spec.max_context_tokens == 131_072
    assert spec.base_model == BASE
    assert (spec.layout, spec.native, spec.stored_bytes) == ((), None, None)
    assert {entry.field for entry in spec.unknown} >= {"blocks", "native", "stored_bytes"}


async def test_a_mixture_has_no_relatives_where_nobody_made_any(
    hub: LocalHub, provider: HubProvider
):
    hub.add(mixture().repo(BASE))
    assert await provider.relatives(QUESTION) == []


async def test_the_cache_lies_where_it_was_put(
    family: LocalHub, make: MakeProvider, tmp_path: Path
):
    await make(cache_file=str(tmp_path / "mine.sqlite")).find(FindModel(query=BASE))
    assert (tmp_path / "mine.sqlite").is_file()
