"""Walks every tool and every other feature through the Python SDK client.  Usage: python.py legacy | auto

With `OVER_STDIO` the client starts `epicme stdio` in place of opening the URL.
"""

import asyncio
import contextlib
import json
import os
import re
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import httpx2
from mcp import Client, MCPDeprecationWarning, MCPError
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated
from mcp.types import ElicitResult, PromptReference, ResourceTemplateReference

# `ping` is deprecated, and still to be answered at the older revisions; so is `subscribe`, and still to be refused.
warnings.simplefilter("ignore", MCPDeprecationWarning)

MODE = sys.argv[1]
# `auto` is the client's default: it probes with server/discover.
REVISION = {"legacy": "2025-11-25", "auto": "2026-07-28"}[MODE]
MODERN = REVISION >= "2026"
WALK, FEATURES = (json.loads(Path(__file__).with_name(name).read_text()) for name in ("walk.json", "features.json"))

answered = None  # the last answer to a POST: the client tells less about a 401 or a 403 than the server said


async def remember(response):
    global answered
    if response.request.method == "POST":
        answered = response


OVER_STDIO = bool(os.environ.get("OVER_STDIO"))


@contextlib.asynccontextmanager
async def connect(token, person=None):
    """With a `person`, who is asked by the server's questions, the client says that it can ask."""
    options = {"mode": MODE, "read_timeout_seconds": 30, "elicitation_callback": person}
    if OVER_STDIO:
        arguments = ["stdio", "--database", os.environ["DATABASE"]]
        variables = {"EPICME_TOKEN": token} if token else {}
        program = StdioServerParameters(command=os.environ["EPICME"], args=arguments, env=variables)
        with open(os.devnull, "w") as log:
            async with Client(stdio_client(program, log), **options) as session:
                yield session
    else:
        async with http(token) as http_client:
            transport = streamable_http_client(os.environ["MCP_URL"], http_client=http_client)
            async with Client(transport, **options) as session:
                yield session


def http(token):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx2.AsyncClient(headers=headers, event_hooks={"response": [remember]})


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
    elif isinstance(expected, dict) and "<count>" in expected:
        expect(len(actual) == expected["<count>"], f"{at} has {len(actual)}")
    elif isinstance(expected, dict) and "<json>" in expected:
        expect_subset(json.loads(actual), expected["<json>"], f"{at} as JSON")
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


asked = []  # what the person was asked
answer = None  # and answers


async def person(context, params):
    asked.append(params.message)
    return ElicitResult(**answer)


async def take_asking(session, step):
    """As `take`, with a person who may be asked before the tool does it."""
    global answer
    answer = step.get("answer")
    for n in range(step.get("times", 1)):
        arguments = json.dumps(step["arguments"]).replace("<n>", str(n + 1))
        await take(session, {**step, "arguments": json.loads(arguments)})
    questions = list(asked)
    asked.clear()
    expect(len(questions) == (1 if "asked" in step else 0), f"asked {questions}")
    if "asked" in step:
        expect(re.search(step["asked"], questions[0]), f"asked {questions}")


async def every(method, items):
    """The pages of a list as one."""
    found = []
    page = await method()
    while True:
        found += getattr(page, items)
        if page.next_cursor is None:
            return found
        page = await method(cursor=page.next_cursor)


async def send(session, method, params):
    match method:
        case "resources/list":
            return {"resources": as_json(await every(session.list_resources, "resources"))}
        case "resources/templates/list":
            templates = await every(session.list_resource_templates, "resource_templates")
            return {"resourceTemplates": as_json(templates)}
        case "resources/read":
            return as_json(await session.read_resource(params["uri"]))
        case "prompts/list":
            return {"prompts": as_json(await every(session.list_prompts, "prompts"))}
        case "prompts/get":
            return as_json(await session.get_prompt(params["name"], params["arguments"]))
        case "completion/complete":
            kinds = {"ref/resource": ResourceTemplateReference, "ref/prompt": PromptReference}
            reference = kinds[params["ref"]["type"]](**params["ref"])
            return as_json(await session.complete(reference, params["argument"]))


def as_json(found):
    if isinstance(found, list):
        return [as_json(item) for item in found]
    return found.model_dump(by_alias=True, mode="json", exclude_none=True)


