"""How a request arrives over the Model Context Protocol."""
