"""Networks that turn pictures into features, and their weights."""
