"""The doors: HTTP, command line, client, files, and local servers for tests and the demo."""
