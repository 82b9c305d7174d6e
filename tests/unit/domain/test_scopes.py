import pytest

from retold.domain.scopes import ALL_SCOPES, Scope, may, scope_for


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("GET", "/v2/get-call/{call_id}", Scope.READ),
        ("GET", "/get-call/call_1", Scope.READ),
        ("POST", "/v2/list-calls", Scope.READ),
        ("POST", "/v3/list-calls", Scope.READ),
        ("POST", "/search-community-voice", Scope.READ),
        ("GET", "/get-concurrency", Scope.READ),
        ("GET", "/get-api-key-info", Scope.READ),
        ("POST", "/create-agent", Scope.WRITE),
        ("PATCH", "/update-agent/{agent_id}", Scope.WRITE),
        ("DELETE", "/delete-phone-number/+14155550100", Scope.WRITE),
        ("POST", "/publish-agent-version/a", Scope.WRITE),
        ("POST", "/v2/create-phone-call", Scope.CALLS),
        ("POST", "/register-call", Scope.CALLS),
        ("POST", "/v2/stop-call/call_1", Scope.CALLS),
        ("PATCH", "/v2/update-live-call/call_1", Scope.CALLS),
        ("PUT", "/rerun-call-analysis/call_1", Scope.CALLS),
        ("DELETE", "/v2/delete-call/call_1", Scope.CALLS),
        ("POST", "/v3/create-web-call", Scope.WEB_CALLS),
        ("GET", "/v2/monitor-call/call_1", Scope.WEB_CALLS),
        ("GET", "/list-api-keys", Scope.ADMIN),
        ("POST", "/create-api-key", Scope.ADMIN),
        ("DELETE", "/delete-api-key/apikey_1", Scope.ADMIN),
        ("POST", "/", Scope.WRITE),
        ("POST", "/v2", Scope.WRITE),
    ],
)
def test_a_path_says_which_scope_it_needs(method: str, path: str, wanted: Scope) -> None:
    assert scope_for(method, path) is wanted


def test_a_key_may_do_what_its_scopes_say_and_calls_hold_web_calls() -> None:
    assert all(may(ALL_SCOPES, scope) for scope in Scope)
    assert may([Scope.CALLS], Scope.WEB_CALLS)
    assert not may([Scope.WEB_CALLS], Scope.CALLS)
    assert not may([Scope.WEB_CALLS], Scope.READ)
    assert not may([Scope.WRITE], Scope.ADMIN)
