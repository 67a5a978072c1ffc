"""Models of the Hugging Face Hub: facts in few requests, offline as a mode."""
