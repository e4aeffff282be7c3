// Times parse and render of a typical chat template against the floor of copying its output.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/json.h"
#include "text/chat_template.h"

namespace {

constexpr const char* kTemplate =
    R"({%- if messages[0].role == 'system' %}{{- '<|system|>' + messages[0].content + '\n' }}{%- endif %}
{%- if tools %}{{- '# Tools\n' }}{%- for tool in tools %}{{- tool | tojson }}{{- '\n' }}{%- endfor %}{%- endif %}
{%- set ns = namespace(last=-1) %}
{%- for message in messages %}{%- if message.role == 'user' %}{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content if message.content is string else '' %}
    {%- if message.role == 'user' %}{{- '<|user|>' + content + '<|end|>\n' }}
    {%- elif message.role == 'assistant' %}
        {%- if '</think>' in content %}{%- set content = content.split('</think>')[-1].lstrip('\n') %}{%- endif %}
        {{- '<|assistant|>' ~ content | trim ~ '<|end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|assistant|><think>\n' }}{%- endif %})";

double microseconds(std::chrono::steady_clock::duration d) {
  return std::chrono::duration<double, std::micro>(d).count();
}

}  // namespace

int main() {
  using Clock = std::chrono::steady_clock;
  hadal::JsonArray messages;
  const auto message = [&](const char* role, const std::string& content) {
    hadal::Json m;
    m.set("role", role);
    m.set("content", content);
    messages.push_back(m);
  };
  message("system", "You are a helpful assistant.");
  for (int i = 0; i < 10; ++i) {
    message("user", std::string(400, 'q'));
    message("assistant", "<think>" + std::string(600, 't') + "</think>\n\n" + std::string(500, 'a'));
  }
  message("user", "And now?");
  hadal::Json variables;
  variables.set("messages", messages);
  variables.set("add_generation_prompt", true);

  constexpr int kRounds = 2000;
  const auto parse_start = Clock::now();
  for (int i = 0; i < kRounds; ++i) {
    if (!hadal::ChatTemplate::parse(kTemplate).ok()) return 1;
  }
  const double parse = microseconds(Clock::now() - parse_start) / kRounds;
  const auto parsed = hadal::ChatTemplate::parse(kTemplate);
  std::string text;
  const auto render_start = Clock::now();
  for (int i = 0; i < kRounds; ++i) {
    auto result = (*parsed)->render(variables, {});
    if (!result.ok()) {
      std::printf("%s\n", result.error().message.c_str());
      return 1;
    }
    text = *std::move(result);
  }
  const double render = microseconds(Clock::now() - render_start) / kRounds;
  std::string copy(text.size(), ' ');
  const auto copy_start = Clock::now();
  for (int i = 0; i < kRounds; ++i) {
    std::memcpy(copy.data(), text.data(), text.size());
    asm volatile("" : : "r"(copy.data()) : "memory");
  }
  const double floor = microseconds(Clock::now() - copy_start) / kRounds;
  std::printf(
      "%zu messages, %zu bytes out: parse %.1f us, render %.1f us, floor (copy of the output) %.2f us\n",
      messages.size(), text.size(), parse, render, floor);
  return 0;
}
