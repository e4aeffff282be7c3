// ChatTemplate: a model's Jinja chat template, run with Python's semantics as Hugging Face transformers sets
// Jinja2 up: trim_blocks, lstrip_blocks, loop controls, tojson = json.dumps(ensure_ascii=False),
// raise_exception, strftime_now, the `generation` block. Immutable after parsing: any thread may render.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace hadal {

class ChatTemplate {
 public:
  // Errors: kInvalidArgument with line and reason.
  static Result<std::shared_ptr<const ChatTemplate>> parse(std::string_view source);
  ~ChatTemplate();

  // variables: an object: messages, tools, documents, add_generation_prompt, bos_token, eos_token, and
  // whatever else the request passes (chat_template_kwargs). `now` is what strftime_now prints. Errors:
  // kInvalidArgument with the template's own message (raise_exception) or the Python error it would raise.
  // Bounded: at most `max_steps` evaluated nodes and `max_output` bytes.
  Result<std::string> render(const Json& variables, std::chrono::system_clock::time_point now) const;

 private:
  struct Impl;
  explicit ChatTemplate(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hadal
