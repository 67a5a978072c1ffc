"""The built-in providers; the server meets them only through entry points."""
