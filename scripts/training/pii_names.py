"""Names of persons and organisations from some thirty cultures; it knows no template and no model."""

from __future__ import annotations

import functools
import random
import unicodedata

from faker import Faker

LOCALES = (
    "en_US", "en_GB", "en_AU", "en_CA", "en_IN", "en_IE", "en_NZ", "de_DE", "de_AT", "de_CH", "fr_FR", "fr_CA", "es_ES", "es_MX", "es_AR", "es_CO", "it_IT",
    "pt_PT", "pt_BR", "nl_NL", "nl_BE", "sv_SE", "da_DK", "no_NO", "fi_FI", "pl_PL", "cs_CZ", "sk_SK", "hu_HU", "ro_RO", "hr_HR", "sl_SI", "lt_LT", "lv_LV",
    "et_EE", "tr_TR", "id_ID", "en_PH",
)  # fmt: skip
HOME = {"en": LOCALES[:7], "de": ("de_DE", "de_AT", "de_CH"), "fr": ("fr_FR", "fr_CA"), "es": ("es_ES", "es_MX", "es_AR", "es_CO")}
# Names that come romanised, because Faker has them in their own scripts only: first names | last names
_ROMANISED = (
    ("Wei Ming Xiaoling Jun Hui Yan Li Na Qiang Lei Fang Jing Yu Hao Chen Mei Ling Tao Xin Yi Bo Zhen Guang Shu Hong Ying Kai Zihan Yuxuan",
     "Wang Li Zhang Liu Chen Yang Huang Zhao Wu Zhou Xu Sun Ma Zhu Hu Guo He Lin Gao Luo Zheng Liang Xie Tang Song Deng Feng Cao Peng Zeng"),
    ("Hiroshi Yuki Sakura Kenji Haruto Aiko Takashi Naoko Satoshi Yumi Kazuo Emi Daiki Mei Ren Akira Keiko Shinji Hana Sora Tomoko Ryo",
     "Sato Suzuki Takahashi Tanaka Watanabe Ito Yamamoto Nakamura Kobayashi Kato Yoshida Yamada Sasaki Matsumoto Inoue Kimura Hayashi Shimizu"),
    ("Min-jun Seo-yeon Ji-hoon Hye-jin Sung-min Eun-ji Jae-hyun Soo-jin Dong-hyun Yoon-ah Minho Jisoo Taeyang Hana", "Kim Lee Park Choi Jung Kang Cho Yoon Jang Lim Han Oh Shin Kwon Hwang"),
    ("Ahmed Mohammed Fatima Aisha Omar Yusuf Layla Hassan Khalid Zainab Mariam Ali Ibrahim Noor Tariq Samira Rania Walid Amina Karim Leila Nadia Bilal Hamza Salma",
     "Al-Farsi Haddad Hussein Khalil Mansour Nasser Saleh El-Sayed Abdullah Rahman Hamdan Bakr Darwish Ghanem Aziz Najjar Khoury Mahmoud Bin-Laith Othman Sharif Boutros"),
    ("Priya Rahul Ananya Arjun Deepika Sanjay Lakshmi Vikram Kavita Rohan Sunita Amit Neha Rajesh Pooja Suresh Meera Aditya Divya Harish Gurpreet Manjit Ishaan",
     "Sharma Patel Singh Gupta Iyer Reddy Nair Mehta Kumar Das Chatterjee Banerjee Rao Joshi Kapoor Malhotra Menon Pillai Desai Kaur Bhattacharya Venkataraman"),
    ("Ivan Dmitri Olga Natalia Sergei Anastasia Mikhail Ekaterina Vladimir Svetlana Alexei Yulia Pavel Irina Nikolai Tatiana Oksana Taras Bohdan Iryna Zoya",
     "Ivanov Petrova Smirnov Kuznetsova Popov Volkov Sokolova Morozov Novikova Fedorov Shevchenko Kovalenko Bondarenko Tkachenko Melnyk Lysenko Orlov Zaitseva"),
    ("Chinedu Ngozi Adaeze Oluwaseun Amara Kwame Ama Kofi Efua Thabo Naledi Sipho Zanele Wanjiru Kamau Achieng Otieno Fatou Mamadou Aminata Tendai Chipo Abebe Selam",
     "Okafor Adeyemi Okonkwo Eze Balogun Mensah Owusu Boateng Dlamini Nkosi Mokoena Zulu Mwangi Njoroge Odhiambo Diallo Traoré Ndiaye Moyo Tesfaye Bekele Achebe Abiola"),
    ("Nguyen Minh Thuy Huong Duc Linh Quang Mai Tuan Lan Hoa Phuong Somchai Siriporn Anong Niran Budi Siti Dewi Agus Nur Putri",
     "Nguyen Tran Le Pham Hoang Phan Vu Dang Bui Do Srisai Chaiyasit Wongsakul Santoso Wijaya Rahayu Hidayat Saputra"),
    ("Giorgos Eleni Dimitris Katerina Nikos Sofia Kostas Maria Levon Ani David Nino Giorgi Tamar Yael Avi Noa Moshe Shira Eitan Dariush Shirin Reza Parisa",
     "Papadopoulos Georgiou Nikolaidis Vlachos Karagiannis Sargsyan Petrosyan Beridze Gelashvili Cohen Levi Mizrahi Friedman Rosenberg Hosseini Ahmadi Tehrani Rostami"),
)  # fmt: skip
_PARTICLES = (
    "van",
    "van der",
    "van den",
    "de",
    "de la",
    "von",
    "zu",
    "di",
    "da",
    "dos",
    "del",
    "le",
    "bin",
    "al",
    "ten",
    "af",
    "O'",
    "Mc",
    "Mac",
    "D'",
)
_TITLES = (
    "Dr. ",
    "Dr ",
    "Prof. ",
    "Mr. ",
    "Mrs. ",
    "Ms. ",
    "Mr ",
    "Ms ",
    "Sir ",
    "Judge ",
    "Captain ",
    "Sgt. ",
    "Rev. ",
    "Coach ",
    "Nurse ",
)
_KINDS = ("Inc", "Inc.", "Ltd", "Ltd.", "LLC", "PLC", "Corp.", "Corporation", "& Co.", "GmbH", "GmbH & Co. KG", "AG", "KG", "e.V.", "SE", "SA", "S.A.", "SARL", "SAS", "S.L.", "S.p.A.",
          "S.r.l.", "B.V.", "NV", "AB", "A/S", "Oy", "AS", "Sp. z o.o.", "s.r.o.", "Kft.", "Pty Ltd", "Pvt. Ltd.", "Bhd", "LLP", "Group", "Holdings", "Partners", "Limited")  # fmt: skip
