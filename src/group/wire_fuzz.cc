// Frames and fields from a hostile peer: never a crash, never a read past the end.
#include <cstdint>

#include "group/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  std::string raw(input);
  for (uint64_t sequence = 1; sequence < 4; ++sequence) {
    const auto frame = hadal::decode_frame(raw, sequence, "key", 1 << 16);
    if (!frame.ok() || !frame->has_value()) break;
  }
  // The same bytes behind a valid signature, so that the parsing behind it is reached.
  if (size > 0) {
    const auto type = static_cast<hadal::FrameType>(1 + data[0] % 15);
    auto encoded = hadal::encode_frame({type, std::string(input.substr(1))}, 1, "key");
    if (!encoded.ok()) return 0;
    std::string framed = std::move(encoded).value();
    const auto frame = hadal::decode_frame(framed, 1, "key", size);
    if (frame.ok() && frame->has_value()) {
      std::string_view payload = (*frame)->payload;
      while (hadal::take_field(payload).ok()) {
      }
    }
  }
  return 0;
}
