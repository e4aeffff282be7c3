// References of container images, by the grammar that containerd and CRI-O read them with (the distribution
// project's reference package): [domain/]path[:tag][@digest]. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hadal {

struct ImageRef {
  std::string domain;  // "ghcr.io", "localhost:5000"; "" where the reference names none
  std::string path;    // "lmsysorg/sglang"
  std::string tag;     // "v0.5.5"; "" none
  std::string digest;  // "sha256:..."; "" none
};

// kInvalidArgument: what is wrong with it and how it is written: "the path UPPER has capital letters: ...".
Result<ImageRef> parse_image_ref(std::string_view text);

// [A-Za-z0-9_][A-Za-z0-9_.-]{0,127}
bool is_image_tag(std::string_view text);

}  // namespace hadal
