"""The tests of Khata. CONTRIBUTING.md says which folder a test belongs to."""
