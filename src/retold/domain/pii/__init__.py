"""Personal data in what was said: found by rule and replaced by marks, before anything of it is stored."""
