"""Walks every tool through the Python SDK client.  Usage: python.py legacy | auto"""

import asyncio
import json
import os
import re
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import httpx2
from mcp import Client, MCPDeprecationWarning, MCPError
from mcp.client.streamable_http import streamable_http_client

# `ping` is deprecated, and still to be answered at the older revisions.
warnings.simplefilter("ignore", MCPDeprecationWarning)

MODE = sys.argv[1]
# `auto` is the client's default: it probes with server/discover.
REVISION = {"legacy": "2025-11-25", "auto": "2026-07-28"}[MODE]
WALK = json.loads(Path(__file__).with_name("walk.json").read_text())

answered = None  # the last answer to a POST: the client tells less about a 401 or a 403 than the server said


async def remember(response):
    global answered
    if response.request.method == "POST":
        answered = response


def http(token):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx2.AsyncClient(headers=headers, event_hooks={"response": [remember]})


def client(http_client):
    transport = streamable_http_client(os.environ["MCP_URL"], http_client=http_client)
    return Client(transport, mode=MODE, read_timeout_seconds=30)


ABSENT = object()


def expect(condition, message):
    """`assert` would vanish under `python -O`."""
    if not condition:
        raise AssertionError(message)


def expect_subset(actual, expected, at):
    """Objects may hold more than what is expected of them; everything else is exact."""
    if expected == "<absent>":
        expect(actual is ABSENT, f"{at} is {actual!r}, not absent")
    elif expected == "<string>":
        expect(isinstance(actual, str), f"{at}: {actual!r} is no string")
    elif expected == "<integer>":
        expect(type(actual) is int, f"{at}: {actual!r} is no integer")
    elif expected == "<array>":
        expect(isinstance(actual, list), f"{at} is no array")
    elif isinstance(expected, list):
        expect(isinstance(actual, list) and len(actual) == len(expected), f"{at} is {actual!r}, not {expected!r}")
        for index, item in enumerate(expected):
            expect_subset(actual[index], item, f"{at}[{index}]")
    elif isinstance(expected, dict):
        expect(isinstance(actual, dict), f"{at} is no object")
        for key, item in expected.items():
            expect_subset(actual.get(key, ABSENT), item, f"{at}.{key}")
    else:
        expect(actual == expected and type(actual) is type(expected), f"{at} is {actual!r}, not {expected!r}")


cursor = None  # the last nextCursor that any list gave


async def take(session, step):
    global cursor
    arguments = dict(step["arguments"])
    if arguments.get("cursor") == "<nextCursor>":
        arguments["cursor"] = cursor
    result = await session.call_tool(step["tool"], arguments)
    texts = [block.text for block in result.content if block.type == "text"]
    if "error" in step:
        expect(result.is_error, f"no error but {result.structured_content!r}")
        expect(re.search(step["error"], texts[0]), f"{texts[0]!r} does not match {step['error']!r}")
        return
    expect(not result.is_error, texts[0])
    cursor = result.structured_content.get("nextCursor", cursor)
    expect_subset(result.structured_content, step["result"], "result")
    expect(json.loads(texts[-1]) == result.structured_content, "the last text is not the result as JSON")
    if "says" in step:
        expect(re.search(step["says"], texts[0]), f"{texts[0]!r} does not match {step['says']!r}")
    links = [str(block.uri) for block in result.content if block.type == "resource_link"]
    if "links" in step:
        expect(links == step["links"], f"links are {links}, not {step['links']}")


passed = failed = 0


async def check(claim, work):
    global passed, failed
    try:
        await work
        passed += 1
    except Exception as error:
        failed += 1
        print(f"  FAILED {claim}\n         {error!r}")


async def speaks_the_revision(session):
    expect(session.protocol_version == REVISION, f"the revision is {session.protocol_version}")
    expect(session.server_info.name == "epicme", f"the server is {session.server_info}")
    expect(session.server_capabilities.tools is not None, "no tools are declared")


async def lists_the_tools(session):
    names = sorted(tool.name for tool in (await session.list_tools()).tools)
    walked = sorted({step["tool"] for step in WALK})
    expect(names == walked, f"the tools are {names}")


async def refuses_an_unknown_tool(session):
    try:
        await session.call_tool("no_such_tool", {})
    except MCPError as error:
        expect(error.code == -32602, f"the code is {error.code}")
    else:
        raise AssertionError("no error")


async def refuses_without_a_token():
    try:
        async with http(None) as http_client, client(http_client):
            pass
    except* MCPError:
        pass
    expect(answered.status_code == 401, f"the status is {answered.status_code}")
    challenge = answered.headers["www-authenticate"]
    expect(re.search(r'^Bearer .*resource_metadata="', challenge), challenge)


async def refuses_too_narrow_a_token():
    async with http(os.environ["READ_TOKEN"]) as http_client, client(http_client) as session:
        try:
            await session.call_tool("create_tag", {"name": "forbidden"})
        except MCPError:
            pass
        else:
            raise AssertionError("no error")
        expect(answered.status_code == 403, f"the status is {answered.status_code}")
        challenge = answered.headers["www-authenticate"]
        expect('error="insufficient_scope"' in challenge, challenge)
        expect(re.search(r'[ ,]scope="tags:write"', challenge), challenge)
        result = await session.call_tool("list_tags", {})
        expect(result.structured_content["total"] == 1, "the refused tag was written")


async def main():
    print(f"python mcp {version('mcp')}, revision {REVISION}")
    async with http(os.environ["TOKEN"]) as http_client, client(http_client) as session:
        await check("speaks the revision, with the server named", speaks_the_revision(session))
        await check("lists the tools that are walked, and no others", lists_the_tools(session))
        for step in WALK:
            await check(f"{step['tool']} {json.dumps(step['arguments'])}", take(session, step))
        await check("an unknown tool is a protocol error", refuses_an_unknown_tool(session))
        if MODE == "legacy":
            await check("answers ping", session.send_ping())
    await check("no token: 401 with a challenge", refuses_without_a_token())
    await check("too narrow a token: 403 that names the missing scope", refuses_too_narrow_a_token())
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


asyncio.run(main())
