"""Live devices: what the drivers and the operating system report now."""
