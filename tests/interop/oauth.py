"""The whole OAuth flow through the Python SDK client, from nothing but the URL."""

import asyncio
import logging
import os
import re
import sys
from contextlib import asynccontextmanager
from html import unescape
from importlib.metadata import version
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
from mcp import Client, MCPError
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

# The SDK logs a refusal that is expected here with its whole trace.
logging.getLogger("mcp").setLevel(logging.CRITICAL)

MCP_URL = os.environ["MCP_URL"]
ORIGIN = urljoin(MCP_URL, "/").rstrip("/")
INITIAL = ["user:read", "entries:read", "tags:read"]
CALLBACK = "http://localhost:1/callback"

requests = []  # `POST /token 200`, since the last look


def seen():
    found = list(requests)
    requests.clear()
    return found


async def remember(response):
    requests.append(f"{response.request.method} {response.request.url.path} {response.status_code}")


class Storage:
    """Keeps in memory what a client would keep on disk."""

    tokens = client_info = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client_info

    async def set_client_info(self, client_info):
        self.client_info = client_info


class Person:
    """Opens the URL that the client shows, signs in, and allows what is asked for."""

    asked = {}  # the parameters of the last authorization request
    times = 0

    async def open(self, url):
        self.asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        self.times += 1
        async with httpx2.AsyncClient() as browser:
            page = await browser.get(url)
            answers = {"email": os.environ["EMAIL"], "password": os.environ["PASSWORD"]}
            signed_in = await self.submit(browser, page, "/sign-in", answers)
            consent = await browser.get(urljoin(url, signed_in.headers["location"]))
            ticks = {scope: "1" for scope in re.findall(r'type="checkbox" name="([^"]*)"', consent.text)}
            allowed = await self.submit(browser, consent, "/authorize", {**ticks, "decision": "allow"})
        expect(allowed.status_code == 303, f"allowing gave {allowed.status_code}: {allowed.text}")
        self.redirect = allowed.headers["location"]

    async def submit(self, browser, page, action, answers):
        expect(f'action="{action}"' in page.text, f"the page has no form for {action}: {page.text}")
        hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page.text)
        form = {name: unescape(value) for name, value in hidden}
        return await browser.post(urljoin(str(page.url), action), data={**form, **answers})

    async def come_back(self):
        expect(self.redirect.startswith(CALLBACK + "?"), f"sent to {self.redirect}")
        answer = {name: values[0] for name, values in parse_qs(urlsplit(self.redirect).query).items()}
        expect(answer["iss"] == ORIGIN, f"iss is {answer['iss']}")
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer["iss"])


def expect(condition, message):
    """`assert` would vanish under `python -O`."""
    if not condition:
        raise AssertionError(message)


class Away(Exception):
    """The person is not at the browser."""


async def nobody_there(url):
    raise Away


storage, person = Storage(), Person()


@asynccontextmanager
async def connected(open_url, token_expiry_time=None):
    """A client as a new process would make it: what it knows is in the storage."""
    metadata = OAuthClientMetadata(
        client_name="epicme-interop python",
        redirect_uris=[CALLBACK],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
    )
    provider = OAuthClientProvider(MCP_URL, metadata, storage, open_url, person.come_back)
    provider.context.token_expiry_time = token_expiry_time
    hooks = {"response": [remember]}
    async with httpx2.AsyncClient(auth=provider, event_hooks=hooks) as http_client:
        transport = streamable_http_client(MCP_URL, http_client=http_client)
        async with Client(transport, read_timeout_seconds=30) as session:
            yield session, provider


async def call(session, tool, arguments=None):
    result = await session.call_tool(tool, arguments or {})
    expect(not result.is_error, result.content)
    return result.structured_content


passed = failed = 0


async def check(claim, work):
    global passed, failed
    try:
        await work
        passed += 1
    except Exception as error:
        failed += 1
        print(f"  FAILED {claim}\n         {error!r} after {requests}")


async def connects_from_nothing(session):
    expect((await call(session, "whoami"))["user"]["email"] == os.environ["EMAIL"], "whoami is somebody else")
    expect(person.times == 1, f"the person was asked {person.times} times")
    expect(person.asked["scope"].split() == INITIAL, person.asked)
    expect(person.asked["resource"] == MCP_URL, person.asked)
    found = seen()
    flow = [
        "POST /mcp 401",
        "GET /.well-known/oauth-protected-resource/mcp 200",
        "GET /.well-known/oauth-authorization-server 200",
        "POST /register 201",
        "POST /token 200",
        "POST /mcp 200",
    ]
    expect(found[: len(flow)] == flow, found)
    expect(storage.tokens.expires_in == 900, storage.tokens)


async def steps_up(session):
    entry = (await call(session, "create_entry", {"title": "Allowed later", "content": "x"}))["entry"]
    expect(entry["title"] == "Allowed later", entry)
    expect(sorted(person.asked["scope"].split()) == sorted([*INITIAL, "entries:write"]), person.asked)
    expect(seen()[:3] == ["POST /mcp 403", "POST /token 200", "POST /mcp 200"], "other requests")
    expect(person.times == 2, f"the person was asked {person.times} times")


async def refreshes(session, provider):
    before = storage.tokens
    provider.context.token_expiry_time = 1  # long ago
    expect((await call(session, "list_entries"))["total"] == 1, "the entry is not there")
    expect(seen() == ["POST /token 200", "POST /mcp 200"], "other requests")
    expect(storage.tokens.refresh_token != before.refresh_token, "the refresh token was not rotated")
    expect(storage.tokens.access_token != before.access_token, "the access token is the same")
    expect(storage.tokens.scope == before.scope, storage.tokens)
    expect(person.times == 2, "the person was asked again")


async def is_refused_when_revoked():
    form = {"token": storage.tokens.refresh_token, "client_id": storage.client_info.client_id}
    async with httpx2.AsyncClient() as http_client:
        revoked = await http_client.post(f"{ORIGIN}/revoke", data=form)
    expect(revoked.status_code == 200, revoked)
    seen()
    try:
        async with connected(nobody_there, token_expiry_time=1) as (session, _):
            await call(session, "list_entries")
    except* (Away, MCPError):
        pass
    found = seen()
    expect(found[:2] == ["POST /token 400", "POST /mcp 401"], found)
    expect("POST /mcp 200" not in found, found)


async def main():
    print(f"python mcp {version('mcp')}, OAuth from nothing")
    async with connected(person.open) as (session, provider):
        await check("401, discovery, registration, sign-in, consent, tokens, a call", connects_from_nothing(session))
        await check("403 step-up: asks for more, and gets it", steps_up(session))
        await check("an access token past its time is refreshed, its refresh token rotated", refreshes(session, provider))
    await check("after revocation the refresh and the next call are refused", is_refused_when_revoked())
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


asyncio.run(main())
