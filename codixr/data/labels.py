"""Names of the observations: CheXpert's fourteen, and the paper's ten of them."""

OBSERVATIONS: tuple[str, ...] = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Lesion",
    "Lung Opacity",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
"""CheXpert's fourteen, in the original labeler's order."""

PATHOLOGIES: tuple[str, ...] = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Lung Lesion",
    "Lung Opacity",
    "Pleural Effusion",
    "Pneumonia",
    "Pneumothorax",
)
"""The paper's ten (Tables I, III and V), in its order."""

SHORT_NAMES: dict[str, str] = dict(
    zip(
        PATHOLOGIES,
        ("Atl.", "Cmgl.", "Cnsl.", "Edm.", "Enl.", "Les.", "Opc.", "Eff.", "Pnm.", "Ptx."),
        strict=True,
    )
)
"""The paper's column heads."""
