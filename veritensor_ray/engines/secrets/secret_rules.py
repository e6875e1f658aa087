"""What each kind of secret means and what to do about it; it knows no pattern."""

from __future__ import annotations

from veritensor_ray.engines.base import Rule

_TAXONOMY = ("OWASP-LLM02:2025", "CWE-798", "CWE-312")
_ROTATE = "Revoke it at the provider first, then remove it from the corpus: whoever has a copy of the corpus has the secret."
_CHANGE = "Change it where it is in use, then remove it from the corpus."
_FORM = "Text of the form that the provider gives its tokens"
_DEAD = "Tokens that were revoked, and invented ones in tests and documentation."
_GENERIC = "Values in tests and documentation; identifiers and hashes under a name that sounds like a secret."

_TABLE = (
    ("aws-access-key", "AWS access key id", f"{_FORM}. Beside it, the secret key gives access to the account.", "medium", _ROTATE, "Key ids of examples; an id alone gives no access."),
    ("aws-secret-key", "AWS secret key", "Forty characters of base64 beside a key id, or under a name that says so; session tokens and Bedrock keys by their form.", "critical", _ROTATE, "Other values of forty characters beside a key id."),
    ("azure-key", "Azure key", f"{_FORM}: of storage accounts, services, AD, DevOps, and shared signatures.", "high", _ROTATE, "Keys of the storage emulator."),
    ("google-key", "Google key", f"{_FORM}: API keys, OAuth secrets and tokens.", "high", _ROTATE, "API keys of web pages, which are public but may be restricted."),
    ("cloud-key", "Key of a cloud provider", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("digitalocean-token", "DigitalOcean token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("vault-token", "Token of a secrets manager", f"{_FORM}: Vault, Terraform Cloud, Doppler, Pulumi, 1Password, NATS and others.", "high", _ROTATE, _DEAD),
    ("databricks-token", "Databricks token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("database-token", "Token of a database service", f"{_FORM}: PlanetScale, Supabase, Pinecone, MongoDB Atlas and others.", "high", _ROTATE, _DEAD),
    ("github-token", "GitHub token", f"{_FORM}, with a right checksum where the format has one.", "high", _ROTATE, _DEAD),
    ("gitlab-token", "GitLab token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("bitbucket-token", "Atlassian or Bitbucket token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("ci-token", "Token of a build or analysis service", f"{_FORM}: CircleCI, Buildkite, SonarQube, Sourcegraph, Prefect and others.", "high", _ROTATE, _DEAD),
    ("npm-token", "npm token", f"{_FORM}, or the token of a registry in .npmrc.", "high", _ROTATE, _DEAD),
    ("pypi-token", "PyPI token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("package-token", "Token of a package registry", f"{_FORM}: RubyGems, NuGet, crates.io, Artifactory and others.", "high", _ROTATE, _DEAD),
    ("docker-token", "Docker Hub token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("openai-key", "OpenAI key", f"{_FORM}, or that of services with a compatible interface.", "high", _ROTATE, _DEAD),
    ("anthropic-key", "Anthropic key", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("huggingface-token", "Hugging Face token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("ai-service-key", "Key of a model service", f"{_FORM}: Replicate, Groq, xAI, NVIDIA and others.", "high", _ROTATE, _DEAD),
    ("slack-token", "Slack token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("webhook", "Webhook address", "An address that lets whoever knows it post: Slack, Discord, Teams.", "medium", _ROTATE, "Addresses in documentation."),
    ("discord-token", "Discord bot token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("telegram-token", "Telegram bot token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("mail-service-key", "Key of a mail or message service", f"{_FORM}: Twilio, SendGrid, Mailgun, Mailchimp, Brevo, Resend and others.", "high", _ROTATE, _DEAD),
    ("stripe-key", "Stripe key", f"{_FORM}. Publishable keys are left out.", "high", _ROTATE, "Keys of the test mode, which move no money."),
    ("payment-key", "Key of a payment service", f"{_FORM}: Square, PayPal, Razorpay, Plaid and others.", "high", _ROTATE, _DEAD),
    ("shopify-token", "Shopify token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("facebook-token", "Facebook token", f"{_FORM}.", "medium", _ROTATE, "Base64 that begins alike."),
    ("provider-token", "Token of another provider", f"{_FORM}; the message names it.", "high", _ROTATE, _DEAD),
    ("jwt", "JSON Web Token", "Header and payload decode to JSON. Many expire soon.", "medium", _ROTATE, "Expired tokens and those of examples."),
    ("private-key", "Private key", "A PEM block with its content, a PuTTY key, one of these in base64, or the private part of a JSON Web Key.", "high", "Replace the key pair wherever the public key is trusted.", "Keys of test suites."),
    ("age-secret-key", "age secret key", f"{_FORM}.", "high", "Encrypt anew what was encrypted for it.", _DEAD),
    ("connection-string", "Connection string with password", "Address or list of settings of a database or queue with user and password.", "high", _CHANGE, "Databases of tests and containers on the same machine."),
    ("url-credentials", "URL with password", "An address with user name and password.", "medium", _CHANGE, "Addresses in documentation."),
    ("http-authorization", "HTTP credentials", "A header `Authorization` with a token, or with user and password in base64; the options of curl.", "medium", _ROTATE, "Tokens of examples."),
    ("password", "Password", "A literal under a name such as `password`, in code, configuration, tables or documents.", "medium", _CHANGE, _GENERIC),
    ("password-hash", "Hash of a password", "A hash as in /etc/shadow or .htpasswd: it can be tried offline.", "low", _CHANGE, "Hashes of documentation."),
    ("generic-key", "Key or token", "A random value under a name such as `api_key`, `token` or `client_secret`.", "medium", _ROTATE, _GENERIC),
    ("uuid", "UUID as a value", "A UUID in code or configuration under a name that promises nothing. Some services take one as a key; most only name something.", "info", "Look whether a service takes it as a key. If not, leave it.", "Identifiers of anything."),
)  # fmt: skip


def all_rules() -> list[Rule]:
    """Every rule, in a fixed order."""
    return [
        Rule(f"secrets.{name}", title, description, "secret", severity, remediation, _TAXONOMY, false_alarms=alarms)
        for name, title, description, severity, remediation, alarms in _TABLE
    ]
