"""How long tests wait."""

PATIENCE_S = 60.0
"""For what must come about. Against waiting for ever, no promise of speed: any machine stands still for seconds."""
