"""The call object: what its storage settings mean and how it looks on the wire."""

import pytest

from retold.domain.call import Call, DataStorageSetting


@pytest.mark.parametrize(
    ("setting", "opted_out", "is_stored"),
    [
        pytest.param("everything", False, True, id="everything"),
        pytest.param("everything", True, False, id="opted out in the words of 2024"),
        pytest.param("everything_except_pii", False, False, id="without personal data"),
        pytest.param("basic_attributes_only", False, False, id="basic attributes"),
    ],
)
def test_what_may_be_written_to_disk(setting: DataStorageSetting, *, opted_out: bool, is_stored: bool) -> None:
    call = Call(
        call_id="call_1", agent_id="agent_1", data_storage_setting=setting, opt_out_sensitive_data_storage=opted_out
    )
    assert call.stores_sensitive_data is is_stored


def test_unset_fields_are_left_out_and_false_ones_are_not() -> None:
    shape = Call(call_id="call_1", agent_id="agent_1").wire()
    assert shape == {
        "call_type": "web_call",
        "call_id": "call_1",
        "agent_id": "agent_1",
        "agent_version": 0,
        "call_status": "registered",
        "data_storage_setting": "everything",
        "opt_out_sensitive_data_storage": False,
        "opt_in_signed_url": False,
    }
