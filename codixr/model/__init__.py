"""The parts of CoDi_XR and the pipeline that joins them."""
