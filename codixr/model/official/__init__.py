"""Released weights of other projects as components of ours."""
