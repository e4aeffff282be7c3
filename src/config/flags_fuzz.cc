// libFuzzer: a command line, one argument a line, then a zero byte and the YAML file that --config names.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/unique_fd.h"
#include "config/flags.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t zero = std::min(input.find('\0'), input.size());
  const std::string_view yaml = input.substr(std::min(zero + 1, size));
  const hadal::UniqueFd file(::memfd_create("config", MFD_CLOEXEC));
  if (::write(file.get(), yaml.data(), yaml.size()) != static_cast<ssize_t>(yaml.size())) return 0;
  std::vector<std::string> arguments = {"serve", "m", "--config",
                                        "/proc/self/fd/" + std::to_string(file.get())};
  for (std::string_view rest = input.substr(0, zero); !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string argument(rest.substr(0, end));
    // No other file than the one above is opened.
    if (argument.find("conf") == std::string::npos) arguments.push_back(argument);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  const auto parsed = hadal::parse_command_line(arguments, [](std::string_view) { return std::nullopt; });
  if (!parsed.ok()) HADAL_CHECK(!parsed.error().message.empty());
  return 0;
}
