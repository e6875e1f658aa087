"""Values under telling names, in the ways of many languages and formats; and what merely looks alike."""

from __future__ import annotations

import pytest

from tests.cases import each
from tests.engines.secrets.building import batch, engine, found, with_checksum


@each(
    ("path", "text"),
    [
        ("a.py", 'password = "kzqgwmrpe"'),
        ("a.py", "    'PASSWORD': 'x8Kd92jLs',"),
        ("a.py", 'conn = psycopg2.connect(host="h", user="u", password="Winter2019")'),
        ("a.py", 'self.api_key: str = "9f86d081884c7d659a2feaa0c55ad015"'),
        ("a.py", 'SECRET_KEY = "django-insecure-k3$8d@1!x9z_lq0w7e#r5t&y*u(i)o-p+a=s"'),
        ("a.py", "app.secret_key = b'_5#y2L\"F4Q8z\\n\\xec]/'"),
        ("a.py", 'client = Client("user", "s3cr3tP4ss", token="kd82jf72hd62kd82jf72")'),
        ("a.py", 'auth=("admin", "Hj7$kd92!")'),
        ("a.py", 'if password == "Pa55w0rd!":'),
        ("a.py", 'os.environ["DB_PASSWORD"] = "gT5!x2pq"'),
        ("a.py", 'token = os.getenv("API_TOKEN", "7d9f2c1b5e8a4f3d6c0b9e8a7f5d4c3b")'),
        ("a.js", "const apiKey = 'a8f5f167f44f4964e6c998dee827110c';"),
        ("a.js", 'process.env.JWT_SECRET || "myS3cretJwt99"'),
        ("a.js", "password: 'qwErty12#',"),
        ("a.js", "mongoose.connect('mongodb+srv://dbUser:h7Gd2kLq@cluster0.mongodb.net/test')"),
        ("a.ts", "private readonly token: string = 'kj3h4kj5h34k5jh34kj5h';"),
        ("A.java", 'private static final String PASSWORD = "tZ8#kq2m";'),
        ("A.java", 'props.setProperty("mail.smtp.password", "n4kQ8zvB");'),
        ("A.java", '.withPassword("jh34kd83")'),
        ("A.java", 'DriverManager.getConnection("jdbc:mysql://localhost/db", "root", "Abc12345");'),
        ("a.go", 'var apiToken = "3f2a9c8b7d6e5f4a3b2c1d0e9f8a7b6c"'),
        ("a.go", 'Password: "vbK92ls8",'),
        ("a.rb", "config.secret_key = 'd8a7c6b5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7'"),
        ("a.php", "define('DB_PASSWORD', 'xK39dmPq');"),
        ("a.php", "$password = 'jd82kdLs';"),
        ("a.php", "'password' => 'mdk39dkS',"),
        ("a.cs", 'var connectionString = "Server=db01;Database=prod;User Id=sa;Password=Zx81kd!ks;";'),
        ("web.config", '<add key="ApiSecret" value="k3jh4k5jh6k7jh8k9jh0" />'),
        ("a.xml", "<password>kd93ksL2</password>"),
        ("a.xml", '<property name="password" value="dk39dkw2"/>'),
        ("a.yml", "db_password: kd93ks2L"),
        ("a.yml", "  password: 'jsdkfhwe'"),
        ("a.yml", "- name: DB_PASSWORD\n  value: kdj38dkw"),
        ("a.yml", "      MYSQL_ROOT_PASSWORD: rk39dkw"),
        ("a.yml", "secret: 3syb7rdkhz8r2gr"),
        ("docker-compose.yml", "      - POSTGRES_PASSWORD=kd83kdw9"),
        ("a.properties", "spring.datasource.password=dk39dkw9"),
        ("a.properties", "jasypt.encryptor.password=JHk39dk"),
        ("application.conf", 'play.http.secret.key="kd93kd03k:dk3@kd93kdw0dk3"'),
        ("a.ini", "passwd = kd93kd0"),
        ("a.env", "AWS_SECRET_ACCESS_KEY=kd93kdo39dkW+/dk39dkw93kdL39dkw9dk39Lsx1"),
        ("a.sh", "export GH_TOKEN=ap4tm2kei6iiaappkkuwnpmn2vbz4kjsexvaxevy"),
        ("a.sh", "curl -u admin:kd93kd0 https://x"),
        ("a.sh", "mysql -uroot -pkd93kd0 db"),
        ("a.sh", 'PGPASSWORD="kd93kdw0" psql'),
        ("a.sh", "sshpass -p 'kd93kd0' ssh x"),
        ("Dockerfile", "ENV API_KEY v8wm88mdsby3b4z2a6cm"),
        ("Dockerfile", "ENV DB_PASS=kd93kd03"),
        ("a.tf", '  password = "kd93kdw9"'),
        ("a.tf", '  secret_key = "kd93kdo39dkWs39dk39dkw93kdL39dkw9dk39Lsx1"'),
        ("a.json", '{"auth": {"token": "nhr7yys7gzuc5fpx"}}'),
        ("a.json", '"password": "kd93kd0"'),
        ("a.json", '"secretAccessKey":"kd93kdo39dkW+/dk39dkw93kdL39dkw9dk39Lsx1"'),
        ("a.sql", "CREATE USER bob IDENTIFIED BY 'kd93kdw0';"),
        ("a.sql", "ALTER USER x WITH PASSWORD 'kd93kdw0'"),
        ("a.ps1", '$password = ConvertTo-SecureString "kd93Kdw0!" -AsPlainText -Force'),
        ("a.bat", "set PASSWORD=kd93kdw0"),
        ("a.cpp", '#define WIFI_PASSWORD "kd93kdw0"'),
        ("a.ino", 'const char* password = "kd93kdw0";'),
        ("a.c", 'char passwd[] = "kd93kdw0";'),
        ("a.kt", 'val apiKey = "zjxtfvwvmfjv8kdf3cry"'),
        ("a.swift", 'let apiKey = "s74jdc9xpii4gk5zjd4u"'),
        ("gradle.properties", "signing.password=kd93kd0x"),
        ("build.gradle", "storePassword 'kd93kdw0'"),
        ("build.gradle", 'keyPassword "kdjfhgqz"'),
        ("a.md", "Login: admin\nPassword: kd93kd0x"),
        ("a.txt", "the password is kd93Kdw!0"),
        ("a.md", "user `admin`, password `kd93kd0x`"),
        ("a.m", '#define kAPIKey @"j7k79w8tu83jh2m9xmf9"'),
        ("a.scala", 'val secret = "tzeycvzt9suxma8swt7u"'),
        ("a.lua", 'local token = "yyty4ym6zxjknz8uf4k4"'),
        ("a.pl", 'my $password = "kd93kdw0";'),
        ("a.py", 'PASSWORD = """kd93kdw0"""'),
        ("a.yaml", 'password: !!str "kd93kdw0"'),
        ("a.py", "s.login('me@x.com', 'kd93Kdw0!')"),
        ("a.js", '{ key: "vtbnk6mqmc8qkdihwm8nc47y2eprzay3" }'),
        ("a.js", '"Authorization": "Basic YWRtaW46a2Q5M2tkdzA="'),
        ("a.http", "Authorization: Token t4hzcvguxuyi44z7jk28nifya2gwjw25"),
        ("a.js", 'headers: {"X-Api-Key": "5q9u822ksv9s4bwv9uj8"}'),
        ("a.py", 'salt = "bh6ruci3a8tr8cr9tjuu"'),
        ("a.rst", "api_token=98hbivuxub7yzicas7gna558"),
        ("a.py", 'encrypt_key = "283nu7eva5u8vjk8"'),
        ("a.java", 'String pwd="kd93kdw0";'),
        ("a.py", 'pw = "kd93kdw0"'),
        ("a.cfg", "bind_pw = kd93kdw0"),
        ("a.py", 'credential = "kd93kdw0kd3"'),
        ("a.json", '"pass": "kd93kdw0"'),
        ("a.ts", 'const pass: string = "kd93kdw0"'),
        ("a.go", 'SetBasicAuth("admin", "kd93kdw0")'),
        ("a.yml", "token: 9xj5deqtfebx5e39dhhqhiu6jmm4"),
        ("a.toml", 'auth_token = "kepcg2etdh3ia5fw"'),
        ("a.html", '<input type="password" name="pass" value="kd93kdw0">'),
        ("a.html", '<input type="hidden" name="api_key" value="99yzdiujuqsersuirz72">'),
        ("a.r", 'password <- "kd93kdw0"'),
        ("a.py", "password='hunter2'"),
        ("a.py", "PASSWORD='Summer2020'"),
        ("a.py", "password='letmein'"),
        ("a.py", "'password': 'supergeheim',"),
        ("a.py", "passwd='qazwsxedc'"),
        ("a.yml", "POSTGRES_PASSWORD: rdlz"),
        ("a.md", "Invoke-Task -Username svc -Password Sghvzi7624!"),
        ("a.md", "deploy.sh --username svc --password kyvjwd"),
        ("a.go", 'if string(pass) == "dnzrk" {'),
        ("a.go", 'secret := getenv("JWT_SECRET", "TocJZ4pbfF")'),
        ("a.js", "createSecretKey(Buffer.from('abfa0787ff6bde21970b17a207e410fa574e4f62f9f1e3c98af8c86bd006c158', 'hex'))"),
        ("a.tf", 'variable "corp_api_token" {\n  default = "004EWTpRQT_HJtG_nL-agxacgzYHjxPcF99kJsFzWg"\n}'),
        ("a.tf", 'variable "db_password" {\n  type = string\n  default = "kd93kdw0"\n}'),
        ("a.json", '"consumerSecret": "U+JkW-rb$-%@0Uy9"'),
        ("a.json", '"SessionToken": "UUxVFZZtIZzlJTi//////////wSaRIWL+gbUpyaepG2hRNPZKV9QrrfFMe5svbVAlZQ"'),
        ("a.json", '"client_secret": "/NIS1tGzH0TBoaP16RmautZhrL9NCoVAfHrijG/vA90="'),
        ("a.txt", "pingdom SECRET key 7d9f2c1b5e8a4f3d6c0b9e8a7f5d4c3b"),
    ],
)
def test_a_literal_under_a_telling_name_is_found(path: str, text: str) -> None:
    assert found(text, path)


