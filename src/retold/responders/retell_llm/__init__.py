"""The responder of agents whose response engine is a Retell LLM: a prompt, tools and states kept on this server."""
