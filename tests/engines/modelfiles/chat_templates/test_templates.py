"""Chat templates that reach into Python, and ordinary ones in the style of the usual models."""

from __future__ import annotations

import pytest

from tests.cases import each
from tests.clock import AtMost
from veritensor_ray.engines.modelfiles.chat_templates import templates
from veritensor_ray.engines.modelfiles.chat_templates.template_findings import BOMB, ESCAPE, FILES, UNREADABLE
from veritensor_ray.engines.modelfiles.chat_templates.templates import check

CHATML = """{%- if messages[0]['role'] == 'system' %}{%- set loop_messages = messages[1:] %}{%- set system = messages[0]['content'] %}
{%- else %}{%- set loop_messages = messages %}{%- endif %}
{%- for message in loop_messages %}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim + '<|im_end|>' + '\\n' }}
{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""
LLAMA = """{{- bos_token }}{%- if custom_tools is defined %}{%- set tools = custom_tools %}{%- endif %}
{%- if not date_string is defined %}{%- if strftime_now is defined %}{%- set date_string = strftime_now("%d %b %Y") %}{%- endif %}{%- endif %}
{%- macro render(message, loop_index=0) %}{{ message.content | tojson(indent=4) }}{%- endmacro %}
{%- for message in messages %}
{%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
{%- elif 'tool_calls' in message %}
{%- if not message.tool_calls | length == 1 %}{{- raise_exception("This model only supports single tool-calls at once!") }}{%- endif %}
{%- set tool_call = message.tool_calls[0].function %}
{%- for arg_name, arg_val in tool_call.arguments | items %}{{- arg_name + '="' ~ arg_val ~ '"' }}{%- if not loop.last %}{{ ', ' }}{%- endif %}{%- endfor %}
{%- endif %}{%- endfor %}"""
MISTRAL = """{%- set ns = namespace(index=0, found=false, last_user=-1) %}{%- for message in messages if message.role == 'user' %}
{%- set ns.last_user = loop.index0 %}{%- if ns.index % 2 == 0 %}{{ '[INST] ' ~ message.content ~ ' [/INST]' }}{%- endif %}{%- set ns.index = ns.index + 1 %}
{%- endfor %}{%- if (messages | selectattr('role', 'equalto', 'tool') | list | length) > 0 %}{{ '[TOOLS]' }}{%- endif %}
{%- set parts = messages | map(attribute='content') | join('\\n') %}{{ eos_token }}{%- generation %}{{ parts }}{%- endgeneration %}"""
QWEN = """{%- for message in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}
{%- if message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
{%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}{%- if '</think>' in content %}{%- break %}{%- endif %}{{ content }}
{%- elif message['content'] is mapping %}{{ message['content']['text'] | default('', true) }}{%- endif %}{%- endfor %}
{%- for k, v in config.items() %}{{ k }}{%- endfor %}{{ __version__ is defined }}"""


@pytest.mark.parametrize(
    "template",
    [
        CHATML,
        LLAMA,
        MISTRAL,
        QWEN,
        "",
        "plain text",
        "{# __class__ #}",
        "Python's __init__ in prose",
        "{% raw %}{{ x.__class__ }}{% endraw %}",
    ],
)
def test_ordinary_templates(template: str) -> None:
    assert check(template) == []


@each(
    ("template", "what"),
    [
        ("{{ ''.__class__.__mro__ }}", "__class__"),
        ("{{ x['__class__'] }}", "__class__"),
        ("{{ x['__cl' + 'ass__'] }}", "__class__"),
        ("{{ x['__cl' ~ 'ass__'] }}", "__class__"),
        ("{{ x['\\x5f\\x5fclass\\x5f\\x5f'] }}", "__class__"),
        ("{{ x|attr('__class__') }}", "__class__"),
        ("{{ x|attr(['__cl', 'ass__']|join) }}", "__class__"),
        ("{{ x|attr('__ssalc__'|reverse) }}", "__class__"),
        ("{{ x|attr('__ssalc__'[::-1]) }}", "__class__"),
        ("{{ x|attr('__CLASS__'|lower) }}", "__class__"),
        ("{{ x|attr('%s%s'|format('__cla', 'ss__')) }}", "__class__"),
        ("{{ x|attr('__claXss__'|replace('X', '')) }}", "__class__"),
        ("{% set a = '__cla' %}{% set b = a ~ 'ss__' %}{{ x[b] }}", "__class__"),
        ("{% set a = '__glob' %}{{ x[a ~ y] }}", None),
        ("{{ x|map(attribute='__class__')|list }}", "__class__"),
        ("{{ x|map('attr', '__globals__')|list }}", "__globals__"),
        ("{{ '{0.__class__}'.format(x) }}", "__class__"),
        ("{{ cycler.__init__.__globals__.os.popen('id') }}", "__init__"),
        ("{{ lipsum.__globals__['os'] }}", "__globals__"),
        ("{{ lipsum['x'] }}", "lipsum.x"),
        ("{% block head %}x{% endblock %}{{ self.foot() }}", "self.foot"),
        ("{{ self._TemplateReference__context }}", "_TemplateReference__context"),
        ("{{ x.mro() }}", "mro"),
        ("{{ g.gi_frame.f_globals }}", "gi_frame"),
        ("{% for c in x.__subclasses__() %}{% endfor %}", "__subclasses__"),
        ("{% if x.__class__ %}{% endif %}", "__class__"),
        ("{% macro m(a=x.__class__) %}{% endmacro %}", "__class__"),
        ("{{ namespace.__init__.__globals__ }}", "__globals__"),
        ("{% set broken %}{{ x.__class__ ", "__class__"),
        ("{% strange tag %}{{ x.__globals__ }}", "__globals__"),
    ],
)  # fmt: skip
def test_escapes(template: str, what: str | None) -> None:
    found = [one.what for one in check(template) if one.rule == ESCAPE]
    assert found if what is None else what in found


@pytest.mark.parametrize(
    "template",
    ["{% include '/etc/passwd' %}", "{% import 'a' as b %}", "{% from 'a' import b %}", "{% extends name %}", "{% include ['a', 'b'] %}"],
)
def test_other_files(template: str) -> None:
    assert [one.rule for one in check(template)] == [FILES]


UNREADABLE_TEMPLATES = [
    "{% unknown %}",
    "{{ ",
    "{{ " + "(" * 50_000 + "x" + ")" * 50_000 + " }}",
    "{% if x %}" * 5_000 + "{% endif %}" * 5_000,
    "{{ " + "not " * 50_000 + "x }}",
    "{{ " + "-" * 50_000 + "x }}",
    "x" * 1_000_001,
    "{{ " + "9" * 10_000 + " }}",
    "{{ 1 " + "+ 1 " * 100_001 + "}}",
]


@pytest.mark.slow
@pytest.mark.parametrize("template", UNREADABLE_TEMPLATES)
def test_what_is_no_template_or_a_bomb(template: str) -> None:
    assert [one.rule for one in check(template)] == [UNREADABLE]


@pytest.mark.slow
def test_bombs_take_seconds(at_most: AtMost) -> None:
    for template in UNREADABLE_TEMPLATES:
        with at_most(20):
            check(template)


def test_nothing_is_computed() -> None:
    found = check("{{ 10 ** 10 ** 10 }}{{ 'a' * 10 ** 9 }}{{ range(10 ** 12) | list }}{% set x = 'a' * 10 ** 10 %}{{ y[x] }}")
    assert [one.rule for one in found] == [BOMB] * len(found) != []


def test_lines() -> None:
    assert [(one.what, one.line) for one in check("a\nb\n{{ x.__class__ }}\n{{ y.__mro__ }}")] == [("__class__", 3), ("__mro__", 4)]


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("__class__", True),
        ("___a", True),
        ("a.__1é_b", True),
        ("mro", True),
        ("_class_", False),
        ("__", False),
        ("____1_", False),
        ("é__é", False),
        ("x" * 1000 + "__class__", False),
    ],
)
def test_hidden_attributes(name: str, hidden: bool) -> None:
    assert templates._is_hidden(name) == hidden
