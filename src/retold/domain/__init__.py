"""Resources and pure rules; a resource's model is its wire shape and its stored shape."""
