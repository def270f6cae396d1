"""Several requests on one connection: which of them are served, and as what."""

from __future__ import annotations

from tests.support.corpus.case import (
    AMBIGUOUS,
    ASKED,
    AUTHORIZATION,
    HEAD_APART,
    INNER,
    LOOKED_UP,
    LOOKUP,
    MALFORMED,
    NO_EMPTY_LINE,
    RUN_MESSAGE,
    SMUGGLED,
    SMUGGLED_PASSES,
    UNCLEAR_PATH,
    Case,
    Reading,
    Refused,
    Server,
    lookup,
    message,
    post,
    put,
    stored,
)

LENGTH = b"Content-Length: %d" % len(RUN_MESSAGE)
CHUNKED = b"Transfer-Encoding: chunked"
STRANGER = lookup().replace(AUTHORIZATION, b"X-A: b")
NO_KEY = Refused(401, "unauthenticated", closes=False)

CASES = (
    Case("pipeline-of-two", lookup() + SMUGGLED, (LOOKED_UP, SMUGGLED_PASSES)),
    Case("pipeline-of-the-same", lookup() * 5, (LOOKED_UP,) * 5),
    Case(
        "pipeline-with-empty-lines",
        lookup() + b"\r\n\r\n" + SMUGGLED,
        (LOOKED_UP, SMUGGLED_PASSES),
        apart=NO_EMPTY_LINE,
    ),
    Case("pipeline-with-lf-between", lookup() + b"\n" + SMUGGLED, (LOOKED_UP, MALFORMED)),
    Case("pipeline-with-cr-between", lookup() + b"\r" + SMUGGLED, (LOOKED_UP, MALFORMED)),
    Case("pipeline-after-a-body", post(LENGTH) + SMUGGLED, (ASKED, SMUGGLED_PASSES)),
    Case(
        "pipeline-of-bodies",
        post(LENGTH) + put(CHUNKED, body=b"5\r\nhello\r\n0\r\n\r\n") + post(LENGTH),
        (ASKED, stored(b"hello"), ASKED),
    ),
    Case("pipeline-of-a-stranger-first", STRANGER + SMUGGLED, (NO_KEY, SMUGGLED_PASSES)),
    Case("pipeline-of-a-stranger-last", SMUGGLED + STRANGER, (SMUGGLED_PASSES, NO_KEY)),
    Case(
        "pipeline-of-a-stranger-with-a-body",
        post(LENGTH).replace(AUTHORIZATION, b"X-A: b") + SMUGGLED,
        (NO_KEY, SMUGGLED_PASSES),
    ),
    Case(
        "pipeline-of-a-stranger-with-a-request-as-body",
        put(b"Content-Length: %d" % len(INNER), body=INNER).replace(AUTHORIZATION, b"X-A: b"),
        (NO_KEY,),
    ),
    Case(
        "pipeline-after-an-unclear-path",
        message(b"GET /a/../b") + SMUGGLED,
        (UNCLEAR_PATH, SMUGGLED_PASSES),
    ),
    Case("pipeline-after-broken-bytes", b"GET\r\n\r\n" + SMUGGLED, (MALFORMED,)),
    Case("pipeline-after-both-framings", post(LENGTH, CHUNKED) + SMUGGLED, (MALFORMED,)),
    Case("pipeline-after-a-get-with-body", lookup(LENGTH) + RUN_MESSAGE + SMUGGLED, (AMBIGUOUS,)),
    Case(
        "pipeline-that-turns-bad",
        lookup() + SMUGGLED + lookup(b"Host: gate.example") + SMUGGLED,
        (LOOKED_UP, SMUGGLED_PASSES, AMBIGUOUS),
    ),
    Case(
        "pipeline-where-one-head-ends-as-another",  # what was understood once must not be mistaken
        message(b"GET " + LOOKUP, b"X-A: b HTTP/1.1") + message(b"GET " + LOOKUP),
        (LOOKED_UP, LOOKED_UP),
    ),
    Case(
        "pipeline-with-a-length-then-without",
        post(LENGTH) + post(body=b""),
        (ASKED, Reading(b"POST", b"/api/2.0/mlflow/runs/delete")),
    ),
    Case(
        "pipeline-of-methods-with-the-same-head",
        post(LENGTH)
        + message(b"GET " + LOOKUP, b"Content-Type: application/json", LENGTH, body=RUN_MESSAGE),
        (ASKED, LOOKED_UP),
        apart={Server.NGINX: "nginx sends the message of a GET on, which MLflow does not read"},
    ),
    Case(
        "pipeline-after-head",
        message(b"HEAD " + LOOKUP) + SMUGGLED,
        (LOOKED_UP, SMUGGLED_PASSES),
        asks_head=True,
        apart=HEAD_APART,
    ),
)
