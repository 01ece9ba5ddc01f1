"""CoDi_XR: any-to-any generation of frontal X-rays, lateral X-rays and radiology reports."""

__version__ = "0.1.0"
