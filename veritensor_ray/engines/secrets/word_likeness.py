"""Word lists: names of secrets, placeholders, and services that issue keys."""

from __future__ import annotations

import functools
from importlib.resources import files


def listed(text: str) -> frozenset[str]:
    """Split a text into a set of words."""
    return frozenset(text.split())


LETTERS = "abcdefghijklmnopqrstuvwxyz$"

# the last word of a name
PASSWORD = listed(
    "password passwords passwd passwort pwd pass passphrase passcode psw userpass dbpass contrasena senha pw motdepasse wachtwoord"
)
SECRET = listed("secret secrets token tokens credential credentials creds cred apikey secretkey accesskey authkey privatekey authtoken accesstoken bearer pat "
                 "clientsecret appsecret appkey masterkey encryptionkey signingkey")  # fmt: skip
KEY = listed("key keys auth salt nonce pepper authorization apitoken sid login")
QUALIFIED = listed("api app access secret private auth client account service master encryption signing signature session license admin consumer server shared "
                    "storage subscription function db database rest project deploy jwt aes hmac crypto encrypt webhook bot user integration security ssl ssh sdk aws azure")  # fmt: skip

# words that may follow that last word
SUFFIX = listed("value val str string text plain b64 base64 hex default prod production dev development test testing staging live qa sandbox env old new current "
                 "primary secondary root admin user db key 1 2 3 01 02 data raw id_rsa main local")  # fmt: skip
# words that rule out a secret
HARMLESS = listed("public pub foreign cache sort primary partition hash hashed sha sha1 sha256 sha512 md5 digest checksum integrity fingerprint thumbprint "
                   "etag commit revision rev uuid guid encrypted idempotency dedupe shortcut hotkey keyboard keypress keycode keyword keywords csrfname csrftoken csrfmiddlewaretoken xsrftoken "
                   "i18n locale translation color colour sitekey publishable anon translations "
                   "chars alphabet charset characters page next continuation cursor pagination "
                    "unk bos eos mask cls sep csrf xsrf kid vocab tokenizer pos lemma dict enum column row index")  # fmt: skip

TYPES = listed("string str text bool boolean int integer number float double bytes char object any none null nil undefined true false yes no void optional "
                "required missing invalid empty unknown default password passwd pwd secret token key apikey user username admin root login "
                "hidden input field value name type label self this request response config settings env environment options params args data "
                "utf-8 utf8 utf-16 latin1 latin-1 iso-8859-1 ascii base64 sha1 sha256 sha512 md5 hs256 rs256 oauth2 mypassword mypass mysecret mytoken mykey myuser password123 pass1234 basic bearer plain ask prompt enabled disabled auto manual new old current reset forgot change show hide "
                "required optional never always ok error fail failed success expired refresh access identifier var variable const static final public private "
                "wachtwoord passwort kennwort heslo haslo jelszo salasana parola senha adgangskode passord losenord sifre parool slaptazodis lozinka geslo sandi contrasenya "
                "motdepasse zugangscode zugangsdaten wagwoord parole pasahitza "
                "protected readonly function return async await class struct import from export")  # fmt: skip

# words that placeholders consist of
STAND_IN = listed("your my the a an some any this that is here goes example examples sample test tests testing dummy fake mock placeholder changeme changeit change me "
                   "replace insert enter put add todo fixme tbd redacted removed hidden masked secret secrets token tokens password passwords passwd pass pwd key keys api "
                   "access auth client value string text name user username admin root db database app application service server account id not real valid invalid "
                   "wrong bad good correct incorrect new old current default super very long random generated secure foo bar baz qux foobar lorem ipsum one two "
                   "first second if you and or of for with to in on no none null empty blank required optional only must be at least please use same as long "
                   "private public shared encrypted hash hashed salt nonce bearer basic authorization header env environment var variable config setting "
                   "login email mail host port url uri path file org com net local localhost dev prod staging something anything whatever")  # fmt: skip

PLACEHOLDER = ("your", "example", "placeholder", "changeme", "changeit", "change_me", "change-me", "replace_", "replace-", "replaceme", "insert_", "insert-",
               "redacted", "dummy", "xxxx", "****", "....", "____", "----", "${", "{{", "}}", "%(", "$(", "[[", "todo", "fixme", "enter_", "not_real", "notreal",
               "foobar", "lorem", "n/a", "@@")  # fmt: skip