@each(
    ("path", "text"),
    [
        ("a.py", "password = getpass.getpass()"),
        ("a.py", "password = request.form['password']"),
        ("a.py", "token = self._token"),
        ("a.py", "def login(self, password=None):"),
        ("a.py", "password: str = Field(..., min_length=8)"),
        ("a.py", "'password': forms.CharField(widget=forms.PasswordInput)"),
        ("a.py", "password = os.environ['DB_PASSWORD']"),
        ("a.py", "raise ValueError('password must not be empty')"),
        ("a.py", "token_type = 'bearer'"),
        ("a.py", "tokenizer = 'bert-base-uncased'"),
        ("a.py", "key = 'some_long_identifier_name_here'"),
        ("a.py", "cache_key = 'user:profile:v2:12345'"),
        ("a.py", "PASSWORD_RESET_TIMEOUT_DAYS = 3"),
        ("a.py", "secret_name = 'prod/db/password'"),
        ("a.py", "help='API key to use'"),
        ("a.js", "password: ''"),
        ("a.js", "password: document.getElementById('pw').value"),
        ("a.js", "placeholder='Password'"),
        ("a.js", "{password: 'Enter your password'}"),
        ("a.js", "token: `${token}`"),
        ("a.js", "const token = localStorage.getItem('access_token');"),
        ("a.json", '"password": "Passwort"'),
        ("a.json", '"forgotPassword": "Forgot your password?"'),
        ("a.json", '"passwordHint": "At least 8 characters"'),
        ("a.json", '"token": "string"'),
        ("a.json", '"integrity": "sha512-ZdY3kdk39dkW92dk39dkL=="'),
        ("a.json", '"resolved": "https://registry.example/js-tokens/-/js-tokens-4.0.0.tgz#19203fb59991df98e3a287050d4647cdeaf32499"'),
        ("a.yml", "password: ${DB_PASSWORD}"),
        ("a.yml", "password: {{ vault_password }}"),
        ("a.yml", "secretName: my-app-tls"),
        ("a.yml", "secretKeyRef:"),
        ("a.yml", "token: <your-token>"),
        ("a.yml", "password: xxxxx"),
        ("a.yml", "password: password"),
        ("a.yml", "key: app.kubernetes.io/name"),
        ("a.yml", "password: !vault |"),
        ("a.properties", "password=changeit"),
        ("a.properties", "ssl.keystore.password=${KEYSTORE_PASSWORD:}"),
        ("a.env", "API_KEY="),
        ("a.env", "API_KEY=your_api_key_here"),
        ("a.env", "SECRET=change_me"),
        ("a.sh", "PASSWORD=$(cat /run/secrets/pw)"),
        ("a.sh", 'echo "password: $PASSWORD"'),
        ("a.java", "String password = user.getPassword();"),
        ("a.java", 'private static final String KEY_PASSWORD = "password";'),
        ("a.java", '@Value("${app.secret}") private String secret;'),
        ("a.go", 'Password string `json:"password"`'),
        ("a.php", "$password = $_POST['password'];"),
        ("a.rb", "password: ENV['PASSWORD']"),
        ("a.rb", "validates :password, presence: true"),
        ("a.c", "if (token == TOKEN_IDENTIFIER)"),
        ("a.c", 'key = strtok(NULL, ",")'),
        ("a.cs", "public string Password { get; set; }"),
        ("a.md", "Set `API_KEY` to your key."),
        ("a.md", "password: must be at least 8 characters"),
        ("a.md", "Authorization: Bearer <token>"),
        ("a.md", "https://user:password@example.com/"),
        ("a.md", "postgres://user:pass@localhost/db"),
        ("a.html", '<label for="password">Password</label>'),
        ("a.html", '<input type="password" id="password" class="form-control">'),
        ("a.sql", "password VARCHAR(255) NOT NULL"),
        ("a.py", "sha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'"),
        ("a.py", "uuid = '123e4567-e89b-12d3-a456-426614174000'"),
        ("a.txt", "commit 9fceb02d0ae598e95dc970b74767f19372d61af8"),
        ("a.css", ".password-field { color: #ff0000; }"),
        ("a.tf", "password = var.db_password"),
        ("a.tf", "secret_id = aws_secretsmanager_secret.db.id"),
        ("a.py", "assert response['token'] == expected"),
        ("a.py", "aws_access_key_id = 'AKIAIOSFODNN7EXAMPLE'"),
        ("a.py", "'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'"),
        ("a.py", "keys = ['alpha', 'beta']"),
        ("a.py", "author = 'Jane Doe 2019'"),
        ("a.py", "monkeypatch.setenv('X', 'abc')"),
        ("a.xml", '<string name="password_label">Your Password</string>'),
        ("a.ts", "password?: string;"),
        ("a.ts", "interface Auth { token: string; secret: Buffer }"),
        ("a.vue", 'v-model="password"'),
        ("a.py", "print(f'token={token}')"),
        ("a.py", "logger.info('password=%s', password)"),
        ("a.py", "url = 'https://example.com/token?key=value'"),
        ("a.py", "secret = secrets.token_hex(16)"),
        ("a.py", "PRIVATE_KEY_HEADER = '-----BEGIN RSA PRIVATE KEY-----'"),
        ("a.lock", 'sha256 = "kd93kdo39dkWs39dk39dkw93kdL39dkw9dk39Lsx1"'),
        ("a.py", "ACCESS_TOKEN_URL = 'https://github.com/login/oauth/access_token'"),
        ("a.js", "keyCode: 13, key: 'ArrowUp'"),
        ("a.js", 'token: "punctuation.definition.string.begin"'),
        ("a.py", "'key': 'resnet50_a1_in1k'"),
        ("a.md", "token 端点的响应必须是 JSON 对象。"),
        ("a.md", "对 OAuth2 来说，都只是字符串而已。"),
        ("a.json", '"password": "Contraseña"'),
        ("a.json", '"password": "Wachtwoord"'),
        ("a.json", '"password": "Zadejte své heslo"'),
        ("a.md", "user, password: dodatkowe parametry"),
        ("a.md", "Bearer Token [Usage](https://host.example/docs/2024a1b2c3)"),
        ("a.md", "- [Portkey AI](https://portkey.ai/)"),
        ("a.json", '"key": "UCX6OQ3DkcsbYNE6H8uQQuVA"'),
        ("a.json", '"apiKey": "pk_live_4f9a8b7c6d5e4f3a2b1c0d9e"'),
        ("a.js", 'recaptcha_key: "6LcX9aUTAAAAAJk3Qz8Vx1yPb7Lm2Nc4Rd6Tf8Hg"'),
        ("a.json", '"token": "sha512-ZdY3kdk39dkW92dk39dkLZdY3kdk39dkW92dk39dkL"'),
        ("a.html", '<img src="//cdn.example/loader.js?key=3e6382b012abc5553e6382b012abc555">'),
        ("a.sh", "export ACCESS_TOKEN=deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"),
        ("a.go", "SPF_HELO_NONE=0.001, SPF_PASS=-0.001"),
        ("a.sh", "docker run -it --rm -v $PWD:/mnt bash"),
        ("control", "Depends: golang-github-miekg-pkcs11-dev, golang-github-jcmturner-gokrb5.v8 (= 8.4.3-2)"),
        ("control", "Ghc-Package: crypto-pubkey-types-0.4.3-5Whum5SbTvJ5HRaEh4CHpx"),
        ("control", "Provides: libghc-keys-dev-3.12.3-c2a8d"),
        ("a.1", "# public key: age1lvyvwawkr0mcnnnncaghunadrqkmuf9e6507x9y920xxpp866cnql7dp2z"),
        ("curl.1", "curl --pinnedpubkey 'sha256//ce118b51897f4452dc' https://example.com"),
        ("a.1", "--change-token=TOKEN"),
        ("a.eml", "Received: from github-lowworker-bf9f1da.ash1-iad.github.net"),
    ],
)
def test_what_merely_looks_like_one_is_left_alone(path: str, text: str) -> None:
    assert found(text, path) == []


