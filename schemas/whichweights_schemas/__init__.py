"""The contract: data shapes, provider base classes, errors and evidence."""
