"""The demo brain: Ada, receptionist of a dental practice, who speaks the LLM websocket. Rules, no model, no network."""