@each(
    ("column", "text", "rule"),
    [
        ("password", "kQ83jdLs2", "password"),
        ("users[].credentials.apiKey", "9f86d081884c7d659a2feaa0c55ad015", "generic-key"),
        ("Password", "hunter2", "password"),
        ("API Key", "k3Jd82mQ9xPz71LwT5", "generic-key"),
        ("password", "********", None),
        ("password", "changeme", None),
        ("password_hash", "9f86d081884c7d659a2feaa0c55ad015", None),
        ("title", "kQ83jdLs2", None),
        ("public_key", "9f86d081884c7d659a2feaa0c55ad015", None),
        ("token", "running", None),
    ],
)
def test_the_name_of_a_column_is_context(column: str, text: str, rule: str | None) -> None:
    assert found(text, "table.csv", column) == ([(rule, text)] if rule else [])


@pytest.mark.parametrize(
    "path",
    [
        "tests/a.py",
        "src/test/java/A.java",
        "pkg/a_test.go",
        "web/a.spec.ts",
        "a/test_b.py",
        "x/FooTest.java",
        "core.Tests/A.cs",
        "spec/fixtures/a.yml",
    ],
)
def test_in_a_test_a_finding_is_one_level_lower_and_says_so(path: str) -> None:
    text = f'password = "kQ83jdLs2!"\n{with_checksum("ghp_")}\napi_key = "1234567890abcdef"'
    hits = engine().scan_text(batch([text], path))
    assert [(hit.rule, hit.severity) for hit in hits] == [
        ("secrets.password", "low"),
        ("secrets.github-token", None),
        ("secrets.generic-key", "low"),
    ]
    assert hits[0].message == "Password, one level lower because it is in a test"


