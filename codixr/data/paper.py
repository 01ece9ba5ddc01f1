"""The paper's own counts of its cohort, to stand beside ours (sections I and II, Table I).

They don't reconcile with each other: 78,584 studies with a frontal and a lateral view are at least
157,168 X-rays. We report what the rules give, and the difference.
"""

ARCHIVE_IMAGES = 377_110
ARCHIVE_STUDIES = 227_827
COHORT_IMAGES = 154_721
COHORT_STUDIES = 78_584
TEST_SAMPLES = 33_588

TABLE_I: dict[str, tuple[int, int]] = {
    "Atelectasis": (9123, 1438),
    "Cardiomegaly": (9159, 1146),
    "Consolidation": (9657, 254),
    "Edema": (9456, 774),
    "Enlarged Cardiomediastinum": (9132, 83),
    "Lung Lesion": (9134, 342),
    "Lung Opacity": (9156, 1980),
    "Pleural Effusion": (9300, 1258),
    "Pneumonia": (9601, 853),
    "Pneumothorax": (9253, 84),
}
"""Observation -> negatives and positives in the test set."""
