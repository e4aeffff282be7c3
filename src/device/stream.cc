#include "device/stream.h"

namespace hadal {

std::unique_ptr<Stream> Stream::cpu(int num_threads, int first_cpu) {
  return std::unique_ptr<Stream>(new Stream(num_threads, first_cpu));
}

}  // namespace hadal
