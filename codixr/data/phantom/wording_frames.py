"""The sentences that a finding's name is put into.

{np} is the name with its extent and place, {a} the same with its article, {is} the verb that fits.
"""

ARTICLE_FRAMES = (
    "there is {a}",
    "there is {a}",
    "again noted is {a}",
    "interval development of {a}",
    "findings consistent with {a}",
    "findings compatible with {a}",
    "evidence of {a}",
    "there is evidence of {a}",
    "patient has {a}",
    "redemonstration of {a}",
)
FRAMES = (
    "{np}",
    "{np}",
    "{np}",
    "{np}",
    "{np}",
    "{np} {is} seen",
    "{np} {is} noted",
    "{np} {is} present",
    "{np} {is} again seen",
    "{np} {is} identified",
    "the {np} {is} unchanged",
    "{np}, new since the prior study",
    "{np}, new from prior",
    "{np}, unchanged",
    "{np}, stable",
    "{np}, increased since the prior examination",
    "{np}, slightly improved",
    "{np} unchanged from prior",
    "{np}, not significantly changed",
    "new {np}",
    "stable {np}",
    "unchanged {np}",
    "persistent {np}",
    "worsening {np}",
    "increasing {np}",
    "improving {np}",
    "residual {np}",
    "chronic {np}",
    "acute {np}",
    "interval increase in {np}",
    "interval decrease in {np}",
    "redemonstrated {np}",
)
PLAIN_FRAMES = ("{np}", "{np}", "{np}", "{np} {is} seen", "{np} {is} noted", "{np} {is} present")
HEDGE_FRAMES = (
    "possible {np}",
    "possible {np}",
    "possible {np}",
    "{np} cannot be excluded",
    "{np} cannot be excluded",
    "cannot exclude {a}",
    "findings may represent {a}",
    "questionable {np}",
    "suspected {np}",
    "concern for {np}",
    "probable {np}",
    "findings could represent {np}",
    "this may represent {np}",
    "findings suspicious for {np}",
)
CONGESTION = (
    "pulmonary vascular congestion",
    "mild vascular congestion",
    "central vascular congestion",
    "pulmonary vascular congestion is noted",
    "vascular prominence",
)
"""Edema in doubt, as CheXpert's rules count it."""
EITHER = (
    "{np} {or} {other}",
    "{np} {or} {other}",
    "possible {np} {or} {other}",
    "this may represent {np} {or} {other}",
    "findings may represent {np} {or} {other}",
)
WITHOUT = (
    "{text} without {denied}",
    "{text} without {denied}",
    "{text} without evidence of {denied}",
    "{text} with no {denied}",
    "{text}, no {denied}",
    "{text} but no {denied}",
)
"""A finding, and an absent one behind it."""
CAUSES = (
    "{np} consistent with {other}",
    "{np} compatible with {other}",
    "{np}, likely {other}",
    "{np}, most likely {other}",
    "{np} representing {other}",
)
DOUBTFUL_CAUSES = (
    "{np} may represent {other}",
    "{np} which may represent {other}",
    "{np}, possible {other}",
    "{np} could represent {other}",
    "{np}, possibly {other}",
)
