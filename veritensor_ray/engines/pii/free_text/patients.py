"""Decides whether a passage is about one patient, rather than about patients in general, a person in a story or an example.

Records have a language of their own, of which one phrase is enough. What is said of a person elsewhere ("a 12-year-old girl", "she was
diagnosed with", "the patient has") stands in speeches, reviews, textbooks, patents and abstracts as well. It takes two different kinds of it,
or one and a name, and no sign of such a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from veritensor_ray.engines.pii.onceover import OnceOver

KIN = (
    r"(?:father|mother|dad|mom|mum|son|daughter|wife|husband|brother|sister|child|kid|baby|grandmother|grandfather|grandma|grandpa|aunt|uncle|"
    r"partner|girlfriend|boyfriend|vater|mutter|sohn|tochter|frau|mann|père|mère|fils|fille|femme|mari|padre|madre|hijo|hija|esposa|marido)"
)
_FAR = 1500  # characters on either side in which a text says what it is
_DENSE = 4  # diagnoses and medicines, near each other
_CLINICAL = (
    r"(?:presents (?:with|for|to|today)|presented (?:with|for|to)|denie[sd] (?:any|having|chest|fever|nausea|pain|shortness|smoking|alcohol|\w+ (?:or|and|use)\b)|complain(?:s|ed) of"
    r"|underwent|was (?:then |subsequently |also |first |recently |initially )?(?:admitted (?:to|with|for)|diagnosed|hospitali[sz]ed|discharged (?:home|on|from the hospital)|prescribed)"
    r"|has been diagnosed|is (?:now |currently )?being treated (?:with|for)|is status post"
    r"|(?:has|had|does have|does not have) (?:an?|any|no) (?:known |past |long |significant |remote )?(?:medical |family |surgical )?history of|suffers from|tested positive for|is allergic to)"
)
_TOLD = r"(?:had|was|reports?|reported|state[sd]|received|developed|presented|denie[sd]|returns|returned|seen and examined)"
_NOW = r"(?: (?:also|then|now|initially|recently|subsequently|currently))?"
_NO_CASE = "".join(
    rf"(?<!\b{word} )" for word in ("if", "when", "whether", "unless", "until", "once", "that", "where", "wherein", "after", "before")
)
_RECORD = re.compile(
    r"\b(?:heent|neuro|psych|integumentary|genitourinary|gastrointestinal|musculoskeletal|review of systems) ?:|\bs/p\b"
    r"|\bstatus[- ]post\b|\bfamily history (?:is|was) (?:positive|negative|significant|notable|remarkable|unremarkable|non-?contributory)\b"
    r"|(?-i:(?:^|[.:]\s+)Denies\b)|(?-i:(?:^|[.:]\s+|\n)(?:Negative|Significant|Positive) (?:only )?for\b)(?![^.\n]{0,80}\bmeans?\b)"
    r"|\bpt\.? (?:is|was|has|had|denie[sd]|reports?|states|c/o|presents?|presented|complains?)\b"
    r"|\b\d{1,3} ?(?:y/?o|yo|y\.o\.)\b"
    r"|(?-i:(?:^|[.:]\s+)\d{1,3}[- ](?:year|month|week|day)s?[- ]old (?:white |black |Caucasian )?(?:male|female|man|woman|boy|girl|infant|gentleman|lady) (?:with|who|presents))"
    r"|\b(?:chief complaint|history of (?:the )?present illness|past medical history|past surgical history|hpi|pmh) *(?:\n|[:.](?! *(?:the|an?|what)\b))",
    re.IGNORECASE,
)
_NARRATED = re.compile(
    r"\b(?:this|the patient|patient) (?:is|was) an? [^.\n]{0,40}\b\d{1,3}[- ](?:year|month|week|day)s?[- ]old\b|"
    rf"{_NO_CASE}\b(?:the|this|that|our) patient{_NOW} (?:{_CLINICAL}|{_TOLD})\b"
    r"|\b(?:der|die) patient(?:in)? (?:ist|war|hat|hatte|klagt|leidet|erhielt|wurde)\b|\ble patient(?:e)? (?:a|est|était|présente|souffre)\b"
    r"|\b(?:el|la) paciente (?:es|fue|tiene|presenta|sufre|refiere)\b",
    re.IGNORECASE,
)
_KINDS = tuple(
    re.compile(kind, re.IGNORECASE)
    for kind in (
        rf"{_NO_CASE}\b(?:the|this|that|our) patient{_NOW} (?:has|is an?|smokes|takes|develops)\b"
        r"|\bthe patient'?s (?:mother|father|wife|husband|past|medical|family|blood|last|condition)\b",
        rf"\b(?:she|he){_NOW} {_CLINICAL}",
        rf"\b(?:her|his) {KIN} (?:died (?:of|from)|was diagnosed with)\b|\b(?:paternal|maternal) {KIN} (?:has|had|died|with)\b"
        r"|(?-i:(?:^|[.:]\s+)(?:Mother|Father|Brother|Sister),? (?:died|has|had|with|aged?|is)\b)",
        r"\b\d{1,3}[- ](?:year|month|week|day)s?[- ]old\b[^.\n]{0,50}\b(?:male|female|man|woman|boy|girl|infant|gentleman|lady|patient|caucasian|white|black)\b",
        r"(?-i:(?:^|[.:]\s+)No (?:family )?history of\b)|\b(?:family|social|medical) history *[:.]|\bpast medical history\b",
    )
)
_CARE = re.compile(
    r"(?<=\d )(?:mg|mcg)\b|\bfollow(?:ed)?[- ]up (?:in|with)\b|\b(?:on|physical) exam", re.IGNORECASE
)  # only beside one of these
# Signs that a text speaks of patients in general, of invented or historic persons, or to the public.
_LAY = re.compile(
    r"\b(?:(?:this|the|a|short|feature|horror|in) film(?! (?:was|were|shows?|showed|of the|is) )|movies?|cinema|act(?:or|ress)|starring|screenplay|protagonist"
    r"|(?:a|the|this|his|her|first) novel(?= [a-z]+s\b|[.,;:]| (?:by|about|of|is|was|in)\b)|novels|sitcom|tv series|plays an?|the role of|for the role|(?:first|last|pilot) episode|season \d)\b"
    r"|\b(?:wherein|embodiments?|(?:of|to) claim \d|as used herein|the present invention)\b"
    r"|\b(?:we enrolled|enrolled (?:\d+|in (?:the|a|this) (?:study|trial))|randomi[sz]ed|cohort|placebo|(?:\d+|all|most|many|some|these|which|of|in|with) patients"
    r"|patients (?:were|are|with|who|underwent|aged)|each patient|we (?:studied|included))\b"
    r"|\b(?:a|any|every) patient (?:is|has|who|with|may|can|should|must)\b"
    r"|\b(?:(?<!i )suppose (?:that|an?|you)|which of the following|what is the probability|students (?:should|must|will|may|can|often)|textbook|hypothetical|example \d|chapter \d)\b"
    r"|\b(?:fellow (?:americans|citizens|countrymen)|(?:mr|madam) (?:speaker|president|chairman)|this (?:congress|parliament|government|chamber|nation)|the honou?rable|god bless)\b"
    r"|\b(?:in|of|since|by|until|from|between|around|about) (?:1[4-8]\d\d|19[01]\d)\b(?! ?(?:mg|ml|cal|hours|hrs))|\bcentur(?:y|ies)\b"
    r"|\b(?:is|was|has|does) (?:my|our|your) (?:dog|cat|puppy|kitten|horse)\b",
    re.IGNORECASE,
)


class PatientSigns:
    """What a text says about patients. Places must be asked about in order."""

    def __init__(self, text: str) -> None:
        self._end = len(text)
        patterns = (_RECORD, _NARRATED, _CARE, _LAY, *_KINDS)
        self._record, self._narrated, self._care, self._lay, *self._kinds = (OnceOver(one, text) for one in patterns)

    def public(self, start: int, end: int) -> bool:
        """Return whether a range lies in a text about patients in general, an invented or historic person, or one for the public."""
        return bool(self._lay.within(max(0, start - _FAR), min(self._end, end + _FAR)))

    def about_one(self, start: int, end: int, diagnoses: int, named: Callable[[], bool]) -> bool:
        """Return whether a range is about one patient; it has so many diagnoses, and may name a person."""
        if self._record.within(start, end):
            return True
        return self._told(start, end, diagnoses, named) and not self.public(start, end)

    def _told(self, start: int, end: int, diagnoses: int, named: Callable[[], bool]) -> bool:
        if self._narrated.within(start, end):
            return True
        signs = len({found.group().lower() for kind in self._kinds for found in kind.within(start, end)})
        return signs > 1 or (signs == 1 and (diagnoses >= _DENSE or bool(self._care.within(start, end)) or named()))
