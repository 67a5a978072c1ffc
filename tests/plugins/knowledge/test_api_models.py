import pytest

from whichweights.testing import ApiModelProviderContract, PriceProviderContract, construct
from whichweights_plugins.knowledge._tables import load_rows, table_bytes
from whichweights_plugins.knowledge.api_models import KnowledgeApiModels
from whichweights_plugins.knowledge.building.api_models import check_api_models
from whichweights_plugins.knowledge.prices import KnowledgePrices
from whichweights_schemas.api_models import ApiModel
from whichweights_schemas.requests import FindApiModel, PriceQuestion


async def found(query: str, limit: int = 12) -> list[ApiModel]:
    provider = construct(KnowledgeApiModels)
    return list(await provider.find(FindApiModel(query=query, limit=limit)))


class TestKnowledgeApiModels(ApiModelProviderContract):
    known_query = "gpt-5"

    @pytest.fixture
    def provider(self) -> KnowledgeApiModels:
        return construct(KnowledgeApiModels)


class TestKnowledgePrices(PriceProviderContract):
    known_api_model = "gpt-5"

    @pytest.fixture
    def provider(self) -> KnowledgePrices:
        return construct(KnowledgePrices)


@pytest.mark.parametrize(
    ("query", "model"),
    [
        ("gpt-5", "gpt-5"),
        ("GPT 5", "gpt-5"),
        ("openai/gpt-5", "gpt-5"),
        ("Claude Opus 4.5", "claude-opus-4-5"),
        ("claude-opus-4-5", "claude-opus-4-5"),
        ("claude_opus_4.5", "claude-opus-4-5"),
        ("gemini 2.5 pro", "gemini-2.5-pro"),
        ("nova pro", "amazon.nova-pro-v1:0"),
        ("kimi-k3", "kimi-k3"),
    ],
)
async def test_ids_vendor_ids_and_display_names_find_the_makers_model(query: str, model: str):
    first = (await found(query))[0]
    assert first.id == model
    assert first.first_party


@pytest.mark.parametrize("query", ["claude sonnet", "gpt", "5", "llama 3.3", "no-such-model"])
async def test_part_of_a_name_finds_nothing_rather_than_something(query: str):
    assert await found(query) == []


async def test_a_host_is_chosen_by_naming_it():
    [model] = await found("groq/openai/gpt-oss-120b")
    assert model.vendor == "groq"
    assert not model.first_party
    assert model.open_weights


async def test_a_hosted_open_weight_model_is_known_to_be_one():
    for model in await found("Qwen/Qwen3-32B"):
        assert model.open_weights
        assert "open_weights" not in model.unverified


async def test_a_placeholder_output_limit_is_named_as_unverified():
    models = await found("", limit=1000)
    assert len(models) == 400
    doubtful = [model for model in models if "max_output_tokens" in model.unverified]
    assert doubtful
    assert all(model.max_output_tokens is not None for model in doubtful)
    for model in models:
        if model.max_output_tokens and model.max_output_tokens == model.context_tokens:
            assert "max_output_tokens" in model.unverified


async def test_a_model_with_tiers_says_where_the_higher_price_begins():
    model = (await found("gemini-2.5-pro"))[0]
    assert model.prices_above_tokens == 200_000
    assert any("200,000" in note for note in model.notes)


async def test_prices_carry_date_source_and_that_no_price_page_was_read():
    model = (await found("gpt-5"))[0]
    assert model.prices is not None
    assert model.prices.date == "2026-11-20"
    assert "litellm" in model.prices.source
    [said] = [row for row in model.evidence if "prices" in row.fields]
    assert "price page was not read" in (said.note or "")


async def test_a_missing_price_is_null_and_never_zero():
    unpriced = [row for row in load_rows("api_models") if "prices" not in row]
    assert unpriced
    row = unpriced[0]
    model = (await found(f"{row['vendor']}/{row['id']}"))[0]
    assert model.prices is None


async def test_the_price_provider_gives_token_prices_and_no_prices_of_devices():
    prices = construct(KnowledgePrices)
    tokens = await prices.token_prices(PriceQuestion(api_model="claude opus 4.5"))
    assert tokens is not None
    assert tokens.input_usd_per_mtok == 5.0
    assert await prices.token_prices(PriceQuestion()) is None
    assert await prices.device_price(PriceQuestion(device="H100 80GB")) is None


def test_the_shipped_table_is_small_and_whole():
    rows = load_rows("api_models")
    assert check_api_models(rows) == []
    assert len(rows) == 566
    assert table_bytes("api_models") < 40_000


def test_the_check_names_a_row_without_date_or_with_a_senseless_price():
    rows = [dict(row) for row in load_rows("api_models")[:3]]
    rows[0]["date"] = None
    rows[1]["prices"] = {"input_usd_per_mtok": -1.0}
    rows[2] |= {"id": rows[1]["id"], "vendor": rows[1]["vendor"]}
    assert len(check_api_models(rows)) == 3
