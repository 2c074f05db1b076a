"""Data at a connection. tests/kit/chainlit.test.mjs runs it in the real Chainlit."""

from __future__ import annotations

import asyncio

import pytest

from vestibule_session import DataOmitted, Session
from vestibule_session.chainlit_connection import read_omitted
from vestibule_session.channel import Channel


def test_data_that_cannot_be_read_is_reported_and_stays_omitted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    channel = Channel(None)
    channel.session = Session(id="name", data_omitted=True, channel=channel)
    asyncio.run(read_omitted(None, channel))
    assert "VESTIBULE_URL" in caplog.text
    with pytest.raises(DataOmitted):
        channel.session.data.get("chainlit", {})


def test_data_that_a_connection_carries_is_not_read_again() -> None:
    channel = Channel(None)
    channel.session = Session(id="name", data={"count": 1}, channel=channel)
    asyncio.run(read_omitted(None, channel))
    assert channel.session.data == {"count": 1}
