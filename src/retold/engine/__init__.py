"""One conversation: hearing, turn taking, speaking and the timeline; knows no database and no socket."""
