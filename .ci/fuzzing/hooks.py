"""What a schema cannot say of this run: which credential it is made with, and what the channel under test has turned off."""

import hashlib
import itertools
import json
import os
import re
import threading

import schemathesis

SCHEME = os.environ["FUZZ_AS"]
TOKENS = os.environ["FUZZ_TOKENS"].split()
SESSION = json.loads(os.environ["FUZZ_SESSION"])
KEY = re.compile(r'^(?:"[ !#-~]{1,255}"|[!#-~](?:[ !#-~]{0,253}[!#-~])?)$')
# Requests that one token makes before the next one's turn comes. A session's user may make 240 a minute.
TURN = 150

_calls = itertools.count()
_lock = threading.Lock()


@schemathesis.hook
def before_load_schema(context, raw_schema):
    schemas = raw_schema["components"]["schemas"]
    # The channel has `image_urls` off, and refuses what the document offers for others.
    schemas["Image"]["anyOf"] = [one for one in schemas["Image"]["anyOf"] if not one["$ref"].endswith("/ImageUrl")]
    if SCHEME == "apiKey":
        # With an API key a message names its user; only a session's can leave it out.
        for name in ("Message", "MessageForm"):
            schemas[name]["required"] = ["user"]
    else:
        # A session is one user's; others are answered with 403 before anything else is looked at.
        schemas["User"]["enum"] = [SESSION["user"]]
        schemas["Conversation"]["enum"] = [SESSION["conversation"]]
        schemas["Nickname"]["enum"] = [SESSION["nickname"]]
    # Each operation is tried with the credential of this run: what the other one opens is the other run's business.
    for path, methods in list(raw_schema["paths"].items()):
        for method, operation in list(methods.items()):
            taken = [scheme for one in operation["security"] for scheme in one]
            if SCHEME in taken:
                operation["security"] = [{SCHEME: []}]
            elif taken or SCHEME != "apiKey":
                del methods[method]
        if not methods:
            del raw_schema["paths"][path]
    raw_schema["security"] = [{SCHEME: []}]
    raw_schema["components"]["securitySchemes"] = {SCHEME: raw_schema["components"]["securitySchemes"][SCHEME]}


def _replace(headers, name, change):
    for given in list(headers or {}):
        if given.lower() == name:
            headers[given] = change(headers[given])


def _own(case, value):
    """The same Idempotency-Key for the same request; generated keys are short, and come again with other contents, which is 422."""
    if not isinstance(value, str) or not KEY.match(value):
        return value
    content = repr((case.method, case.path, case.path_parameters, case.query, case.body))
    digest = hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:16]
    bare = value.strip('"')[: 255 - len(digest)]
    return f'"{digest}{bare}"' if value.startswith('"') else f"{digest}{bare}"


@schemathesis.hook
def before_call(context, case, kwargs):
    _replace(case.headers, "idempotency-key", lambda value: _own(case, value))
    if len(TOKENS) > 1:
        stateful = case.meta is not None and "stateful" in str(case.meta.phase.name).lower()
        with _lock:
            # What a scenario makes, it must find again: it stays one user's.
            n = 0 if stateful else 1 + next(_calls) // TURN % (len(TOKENS) - 1)
        change = lambda value: value.replace(TOKENS[0], TOKENS[n]) if isinstance(value, str) else value
        _replace(case.headers, "authorization", change)
        _replace(kwargs.get("headers"), "authorization", change)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    # In a form every part is bytes: what was not meant to be a list of files has become one by the time it is sent.
    if type(failure).__name__ == "AcceptedNegativeData" and case.media_type == "multipart/form-data":
        return not isinstance(case.body, dict) or isinstance(case.body.get("images", []), list)
    return True
