"""Token prices out of the table of hosted models; prices of devices are not shipped."""

from __future__ import annotations

from whichweights_plugins.knowledge.api_models import find_row, token_prices
from whichweights_schemas.api_models import TokenPrices
from whichweights_schemas.providers import NoSettings, PriceProvider
from whichweights_schemas.requests import PriceQuestion


class KnowledgePrices(PriceProvider[NoSettings]):
    """Dated list prices of tokens. What an hour of a device costs is for the user to say."""

    async def token_prices(self, request: PriceQuestion) -> TokenPrices | None:
        if not request.api_model:
            return None
        row = await self.run_blocking(find_row, request.api_model)
        return token_prices(row) if row else None