_WORDS = """Solar Blue North Summit River Green Silver Golden Iron Stone Bright Clear Global United First Prime Atlas Apex Nova Orion Vertex Zenith Delta Omega Alpha Sigma Quantum Pacific Atlantic Nordic
Alpine Baltic Cedar Oak Maple Willow Harbor Lake Coastal Urban Rapid Swift Open Smart Deep Cloud Data Code Bit Cyber Net Tele Bio Gen Med Health Care Pharma Agro Food Fresh Pure Eco Terra Aqua Hydro
Aero Astro Auto Motor Rail Marine Cargo Trade Capital Credit Trust Legal Social Public Civic Metro Home House Garden Kitchen Book Paper Pixel Echo Ember Falcon Eagle Lion Wolf Bear Fox Raven Phoenix
Dragon Titan Nimbus Stratus Lumen Photon Vector Matrix Beacon Compass Anchor Bridge Gate Tower Castle Crown Royal Liberty Heritage Pioneer Frontier Horizon Sunrise Evergreen Bluebird Redwood""".split()  # fmt: skip
_FIELDS = """Systems Solutions Technologies Software Analytics Consulting Logistics Industries Foods Energy Networks Media Studios Labs Pharmaceuticals Biotech Diagnostics Insurance Financial Capital Ventures
Construction Engineering Architects Design Interiors Plumbing Electric Motors Airlines Shipping Freight Travel Hotels Bakery Brewery Catering Cleaning Security Staffing Recruitment Marketing Printing
Publishing Books Records Textiles Furniture Hardware Tools Chemicals Plastics Steel Mining Farms Dairy Seafood Wines Cosmetics Fashion Jewellers Optics Robotics Aerospace Telecom Broadcasting Research""".split()  # fmt: skip
_ENDS = (
    "ify",
    "ly",
    "io",
    "ium",
    "ora",
    "ex",
    "ix",
    "on",
    "data",
    "base",
    "list",
    "point",
    "stack",
    "works",
    "ware",
    "soft",
    "tech",
    "lytics",
    "scope",
    "mint",
    "pay",
    "cast",
    "hub",
    "box",
    "kit",
    "guard",
    "sense",
)
_PLACED = {
    "en": ("University of {c}", "{c} University", "{c} General Hospital", "St. {f}'s Hospital", "{c} City Council", "Bank of {c}", "{c} Savings Bank", "First National Bank of {c}", "{c} School District",
           "{l} Elementary School", "{c} Police Department", "{c} Chamber of Commerce", "Ministry of {m}", "Department of {m}", "{c} United FC", "{c} Rowing Club", "{l} Foundation", "Friends of {c} Library",
           "{c} Food Bank", "The {w} Café", "{f}'s Pizza", "{l}'s Bakery", "Café {w}", "Hotel {w}", "{w} Dental Clinic", "{c} Medical Center", "{c} Tribune", "{c} Herald", "Church of St. {f}", "{l} Institute",
           "{c} Institute of Technology", "Museum of {m}", "Society for {m}", "National Union of {m}", "{m} Without Borders", "{c} Airport Authority", "{l} Law Offices", "{w} Insurance Company"),
    "de": ("Universität {c}", "Hochschule {c}", "Klinikum {c}", "St.-{f}-Krankenhaus", "Stadtwerke {c}", "Sparkasse {c}", "Volksbank {c}", "Bundesamt für {m}", "Ministerium für {m}", "Amtsgericht {c}", "{f}-{l}-Gymnasium",
           "TSV {c}", "FC {c}", "{l}-Stiftung", "Autohaus {l}", "Bäckerei {l}", "Praxis Dr. {l}", "Gasthof {w}", "Verein für {m}", "Kanzlei {l} & {l}", "Finanzamt {c}", "Stadtverwaltung {c}", "{l} Bau GmbH", "Apotheke {w}"),
    "fr": ("Université de {c}", "CHU de {c}", "Hôpital Saint-{f}", "Clinique {w}", "Mairie de {c}", "Banque de {c}", "Crédit {w}", "Ministère de {m}", "Lycée {f} {l}", "Collège {l}", "Association {w}", "Fondation {l}",
           "Garage {l}", "Boulangerie {l}", "Cabinet {l}", "Restaurant {w}", "Hôtel {w}", "Olympique de {c}", "Société {w}", "Tribunal de {c}", "Éditions {l}", "Transports {l}", "Pharmacie {w}"),
    "es": ("Universidad de {c}", "Hospital General de {c}", "Hospital San {f}", "Clínica {w}", "Ayuntamiento de {c}", "Banco de {c}", "Caja Rural de {c}", "Ministerio de {m}", "Colegio {f} {l}", "Asociación {w}", "Fundación {l}",
           "Talleres {l}", "Panadería {l}", "Bufete {l}", "Restaurante {w}", "Hotel {w}", "Real {c} CF", "Grupo {l}", "Editorial {w}", "Transportes {l}", "Farmacia {w}", "Construcciones {l}"),
}  # fmt: skip
_MATTERS = {
    "en": ("Health", "Finance", "Education", "Transport", "Labour", "Justice", "the Environment", "Agriculture", "Foreign Affairs", "Modern Art", "Natural History", "Nurses", "Teachers", "Veterans Affairs", "Housing"),
    "de": ("Gesundheit", "Finanzen", "Bildung", "Verkehr", "Justiz", "Umwelt", "Landwirtschaft", "Heimatpflege", "Arbeit und Soziales", "Naturschutz"),
    "fr": ("la Santé", "l'Économie", "l'Éducation nationale", "la Justice", "l'Intérieur", "la Culture", "l'Agriculture", "la Défense"),
    "es": ("Sanidad", "Hacienda", "Educación", "Justicia", "Cultura", "Agricultura", "Fomento", "Trabajo"),
}  # fmt: skip
_KNOWN = """United Nations|UNICEF|Red Cross|World Health Organization|European Commission|European Central Bank|Amnesty International|Greenpeace|Oxfam|Deutsche Bahn|Deutsche Bank|Siemens|Bosch|Volkswagen|BMW|Lufthansa|
Allianz|Bayer|Renault|Air France|Carrefour|Danone|Michelin|Telefónica|Iberia|Santander|Inditex|Repsol|Nestlé|Novartis|Roche|UBS|Credit Suisse|Philips|Heineken|Shell|Unilever|Tesco|Barclays|HSBC|Vodafone|BBC|NHS|
Royal Mail|British Airways|Rolls-Royce|Volvo|Ericsson|IKEA|Spotify|Nokia|Maersk|Lego|Carlsberg|Toyota|Honda|Sony|Nintendo|Samsung|Hyundai|Huawei|Tata Motors|Infosys|Walmart|Target|Starbucks|McDonald's|Coca-Cola|PepsiCo|
Pfizer|Merck|Johnson & Johnson|Boeing|Lockheed Martin|General Electric|Ford|Tesla|Netflix|Disney|Visa|Mastercard|American Express|Bank of America|Wells Fargo|JPMorgan Chase|Goldman Sachs|Morgan Stanley|FedEx|UPS|DHL|
Harvard University|Stanford University|MIT|Yale|University of Oxford|Sorbonne|ETH Zürich|Mayo Clinic|Charité|FBI|NASA|CIA|IRS|Interpol|Scotland Yard|FC Bayern|Real Madrid|FC Barcelona|Manchester United|NATO|UNESCO|
Uber|Airbnb|Lyft|PayPal|eBay|AT&T|Verizon|Comcast|Delta Air Lines|Marriott|Hilton|Nike|Adidas|Zara|H&M|Costco|Home Depot|Best Buy|Kroger|Aldi|Lidl|Edeka|Rewe|Salesforce|Accenture|Deloitte|KPMG|McKinsey|Chevron|ExxonMobil""".replace("\n", "").split("|")  # fmt: skip