async def request(session, step):
    try:
        result = await send(session, step["method"], step.get("params"))
    except MCPError as error:
        code = step.get("error") if MODERN else step.get("legacyError", step.get("error"))
        expect(error.code == code, f"the code is {error.code}: {error.message}")
        expect("data" not in step or error.data == step["data"], f"the data is {error.data}")
    else:
        expect("error" not in step, f"no error but {result}")
        expect_subset(result, step["result"], "result")


async def hears(subscription, session, step):
    result = await session.call_tool(step["tool"], step["arguments"])
    expect(not result.is_error, result.content)
    heard = set()
    while not heard.issuperset(step["events"]):
        event = await asyncio.wait_for(anext(subscription), 5)
        heard.add(str(event.uri) if isinstance(event, ResourceUpdated) else "list_changed")
    expect(sorted(heard) == step["events"], f"heard {heard}")


async def honors(subscription, expected):
    expect_subset(as_json(subscription.honored), expected, "honored")


async def refuses_a_subscription(session):
    resources = as_json(session.server_capabilities.resources)
    expect(resources == {}, f"the capabilities of resources are {resources}")
    try:
        await session.subscribe_resource("epicme://tags")
    except MCPError as error:
        expect(error.code == -32601, f"the code is {error.code}")
    else:
        raise AssertionError("no error")


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
    told = ""
    try:
        async with connect(None):
            pass
    except* MCPError as errors:
        told = repr(errors.exceptions)
    if OVER_STDIO:
        expect("EPICME_TOKEN isn't set: make a token by" in told, told)
        return
    expect(answered.status_code == 401, f"the status is {answered.status_code}")
    challenge = answered.headers["www-authenticate"]
    expect(re.search(r'^Bearer .*resource_metadata="', challenge), challenge)


async def refuses_too_narrow_a_token():
    async with connect(os.environ["READ_TOKEN"]) as session:
        try:
            await session.call_tool("create_tag", {"name": "forbidden"})
        except MCPError as error:
            expect(not OVER_STDIO or "create_tag needs tags:write" in error.message, error.message)
        else:
            raise AssertionError("no error")
        if not OVER_STDIO:
            expect(answered.status_code == 403, f"the status is {answered.status_code}")
            challenge = answered.headers["www-authenticate"]
            expect('error="insufficient_scope"' in challenge, challenge)
            expect('needs tags:write", scope="entries:read tags:read tags:write"' in challenge, challenge)
        result = await session.call_tool("list_tags", {})
        names = [tag["name"] for tag in result.structured_content["tags"]]
        expect("forbidden" not in names, "the refused tag was written")


async def subscribes(session, other, wished):
    wish = wished["asked"]
    listening = session.listen(
        resources_list_changed=wish["resourcesListChanged"],
        tools_list_changed=wish["toolsListChanged"],
        resource_subscriptions=wish["resourceSubscriptions"],
    )
    async with listening as subscription:
        await check("the subscription is honored as far as it can be", honors(subscription, wished["honored"]))
        for step in wished["changes"]:
            claim = f"{step['tool']} by another client is heard as {step['events']}"
            await check(claim, hears(subscription, other, step))


async def main():
    print(f"python mcp {version('mcp')}, revision {REVISION}{', over stdio' if OVER_STDIO else ''}")
    async with connect(os.environ["TOKEN"]) as session:
        await check("speaks the revision, with the server named", speaks_the_revision(session))
        await check("lists the tools that are walked, and no others", lists_the_tools(session))
        for step in WALK:
            await check(f"{step['tool']} {json.dumps(step['arguments'])}", take(session, step))
        await check("an unknown tool is a protocol error", refuses_an_unknown_tool(session))
        if not MODERN:
            await check("answers ping", session.send_ping())
        async with connect(os.environ["TOKEN"], person) as asking:
            for step in FEATURES["steps"]:
                work = request if "method" in step else take_asking
                claim = step.get("method") or step["tool"]
                await check(f"{claim} {json.dumps(step.get('params') or step.get('arguments'))}", work(asking, step))
            if MODERN:
                await subscribes(asking, session, FEATURES["subscription"])
            else:
                await check("declares no subscriptions, and refuses one", refuses_a_subscription(asking))
    await check("no token: 401 with a challenge", refuses_without_a_token())
    await check("too narrow a token: 403 that names the missing scope", refuses_too_narrow_a_token())
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


asyncio.run(main())
