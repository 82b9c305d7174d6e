"""Who decides what the agent says, each behind ports.Responder."""
