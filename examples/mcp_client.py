"""Asks the server over MCP, as an assistant does: a process, two pipes, one question."""

import sys

import anyio
from mcp import Client, StdioServerParameters
from mcp_types import TextContent

SERVER = StdioServerParameters(command=sys.executable, args=["-m", "whichweights", "serve"])


async def main() -> None:
    async with Client(SERVER) as client:
        listed = await client.list_tools()
        print("tools:", *(tool.name for tool in listed.tools))
        answer = await client.call_tool("quantize_plan", {"tag": "Q4_K_M"})
        for block in answer.content:
            if isinstance(block, TextContent):
                print(block.text)


if __name__ == "__main__":
    anyio.run(main)
