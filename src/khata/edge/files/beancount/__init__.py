"""Beancount files in and out. Names and texts are pure; reading and writing stand apart."""
