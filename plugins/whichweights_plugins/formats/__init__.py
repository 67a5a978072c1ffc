"""Readers of model files: config.json, safetensors headers, GGUF headers. Bytes in, facts out."""
