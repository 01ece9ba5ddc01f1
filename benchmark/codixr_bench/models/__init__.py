"""Built-in models: codixr, and the reference points that give its scores a scale."""
