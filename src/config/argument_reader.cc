#include <algorithm>

#include "config/flag_values.h"
#include "config/sglang_flags.h"

namespace hadal {
namespace {

constexpr std::string_view kOrigin = "command line: ";

bool is_number(std::string_view text) {
  return text.find_first_of("0123456789") != std::string_view::npos &&
         text.find_first_not_of("+-.0123456789eE_") == std::string_view::npos;
}

// "-1" and "- and so on" are values; "--name" and "-p" are flags.
bool looks_like_flag(std::string_view text) {
  if (text.size() < 2 || text[0] != '-' || is_number(text)) return false;
  if (text.find_first_of(" \t\n") < text.find('=')) return false;
  return text[1] == '-' || text.size() == 2;
}

class ArgumentReader {
 public:
  ArgumentReader(const std::vector<std::string>& arguments, unsigned command)
      : arguments_(arguments), command_(command) {}

  Result<ArgumentLayer> read() {
    while (next_ < arguments_.size()) {
      const std::string& argument = arguments_[next_++];
      if (argument == "--") {
        out_.positionals.insert(out_.positionals.end(),
                                arguments_.begin() + static_cast<std::ptrdiff_t>(next_), arguments_.end());
        break;
      }
      if (looks_like_flag(argument)) {
        HADAL_RETURN_IF_ERROR(take_flag(argument));
      } else {
        out_.positionals.push_back(argument);
      }
    }
    return std::move(out_);
  }

 private:
  Status take_flag(const std::string& argument) {
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    std::vector<std::string> given;
    if (equals != std::string::npos) given.push_back(argument.substr(equals + 1));
    if (name == "--help" || name == "-h") return out_.help = true, Status();
    if (name == "--version") return out_.version = true, Status();
    if (const FlagSpec* flag = find_flag(name, command_)) return take_own(*flag, name, std::move(given));
    if (const SglangMatch match = find_sglang_flag(name);
        match.flag != nullptr && (command_ & kForBoth) != 0) {
      if (given.empty()) given = following_values(match);
      HADAL_ASSIGN(const bool taken, take_sglang_flag(name, name, given, out_.notes));
      HADAL_CHECK(taken);
      return {};
    }
    return invalid_argument(unknown_flag_message(name, name, command_));
  }

  Status take_own(const FlagSpec& flag, const std::string& name, std::vector<std::string> given) {
    if (given.empty() && flag.metavar.empty()) {
      given.push_back("true");
    } else if (given.empty()) {
      if (next_ == arguments_.size() || looks_like_flag(arguments_[next_])) {
        const std::string form = name + "=" + std::string(flag.metavar);
        return invalid_argument(
            name, " needs a value: ", name, " ", flag.metavar,
            next_ == arguments_.size() ? "" : " (" + form + " where it begins with a dash)");
      }
      given.push_back(arguments_[next_++]);
    }
    FlagValue& value = out_.values[&flag];
    value.origin = std::string(kOrigin) + name;
    if (!flag.repeats) value.texts.clear();
    value.texts.push_back(std::move(given.front()));
    return {};
  }

  std::vector<std::string> following_values(const SglangMatch& match) {
    std::vector<std::string> out;
    size_t most = 0;
    if (!match.negated) {
      const FlagValues values = match.flag->values;
      if (values == FlagValues::kOne || values == FlagValues::kOptional) most = 1;
      if (values == FlagValues::kNumbers || values == FlagValues::kWords) most = arguments_.size();
    }
    // A list of numbers ends at the first word: that is the model.
    const bool numbers = match.flag->values == FlagValues::kNumbers;
    while (out.size() < most && next_ < arguments_.size() && !looks_like_flag(arguments_[next_]) &&
           (!numbers || is_number(arguments_[next_]))) {
      out.push_back(arguments_[next_++]);
    }
    return out;
  }

  const std::vector<std::string>& arguments_;
  const unsigned command_;
  size_t next_ = 0;
  ArgumentLayer out_;
};

}  // namespace

Result<bool> take_sglang_flag(std::string_view name, std::string_view spelling,
                              const std::vector<std::string>& values, std::vector<std::string>& notes) {
  const SglangMatch match = find_sglang_flag(name);
  if (match.flag == nullptr) return false;
  const SglangFlags& flag = *match.flag;
  const bool harmless =
      match.negated || (values.size() == 1 && (values[0] == "false" || values[0] == "False" ||
                                               (!flag.harmless.empty() && values[0] == flag.harmless)));
  if (flag.reason.verdict == FlagVerdict::kUnneeded) {
    notes.push_back(std::string(spelling) + " is not needed: " + std::string(flag.reason.text));
  } else if (!harmless) {
    return make_error(ErrorCode::kUnsupported, spelling, ": ", flag.reason.text);
  }
  return true;
}

std::string unknown_flag_message(std::string_view name, std::string_view spelling, unsigned command) {
  std::string_view own, other;
  for (const CommandSpec& spec : command_table()) {
    if (spec.mask == command) own = spec.name;
    if (other.empty() && find_flag(name, spec.mask) != nullptr) other = spec.name;
  }
  if (!other.empty()) {
    return std::string(spelling) + " is a flag of hadal " + std::string(other) + ", not of hadal " +
           std::string(own);
  }
  const std::string nearest = nearest_flag(name, command);
  if (nearest.empty()) return "unknown flag " + std::string(spelling) + ": see --help";
  return "unknown flag " + std::string(spelling) + ": did you mean " + nearest + "?";
}

Result<ArgumentLayer> read_arguments(const std::vector<std::string>& arguments, unsigned command) {
  return ArgumentReader(arguments, command).read();
}

}  // namespace hadal
