// Prints docs/flags.md.
#include <cstdio>

#include "config/flags.h"

int main() {
  const std::string text = hadal::flags_markdown();
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 1;
}
