"""Whether a passage can hold a name, an address or a diagnosis, so that the model need not read the rest; it knows no model."""

from __future__ import annotations

import functools
import re
from importlib.resources import files

from veritensor_ray.engines.pii.joining import listed

# Capitalised in the middle of sentences, and nobody's name.
_COMMON = listed("""i im id ill ive the a an and or of in on at to for with from by is are was it this that these those he she we you they his her our your
    their its my me as if but not no yes so do does did have has had can could will would should may might must be been who what when where why
    how which all any each some more most other such than then there here new first last next note notes see also please thanks thank hello hi dear
    regards best sincerely monday tuesday wednesday thursday friday saturday sunday january february march april june july august september
    october november december english german french spanish italian chinese japanese russian american british european internet web linux
    unix windows ubuntu debian python java javascript typescript github gitlab google microsoft apple amazon docker kubernetes json html api
    http https url sql csv xml pdf example examples section chapter figure table appendix part page version license copyright apache foundation
    software public general error warning info debug returns return args raises parameters default true false none null todo fixme usage
    options option file files use using used set get add added fixed bug changes changed data type types class function method module package
    string number list dict object int float bool unicode ascii god bible christmas easter internet north south east west
    montag dienstag mittwoch donnerstag freitag samstag sonntag januar februar märz mai juni juli oktober dezember der die das ein eine und oder
    ist sie ich wir ihr ihre sehr geehrte freundliche grüße seite abbildung tabelle kapitel le la les un une des et ou je nous vous il elle
    el los las una y o en de del""")
_TITLES = listed(
    "mr mrs ms miss dr prof sir madam herr frau fräulein mme mlle monsieur madame señor señora sr sra don doña signor signora lord"
)
_STREET = listed("""street avenue road lane drive boulevard court square suite apt apartment terrace parkway highway crescent close box ave blvd
    straße strasse platz allee ring gasse postfach rue place chemin calle avenida plaza paseo via viale piazza rua""")
_STREET_ENDS = ("straße", "strasse", "str", "weg", "gasse", "platz", "allee", "straat", "gatan", "vägen", "vej", "gata", "tie", "katu")
_ORGANISATION = listed(
    "inc ltd llc gmbh ag corp plc bank university hospital institute company group sa srl bv kg ev foundation clinic school"
)
_MEDICAL = tuple(
    sorted(
        listed(
            """diagnos patient prescri medicat symptom allerg cancer diabet tumor tumour hiv asthma depress surger chronic pregnan syndrome
    krank therapie maladie médic enfermed alzheim epilep hepat insulin chemo bipolar migraine hypertens"""
        )
    )
)
_ADMITS = (
    "my name is",
    "name: ",
    "last name",
    "mein name ",
    "ich heiße ",
    "je m'appelle ",
    "me llamo ",
    "i live ",
    "lives at ",
    "meet me at ",
    "sent to ",
)
_POSTCODE = re.compile(r"\b(?:zip|postcode|postal code|plz|postleitzahl|code postal|código postal)\b.{0,20}[0-9]")
_CAPITAL = re.compile(r"[A-ZÀ-ÖØ-ÞŁŚŠŽĆČĐÁΑ-ΩА-Я](?<![\w./\\$@#_-].)[^\W\d_]*(?:['’-][^\W\d_]+)*(?![\w(_=\[/\\])")
_LOWER = re.compile(r"[a-zß-ÿ]+")
_CODE = re.compile(r"[{};=<>_|\\]|\(\)|::")
_GERMAN = re.compile(r"\b(?:der|die|das|und|nicht|ist|ein|eine|für|mit|auf|werden|wird|sich|von)\b")
_NUMBER = re.compile(r"(?:^|\s)\d{1,5}[a-z]?(?:,|\s|$)")


@functools.cache
def first_names() -> frozenset[str]:
    """Lower case."""
    lines = files("veritensor_ray.engines.pii").joinpath("names.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(name for line in lines if not line.startswith("#") for name in line.split())


def possible(text: str) -> bool:
    """Whether a chunk is worth the model's time."""
    names = first_names()
    evidence = 0
    previous_end, previous_common = -2, True
    nouns = len(_GERMAN.findall(text)) * 12 > text.count(" ")  # written with capitals: they say nothing
    for match in _CAPITAL.finditer(text):
        word = match.group()
        low = word.lower()
        if low in _TITLES or low in _ORGANISATION or low in names:
            evidence += 2
        elif low in _STREET or low.endswith(_STREET_ENDS):
            evidence += 1 + bool(_NUMBER.search(text))
        common = low in _COMMON or len(low) < 2
        start = match.start()
        if not common:
            middle = start > 1 and text[start - 1] == " " and (text[start - 2].isalnum() or text[start - 2] in ",;:'\"")
            evidence += middle and not nouns and not word.isupper()
            evidence += start > 1 and text[start - 2] in "?:" and match.end() >= len(text.rstrip(" .!\n"))
            evidence += (not previous_common) and start == previous_end + 1 and text[previous_end] in " \n"
        previous_end, previous_common = match.end(), common
        if evidence >= 6:
            return True
    code = len(_CODE.findall(text)) if evidence else 0
    if evidence >= (2 if code * 25 <= len(text) else 6) or (evidence and code == 0):
        return True
    low_text = text.lower()
    if any(stem in low_text for stem in _MEDICAL):
        return True
    if _POSTCODE.search(low_text):
        return True
    if low_text == text or text.isupper():  # chat
        words = _LOWER.findall(low_text)
        if any(phrase in low_text for phrase in _ADMITS) or any(word in _TITLES for word in words):
            return True
        if any(word in _STREET for word in words) and _NUMBER.search(low_text):
            return True
        return sum(word in names for word in words) >= (1 if len(text) < 200 else 2)
    return False
