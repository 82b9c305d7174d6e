"""The caller in a command: plays a scenario over the audio websocket and keeps what it really sent and heard."""
