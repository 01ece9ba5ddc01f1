"""The benchmark: every task of the CoDi_XR paper, for any model."""