@functools.cache
def pool(locale: str) -> tuple[list[str], list[str], list[str], list[str]]:
    """First names, last names, companies and cities of a locale; the same ones in every run."""
    fake = Faker(locale)
    fake.seed_instance(11)
    make = [fake.first_name, fake.last_name, fake.company, fake.city]
    return tuple(list(dict.fromkeys(str(f()) for _ in range(n))) for f, n in zip(make, (500, 800, 150, 300), strict=True))  # type: ignore[return-value]


def plain(text: str) -> str:
    """Without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def culture(rng: random.Random, language: str) -> str:
    """A locale, or a number of the romanised lists."""
    luck = rng.random()
    if luck < (0.45 if language == "en" else 0.6):
        return rng.choice(HOME[language])
    return str(rng.randrange(len(_ROMANISED))) if luck > 0.82 else rng.choice(LOCALES)


def first_last(rng: random.Random, language: str) -> tuple[str, str]:
    """A first and a last name that go together; some are invented from halves of others."""
    place = culture(rng, language)
    if place.isdigit():
        firsts, lasts = (part.split() for part in _ROMANISED[int(place)])
    else:
        firsts, lasts, *_ = pool(place)
    first, last = rng.choice(firsts), rng.choice(lasts)
    if rng.random() < 0.08:
        first = blend(rng, first, rng.choice(firsts))
    if rng.random() < 0.12:
        last = blend(rng, last, rng.choice(lasts))
    if rng.random() < 0.12:
        first, last = plain(first), plain(last)
    return first, last


def blend(rng: random.Random, one: str, other: str) -> str:
    """A word that is no name but looks like one."""
    if min(len(one), len(other)) < 4 or " " in one + other or "-" in one + other:
        return one
    return one[: rng.randint(2, len(one) - 1)] + other[rng.randint(1, len(other) - 2) :].lower()


def last_name(rng: random.Random, language: str) -> str:
    last = first_last(rng, language)[1]
    luck = rng.random()
    if luck < 0.04:
        particle = rng.choice(_PARTICLES)
        return particle + ("" if particle[-1] in "'c" else " ") + last
    return f"{last}-{first_last(rng, language)[1]}" if luck < 0.07 else last


def person(rng: random.Random, language: str) -> tuple[str, str]:
    """What stands before the name (a title, mostly nothing), and a full name in one of its forms."""
    first, last = first_last(rng, language)
    if rng.random() < 0.12:
        last = last_name(rng, language)
    middle = first_last(rng, language)[0]
    luck = rng.random()
    forms = ((0.60, f"{first} {last}"), (0.68, f"{first} {middle[0]}. {last}"), (0.72, f"{first[0]}. {last}"), (0.77, f"{first} {middle} {last}"), (0.82, f"{last}, {first}"),
             (0.84, f"{last.upper()} {first}"), (0.86, f"{first} {last.upper()}"), (0.89, f"{first} {last} {first_last(rng, language)[1]}"), (0.91, f"{first[0]}.{middle[0]}. {last}"),
             (0.93, f"{last}, {first[0]}."), (0.94, f"{last} {first}"), (0.955, f"{first} {last} {rng.choice(('Jr.', 'Sr.', 'II', 'III'))}"), (0.97, f"{first} {middle[0]} {last}"), (0.98, f"{first}-{middle} {last}"),
             (1.0, first))  # fmt: skip
    return rng.choice(_TITLES) if rng.random() < 0.04 else "", next(form for limit, form in forms if luck < limit)


def organization(rng: random.Random, language: str) -> str:
    """A company, an institution, a club, a shop; real ones are few."""
    luck = rng.random()
    first, last = first_last(rng, language)
    place = rng.choice(HOME[language]) if rng.random() < 0.6 else rng.choice(LOCALES)
    if luck < 0.13:
        return rng.choice(pool(place)[2])
    if luck < 0.24:
        return f"{last} {rng.choice(_KINDS)}"
    if luck < 0.30:
        return f"{last}{rng.choice((' & ', ' and ', ', ', '-', ' + '))}{first_last(rng, language)[1]}" + rng.choice(
            ("", "", " " + rng.choice(_KINDS))
        )
    if luck < 0.33:
        return f"{last}, {first_last(rng, language)[1]} and {first_last(rng, language)[1]}"
    if luck < 0.45:
        return " ".join(
            filter(
                None,
                (
                    rng.choice(_WORDS),
                    rng.choice((*[""] * 3, rng.choice(_WORDS))),
                    rng.choice(_FIELDS),
                    rng.choice(("", "", rng.choice(_KINDS))),
                ),
            )
        )
    if luck < 0.51:
        return f"{rng.choice((last, first))} {rng.choice(_FIELDS)}" + rng.choice(("", " " + rng.choice(_KINDS)))
    if luck < 0.60:
        return (
            rng.choice(_WORDS)
            + rng.choice(_ENDS if rng.random() < 0.5 else _WORDS).lower()
            + rng.choice(("", "", "", " " + rng.choice(_KINDS)))
        )
    if luck < 0.66:
        made = blend(rng, rng.choice(_WORDS), rng.choice(_WORDS)) + rng.choice(("", rng.choice(_ENDS)))
        return made[:1].upper() + made[1:].lower() + rng.choice(("", "", " " + rng.choice(_KINDS), " " + rng.choice(_FIELDS)))
    if luck < 0.70:
        return "".join(rng.choice("ABCDEFGHIKLMNOPRSTUVWXZ") for _ in range(rng.choice((3, 3, 3, 4)))) + rng.choice(
            ("", "", " " + rng.choice(_KINDS), " " + rng.choice(_FIELDS))
        )
    if luck < 0.80:
        return rng.choice(_KNOWN)
    asked = language if rng.random() < 0.8 else rng.choice(list(_PLACED))
    slots = {"c": rng.choice(pool(place)[3]), "l": last, "f": first, "m": rng.choice(_MATTERS[asked]), "w": rng.choice(_WORDS)}
    return rng.choice(_PLACED[asked]).format(**slots)
