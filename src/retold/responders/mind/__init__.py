"""What every responder of ours shares that speaks with a language model: whose turn it is, models, tools, variables."""
