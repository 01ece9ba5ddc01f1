"""One file a command of the leaderboard: its parser, and what it prints."""
