"""One command on a GPU node, from its health to what an engine should set."""
