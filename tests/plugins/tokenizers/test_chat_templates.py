"""Chat templates: the shapes models publish render as jinja2 renders them; attacks are stopped."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import anyio
import jinja2
import jinja2.ext
import jinja2.sandbox
import pytest

from whichweights_plugins.tokenizers.chat_templates import ChatTemplate
from whichweights_schemas.errors import InvalidArgument, ProviderFailed
from whichweights_schemas.tokenizing import Chat

NOW = datetime(2026, 11, 20, 12, 0)

TEMPLATES = {
    "ChatML": """{% for message in messages %}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}""",
    "Llama 3 headers": """{{- bos_token }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' }}
    {{- message.content | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}""",
    "Mistral INST": """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"] + eos_token }}
    {%- endif %}
{%- endfor %}""",
    "Gemma turns": """{{ bos_token }}{% for message in messages %}
{% if message['role'] == 'assistant' %}{% set role = 'model' %}
{% else %}{% set role = message['role'] %}{% endif %}
{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}
{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}""",
    "DeepSeek": """{% if not add_generation_prompt is defined %}
{% set add_generation_prompt = false %}{% endif %}
{% set ns = namespace(is_first=false, system_prompt='') %}
{%- for message in messages %}{%- if message['role'] == 'system' %}
{% set ns.system_prompt = ns.system_prompt + message['content'] %}{%- endif %}{%- endfor %}
{{ bos_token }}{{ ns.system_prompt }}
{%- for message in messages %}
{%- if message['role'] == 'user' %}{{ '<|User|>' + message['content'] }}{%- endif %}
{%- if message['role'] == 'assistant' and message['content'] is not none %}
{{ '<|Assistant|>' + message['content'].split('</think>')[-1] + eos_token }}{%- endif %}
{%- endfor %}{% if add_generation_prompt %}{{ '<|Assistant|>' }}{% endif %}""",
    "tools loop": """{%- if tools %}
{{- '<|im_start|>system\\n# Tools\\n<tools>' }}
{%- for tool in tools %}{{- "\\n" }}{{- tool | tojson }}{%- endfor %}
{{- "\\n</tools><|im_end|>\\n" }}
{%- endif %}
{%- for message in messages %}
{%- if message.tool_calls %}
{%- for call in message.tool_calls %}
{%- if call.function %}{%- set call = call.function %}{%- endif %}
{{- '<tool_call>\\n{"name": "' + call.name + '", "arguments": ' }}
{{- call.arguments if call.arguments is string else call.arguments | tojson }}
{{- '}\\n</tool_call>' }}
{%- endfor %}
{%- else %}{{- message.role + ': ' + message.content + '\\n' }}{%- endif %}
{%- endfor %}""",
    "namespace and reverse": """{%- set ns = namespace(last=messages|length - 1, multi=true) %}
{%- for message in messages[::-1] %}
{%- set index = (messages|length - 1) - loop.index0 %}
{%- if ns.multi and message.role == "user" %}
{%- set ns.multi = false %}{%- set ns.last = index %}
{%- endif %}
{%- endfor %}
{%- for message in messages %}
{%- if loop.index0 > ns.last or loop.last %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{{- message.role ~ ':' ~ message.content.strip('\\n') ~ ';' }}
{%- endfor %}""",
    "alternation check": """{% for message in messages if message['role'] != 'system' %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Conversation roles must alternate user/assistant') }}
{% endif %}
<{{ message['role'] }}>{{ message['content'] }}
{% endfor %}""",
    "date": """{%- if strftime_now is defined %}
{%- set date_string = strftime_now("%d %b %Y") %}
{%- else %}{%- set date_string = "26 Jul 2024" %}{%- endif %}
{{- "Today Date: " + date_string + "\\n\\n" }}
{%- for message in messages %}{{ message.content }}{% endfor %}""",
    "macros": """{%- macro turn(role, text, mark='|') -%}
{{ mark }}{{ role | upper }}{{ mark }}{{ text | replace('\\n', ' ') }}
{%- endmacro -%}
{%- for message in messages %}{{ turn(message.role, message.content) }}{% endfor %}
{{ turn('assistant', '', mark='#') if add_generation_prompt else '' }}""",
    "Phi and filters": """{% for message in messages %}
{{'<|' ~ message['role'] ~ '|>' ~ message['content'] ~ '<|end|>'}}
{% endfor %}
{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join(' / ') }}
{{ messages | map(attribute='role') | list | tojson }}
{{ (messages | first).role | title }} {{ messages | length }} {{ 'x' if tools else 'no tools' }}""",
    "loop controls": """{%- for message in messages %}
{%- if message.role == 'system' %}{% continue %}{% endif %}
{%- if loop.index > 3 %}{% break %}{% endif %}
{{ loop.index }}{{ ',' if not loop.last }}{{ message.content.startswith('W') }}
{%- endfor %}""",
    "generation marks": """{% for message in messages %}
{% if message.role == 'assistant' %}
{% generation %}{{ message.content }}{{ eos_token }}{% endgeneration %}
{% else %}{{ message.role }} {{ message.content }}
{% endif %}{% endfor %}""",
    "types of tools": """{%- macro type_of(p) %}
{%- if p.type == 'array' %}{{ type_of(p['items']) }}[]
{%- elif p.enum %}{{ '"' + p.enum|join('" | "') + '"' }}
{%- elif p.type in ['integer', 'number'] %}number{%- else %}{{ p.type }}{%- endif %}
{%- endmacro %}
{%- for tool in tools or [] %}{%- set f = tool.function %}
type {{ f.name }} = (_: {
{%- for name, p in f.parameters.properties.items() %}
{{ name }}{{ '?' if name not in f.parameters.required }}: {{ type_of(p) }},
{%- endfor %}
});{%- endfor %}
{{ tools | tojson(indent=2) if tools }}""",
}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Wetter für <Ort> & 'Zeit'",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer"},
                "unit": {"type": "string", "enum": ["c", "f"]},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["city"],
        },
    },
}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": (
        {"type": "function", "function": {"name": "f", "arguments": {"é": [1.5, True]}}},
    ),
}
TURNS = (
    {"role": "system", "content": "  Be brief. "},
    {"role": "user", "content": "What <b>is</b> 漢字?\n"},
    {"role": "assistant", "content": "<think>hm</think>Kanji & more"},
    {"role": "user", "content": "Why?"},
)
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}


class _Marks(jinja2.ext.Extension):
    """The reference treats `generation` as a block that renders its body."""

    tags = {"generation"}  # noqa: RUF012  # the base class declares it so

    def parse(self, parser: Any) -> Any:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def reference(template: str, chat: Chat) -> str:
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _Marks]
    )

    def to_json(value: object, indent: int | None = None) -> str:
        return json.dumps(value, ensure_ascii=False, indent=indent)

    def refuse(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = refuse  # pyright: ignore[reportArgumentType]
    environment.globals["strftime_now"] = NOW.strftime  # pyright: ignore[reportArgumentType]
    return environment.from_string(template).render(
        messages=list(chat.messages),
        tools=list(chat.tools) or None,
        add_generation_prompt=chat.add_generation_prompt,
        **SPECIAL,
    )


def rendered(template: str, chat: Chat) -> str:
    return ChatTemplate(template, "the template", special_tokens=SPECIAL, now=lambda: NOW).render(
        chat
    )


@pytest.mark.parametrize("shape", TEMPLATES)
@pytest.mark.parametrize("tools", [(), (TOOL,)], ids=["no tools", "tools"])
@pytest.mark.parametrize("prompt", [True, False], ids=["prompt", "no prompt"])
def test_a_published_shape_renders_as_jinja2_renders_it(
    shape: str, tools: tuple[dict[str, Any], ...], prompt: bool
):
    messages = (*TURNS, CALL) if shape == "tools loop" else TURNS
    chat = Chat(messages=messages, tools=tools, add_generation_prompt=prompt)
    expected = reference(TEMPLATES[shape], chat)
    assert rendered(TEMPLATES[shape], chat) == expected
    assert expected.strip() or (shape == "types of tools" and not tools)


def test_there_are_at_least_twelve_shapes():
    assert len(TEMPLATES) >= 12


def test_what_a_template_refuses_is_told_in_its_own_words():
    chat = Chat(messages=({"role": "assistant", "content": "first"},))
    with pytest.raises(InvalidArgument) as caught:
        rendered(TEMPLATES["alternation check"], chat)
    assert "roles must alternate" in caught.value.message
    assert caught.value.field == "messages"


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 1000000000 }}",
        "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
        "{{ messages.__class__.__mro__ }}",
        "{% include '/etc/passwd' %}",
        "{{ strftime_now('%Y' * 500000)|length * 10**400 }}{{ strftime_now(3) }}",
        "{% set x = namespace(v='xxxxxxxxxx') %}"
        "{% for i in range(60) %}{% set x.v = x.v ~ x.v %}{% endfor %}{{ x.v }}",
        "{{ messages | tojson(indent=99999999999999999999) }}",
        "{{ messages | tojson(indent='y', separators=[1]) }}",
        "{{ no_such_filter | explode }}",
        "{% if %}",
    ],
)
async def test_a_hostile_template_is_stopped_at_once(template: str):
    chat = Chat(messages=({"role": "user", "content": "hi"},))
    with anyio.fail_after(10):
        with pytest.raises(ProviderFailed) as caught:
            await anyio.to_thread.run_sync(rendered, template, chat, abandon_on_cancel=True)
    assert "the template" in caught.value.message
