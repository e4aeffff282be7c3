#include "deploy/validate/promql.h"

#include <algorithm>

#include "base/result.h"
#include "deploy/validate/formats.h"
#include "deploy/validate/regex.h"

namespace hadal {
namespace {

enum class Type { kScalar, kVector, kRange, kString };
constexpr int kMaxQueryDepth = 100;
constexpr size_t kMaxQuery = 65'536;

struct Function {
  std::string_view name;
  bool over_range = false;  // its last-named argument is a range vector
  Type gives = Type::kVector;
  int least = 1;
  int most = 1;
  int range_place = 0;
};
constexpr int kAny = 100;
constexpr Function kFunctions[] = {
    {"abs"},
    {"ceil"},
    {"exp"},
    {"floor"},
    {"ln"},
    {"log2"},
    {"log10"},
    {"sqrt"},
    {"sgn"},
    {"sort"},
    {"sort_desc"},
    {"absent"},
    {"acos"},
    {"acosh"},
    {"asin"},
    {"asinh"},
    {"atan"},
    {"atanh"},
    {"cos"},
    {"cosh"},
    {"sin"},
    {"sinh"},
    {"tan"},
    {"tanh"},
    {"deg"},
    {"rad"},
    {"timestamp"},
    {"histogram_avg"},
    {"histogram_count"},
    {"histogram_sum"},
    {"histogram_stddev"},
    {"histogram_stdvar"},
    {"pi", false, Type::kScalar, 0, 0},
    {"time", false, Type::kScalar, 0, 0},
    {"scalar", false, Type::kScalar},
    {"vector"},
    {"day_of_month", false, Type::kVector, 0, 1},
    {"day_of_week", false, Type::kVector, 0, 1},
    {"day_of_year", false, Type::kVector, 0, 1},
    {"days_in_month", false, Type::kVector, 0, 1},
    {"hour", false, Type::kVector, 0, 1},
    {"minute", false, Type::kVector, 0, 1},
    {"month", false, Type::kVector, 0, 1},
    {"year", false, Type::kVector, 0, 1},
    {"clamp", false, Type::kVector, 3, 3},
    {"clamp_max", false, Type::kVector, 2, 2},
    {"clamp_min", false, Type::kVector, 2, 2},
    {"round", false, Type::kVector, 1, 2},
    {"histogram_quantile", false, Type::kVector, 2, 2},
    {"histogram_fraction", false, Type::kVector, 3, 3},
    {"label_join", false, Type::kVector, 3, kAny},
    {"label_replace", false, Type::kVector, 5, 5},
    {"sort_by_label", false, Type::kVector, 2, kAny},
    {"sort_by_label_desc", false, Type::kVector, 2, kAny},
    {"info", false, Type::kVector, 1, 2},
    {"rate", true},
    {"irate", true},
    {"increase", true},
    {"delta", true},
    {"idelta", true},
    {"deriv", true},
    {"changes", true},
    {"resets", true},
    {"absent_over_time", true},
    {"avg_over_time", true},
    {"count_over_time", true},
    {"last_over_time", true},
    {"first_over_time", true},
    {"max_over_time", true},
    {"min_over_time", true},
    {"mad_over_time", true},
    {"present_over_time", true},
    {"stddev_over_time", true},
    {"stdvar_over_time", true},
    {"sum_over_time", true},
    {"ts_of_max_over_time", true},
    {"ts_of_min_over_time", true},
    {"ts_of_last_over_time", true},
    {"quantile_over_time", true, Type::kVector, 2, 2, 1},
    {"predict_linear", true, Type::kVector, 2, 2},
    {"holt_winters", true, Type::kVector, 3, 3},
    {"double_exponential_smoothing", true, Type::kVector, 3, 3},
};

struct Aggregate {
  std::string_view name;
  bool has_parameter = false;
};
constexpr Aggregate kAggregates[] = {{"sum"},
                                     {"min"},
                                     {"max"},
                                     {"avg"},
                                     {"group"},
                                     {"stddev"},
                                     {"stdvar"},
                                     {"count"},
                                     {"count_values", true},
                                     {"bottomk", true},
                                     {"topk", true},
                                     {"quantile", true},
                                     {"limitk", true},
                                     {"limit_ratio", true}};

bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}
bool is_name_char(char c) {
  return is_name_start(c) || (c >= '0' && c <= '9');
}

std::string lower_word(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

// The binary operators by how tightly they bind.
int precedence(std::string_view op) {
  if (op == "or") return 1;
  if (op == "and" || op == "unless") return 2;
  if (op == "==" || op == "!=" || op == "<" || op == "<=" || op == ">" || op == ">=") return 3;
  if (op == "+" || op == "-") return 4;
  if (op == "*" || op == "/" || op == "%" || op == "atan2") return 5;
  return op == "^" ? 6 : 0;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  PromqlAnswer run() {
    const Result<Type> type = expression(1);
    blanks();
    if (type.ok() && place_ < text_.size()) {
      out_.error = "something follows the expression";
    } else if (!type.ok()) {
      out_.error = type.error().message;
    } else {
      out_.is_range = *type == Type::kRange;
    }
    out_.offset = std::min(place_, text_.size());
    return std::move(out_);
  }

 private:
  void blanks() {
    while (place_ < text_.size()) {
      const char c = text_[place_];
      if (c == '#') {
        while (place_ < text_.size() && text_[place_] != '\n') ++place_;
      } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        ++place_;
      } else {
        return;
      }
    }
  }
  bool at(std::string_view token) {
    blanks();
    return text_.substr(place_).starts_with(token);
  }
  bool take(std::string_view token) {
    if (!at(token)) return false;
    place_ += token.size();
    return true;
  }
  // A whole word, whatever its letters' case.
  std::string peek_word() {
    blanks();
    size_t end = place_;
    while (end < text_.size() && is_name_char(text_[end])) ++end;
    return std::string(text_.substr(place_, end - place_));
  }
  bool take_word(std::string_view word) {
    if (lower_word(peek_word()) != word) return false;
    place_ += word.size();
    return true;
  }
  Status expect(std::string_view token) {
    if (take(token)) return {};
    return invalid_argument("\"", token, "\" is missing");
  }

  std::string operator_here() {
    blanks();
    const std::string word = lower_word(peek_word());
    if (word == "or" || word == "and" || word == "unless" || word == "atan2") return word;
    for (const std::string_view op : {"==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "^"}) {
      if (at(op)) return std::string(op);
    }
    return "";
  }

  Result<Type> expression(int least) {
    if (++depth_ > kMaxQueryDepth) return invalid_argument("nested too deep");
    HADAL_ASSIGN(Type left, unary());
    for (;;) {
      const std::string op = operator_here();
      const int level = precedence(op);
      if (level == 0 || level < least) break;
      place_ += op.size();
      bool returns_bool = false;
      HADAL_RETURN_IF_ERROR(modifiers(op, returns_bool));
      HADAL_ASSIGN(const Type right, expression(op == "^" ? level : level + 1));
      HADAL_RETURN_IF_ERROR(check_operands(op, left, right, returns_bool));
      left = left == Type::kScalar && right == Type::kScalar ? Type::kScalar : Type::kVector;
    }
    --depth_;
    return left;
  }

  static Status check_operands(const std::string& op, Type left, Type right, bool returns_bool) {
    for (const Type side : {left, right}) {
      if (side == Type::kRange) return invalid_argument("a range vector cannot stand beside \"", op, "\"");
      if (side == Type::kString) return invalid_argument("a string cannot stand beside \"", op, "\"");
      if (side == Type::kScalar && precedence(op) <= 2)
        return invalid_argument("\"", op, "\" needs a vector on each side");
    }
    if (precedence(op) == 3 && left == Type::kScalar && right == Type::kScalar && !returns_bool)
      return invalid_argument("two numbers are compared with \"", op, " bool\"");
    return {};
  }

  Status labels() {
    HADAL_RETURN_IF_ERROR(expect("("));
    while (!at(")")) {
      if (at("\"") || at("'")) {
        HADAL_RETURN_IF_ERROR(string_literal());
      } else {
        const std::string label = peek_word();
        if (label.empty()) return invalid_argument("a label's name is missing");
        place_ += label.size();
      }
      if (!take(",")) break;
    }
    return expect(")");
  }

  Status modifiers(const std::string& op, bool& returns_bool) {
    if (take_word("bool")) {
      if (precedence(op) != 3) return invalid_argument("\"bool\" goes with comparisons alone");
      returns_bool = true;
    }
    if (take_word("on") || take_word("ignoring")) {
      HADAL_RETURN_IF_ERROR(labels());
      if (take_word("group_left") || take_word("group_right")) {
        if (at("(")) HADAL_RETURN_IF_ERROR(labels());
      }
    }
    return {};
  }

  Result<Type> unary() {
    if (at("-") || at("+")) {
      ++place_;
      if (++depth_ > kMaxQueryDepth) return invalid_argument("nested too deep");
      HADAL_ASSIGN(const Type type, expression(6));
      --depth_;
      if (type != Type::kScalar && type != Type::kVector)
        return invalid_argument("a sign needs a number or a vector");
      return type;
    }
    HADAL_ASSIGN(const Type type, primary());
    return postfix(type);
  }

  Status duration() {
    blanks();
    size_t end = place_;
    while (end < text_.size() &&
           ((is_name_char(text_[end]) && text_[end] != ':') || text_[end] == '$' || text_[end] == '.'))
      ++end;
    const std::string_view word = text_.substr(place_, end - place_);
    // Grafana's variables.
    if (!word.starts_with("$")) {
      const bool number = !word.empty() && word.find_first_not_of("0123456789.") == std::string_view::npos;
      if (!number && !parse_prometheus_duration(word))
        return invalid_argument("\"", word, "\" is no duration: 5m, 1h30m");
    }
    place_ = end;
    return {};
  }

  Result<Type> postfix(Type type) {
    for (;;) {
      if (take("[")) {
        if (type != Type::kVector) return invalid_argument("only a vector has a range");
        if (!at(":")) HADAL_RETURN_IF_ERROR(duration());
        if (take(":") && !at("]")) HADAL_RETURN_IF_ERROR(duration());
        HADAL_RETURN_IF_ERROR(expect("]"));
        type = Type::kRange;
      } else if (take_word("offset")) {
        take("-");
        HADAL_RETURN_IF_ERROR(duration());
      } else if (take("@")) {
        blanks();
        if (take_word("start") || take_word("end")) {
          HADAL_RETURN_IF_ERROR(expect("("));
          HADAL_RETURN_IF_ERROR(expect(")"));
        } else {
          take("-");
          HADAL_RETURN_IF_ERROR(number());
        }
      } else {
        return type;
      }
    }
  }

  Status number() {
    blanks();
    const std::string word = lower_word(peek_word());
    if (word == "inf" || word == "nan") {
      place_ += word.size();
      return {};
    }
    size_t end = place_;
    while (end < text_.size() &&
           ((text_[end] >= '0' && text_[end] <= '9') || text_[end] == '.' || text_[end] == '_'))
      ++end;
    if (end == place_) return invalid_argument("a number is missing");
    if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E' || text_[end] == 'x')) {
      ++end;
      if (end < text_.size() && (text_[end] == '-' || text_[end] == '+')) ++end;
      const size_t digits = end;
      while (end < text_.size() && is_name_char(text_[end]) && text_[end] != ':') ++end;
      if (digits == end) return invalid_argument("a number is not complete");
    } else if (end < text_.size() && is_name_start(text_[end]) && text_[end] != ':') {
      return duration();
    }
    place_ = end;
    return {};
  }

  Status string_literal(std::string* value = nullptr) {
    const char quote = text_[place_++];
    while (place_ < text_.size() && text_[place_] != quote) {
      if (text_[place_] == '\\' && quote != '`' && place_ + 1 < text_.size()) {
        ++place_;
        if (value != nullptr && text_[place_] != '\\') *value += '\\';
      }
      if (value != nullptr) *value += text_[place_];
      ++place_;
    }
    if (place_ >= text_.size()) return invalid_argument("a string does not end");
    ++place_;
    return {};
  }

  Result<Type> primary() {
    blanks();
    if (place_ >= text_.size()) return invalid_argument("the expression ends too early");
    const char c = text_[place_];
    if (take("(")) {
      HADAL_ASSIGN(const Type type, expression(1));
      HADAL_RETURN_IF_ERROR(expect(")"));
      return type;
    }
    if (c == '{') return selector("");
    if (c == '"' || c == '\'' || c == '`') {
      HADAL_RETURN_IF_ERROR(string_literal());
      return Type::kString;
    }
    // Grafana's "$variable" stands for a number.
    if (c == '$') {
      ++place_;
      place_ += peek_word().size();
      return Type::kScalar;
    }
    const std::string word = peek_word();
    const std::string low = lower_word(word);
    if ((c >= '0' && c <= '9') || c == '.' || low == "inf" || low == "nan") {
      HADAL_RETURN_IF_ERROR(number());
      return Type::kScalar;
    }
    if (word.empty()) return invalid_argument("\"", std::string(1, c), "\" is not expected here");
    return named(word, low);
  }

  Result<Type> named(const std::string& word, const std::string& low) {
    const size_t begin = place_;
    place_ += word.size();
    for (const Aggregate& aggregate : kAggregates) {
      if (aggregate.name == low && (at("(") || is_grouping())) return aggregation(aggregate);
    }
    if (at("(")) {
      for (const Function& function : kFunctions) {
        if (function.name == word) return call(function);
      }
      place_ = begin;
      return invalid_argument("there is no function ", word, "()");
    }
    if (precedence(low) > 0 || low == "by" || low == "without") {
      place_ = begin;
      return invalid_argument("\"", word, "\" is not expected here");
    }
    return selector(word);
  }

  bool is_grouping() {
    const std::string word = lower_word(peek_word());
    return word == "by" || word == "without";
  }

  Result<Type> aggregation(const Aggregate& aggregate) {
    bool grouped = false;
    if (take_word("by") || take_word("without")) {
      grouped = true;
      HADAL_RETURN_IF_ERROR(labels());
    }
    HADAL_RETURN_IF_ERROR(expect("("));
    HADAL_ASSIGN(Type type, expression(1));
    if (aggregate.has_parameter) {
      HADAL_RETURN_IF_ERROR(expect(","));
      HADAL_ASSIGN(type, expression(1));
    }
    HADAL_RETURN_IF_ERROR(expect(")"));
    if (type != Type::kVector)
      return invalid_argument(aggregate.name, "() needs a vector",
                              type == Type::kRange ? ", not a range" : "");
    if (!grouped && (take_word("by") || take_word("without"))) HADAL_RETURN_IF_ERROR(labels());
    return Type::kVector;
  }

  Result<Type> call(const Function& function) {
    HADAL_RETURN_IF_ERROR(expect("("));
    int count = 0;
    while (!at(")")) {
      HADAL_ASSIGN(const Type type, expression(1));
      if (function.over_range && count == function.range_place && type != Type::kRange)
        return invalid_argument(function.name, "() needs a range: ", function.name, "(metric[5m])");
      if (type == Type::kRange && !(function.over_range && count == function.range_place))
        return invalid_argument(function.name, "() takes no range here");
      ++count;
      if (!take(",")) break;
    }
    HADAL_RETURN_IF_ERROR(expect(")"));
    if (count < function.least || count > function.most)
      return invalid_argument(function.name, "() takes ", function.least,
                              function.most > function.least ? " or more" : "", " arguments, not ", count);
    return function.gives;
  }

  Result<Type> selector(const std::string& name) {
    if (!name.empty()) out_.metrics.push_back(name);
    bool has_name = !name.empty();
    if (take("{")) {
      while (!at("}")) {
        HADAL_RETURN_IF_ERROR(matcher(has_name));
        if (!take(",")) break;
      }
      HADAL_RETURN_IF_ERROR(expect("}"));
    }
    if (!has_name && num_matchers_ == 0) return invalid_argument("a selector needs a metric or a label");
    return Type::kVector;
  }

  Status matcher(bool& has_name) {
    blanks();
    std::string label;
    if (place_ < text_.size() && (text_[place_] == '"' || text_[place_] == '\'')) {
      HADAL_RETURN_IF_ERROR(string_literal(&label));
      if (at(",") || at("}")) {
        out_.metrics.push_back(label);
        has_name = true;
        return {};
      }
    } else {
      label = peek_word();
      if (label.empty()) return invalid_argument("a label's name is missing");
      place_ += label.size();
    }
    ++num_matchers_;
    const bool regex = at("=~") || at("!~");
    if (!take("=~") && !take("!~") && !take("!=") && !take("="))
      return invalid_argument("a label needs =, !=, =~ or !~");
    blanks();
    if (place_ >= text_.size() || (text_[place_] != '"' && text_[place_] != '\'' && text_[place_] != '`'))
      return invalid_argument("a label's value must be in quotes");
    std::string value;
    HADAL_RETURN_IF_ERROR(string_literal(&value));
    if (label == "__name__" && !regex) out_.metrics.push_back(value);
    if (regex && value.find('$') == std::string::npos) {
      const Result<GoRegex> pattern = GoRegex::compile(value);
      if (!pattern.ok()) return invalid_argument("\"", value, "\" is no pattern: ", pattern.error().message);
    }
    return {};
  }

  std::string_view text_;
  size_t place_ = 0;
  int depth_ = 0;
  int num_matchers_ = 0;
  PromqlAnswer out_;
};

}  // namespace

PromqlAnswer check_promql(std::string_view text) {
  if (text.size() > kMaxQuery) {
    PromqlAnswer out;
    out.error = "the expression is too long";
    return out;
  }
  return Parser(text).run();
}

}  // namespace hadal
