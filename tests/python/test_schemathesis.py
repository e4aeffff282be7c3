"""schemathesis over /openapi.json: no 5xx, only documented statuses and content types, answers of the stated shape."""
import os

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from conftest import DummyServer

SERVER = DummyServer("--answer-tokens", "3")
schema = schemathesis.openapi.from_url(SERVER.url + "/openapi.json")


@pytest.fixture(scope="module", autouse=True)
def stop_server():
    yield
    SERVER.stop()


@schema.parametrize()
@settings(
    max_examples=int(os.environ.get("HADAL_SCHEMATHESIS_EXAMPLES", "40")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_api(case):
    from schemathesis import checks

    response = case.call()
    case.validate_response(
        response,
        checks=[
            checks.not_a_server_error,
            *(c for c in checks.CHECKS.get_all() if c.__name__ in (
                "status_code_conformance",
                "content_type_conformance",
                "response_schema_conformance",
            )),
        ],
    )