@pytest.mark.parametrize("path", ["src/contest/a.py", "latest/a.py", "attest.py", "protest.go", "cassettes/a.yml"])
def test_other_paths_are_not_tests(path: str) -> None:
    (hit,) = engine().scan_text(batch(['password = "kQ83jdLs2!"'], path))
    assert (hit.severity, hit.message) == ("medium", None)


def test_name_and_value_side_by_side_are_an_assignment() -> None:
    columns = ["env[].name", "env[].value", "env[].name", "env[].value"]
    hits = engine().scan_text(batch(["DB_PASSWORD", "kQ83jdLs2", "REGION", "kQ83jdLs2"], "task.json", columns))
    assert [(hit.rule, hit.row) for hit in hits] == [("secrets.password", 1)]


WORTH = "7f3e9a52-81c4-4d0b-9e66-0a1b7c55d2f8"


@each(
    ("path", "text", "rule"),
    [
        ("a.js", f'clientSecret: "{WORTH}"', "generic-key"),
        ("a.py", f'api_token = "{WORTH}"', "generic-key"),
        ("a.json", f'"key": "{WORTH}"', "generic-key"),
        ("a.env", f"AZURE_TENANT_ID={WORTH}", "uuid"),
        ("a.json", f'"tenantId": "{WORTH}"', "uuid"),
        ("a.json", '"tenantId": "contoso"', None),
        ("a.py", "tenant_id = '00000000-0000-0000-0000-000000000001'", None),
        ("a.py", "api_token = '123e4567-e89b-12d3-a456-426614174000'", None),
        ("a.json", f'"collection_id": "{WORTH}"', None),
        ("a.json", f'"public_key": "{WORTH}"', None),
        ("a.sql", f"VALUES ({WORTH}, 'A');", None),
        ("a.md", f"The record {WORTH} is gone.", None),
        ("a.cs", f'static readonly Guid Folder = new Guid("{WORTH}");', None),
        ("a.py", f"url = 'https://host.example/resource/{WORTH}'", None),
    ],
)
def test_a_uuid_is_low_and_found_only_under_a_name_that_says_what_it_opens(path: str, text: str, rule: str | None) -> None:
    assert [(name, value) for name, value in found(text, path)] == ([(rule, WORTH)] if rule else [])
    assert all(hit.severity == "low" for hit in engine().scan_text(batch([text], path)))


