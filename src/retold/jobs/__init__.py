"""What is done after calls, in the background: the only place where something is tried again and again."""