VENDORS = listed("adafruit airbrake airtable algolia alchemy amplitude anthropic apify apollo appcenter artifactory asana atlassian auth0 aviationstack baremetrics bitbucket "
                  "bitly blazemeter braintree buildkite buttercms calendarific calendly chartmogul circleci clarifai clearbit clockify cloudant cloudflare cloudinary cloudsmith "
                  "codacy codeclimate codecov cohere coinapi coinbase coinlayer confluent contentful convertkit coveralls crowdin currencylayer databricks datadog deepgram "
                  "deepseek detectify digitalocean discord disqus dockerhub doppler dropbox dynatrace elasticemail elevenlabs etherscan eventbrite everhour facebook fastforex "
                  "fastly figma finnhub firebase fixerio flickr flutterwave freshdesk fullstory gemini geocodio getresponse github gitlab gitter gocardless grafana groq guardian "
                  "gumroad hellosign helpscout heroku honeycomb hubspot huggingface hunter ibmcloud infura intercom intrinio ipinfo ipstack jenkins jira jumpcloud klaviyo kraken "
                  "launchdarkly linkedin lokalise loggly mailboxlayer mailchimp mailgun mailjet mandrill mapbox mattermost messagebird mistral mixpanel monday netlify newrelic "
                  "nexmo ngrok notion nylas okta onesignal openai opencage openweathermap opsgenie optimizely owm pagerduty pastebin paypal pendo pinata pinecone pingdom pipedrive "
                  "planetscale plivo polygon postman postmark prefect pubnub pushbullet pusher qualaroo quandl rapidapi rawg readme replicate rollbar runscope salesforce "
                  "sauce scaleway scrapingbee screenshotapi securitytrails segment sendbird sendgrid sendinblue sentry serpapi shodan shopify signalwire slack snyk sonarqube "
                  "sonarcloud sourcegraph splunk spotify square squarespace stackhawk stripe sumologic supabase telegram terraform tiingo tinypng todoist toggl travisci trello "
                  "twilio twitch twitter typeform unsplash urlscan vercel virustotal vultr wakatime weatherapi webflow wistia wrike yandex yelp youtube zapier zendesk zenrows "
                  "zeplin zerobounce zoho cloudmersive pepipost mailerlite nimble nozbe "
                  "abstractapi abuseipdb accuweather adobe agora aiven akamai alibaba alienvault aliyun anypoint apideck apiflash apilayer appdynamics appfollow "
                  "appsflyer appveyor assemblyai autodesk aweber axonaut backblaze bannerbear betterstack bigcommerce bingmaps bitfinex bitmex bitrise blockchair "
                  "blocknative boxcast browserstack browshot buddyns bugsnag bunnynet buttondown campaignmonitor captchadata censys cerebras chartbeat checkvist "
                  "clicksend clickup cloudbees cloudconvert cloudways cockroachdb coinmarketcap commercetools constantcontact convertapi copyleaks countrylayer "
                  "criminalip currencyfreaks customerio dailymotion dataforseo datagov dialpad diffbot dnscheck dnsimple documo docusign dwolla easyinsight edamam edenai "
                  "emailoctopus ethplorer exchangerate faceplusplus fastspring feedly filestack findl fireworksai flightapi formbucket foursquare freshbooks freshsales "
                  "fusionauth geoapify getgeoapi gitea gitguardian gnews godaddy graphhopper gyazo hcaptcha hetzner hiveage homeassistant hootsuite imagekit imgbb imgur "
                  "infobip instabot instamojo intezer ionos jotform jumpseller kanbanize keycdn kickbox kucoin langfuse langsmith leadfeeder leaseweb lemlist "
                  "lemonsqueezy linode liveagent livestorm locationiq logdna loginradius loopio macstadium mailchannels mailersend mailmodo mapquest maxmind meaningcloud "
                  "meilisearch messari metaapi metrilo mixmax moralis nasdaq netcore nethunt newsapi nightfall ninjarmm oanda omnisend onedesk onelogin onfleet "
                  "opencorporates openrouter openuv oxylabs paddle paperform parseur paystack perplexity pipedream plaid planview podio portainer posthog postmates "
                  "prodpad pushover qase qdrant quickbooks razorpay rebrandly recurly redash requestfinance resend revenuecat rewardful ringcentral roboflow rocketreach "
                  "runpod salesloft satismeter saucelabs scrapeowl scraperapi scrapfly scrapingant scrapingdog sentinelone serphouse shippo shutterstock signaturit "
                  "skrapp smartling smartsheets snipcart snowflake spectralops speechtext spoonacular statuscake statuspage stitchdata stormboard stormglass storyblok "
                  "stripo stytch supernotes surveymonkey swiftype tailscale tavily taxjar teamviewer telnyx tencent theoddsapi timezoneapi tmetric tomorrowio tomtom "
                  "tradier travelpayouts trufflehog twelvedata twitchtv typesense ubidots uclassify unifyid uploadcare upstash uptimerobot userflow vagrantcloud vatlayer "
                  "vbout veriphone versioneye vonage voyageai weatherbit weatherstack weaviate webex websitepulse whoxy woocommerce worldweather wpengine xero yousign "
                  "scrapingant thingsboard codemagic cryptocompare karmacrm rockset visualcrossing wandb truenas appointedd dareboost debounce dfuse monkeylearn myintervals "
                  "nicereply opencagedata planyo restpack speechtextai surveybot meraki etsy finicity bittrex privateai droneci centralstationcrm eagleeyenetworks zapierwebhook zenscrape zerotier zipcodeapi")  # fmt: skip


@functools.cache
def surprises() -> dict[str, float]:
    """Return the bits of the third letter for every sequence of three letters; `^^` precedes a word and `$` follows it.

    A key of two letters gives the value for sequences that were never observed.
    """
    lines = (files("veritensor_ray.engines.secrets") / "letters.txt").read_text(encoding="ascii").splitlines()
    rows = [line.split(" ") for line in lines if not line.startswith("#")]
    return {context + letter: int(digit, 36) / 2 for context, digits in rows for letter, digit in zip(LETTERS, digits, strict=True)}
