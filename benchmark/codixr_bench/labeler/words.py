"""What kind of word each word of a report is: a small lexicon, and endings for the rest.

A report's grammar is plain: some two hundred function words and verbs, and a few endings, tell its
sentences apart. Whatever is unknown is a noun, which is right for most of radiology's words.
"""

from functools import lru_cache

NOUN, ADJECTIVE, PARTICIPLE, GERUND, NUMBER = "N", "J", "E", "G", "#"
DETERMINER, NO, PRONOUN, PREPOSITION, COORDINATOR = "D", "X", "Q", "P", "C"
BE, HAVE, MODAL, VERB, NOT, ADVERB = "B", "H", "M", "V", "!", "R"
THERE, RELATIVE, SUBORDINATOR, PUNCTUATION = "T", "W", "S", "."


def word_set(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


_LEXICON: dict[str, frozenset[str]] = {
    NO: word_set("no"),
    NOT: word_set("not never n't 't"),
    DETERMINER: word_set(
        "the a an this these that those any some each every all both either neither its their his "
        "her your our another such"
    ),
    PRONOUN: word_set("it they he she we i none nothing"),
    COORDINATOR: word_set("and or but versus nor plus &"),
    PREPOSITION: word_set(
        "of in with without for to at on within from over under above below near along through "
        "throughout by between into about during after before than as per behind around against "
        "beneath upon including following overlying regarding since until via towards toward out "
        "except despite beyond across given compared aside apart"
    ),
    BE: word_set("is are was were be been being am"),
    HAVE: word_set("has have had having"),
    MODAL: word_set("may might could would can cannot should will must"),
    THERE: word_set("there there's"),
    RELATIVE: word_set("which who whose whom"),
    SUBORDINATOR: word_set(
        "however although though if because while when where whereas unless whether"
    ),
    VERB: word_set(
        "represent represents reflect reflects appear appears appeared remain remains remained "
        "suggest suggests show shows showed demonstrate demonstrates reveal reveals indicate "
        "indicates include includes consider exclude excludes evaluate correlate recommend overlie "
        "overlies overly obscure obscures consists persist persists terminate terminates confirm "
        "cause causes extend extends contain contains favor favors suspect see assess rule compare "
        "correspond corresponds does do did ensure determine explain explains limit document "
        "corroborate follow get please project projects measures lies lie simulate simulates mimic "
        "mimics accentuate accentuates became become becomes seem seems seemed raise raises merit "
        "merits"
    ),
    ADVERB: word_set(
        "again now also otherwise well very more most less least therefore somewhat too "
        "quite perhaps maybe likely only just still even yet already almost here today ago up "
        "rather once indeed instead altogether"
    ),
    ADJECTIVE: word_set(
        "normal clear unremarkable stable present absent negative free intact consistent "
        "compatible suspicious worrisome suggestive possible probable unlikely similar due "
        "secondary prominent tortuous low visible apparent evident significant available greater "
        "larger smaller better worse borderline top upper large small mild moderate severe left "
        "right bilateral lower middle acute chronic new old prior previous minimal definite "
        "obvious questionable difficult doubtful posterior anterior patchy streaky diffuse dense "
        "hazy subtle overt frank gross recurrent persistent interval further limited unable equal "
        "minor slight high same different airspace bony linear discrete concerning resolving "
        "worsening developing increasing decreasing improving evolving underlying remaining "
        "enlarging convincing descending ascending healing existing free-flowing hypoinflated "
        "inflammatory known midline redundant ectatic superior inferior unchanged adjacent early "
        "focal hilar lobar basal vague multiple round oval ovoid remote recent coarse confluent "
        "indistinct platelike bandlike masslike subacute benign soft thin lucent true few other "
        "first second third fourth fifth single viral renal retrocardiac hard enlarged"
    ),
    NOUN: word_set(
        "scarring thickening crowding blunting widening flattening finding imaging tubing ring "
        "spurring wedging unfolding cuffing tenting pacing lining clearing bed shed need setting "
        "swelling bleeding narrowing wing opening bowing splaying stranding layering trapping "
        "shadowing positioning feeding capping bridging breathing overlapping xxxx cardiomegaly "
        "family assembly anomaly hospital"
    ),
    PARTICIPLE: word_set("seen shown taken made put found"),
}
_KIND = {word: kind for kind, words in _LEXICON.items() for word in words}
_ADJECTIVE_ENDINGS = ("ous", "al", "ic", "ar", "ary", "ive", "able", "ible", "ile", "oid")

_FORMS = {
    "appear": "appears appeared appearing",
    "appreciate": "appreciated",
    "area": "areas",
    "associate": "associated",
    "be": "is are was were been being am",
    "change": "changed changes",
    "clear": "clears cleared",
    "consider": "considered considering considers",
    "correlate": "correlated",
    "demonstrate": "demonstrates demonstrated demonstrating",
    "enlarge": "enlarged",
    "evaluate": "evaluated evaluates",
    "exclude": "excludes excluded excluding",
    "explain": "explains",
    "favor": "favored favors favoring",
    "finding": "findings",
    "have": "has had having",
    "include": "includes included",
    "indicate": "indicates indicated indicating",
    "limit": "limits",
    "not": "n't 't",
    "obscure": "obscures obscured obscuring",
    "question": "questioned",
    "reflect": "reflects reflected reflecting",
    "relate": "related",
    "remain": "remains remained",
    "remove": "removed",
    "represent": "represents represented representing",
    "resolve": "resolved",
    "rule": "ruled rules",
    "see": "seen sees seeing",
    "show": "shows showed shown showing",
    "sign": "signs",
    "suggest": "suggests suggested suggesting",
    "suspect": "suspected suspects",
    "symptom": "symptoms",
    "visualize": "visualized",
}
_LEMMA = {form: lemma for lemma, forms in _FORMS.items() for form in forms.split()}
"""The dictionary forms of the words that rules ask for; any other word stands for itself."""


@lru_cache(maxsize=65536)
def read_word(word: str) -> tuple[str, str]:
    """The kind of a word of a cleaned text, and its lemma."""
    return _kind_of(word), _LEMMA.get(word, word)


def in_lexicon(word: str) -> bool:
    """Whether the lexicon has this word of lower case."""
    return word in _KIND


def _kind_of(word: str) -> str:
    if (kind := _KIND.get(word)) is not None:
        return kind
    if not word[0].isalnum():
        return PUNCTUATION
    if word[0].isdigit():
        return NUMBER
    if word.endswith("ly") and len(word) > 4:
        return ADVERB
    if word.endswith("ed") and len(word) > 4:
        return PARTICIPLE
    if word.endswith("ing") and len(word) > 5:
        return GERUND
    if word.endswith(_ADJECTIVE_ENDINGS) and len(word) > 5:
        return ADJECTIVE
    return NOUN
