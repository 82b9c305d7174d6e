"""The responder of agents whose response engine is a conversation flow."""