@each(
    ("path", "text", "value"),
    [
        ("a.py", 'login(username="bob", password="grün tee")', "grün tee"),
        ("a.py", 'fetch("/auth", auth_username="Aladdin", auth_password="jpto ahumgc")', "jpto ahumgc"),
        ("a.py", 'login(\n    user,\n    password="rɕphɝg",\n)', "rɕphɝg"),
        ("a.py", 'testPassword = "my;secure*password"', "my;secure*password"),
        ("a.py", 'Field(label, password="Enter your password")', None),
        ("a.py", 'translate(password="heslo účtu:")', None),
        ("a.py", 'ask(password="new password")', None),
        ("a.py", 'password = "two words"', None),
        ("a.json", '"password": "Contraseña"', None),
        ("a.py", 'password = "user&password"', None),
    ],
)
def test_words_are_a_password_if_a_call_passes_them_or_odd_symbols_join_them(path: str, text: str, value: str | None) -> None:
    hits = engine().scan_text(batch([text], path))
    assert [(hit.severity, text[hit.start : hit.end]) for hit in hits] == ([("low", value)] if value else [])


def test_context_does_not_cross_segments() -> None:
    assert engine().scan_text(batch(["password =", '"kQ83jdLs2"', "api_key", "9f86d081884c7d659a2feaa0c55ad015"])) == []


def test_places_are_characters_of_the_segment() -> None:
    texts = ["漢字 é", 'é漢 password = "kQ83jdLs2é" 漢', "", "x" * 100 + ' token="9f86d081884c7d659a2feaa0c55ad015"']
    hits = engine().scan_text(batch(texts, "a.py"))
    assert [(hit.row, texts[hit.row or 0][hit.start : hit.end]) for hit in hits] == [
        (1, "kQ83jdLs2é"),
        (3, "9f86d081884c7d659a2feaa0c55ad015"),
    ]


def test_what_was_typed_by_hand_counts_less() -> None:
    made, typed = engine().scan_text(batch(['api_key = "f7a1c93e5b2d8460"', 'api_key = "1234567890abcdef"'], "a.py"))
    assert made.score > typed.score
    assert (made.severity, typed.severity) == ("medium", "low")
