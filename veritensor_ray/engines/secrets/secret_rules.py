"""The rules of the secrets engine."""

from __future__ import annotations

from veritensor_ray.core.config import Severity
from veritensor_ray.engines.base import Rule

_TAXONOMY = ("OWASP-LLM02:2025", "CWE-798", "CWE-312")
_ROTATE = "Revoke it at the provider first, then remove it from the corpus: anyone with a copy of the corpus has the secret."
_CHANGE = "Change the password wherever it is used, then remove this passage from the corpus."
_FORM = "Matches the format of the provider's tokens"
_DEAD = "Revoked tokens, and made-up ones in tests and documentation."
_GENERIC = "Values in tests and documentation; identifiers and hashes whose name sounds like that of a secret."

_TABLE: tuple[tuple[str, str, str, Severity, str, str], ...] = (
    ("aws-access-key", "AWS access key id", "Matches the format of a key id, or of the id of a user, role, group or policy. Together with the secret key, a key id gives access to the account.", "medium", _ROTATE, "Example key ids. An id alone gives no access."),
    ("aws-secret-key", "AWS secret key", "Forty base64 characters near a key id or under a matching name, or a session token or Bedrock key recognized by its form.", "high", _ROTATE, "Other 40-character values near a key id."),
    ("azure-key", "Azure key", "Matches the format of a key for storage accounts, services, AD or DevOps, or of a shared access signature.", "high", _ROTATE, "Storage emulator keys."),
    ("google-key", "Google key", "Matches the format of an API key, OAuth secret or token.", "high", _ROTATE, "API keys in web pages, which are public but may be restricted."),
    ("cloud-key", "Cloud provider key", "Matches the format of a cloud provider's keys or tokens.", "high", _ROTATE, _DEAD),
    ("digitalocean-token", "DigitalOcean token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("vault-token", "Secrets manager token", "Matches the token format of Vault, Terraform Cloud, Doppler, Pulumi, 1Password, NATS and others.", "high", _ROTATE, _DEAD),
    ("databricks-token", "Databricks token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("database-token", "Database service token", "Matches the token format of PlanetScale, Supabase, Pinecone, MongoDB Atlas and others.", "high", _ROTATE, _DEAD),
    ("github-token", "GitHub token", f"{_FORM}, with a valid checksum if the format has one.", "high", _ROTATE, _DEAD),
    ("gitlab-token", "GitLab token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("bitbucket-token", "Atlassian or Bitbucket token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("ci-token", "Build or analysis service token", "Matches the token format of CircleCI, Buildkite, SonarQube, Sourcegraph, Prefect and others.", "high", _ROTATE, _DEAD),
    ("npm-token", "npm token", "Matches the format of an npm token, or a registry token in .npmrc.", "high", _ROTATE, _DEAD),
    ("pypi-token", "PyPI token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("package-token", "Package registry token", "Matches the token format of RubyGems, NuGet, crates.io, Artifactory and others.", "high", _ROTATE, _DEAD),
    ("docker-token", "Docker Hub token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("openai-key", "OpenAI key", "Matches the format of an OpenAI key, or of the keys of services with a compatible API.", "high", _ROTATE, _DEAD),
    ("anthropic-key", "Anthropic key", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("huggingface-token", "Hugging Face token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("ai-service-key", "Model service key", "Matches the key format of Replicate, Groq, xAI, NVIDIA and others.", "high", _ROTATE, _DEAD),
    ("slack-token", "Slack token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("webhook", "Webhook address", "An address at Slack, Discord, Teams, Google Chat, Lark and others to which anyone who knows it can post.", "medium", _ROTATE, "Addresses in documentation."),
    ("discord-token", "Discord bot token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("telegram-token", "Telegram bot token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("mail-service-key", "Mail or messaging service key", "Matches the key format of Twilio, SendGrid, Mailgun, Mailchimp, Brevo, Resend and others.", "high", _ROTATE, _DEAD),
    ("stripe-key", "Stripe key", f"{_FORM}. Publishable keys are not reported.", "high", _ROTATE, "Test mode keys, which move no money."),
    ("payment-key", "Payment service key", "Matches the key format of Square, PayPal, Razorpay, Plaid and others.", "high", _ROTATE, _DEAD),
    ("shopify-token", "Shopify token", f"{_FORM}.", "high", _ROTATE, _DEAD),
    ("facebook-token", "Facebook token", f"{_FORM}.", "medium", _ROTATE, "Base64 data that begins the same way."),
    ("provider-token", "Other provider token", f"{_FORM}. The message names the provider.", "high", _ROTATE, _DEAD),
    ("jwt", "JSON Web Token", "A token whose header and payload decode to JSON, or a random one of the same form. Many expire soon.", "medium", _ROTATE, "Expired tokens and examples."),
    ("private-key", "Private key", "A PEM block with its content, a PuTTY key, either of these in base64, or the private part of a JSON Web Key.", "high", "Replace the key pair wherever the public key is trusted.", "Keys in test suites."),
    ("age-secret-key", "age secret key", "Matches the format of an age secret key, with a valid checksum.", "high", "Re-encrypt everything that was encrypted for this key.", _DEAD),
    ("connection-string", "Connection string with a password", "An address or list of settings for a database or queue that includes a user name and password.", "high", _CHANGE, "Test databases and containers on the same machine."),
    ("url-credentials", "URL with a password", "An address with a user name and password.", "medium", _CHANGE, "Addresses in documentation."),
    ("http-authorization", "HTTP credentials", "An `Authorization` header with a token, or with a user name and password in base64, the corresponding options of curl, or the cookie of a session.", "medium", _ROTATE, "Example tokens."),
    ("password", "Password", "A literal under a name such as `password`, in code, configuration, tables or documents.", "medium", _CHANGE, _GENERIC),
    ("password-hash", "Password hash", "A hash as in /etc/shadow or .htpasswd. It can be cracked offline.", "low", _CHANGE, "Hashes in documentation."),
    ("generic-key", "Key or token", "A random value under a name such as `api_key`, `token` or `client_secret`.", "medium", _ROTATE, _GENERIC),
    ("uuid", "Tenant of a cloud", "A UUID whose name says that it is a tenant. Together with a client secret, it gives access.", "low", "Check whether the tenant may be known. If it may, leave it.", "Tenants in documentation and of public services."),
)  # fmt: skip


def all_rules() -> list[Rule]:
    """Return every rule, in a fixed order."""
    return [
        Rule(f"secrets.{name}", title, description, "secret", severity, remediation, _TAXONOMY, false_alarms=alarms)
        for name, title, description, severity, remediation, alarms in _TABLE
    ]
