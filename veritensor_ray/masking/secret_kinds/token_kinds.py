"""Defines the tokens that providers give a recognizable form: the literals to search for and the pattern that confirms a match."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass

from veritensor_ray.core.config import Severity
from veritensor_ray.masking.secret_kinds import checksums

_B64 = "[A-Za-z0-9+/]"
_URL = "[A-Za-z0-9_-]"
_HEX = "[0-9a-fA-F]"
_AN = "[A-Za-z0-9]"
_BEHIND = re.compile(r"\(\?<!\[[^\]]*\]\)")
_UUID = f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"


@dataclass(frozen=True)
class Token:
    """One kind of token.

    The prefilter searches for `literals` (one in slashes is a pattern of fixed length). `source` matches at a literal, or begins up to
    `back` characters before it. A passed `check` proves the token; after a failed one, it is rejected if `strict` and merely likely
    otherwise. `loose` is a pattern that is redacted but not reported: a truncated token, or an older form.
    """

    rule: str
    name: str
    literals: tuple[str, ...]
    source: str
    score: float = 0.9
    severity: Severity | None = None
    check: Callable[[str], bool] | None = None
    strict: bool = False
    back: int = 0
    end: str = ""
    loose: str | None = None

    @functools.cached_property
    def pattern(self) -> re.Pattern[str]:
        """The pattern for reporting, which requires that the token stands by itself."""
        before = "" if self.back else r"(?<![A-Za-z0-9_])"
        return _compiled(f"{before}(?:{self.source}){self.end}")

    @functools.cached_property
    def glued(self) -> re.Pattern[str]:
        """The pattern for redaction, which ignores the surrounding text."""
        return _compiled(f"(?:{_BEHIND.sub('', self.source)})" + (f"|(?<![A-Za-z0-9])(?:{self.loose})" if self.loose else ""))

    @property
    def hints(self) -> tuple[str, ...]:
        """Plain words, one of which occurs in every token of this kind."""
        return tuple(word[1:].partition("[")[0] if "[" in word else word for word in self.literals)


@functools.cache
def _compiled(source: str) -> re.Pattern[str]:
    return re.compile(source, re.ASCII)


def _t(
    rule: str,
    name: str,
    literals: str,
    source: str,
    *,
    score: float = 0.9,
    severity: Severity | None = None,
    check: Callable[[str], bool] | None = None,
    strict: bool = False,
    back: int = 0,
    end: str = r"(?![A-Za-z0-9_-])",
    loose: str | None = None,
) -> Token:
    return Token(rule, name, tuple(literals.split()), source, score, severity, check, strict, back, end, loose)


_ALNUM_END = "(?![A-Za-z0-9])"

TOKENS = (
    # before the others, because it may by chance contain their prefixes
    _t("vault-token", "NATS seed", "/S[UAOCNX][A-Z2-7]{56}/", r"S[UAOCNX][A-Z2-7]{56}", check=checksums.is_nkey_seed, end=_ALNUM_END, score=0.6, severity="medium"),
    # clouds
    _t("aws-access-key", "AWS access key id", "AKIA ASIA ABIA ACCA A3T", r"(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}", severity="medium", end=r"(?![A-Za-z0-9_])"),
    _t("cloud-key", "Alibaba Cloud access key id", "LTAI", rf"LTAI{_AN}{{12,20}}", severity="medium"),
    _t("cloud-key", "Tencent Cloud secret id", "AKID", rf"AKID{_AN}{{32}}", severity="medium"),
    _t("google-key", "Google API key", "AIza", rf"AIza{_URL}{{35}}", severity="medium", loose=r"AIza[A-Za-z0-9_-]{30,}"),
    _t("google-key", "Google OAuth client secret", "GOCSPX-", rf"GOCSPX-{_URL}{{28}}"),
    _t("google-key", "Google OAuth access token", "ya29.", rf"ya29\.{_URL}{{40,1024}}", severity="medium"),
    _t("google-key", "Google OAuth refresh token", "1//0", rf"1//0{_URL}{{40,110}}"),
    _t("azure-key", "Azure storage or service key", "AccountKey= AccessKey=", rf"(?:Shared)?(?:Account|Access)Key={_B64}{{43,86}}={{1,2}}", end=r"(?![A-Za-z0-9+/=])", back=6, score=0.97),
    _t("azure-key", "Azure App Configuration secret", ";Secret=", rf";Secret={_B64}{{43}}=", end=r"(?![A-Za-z0-9+/=])", back=1),
    _t("azure-key", "Azure AD client secret", "Q~", r"[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}", end=r"(?![A-Za-z0-9_~.-])", back=4),
    _t("azure-key", "Azure DevOps token", "JQQJ9", rf"{_AN}{{52}}JQQJ9{_AN}{{23,27}}", end=_ALNUM_END, back=52, score=0.97),
    _t("azure-key", "Azure shared access signature", "&sig= ?sig=", r"[?&]sig=[A-Za-z0-9+/%]{43,64}(?:%3[dD]|=)", end=r"(?![A-Za-z0-9%])", back=1),
    _t("digitalocean-token", "DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", r"do[opr]_v1_[a-f0-9]{64}"),
    _t("cloud-key", "Heroku API key", "HRKU-", rf"HRKU-(?:{_UUID}|{_URL}{{58,64}})"),
    _t("cloud-key", "Fly.io token", "fm1r_ fm2_", rf"(?:fm1r|fm2)_{_B64}{{100,1000}}={{0,2}}", end=""),
    _t("cloud-key", "Netlify token", "nfp_", rf"nfp_{_AN}{{36,40}}"),
    _t("cloud-key", "Render key", "rnd_", rf"rnd_{_AN}{{32}}"),
    _t("cloud-key", "Cloudflare origin key", "v1.0-", r"v1\.0-[a-f0-9]{24}-[a-f0-9]{146}"),
    _t("cloud-key", "Tailscale key", "tskey-", rf"tskey-(?:[a-z]+-)?{_AN}{{10,20}}-{_AN}{{20,40}}|tskey-[a-z]+-{_AN}{{16,40}}"),
    _t("cloud-key", "Yandex Cloud key", "AQVN", r"AQVN[A-Za-z0-9_-]{35,38}"),
    _t("aws-secret-key", "AWS session token", "IQoJb3JpZ2lu FwoGZXIvYXdz FQoGZXIvYXdz", rf"(?:IQoJb3JpZ2lu|F[wQ]oGZXIvYXdz){_B64}{{80,2000}}={{0,2}}", severity="high", score=0.97, end=""),
    _t("aws-secret-key", "AWS Bedrock key", "ABSK bedrock-api-key-", rf"ABSK{_B64}{{109,269}}={{0,2}}|bedrock-api-key-{_B64}{{40,2000}}={{0,2}}", severity="high", score=0.97, end=""),
    _t("cloud-key", "AWS AppSync key", "da2-", r"da2-[a-z0-9]{26}"),
    _t("cloud-key", "Amazon seller token", "amzn.mws.", rf"amzn\.mws\.{_UUID}"),
    _t("cloud-key", "Amazon login secret", "amzn1.oa2-cs.v1.", r"amzn1\.oa2-cs\.v1\.[a-f0-9]{64}"),
    _t("google-key", "Google Cloud storage key", "GOOG1E", r"GOOG1E[A-Z0-9]{55,60}", severity="medium"),
    _t("azure-key", "Azure key", "APIM ACDb +ABa +AMC +ASt", rf"{_B64}{{76}}(?:APIM|ACDb|\+ABa|\+AMC|\+ASt){_B64}{{5}}[AQgw]==", end=r"(?![A-Za-z0-9+/=])", back=76, score=0.97),
    _t("azure-key", "Azure key", "AIoT +ASb +AEh +ARm AzCa AzEG", r"[A-Za-z0-9+/_-]{33}(?:AIoT|\+ASb|\+AEh|\+ARm|AzCa|AzEG)[A-P][A-Za-z0-9+/_-]{5}=", end=r"(?![A-Za-z0-9+/=])", back=33, score=0.97),
    _t("azure-key", "Azure key", "AzSe +ACR", rf"{_B64}{{42}}(?:AzSe|\+ACR)[A-D]{_B64}{{5}}", end=r"(?![A-Za-z0-9+/=])", back=42, score=0.97),
    _t("azure-key", "Azure Functions key", "AzFu", rf"{_URL}{{44}}AzFu{_URL}{{5}}[AQgw]==", end="", back=44, score=0.97),
    _t("cloud-key", "Vercel token", "vercel_blob_rw_", rf"vercel_blob_rw_{_AN}{{16}}_{_AN}{{28,32}}"),
    _t("cloud-key", "UpCloud token", "ucat_", r"ucat_[A-Z0-9]{26}"),
    _t("cloud-key", "Scalingo token", "tk-us-", rf"tk-us-{_URL}{{48}}"),
    _t("cloud-key", "Yandex token", "y0_Ag YCA YCM", rf"y0_Ag{_URL}{{35,60}}|YC[AM]{_URL}{{37}}", severity="medium"),
    _t("cloud-key", "Docker Swarm token", "SWMTKN-1- SWMKEY-1-", r"SWMTKN-1-[a-z0-9]{50}-[a-z0-9]{25}|SWMKEY-1-[A-Za-z0-9+/]{43}", end=_ALNUM_END),
    _t("cloud-key", "OpenShift token", "sha256~", rf"sha256~{_URL}{{43}}"),
    # infrastructure
    _t("vault-token", "HashiCorp Vault token", "hvs. hvb. hvr.", rf"hv[sbr]\.{_URL}{{24,300}}"),
    _t("vault-token", "Terraform Cloud token", ".atlasv1.", rf"{_AN}{{14}}\.atlasv1\.[A-Za-z0-9_=-]{{60,70}}", back=14),
    _t("vault-token", "Doppler token", "dp.ct. dp.pt. dp.st. dp.sa. dp.scim. dp.audit.", rf"dp\.(?:ct|pt|st(?:\.[a-z0-9_-]{{2,35}})?|sa|scim|audit)\.{_AN}{{40,44}}"),
    _t("vault-token", "Pulumi token", "pul-", r"pul-[a-f0-9]{40}"),
    _t("vault-token", "Infracost key", "ico-", rf"ico-{_AN}{{32}}"),
    _t("vault-token", "1Password token", "ops_eyJ", r"ops_eyJ[A-Za-z0-9+/=_-]{200,3000}", end=""),
    _t("vault-token", "1Password secret key", "A3-", r"A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}"),
    _t("vault-token", "Infisical token", "/st[.][a-f0-9]{24}[.]/", r"st\.[a-f0-9]{24}\.[a-f0-9]{32}\.[a-f0-9]{32}"),
    _t("vault-token", "Ory token", "ory_pat_ ory_at_ ory_rt_ ory_st_", rf"ory_(?:pat|at|rt|st)_{_URL}{{24,100}}"),
    _t("databricks-token", "Databricks token", "dapi dkea dose", r"(?:dapi|dkea|dose)[a-f0-9]{32}(?:-[0-9])?"),
    _t("database-token", "PlanetScale token", "pscale_", r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,128}"),
    _t("database-token", "Supabase token", "sbp_ sb_secret_", rf"sbp_(?:v0_)?[a-f0-9]{{40}}|sb_secret_{_URL}{{20,60}}"),
    _t("database-token", "Pinecone key", "pcsk_", rf"pcsk_{_AN}{{5,6}}_{_AN}{{60,70}}"),
    _t("database-token", "CockroachDB key", "CCDB1_", rf"CCDB1_{_AN}{{22}}_{_AN}{{40}}"),
    _t("database-token", "Aiven password", "AVNS_", rf"AVNS_{_URL}{{19}}"),
    _t("database-token", "MongoDB Atlas secret", "mdb_sa_sk_", rf"mdb_sa_sk_{_URL}{{40}}"),
    _t("database-token", "ClickHouse key", "4b1d", rf"4b1d{_AN}{{38}}", score=0.75),
    _t("database-token", "Xata key", "xau_", rf"xau_{_AN}{{32,64}}"),
    _t("database-token", "Tinybird token", "p.eyJ1Ijo", rf"p\.eyJ1Ijo{_URL}{{40,200}}\.{_URL}{{20,64}}"),
    _t("age-secret-key", "age secret key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L0-9A-Z]{50,60}", score=0.98),
    # code hosting, builds, packages
    _t("github-token", "GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", rf"gh[pous]_{_AN}{{36}}|ghr_{_AN}{{36,76}}", check=checksums.crc_of_token, score=0.8, loose=r"gh[pousr]_[A-Za-z0-9]{20,}"),
    _t("github-token", "GitHub fine-grained token", "github_pat_", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}", score=0.97, loose=r"github_pat_\w{20,}"),
    _t("gitlab-token", "GitLab token", "glpat- gldt- glrt- glft- glffct- glcbt- glwt- glsoat- glimt- GR1348941",
       rf"(?:glpat|gldt|glrt|glft|glffct|glwt)-{_URL}{{20}}(?:{_URL}{{0,280}}\.[0-9a-z.]{{8,20}})?|glcbt-(?:[0-9a-f]{{1,5}}_)?{_URL}{{20}}|glimt-{_URL}{{25}}"
       rf"|glsoat-{_URL}{{19,49}}{_AN}|GR1348941{_URL}{{19,49}}{_AN}", loose=r"glpat-[A-Za-z0-9_-]{16,}"),
    _t("gitlab-token", "GitLab token", "glptt- glagent- gloas-", rf"glptt-{_URL}{{40}}|glagent-{_URL}{{50,1024}}|gloas-{_URL}{{64}}"),
    _t("bitbucket-token", "Bitbucket or Atlassian token", "ATATT3 ATCTT3 ATBB", r"AT[AC]TT3[A-Za-z0-9_=-]{100,250}|ATBB[A-Za-z0-9]{32}"),
    _t("ci-token", "CircleCI token", "CCIPAT_ CCIPRJ_", rf"CCI(?:PAT|PRJ)_{_URL}{{22}}_{_AN}{{40}}"),
    _t("ci-token", "Buildkite token", "bkua_", rf"bkua_{_AN}{{40}}"),
    _t("ci-token", "SonarQube token", "squ_ sqp_ sqa_", r"sq[upa]_[a-f0-9]{40}"),
    _t("ci-token", "Sourcegraph token", "sgp_ slk_", rf"sgp_(?:(?:{_HEX}{{16}}|local)_){{0,2}}{_HEX}{{40}}|slk_[a-f0-9]{{64}}|sgp_{_AN}{{64}}"),
    _t("ci-token", "Prefect key", "pnu_ pnb_", rf"pn[ub]_{_AN}{{36}}"),
    _t("ci-token", "Harness token", "/pat[.][A-Za-z0-9_-]{22}[.]/ /sat[.][A-Za-z0-9_-]{22}[.]/", rf"[ps]at\.{_URL}{{22}}\.[0-9a-f]{{24}}\.{_AN}{{20}}"),
    _t("ci-token", "Octopus key", "API-", r"API-[A-Z0-9]{25,32}", score=0.75),
    _t("ci-token", "Code Climate reporter", "CC_TEST_REPORTER_ID", r"CC_TEST_REPORTER_ID\s?[:=]\s?[\"']?[a-f0-9]{64}", score=0.75, severity="medium"),
    _t("ci-token", "TeamCity token", "eyJ0eXAiOiAiVENWMiJ9.", rf"eyJ0eXAiOiAiVENWMiJ9\.{_URL}{{30,60}}\.{_URL}{{40,60}}"),
    _t("npm-token", "npm token", "npm_", rf"npm_{_AN}{{36}}", check=checksums.crc_of_token, score=0.8),
    _t("npm-token", "npm registry token", "_authToken", r"_authToken\s?=\s?(?!\$|npm_\w{36})[A-Za-z0-9_+/=-]{10,200}", score=0.85, end=""),
    _t("pypi-token", "PyPI token", "pypi-AgE", r"pypi-AgE[A-Za-z0-9_-]{70,300}", score=0.97),
    _t("package-token", "RubyGems key", "rubygems_", r"rubygems_[a-f0-9]{48}"),
    _t("package-token", "NuGet key", "oy2", r"oy2[a-z0-9]{43}", end=_ALNUM_END),
    _t("package-token", "crates.io token", "/cio[A-Za-z0-9]{32}/", rf"cio{_AN}{{32}}", score=0.75),
    _t("package-token", "Artifactory key", "AKCp AKC5 AKC8 AKC2", rf"AKC[p258]{_AN}{{10,120}}"),
    _t("package-token", "Artifactory reference token", "cmVmdGtu", rf"cmVmdGtu{_AN}{{56}}"),
    _t("docker-token", "Docker Hub token", "dckr_pat_ dckr_oat_", rf"dckr_[po]at_{_URL}{{24,36}}"),
    _t("docker-token", "Portainer token", "/ptr_[A-Za-z0-9_+-]{20}/", r"ptr_[A-Za-z0-9_+-]{43}=?", end=""),
    _t("package-token", "Clojars token", "CLOJARS_", r"CLOJARS_[a-z0-9]{60}"),
    _t("package-token", "Packagist token", "packagist_", r"packagist_(?:ack|acs|uut|ort)_(?:[a-z]{2,8}_)?[a-f0-9]{68}"),
    # models
    _t("openai-key", "OpenAI key", "T3BlbkFJ", rf"sk-(?:[a-z]{{2,12}}-)?{_URL}{{16,120}}?T3BlbkFJ{_URL}{{20,120}}", back=150, score=0.98),
    _t("openai-key", "OpenAI-style key", "sk-", rf"sk-(?:proj|svcacct|admin|None)-{_URL}{{58,220}}|sk-{_AN}{{32,64}}", score=0.8, loose=r"sk-[A-Za-z0-9_-]{16,}"),
    _t("anthropic-key", "Anthropic key", "sk-ant-", rf"sk-ant-[a-z]{{2,8}}[0-9]{{2,3}}-{_URL}{{80,120}}", score=0.98),
    _t("ai-service-key", "OpenRouter key", "sk-or-", r"sk-or-(?:v1-)?[a-f0-9]{64}"),
    _t("huggingface-token", "Hugging Face token", "hf_ api_org_", r"hf_[A-Za-z]{34,37}|hf_[A-Za-z0-9]{34}|api_org_[A-Za-z]{34}", loose=r"hf_[A-Za-z0-9]{20,}"),
    _t("ai-service-key", "Replicate token", "r8_", rf"r8_{_AN}{{37,45}}"),
    _t("ai-service-key", "Groq key", "gsk_", rf"gsk_{_AN}{{52}}"),
    _t("ai-service-key", "xAI key", "xai-", rf"xai-{_URL}{{70,90}}"),
    _t("ai-service-key", "Perplexity key", "pplx-", rf"pplx-{_AN}{{48,56}}"),
    _t("ai-service-key", "NVIDIA key", "nvapi-", rf"nvapi-{_URL}{{60,70}}"),
    _t("ai-service-key", "LangSmith key", "lsv2_", r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}"),
    _t("ai-service-key", "ElevenLabs key", "/sk_[a-f0-9]{48}/", r"sk_[a-f0-9]{48}"),
    _t("ai-service-key", "Together key", "tgp_v1_", rf"tgp_v1_{_URL}{{43}}"),
    _t("ai-service-key", "Fireworks key", "fw_", rf"fw_{_AN}{{22,24}}"),
    _t("ai-service-key", "Cerebras key", "csk-", r"csk-[a-z0-9]{48}"),
    _t("ai-service-key", "Voyage key", "/pa-[A-Za-z0-9_-]{43}/", rf"pa-{_URL}{{43}}", score=0.75),
    _t("ai-service-key", "Jina key", "jina_", rf"jina_[a-f0-9]{{32}}{_URL}{{28}}"),
    _t("ai-service-key", "Tavily key", "tvly-", rf"tvly-(?:dev-|prod-)?{_AN}{{32}}"),
    _t("ai-service-key", "Firecrawl key", "fc-", r"fc-[a-f0-9]{32}"),
    _t("ai-service-key", "Langfuse key", "sk-lf-", rf"sk-lf-{_UUID}"),
    _t("ai-service-key", "Weights & Biases key", "wandb_v1_", rf"wandb_v1_{_URL}{{40,100}}"),
    _t("ai-service-key", "RunPod key", "rpa_", r"rpa_[A-Z0-9]{40,50}(?:[a-z0-9]{2,6})?"),
    _t("ai-service-key", "Apify token", "apify_api_", rf"apify_api_{_AN}{{34,40}}"),
    _t("ai-service-key", "E2B key", "e2b_", r"e2b_[a-f0-9]{40}"),
    _t("ai-service-key", "LlamaCloud key", "llx-", rf"llx-{_AN}{{48}}"),
    _t("ai-service-key", "Kaggle token", "KGAT_", r"KGAT_[a-f0-9]{32}"),
    _t("ai-service-key", "Helicone key", "sk-helicone-", r"sk-helicone-[a-z0-9-]{27,45}"),
    _t("ai-service-key", "Friendli token", "flp_", rf"flp_{_AN}{{40,60}}"),
    # messaging and mail
    _t("slack-token", "Slack token", "xoxb- xoxp- xoxa- xoxo- xoxr- xoxs- xoxe- xoxe.xox xoxc- xoxd-",
       r"xox[abprosc]-(?:[0-9]{1,13}-)?[A-Za-z0-9-]{16,250}|xoxe(?:\.xox[bp])?-[0-9]-[A-Za-z0-9]{100,250}|xoxd-[A-Za-z0-9%+/=]{60,300}", loose=r"xox[abprs]-[A-Za-z0-9-]{10,}"),
    _t("slack-token", "Slack app token", "xapp-", r"xapp-[0-9]-[A-Z0-9]{8,14}-[0-9]{8,15}-[a-f0-9]{32,80}"),
    _t("webhook", "Slack webhook", "hooks.slack.com/", rf"hooks\.slack\.com/(?:services/T{_AN}{{8,11}}/B?{_AN}{{8,11}}/{_AN}{{20,26}}|(?:workflows|triggers)/{_AN}{{8,12}}/{_AN}{{8,24}}/[A-Za-z0-9/]{{20,60}})"),
    _t("webhook", "Discord webhook", "/api/webhooks/", rf"/api/webhooks/[0-9]{{17,20}}/{_URL}{{55,80}}", back=1),
    _t("webhook", "Microsoft Teams webhook", ".webhook.office.com/", rf"\.webhook\.office\.com/webhookb2/{_UUID}@{_UUID}/IncomingWebhook/{_AN}{{20,40}}/{_UUID}", back=1),
    _t("webhook", "Zapier webhook", "hooks.zapier.com/", rf"hooks\.zapier\.com/hooks/catch/[0-9]{{5,10}}/{_AN}{{5,10}}", severity="low"),
    _t("telegram-token", "Telegram bot token", ":AA", rf"(?<![0-9])[0-9]{{8,10}}:AA{_URL}{{33}}", back=10, score=0.92),
    _t("mail-service-key", "Twilio key", "/SK[0-9a-f]{32}/", r"SK[0-9a-f]{32}", severity="medium", score=0.75),
    _t("mail-service-key", "SendGrid key", "SG.", rf"SG\.{_URL}{{22}}\.{_URL}{{43}}", score=0.97),
    _t("mail-service-key", "Mailgun key", "key-", r"key-[0-9a-f]{32}", score=0.75),
    _t("mail-service-key", "Mailchimp key", "/-us[0-9]/", r"(?<![0-9A-Za-z])[0-9a-f]{32}-us[0-9]{1,2}", back=33),
    _t("mail-service-key", "Brevo key", "xkeysib- xsmtpsib-", rf"x(?:key|smtp)sib-[a-f0-9]{{64}}-{_AN}{{16}}"),
    _t("mail-service-key", "MailerSend key", "mlsn.", r"mlsn\.[a-f0-9]{64}"),
    _t("mail-service-key", "Mandrill key", "/md-[A-Za-z0-9_-]{22}/", rf"md-{_URL}{{22}}", score=0.75),
    _t("mail-service-key", "Resend key", "/re_[A-Za-z0-9]{8}_/", rf"re_{_AN}{{8}}_{_AN}{{24}}"),
    _t("mail-service-key", "OneSignal key", "os_v2_", r"os_v2_(?:app|org)_[a-z0-9]{100,108}"),
    _t("mail-service-key", "Courier key", "pk_prod_ pk_test_", r"pk_(?:prod|test)_[A-Z0-9]{28}"),
    _t("mail-service-key", "Intercom token", "dG9rO", r"dG9rO[A-Za-z0-9+/]{54,60}={0,2}", end=""),
    _t("mail-service-key", "Instagram token", "IGQV IGAA", rf"IG(?:QV|AA){_URL}{{100,300}}"),
    _t("mail-service-key", "VK token", "vk1.a.", rf"vk1\.a\.{_URL}{{80,300}}"),
    # payments and shops
    _t("stripe-key", "Stripe secret key", "sk_live_ rk_live_ sk_test_ rk_test_", rf"[sr]k_(?:live|test)_{_AN}{{15,250}}"),
    _t("stripe-key", "Stripe webhook secret", "whsec_", r"whsec_[A-Za-z0-9+/=]{32,64}", score=0.8),
    _t("payment-key", "Pagar.me key", "ak_live_", rf"ak_live_{_AN}{{30}}"),
    _t("payment-key", "Square secret", "sq0atp- sq0csp-", rf"sq0(?:atp-{_URL}{{22}}|csp-{_URL}{{43}})"),
    _t("payment-key", "Square token", "EAAA", rf"EAAA{_URL}{{60}}"),
    _t("payment-key", "PayPal access token", "access_token$", r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}"),
    _t("payment-key", "Razorpay key", "rzp_live_", rf"rzp_live_{_AN}{{14}}", severity="medium"),
    _t("payment-key", "Flutterwave key", "FLWSECK", r"FLWSECK(?:_TEST)?-[a-f0-9]{32}-X"),
    _t("payment-key", "EasyPost key", "EZAK EZTK", rf"EZ[AT]K{_AN}{{54}}"),
    _t("payment-key", "Shippo key", "shippo_", rf"shippo_(?:live|test)_{_HEX}{{40}}"),
    _t("payment-key", "Plaid token", "access-", rf"access-(?:sandbox|development|production)-{_UUID}"),
    _t("payment-key", "Paddle key", "pdl_", rf"pdl_(?:live|sdbx)_apikey_[a-z0-9]{{26}}_{_AN}{{22}}_{_AN}{{3}}"),
    _t("payment-key", "Polar token", "polar_", rf"polar_(?:oat|pat|at_u|at_o)_{_AN}{{40,50}}"),
    _t("payment-key", "Duffel token", "duffel_", rf"duffel_(?:test|live)_{_URL}{{43}}"),
    _t("payment-key", "WooCommerce key", "/ck_[a-f0-9]{40}/ /cs_[a-f0-9]{40}/", r"c[ks]_[a-f0-9]{40}"),
    _t("payment-key", "Checkout.com key", "sk_sbox_", r"sk_sbox_[a-z0-9]{26}"),
    _t("payment-key", "GoCardless token", "/live_[A-Za-z0-9_-]{40}/ /sandbox_[A-Za-z0-9_-]{40}/", rf"(?:live|sandbox)_{_URL}{{40}}", score=0.75),
    _t("payment-key", "Extended wallet private key", "xprv", r"xprv[1-9A-HJ-NP-Za-km-z]{107,108}", score=0.97),
    _t("payment-key", "Nostr key", "nsec1", r"nsec1[ac-hj-np-z02-9]{58}", score=0.97),
    _t("shopify-token", "Shopify token", "shpat_ shpca_ shppa_ shpss_", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    # others
    _t("facebook-token", "Facebook access token", "EAA", rf"EAA(?:CEdEose0cBA)?{_AN}{{30,300}}", severity="medium", score=0.75),
    _t("provider-token", "Linear key", "lin_api_ lin_oauth_", rf"lin_(?:api_{_AN}{{40}}|oauth_[a-f0-9]{{64}})"),
    _t("provider-token", "Notion token", "secret_ ntn_", rf"secret_{_AN}{{43}}|ntn_[0-9]{{11}}{_AN}{{32,35}}"),
    _t("provider-token", "Sentry token", "sntrys_ sntryu_", r"sntryu_[a-f0-9]{64}|sntrys_[A-Za-z0-9+/=]{60,300}_[A-Za-z0-9+/]{43}", end=""),
    _t("provider-token", "New Relic key", "NRAK- NRII- NRJS-", rf"NR(?:AK-[A-Z0-9]{{27}}|II-{_URL}{{32}}|JS-[a-f0-9]{{19}})"),
    _t("provider-token", "Postman key", "PMAK-", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    _t("provider-token", "Grafana token", "glc_ glsa_ eyJrIjoi", rf"glsa_{_AN}{{32}}_{_HEX}{{8}}|glc_[A-Za-z0-9+/=]{{32,400}}|eyJrIjoi[A-Za-z0-9+/]{{60,400}}={{0,2}}"),
    _t("provider-token", "Airtable token", "/pat[A-Za-z0-9]{14}\\.[a-f0-9]{8}/", rf"pat{_AN}{{14}}\.[a-f0-9]{{64}}"),
    _t("provider-token", "Asana token", "0/1 1/1 2/1", r"[0-2]/1[0-9]{15}(?:/[0-9]{16})?:[a-f0-9]{32}"),
    _t("provider-token", "Dropbox token", "sl.", rf"sl\.(?:u\.)?{_URL}{{130,1300}}"),
    _t("provider-token", "Figma token", "figd_", rf"figd_{_URL}{{40}}"),
    _t("provider-token", "HubSpot token", "pat-na1- pat-eu1-", rf"pat-(?:na|eu)1-{_UUID}"),
    _t("provider-token", "LaunchDarkly key", "sdk- api-", rf"(?:sdk|api)-{_UUID}", score=0.7),
    _t("provider-token", "PostHog key", "phx_", rf"phx_{_URL}{{43,48}}"),
    _t("provider-token", "Contentful token", "CFPAT-", rf"CFPAT-{_URL}{{43,64}}"),
    _t("provider-token", "Dynatrace token", "dt0c01. dt0s01.", r"dt0[cs]01\.[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    _t("provider-token", "Adafruit IO key", "aio_", rf"aio_{_AN}{{28}}"),
    _t("provider-token", "ClickUp token", "pk_", r"pk_[0-9]{6,10}_[A-Z0-9]{28,36}"),
    _t("provider-token", "Typeform token", "tfp_", r"tfp_[A-Za-z0-9_.=-]{44,59}"),
    _t("provider-token", "WakaTime key", "waka_", rf"waka_(?:sec_)?(?:{_UUID}|{_AN}{{70,90}})"),
    _t("provider-token", "ReadMe key", "rdme_", r"rdme_[a-z0-9]{70}"),
    _t("provider-token", "Frame.io token", "fio-u-", rf"fio-u-{_URL}{{64}}", back=1),
    _t("provider-token", "Flexport token", "shltm_", rf"shltm_{_URL}{{40}}"),
    _t("provider-token", "Fleetbase token", "flb_live_", rf"flb_live_{_AN}{{20}}"),
    _t("provider-token", "Ionic token", "/ion_[A-Za-z0-9]{42}/", rf"ion_{_AN}{{42}}"),
    _t("provider-token", "OWASP Dependency-Track key", "odt_", rf"odt_{_AN}{{32,40}}"),
    _t("provider-token", "Nightfall key", "NF-", rf"NF-{_AN}{{32}}"),
    _t("provider-token", "Teamwork token", "tkn.v1_", r"tkn\.v1_[A-Za-z0-9]{70,80}=?", end=""),
    _t("provider-token", "Voiceflow key", "VF.DM. VF.WS.", rf"VF\.(?:DM|WS)\.{_AN}{{24}}\.{_AN}{{16}}"),
    _t("provider-token", "Ubidots token", "BBFF-", rf"BBFF-{_AN}{{30}}"),
    _t("provider-token", "Lichess token", "lip_", rf"lip_{_AN}{{20}}"),
    _t("provider-token", "Mapbox secret token", "sk.eyJ", rf"sk\.eyJ[A-Za-z0-9_-]{{40,200}}\.{_URL}{{20,40}}"),
    _t("provider-token", "Salesforce session", "00D", r"00D[A-Za-z0-9]{12,15}![A-Za-z0-9._]{80,120}"),
    _t("provider-token", "Okta token", "SSWS", rf"SSWS\s00{_URL}{{40}}"),
    _t("provider-token", "PubNub secret key", "sec-c-", rf"sec-c-{_AN}{{48}}"),
    _t("provider-token", "Snowflake token", "ver:1-hint:", r"ver:1-hint:[0-9]{6,20}-ETMsDgAAA[A-Za-z0-9+/=]{100,400}", end=""),
    _t("provider-token", "Trello token", "ATTA", r"ATTA[a-f0-9]{60,76}"),
    _t("provider-token", "Stytch secret", "secret-live- secret-test-", rf"secret-(?:live|test)-{_URL}{{36}}=?", end=""),
    _t("provider-token", "Telnyx key", "KEY0", rf"KEY0{_AN}{{31}}_{_AN}{{22}}"),
    _t("provider-token", "Zoho token", "1000.", r"1000\.[a-f0-9]{32}\.[a-f0-9]{32}"),
    _t("provider-token", "RapidAPI key", "jsn", r"[a-z0-9]{10}msh[a-z0-9]{15}p1[a-z0-9]{5}jsn[a-z0-9]{12}", back=35),
    _t("provider-token", "Honeycomb key", "hcaik_ hcbik_ hcxik_ hcalk_ hcblk_ hcxlk_ hcamk_ hcbmk_ hcxmk_", r"hc[abx][ilm]k_[a-z0-9]{58}"),
    _t("provider-token", "New Relic license key", "NRAL NRRA- NRAA-", r"[a-f0-9]{36}NRAL|NR[RA]A-[a-f0-9]{42}", back=36),
    _t("provider-token", "Axiom token", "xaat- xapt-", rf"xa[ap]t-{_UUID}"),
    _t("provider-token", "Unleash token", ":development. :production.", r"[A-Za-z0-9_*-]{1,40}:(?:development|production)\.[a-f0-9]{56,64}", back=41),
    _t("provider-token", "Flagsmith key", "/ser[.][A-Za-z0-9]{22}/", rf"ser\.{_AN}{{22}}"),
    _t("provider-token", "Riot key", "RGAPI-", rf"RGAPI-{_UUID}"),
    _t("provider-token", "Twitter bearer token", "AAAAAAAAAAAAAAAAAAAA", r"A{20,22}[A-Za-z0-9%]{60,120}", end=""),
    _t("provider-token", "Figma OAuth token", "figo_ figu_", rf"fig[ou]_{_URL}{{40}}"),
    _t("provider-token", "PostHog secret", "phs_", rf"phs_{_AN}{{30,50}}"),
    _t("provider-token", "Scalr token", "/at-[a-z0-9]{15}[.]/", rf"at-[a-z0-9]{{15}}\.{_AN}{{40,120}}"),
    _t("provider-token", "Liveblocks key", "sk_dev_ sk_prod_", rf"sk_(?:dev|prod)_{_URL}{{24,80}}"),
    _t("provider-token", "Linear webhook secret", "lin_wh_", rf"lin_wh_{_AN}{{40}}"),
    _t("jwt", "JSON Web Token", "eyJ", r"eyJ[A-Za-z0-9_-]{10,2000}={0,2}\.eyJ[A-Za-z0-9_-]{6,8000}={0,2}(?:\.[A-Za-z0-9_-]{0,2000})?",
       check=checksums.is_jwt, strict=True, severity="medium", score=0.8, loose=r"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.?[A-Za-z0-9_-]*"),
    _t("private-key", "Private key in base64", "LS0tLS1CRUdJTi", rf"LS0tLS1CRUdJTi{_B64}{{40,8000}}={{0,2}}", check=checksums.is_pem_in_base64, strict=True, end=""),
)  # fmt: skip
