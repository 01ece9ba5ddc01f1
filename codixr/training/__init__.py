"""The training stages of CoDi_XR."""
