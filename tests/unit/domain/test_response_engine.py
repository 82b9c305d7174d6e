"""The two forms of a response engine."""

from retold.domain.response_engine import ConversationFlow, CustomLlm, RetellLlm, engine_at, engine_id, websocket_url


def test_an_address_of_2024_and_the_engine_it_means_are_the_same() -> None:
    for engine in (CustomLlm(llm_websocket_url="wss://x.example"), RetellLlm(llm_id="llm_1")):
        assert engine_at(websocket_url(engine) or "") == engine
    assert websocket_url(ConversationFlow(conversation_flow_id="flow_1")) is None


def test_an_engine_kept_on_the_server_has_an_id() -> None:
    assert engine_id(CustomLlm(llm_websocket_url="wss://x.example")) is None
    assert engine_id(RetellLlm(llm_id="llm_1", version=2)) == "llm_1"
    assert engine_id(ConversationFlow(conversation_flow_id="flow_1")) == "flow_1"
