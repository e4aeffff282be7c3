// Reporter: takes the findings about one document, each at the place of a value. One caller at a time.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "deploy/finding.h"
#include "deploy/manifest.h"
#include "deploy/validate/edits.h"
#include "deploy/validate/rule_table.h"
#include "deploy/validate/value.h"

namespace hadal {

class Reporter {
 public:
  // All three outlive it. disabled: ids, or "family/*".
  Reporter(const ManifestFile& file, const std::vector<std::string>& disabled, std::vector<Finding>& out)
      : file_(file), disabled_(disabled), out_(out) {}

  void set_object(std::string title) { object_ = std::move(title); }
  std::string_view source() const { return file_.text; }
  // As many findings as are shown of one document are there: further ones are dropped.
  bool is_full() const;

  // At the value: a scalar's own place, else its key's. fix "": the rule's.
  Finding& add(std::string_view rule, const Value& at, std::string message, std::string fix = {});
  // At the key.
  Finding& add_at_key(std::string_view rule, const Value& at, std::string message, std::string fix = {});
  Finding& add_at_mark(std::string_view rule, const YamlMark& mark, std::string message,
                       std::string fix = {});
  // The same, and the edit that `--fix` applies where it could be made.
  static void fix_with(Finding& finding, std::optional<TextEdit> edit);

 private:
  Finding& put(std::string_view rule, const YamlMark& mark, std::string path, std::string message,
               std::string fix);

  const ManifestFile& file_;
  const std::vector<std::string>& disabled_;
  std::vector<Finding>& out_;
  std::string object_;
  size_t num_added_ = 0;
  // Where in out_ it is what one place was told: once, however many parents share it by an alias, and by one
  // rule where the schema says the same.
  std::map<std::string, size_t> seen_;
  Finding dropped_;  // takes what is disabled
};

}  // namespace hadal
