"""The tools of agents that are defined on this server, one file per kind."""
