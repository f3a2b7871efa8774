"""The official Python SDK's client: signs in by its own OAuth support and calls the three everyday tools.

The person at the browser is played by following the authorization URL's redirect. `run` beside this file starts the server.
"""

import asyncio
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

REDIRECT_URI = "http://127.0.0.1:8912/callback"


class Memory(TokenStorage):
    """Keeps tokens and registration as long as the program runs."""

    def __init__(self):
        self.tokens = self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


class Person:
    """Says yes at once: goes to the authorization URL and reads where it leads."""

    def __init__(self):
        self.asked = 0
        self.answer = {}

    async def go(self, url):
        self.asked += 1
        async with httpx2.AsyncClient() as browser:
            response = await browser.get(url, follow_redirects=False)
        assert response.status_code == 302, f"the authorization endpoint answers {response.status_code}"
        location = response.headers["location"]
        assert location.startswith(REDIRECT_URI), location
        self.answer = parse_qs(urlsplit(location).query)

    async def come_back(self):
        one = {name: values[0] for name, values in self.answer.items()}
        return AuthorizationCodeResult(code=one["code"], state=one.get("state"), iss=one.get("iss"))


async def main(url):
    person, memory = Person(), Memory()
    metadata = OAuthClientMetadata(
        client_name="Interoperation, Python",
        redirect_uris=[REDIRECT_URI],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
    )
    auth = OAuthClientProvider(url, metadata, memory, person.go, person.come_back)
    async with httpx2.AsyncClient(auth=auth, timeout=30) as http:
        async with streamable_http_client(url, http_client=http) as streams:
            async with ClientSession(streams[0], streams[1]) as session:
                await session.initialize()
                listed = {tool.name for tool in (await session.list_tools()).tools}
                assert {"get_weather", "list_files", "get_user_profile"} <= listed, listed
                weather = await session.call_tool("get_weather", {"city": "Oslo"})
                assert "Oslo" in weather.content[0].text, weather
                # Where access tokens live a second only, a refresh comes in between.
                await asyncio.sleep(1.2)
                files = await session.call_tool("list_files", {"path": "/notes"})
                assert "ideas.md" in files.content[0].text, files
                profile = await session.call_tool("get_user_profile", {})
                assert "alice@example.com" in profile.content[0].text, profile
    assert memory.tokens and memory.client
    print(f"signed in {person.asked} time(s), {len(listed)} tools")


asyncio.run(main(sys.argv[1]))
